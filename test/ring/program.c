/* SPDX-License-Identifier: MIT */
/* An assembler of a few instructions, the bpf(2) calls, and RFUSE_IOC_BPF. */
#include <errno.h>
#include <linux/btf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "program.h"

#define MOST 1024

struct code {
	struct bpf_insn insns[MOST];
	unsigned int count;
};

/* The context stays in r1, values go through r2 and r3. */
enum { RESULT = 0, CONTEXT = 1, VALUE = 2, WANTED = 3 };

static void emit(struct code *c, uint8_t op, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	check(c->count < MOST);
	c->insns[c->count++] = (struct bpf_insn){ .code = op, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm };
}

static void load_constant(struct code *c, uint8_t reg, uint64_t value)
{
	emit(c, BPF_LD | BPF_IMM | BPF_DW, reg, 0, 0, (int32_t)value);
	emit(c, 0, 0, 0, 0, (int32_t)(value >> 32));
}

static uint8_t width_of(unsigned int bytes)
{
	return bytes == 8 ? BPF_DW : bytes == 4 ? BPF_W : bytes == 2 ? BPF_H : BPF_B;
}

/* Leaves a jump, whose index it returns, that is taken when the 8 bytes differ. */
static unsigned int jump_unless(struct code *c, unsigned int offset, uint64_t value)
{
	emit(c, BPF_LDX | BPF_MEM | BPF_DW, VALUE, CONTEXT, (int16_t)offset, 0);
	load_constant(c, WANTED, value);
	emit(c, BPF_JMP | BPF_JNE | BPF_X, VALUE, WANTED, 0, 0);
	return c->count - 1;
}

static uint64_t word_of(const char *name)
{
	uint64_t word = 0;

	check(strlen(name) < sizeof(word));
	memcpy(&word, name, strlen(name));
	return word;
}

/* False when nothing comes after it: the verifier wants no instruction that is never reached. */
static bool add_rule(struct code *c, const struct rule *rule)
{
	unsigned int jumps[3], count = 0;

	if (rule->nodeid)
		jumps[count++] = jump_unless(c, IN(nodeid), rule->nodeid);
	if (rule->name)
		jumps[count++] = jump_unless(c, IN(name), word_of(rule->name));
	if (rule->name2)
		jumps[count++] = jump_unless(c, IN(name2), word_of(rule->name2));
	for (const struct store *s = rule->stores; s->width; s++) {
		load_constant(c, VALUE, s->value);
		emit(c, BPF_STX | BPF_MEM | width_of(s->width), CONTEXT, VALUE, (int16_t)s->offset, 0);
	}
	emit(c, BPF_ALU | BPF_MOV | BPF_K, RESULT, 0, 0, (int32_t)rule->verdict);
	emit(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (unsigned int i = 0; i < count; i++)
		c->insns[jumps[i]].off = (int16_t)(c->count - jumps[i] - 1);
	return count > 0;
}

/* 'extra' says what else there is to load. */
static int load_with(union bpf_attr extra, enum bpf_prog_type type, const struct bpf_insn *insns, unsigned int count,
		     int *error)
{
	static char log[65536];
	int fd;

	extra.prog_type = type;
	extra.insns = (uintptr_t)insns;
	extra.insn_cnt = count;
	extra.license = (uintptr_t)"GPL";
	extra.prog_flags = type == BPF_PROG_TYPE_SYSCALL ? BPF_F_SLEEPABLE : 0;
	extra.log_buf = (uintptr_t)log;
	extra.log_size = sizeof(log);
	extra.log_level = 1;
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &extra, sizeof(extra));
	if (error)
		*error = fd < 0 ? errno : 0;
	else if (fd < 0)
		fail("the verifier says: %s (%s)", log, strerror(errno));
	return fd;
}

int load_program(enum bpf_prog_type type, const struct bpf_insn *insns, unsigned int count, int *error)
{
	return load_with((union bpf_attr){ 0 }, type, insns, count, error);
}

int replaceable_program(void)
{
	static const struct {
		struct btf_header header;
		struct btf_type integer;
		uint32_t bits;
		struct btf_type prototype, function;
		char strings[8];
	} btf = {
		.header = { .magic = 0xeb9f, .version = 1, .hdr_len = sizeof(struct btf_header), .type_len = 40,
			    .str_off = 40, .str_len = 8 },
		.integer = { .name_off = 1, .info = BTF_KIND_INT << 24, .size = 4 },
		.bits = BTF_INT_SIGNED << 24 | 32,
		.prototype = { .info = BTF_KIND_FUNC_PROTO << 24, .type = 1 },
		.function = { .name_off = 5, .info = BTF_KIND_FUNC << 24 | BTF_FUNC_GLOBAL, .type = 2 },
		.strings = "\0int\0f",
	};
	static const struct bpf_func_info function = { .insn_off = 0, .type_id = 3 };
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU | BPF_MOV | BPF_K }, { .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = { .btf = (uintptr_t)&btf, .btf_size = sizeof(btf) };
	union bpf_attr extra = { .func_info = (uintptr_t)&function, .func_info_cnt = 1,
				 .func_info_rec_size = sizeof(function) };
	int described = (int)syscall(SYS_bpf, BPF_BTF_LOAD, &load, sizeof(load)), fd;

	check(described >= 0);
	extra.prog_btf_fd = (uint32_t)described;
	fd = load_with(extra, BPF_PROG_TYPE_SYSCALL, nothing, 2, NULL);
	close(described);
	return fd;
}

int program_of(const struct rule *rules, unsigned int count)
{
	static struct code c;

	bool goes_on = true;

	c.count = 0;
	for (unsigned int i = 0; i < count && goes_on; i++)
		goes_on = add_rule(&c, &rules[i]);
	if (goes_on) {
		emit(&c, BPF_ALU | BPF_MOV | BPF_K, RESULT, 0, 0, RFUSE_BPF_UPCALL);
		emit(&c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
	return load_program(BPF_PROG_TYPE_SYSCALL, c.insns, c.count, NULL);
}

int descriptor_of(struct mounted *m, const char *device)
{
	int daemon = (int)syscall(SYS_pidfd_open, m->pid, 0), copy = -1;
	char path[64], target[64];

	check(daemon >= 0);
	for (int fd = 3; fd < 64 && copy < 0; fd++) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", m->pid, fd);
		length = readlink(path, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = 0;
		if (strcmp(target, device) == 0)
			copy = (int)syscall(SYS_pidfd_getfd, daemon, fd, 0);
	}
	close(daemon);
	if (copy < 0)
		fail("the daemon has no %s", device);
	return copy;
}

int place(int ring, uint32_t opcode, int program)
{
	struct rfuse_bpf arg = { .opcode = opcode, .fd = program };

	return ioctl(ring, RFUSE_IOC_BPF, &arg) ? errno : 0;
}

void place_and_close(int ring, uint32_t opcode, int program)
{
	int error = place(ring, opcode, program);

	if (error)
		fail("program for opcode %u: %s", opcode, strerror(error));
	close(program);
}

struct rfuse_bpf_counters program_counters(int ring, uint32_t opcode)
{
	struct rfuse_bpf_counters counters = { .opcode = opcode };

	check(ioctl(ring, RFUSE_IOC_BPF_COUNTERS, &counters) == 0);
	return counters;
}

uint64_t daemon_requests(int ring)
{
	struct rfuse_counters counters = { .channel = RFUSE_ALL_CHANNELS };

	check(ioctl(ring, RFUSE_IOC_COUNTERS, &counters) == 0);
	return counters.ring_requests + counters.slow_requests;
}
