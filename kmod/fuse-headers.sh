#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Puts the private headers of fs/fuse of one kernel into private/, and writes
# private/probes.h, which says how that kernel's fuse looks.
# usage: fuse-headers.sh RELEASE [SOURCE]
# SOURCE: a kernel source tree, its fs/fuse, or a linux-source-*.tar.xz;
# without it /usr/src/linux-source-VERSION* of the distribution.
set -eu

release=$1
source=${2-}
here=$(cd "$(dirname "$0")" && pwd)
private=$here/private

fail() {
	echo "rfuse: $*" >&2
	exit 1
}

# 6.1.0-56-cloud-amd64 -> 6.1, 6.12.95+deb12-amd64 -> 6.12
version=$(echo "$release" | sed -E 's/^([0-9]+\.[0-9]+).*/\1/')

if [ -z "$source" ]; then
	for found in "/usr/src/linux-source-$version" \
		     "/usr/src/linux-source-$version".tar.*; do
		[ -e "$found" ] && source=$found && break
	done
	[ -n "$source" ] || fail "no kernel source for $release:" \
		"install linux-source-$version, or name one: make FUSE_SOURCE=DIR"
fi

stamp="$release $source $(stat -c '%s %Y' "$source")"
if [ -f "$private/probes.h" ] && [ "$(cat "$private/stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi
rm -rf "$private"
mkdir -p "$private"

if [ -f "$source" ]; then
	tar -xf "$source" -C "$private" --strip-components=3 \
		--wildcards '*/fs/fuse/*.h' ||
		fail "$source holds no fs/fuse/*.h"
elif [ -d "$source/fs/fuse" ]; then
	cp "$source"/fs/fuse/*.h "$private/"
else
	cp "$source"/*.h "$private/" || fail "$source holds no private fuse headers"
fi

has() { # has PATTERN: some private header matches
	grep -qsE "$1" "$private"/*.h
}

need() { # need PATTERN WHAT
	has "$1" || {
		rm -rf "$private"
		fail "the fuse headers of $release hold no $2:" \
			"this kernel's fuse has a shape that rfuse does not know"
	}
}

need '^struct fuse_req \{' 'struct fuse_req'
need '^struct fuse_iqueue \{' 'struct fuse_iqueue'
need '^struct fuse_iqueue_ops \{' 'struct fuse_iqueue_ops'
need '^struct fuse_pqueue \{' 'struct fuse_pqueue'
need 'struct list_head \*processing;' 'fuse_pqueue.processing as a hash table'
need '^struct fuse_dev \{' 'struct fuse_dev'
need '^struct fuse_args \{' 'struct fuse_args'
need 'struct fuse_arg out_args\[2\];' 'fuse_args.out_args[2]'
need 'FR_ISREPLY' 'flag FR_ISREPLY'
need 'FR_PRIVATE' 'flag FR_PRIVATE'
need '\(\*(send_req|wake_pending_and_unlock)\)' 'send_req or wake_pending_and_unlock'
need '(struct folio \*\*folios;|struct page \*\*pages;)' 'pages or folios of a request'
need '(struct fuse_dev \*fud;|void \*\*fudptr;)' 'fud or fudptr of the mount context'
need 'struct rw_semaphore killsb;' 'fuse_conn.killsb'
need 'struct list_head mounts;' 'fuse_conn.mounts'

{
	echo "/* Made by fuse-headers.sh for $release. */"
	[ -f "$private/args.h" ] && echo "#define RFUSE_HAS_ARGS_H"
	[ -f "$private/dev.h" ] && echo "#define RFUSE_HAS_DEV_H"
	[ -f "$private/fuse_dev_i.h" ] && echo "#define RFUSE_HAS_FUSE_DEV_I_H"
	has '^struct fuse_chan \{' && echo "#define RFUSE_HAS_CHAN"
	has '\(\*send_req\)' && echo "#define RFUSE_HAS_SEND_REQ"
	has '^void fuse_request_assign_unique\(' && echo "#define RFUSE_HAS_ASSIGN_UNIQUE"
	has 'struct folio \*\*folios;' && echo "#define RFUSE_HAS_FOLIOS"
	has 'void \*\*fudptr;' || echo "#define RFUSE_HAS_CTX_FUD"
	has 'io_uring' && echo "#define RFUSE_HAS_IO_URING"
	has 'struct idr backing_files_map;' && echo "#define RFUSE_HAS_BACKING_FILES"
	true
} >"$private/probes.h"
echo "$stamp" >"$private/stamp"
