/* SPDX-License-Identifier: MIT */
/*
 * The reference daemon: rfused MOUNTPOINT [NAME=VALUE]...
 * Prints "ready" when the mount is served; ends with it, status 0.
 */
#include <stdio.h>
#include <string.h>

#include "ring.h"

int main(int argc, char **argv)
{
	static struct daemon d = { .fuse_fd = -1, .ring_fd = -1 };
	int error;

	if (!parse_options(argc, argv, &d.options)) {
		fprintf(stderr, "usage: rfused MOUNTPOINT [type=fuse|rfuse] [sleep=wait|watch|eventfd|device] [NAME=NUMBER]...\n");
		return 2;
	}
	fs_init(&d.options);
	if (daemon_mount(&d) || daemon_init_handshake(&d))
		return 1;
	if (d.options.ring) {
		if (daemon_attach(&d) || daemon_map(&d))
			return 1;
		serve_channels(&d);
	}
	printf("ready channels=%u depth=%u\n", d.setup.channels, d.setup.depth);
	fflush(stdout);
	if (d.options.ring && d.options.sleep == SLEEP_DEVICE) {
		join_servers(&d);
		return 0;
	}
	error = serve_slow_lane(&d);
	if (error)
		fprintf(stderr, "slow lane: %s\n", strerror(-error));
	return error ? 1 : 0;
}
