/* SPDX-License-Identifier: MIT */
/* eBPF programs for a ring, assembled from rules, and where they are placed. */
#ifndef RING_PROGRAM_H
#define RING_PROGRAM_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#include "suite.h"

/* One value that a program writes into its context. */
struct store {
	unsigned int offset;
	unsigned int width;	/* 1, 2, 4 or 8 */
	uint64_t value;
};

/* When a request is this one, write and return the verdict; else go on to the next rule. */
struct rule {
	uint64_t nodeid;	/* 0: any */
	const char *name;	/* at most 7 bytes; NULL: any */
	const char *name2;	/* likewise */
	uint32_t verdict;
	struct store stores[24];	/* until one of width 0 */
};

#define IN(field) offsetof(struct rfuse_bpf_context, field)
#define WRITE_FIELD(field, to) { IN(field), sizeof(((struct rfuse_bpf_context *)0)->field), (uint64_t)(to) }
/* A field of STRUCT at BYTE of 'out'. */
#define WRITE_OUT(byte, struct, field, to) \
	{ IN(out) + (byte) + offsetof(struct, field), sizeof(((struct *)0)->field), (uint64_t)(to) }

/* Descriptor of a loaded program; without a match it returns UPCALL. */
int program_of(const struct rule *rules, unsigned int count);
/* One rule, all of whose fields are given by name. */
#define PROGRAM(...) program_of(&(struct rule){ __VA_ARGS__ }, 1)
int load_program(enum bpf_prog_type type, const struct bpf_insn *insns, unsigned int count, int *error);
/* One whose only function BTF describes as global, so that it can be replaced by another after it was placed. */
int replaceable_program(void);

/* A descriptor of the daemon's: of its ring, or of its /dev/fuse. */
int descriptor_of(struct mounted *m, const char *device);
/* 0, or errno. */
int place(int ring, uint32_t opcode, int program);
/* Places a program and closes its descriptor: it lives on by being placed. */
void place_and_close(int ring, uint32_t opcode, int program);
struct rfuse_bpf_counters program_counters(int ring, uint32_t opcode);
/* Requests that reached the daemon so far, on any lane. */
uint64_t daemon_requests(int ring);

#endif
