// SPDX-License-Identifier: GPL-2.0-only
/*
 * check-layout MODULE.ko: compares the layout of fuse's private structs that
 * the module was built with to the BTF of the running kernel. Status 0: equal,
 * 1: different (each difference is named), 2: it could not be told.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout-table.h"

#define BTF_DIR "/sys/kernel/btf/"

struct blob {
	char *data;
	size_t size;
};

/* One BTF blob; a module's continues the strings of vmlinux. */
struct btf {
	struct blob blob;
	const struct btf_header *header;
	const char *strings;
	const struct btf *base;
};

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "check-layout: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(2);
}

/* sysfs files have no true size, so they are read, not mapped. */
static bool read_file(const char *path, struct blob *blob)
{
	size_t room = 1 << 20;
	int fd = open(path, O_RDONLY);
	ssize_t got = 0;

	if (fd < 0)
		return false;
	*blob = (struct blob){ malloc(room), 0 };
	while (blob->data &&
	       (got = read(fd, blob->data + blob->size, room - blob->size)) > 0) {
		blob->size += got;
		if (blob->size == room)
			blob->data = realloc(blob->data, room *= 2);
	}
	close(fd);
	if (!blob->data || got < 0)
		die("%s: cannot be read", path);
	return true;
}

static bool load_btf(const char *name, const struct btf *base, struct btf *btf)
{
	char path[80];

	snprintf(path, sizeof(path), BTF_DIR "%s", name);
	if (!read_file(path, &btf->blob))
		return false;
	btf->header = (void *)btf->blob.data;
	if (btf->blob.size < sizeof(*btf->header) ||
	    btf->header->magic != BTF_MAGIC)
		die("%s is not BTF", path);
	btf->strings = btf->blob.data + btf->header->hdr_len +
		       btf->header->str_off;
	btf->base = base;
	return true;
}

static const char *name_of(const struct btf *btf, unsigned int offset)
{
	if (btf->base && offset >= btf->base->header->str_len)
		return btf->strings + offset - btf->base->header->str_len;
	return btf->base ? btf->base->strings + offset : btf->strings + offset;
}

/* Bytes behind a btf_type of this kind. */
static size_t tail_of(const struct btf_type *type)
{
	unsigned int count = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return count * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return count * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return count * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return count * sizeof(struct btf_var_secinfo);
	case BTF_KIND_ENUM64:
		return count * sizeof(struct btf_enum64);
	}
	return 0;
}

static const struct btf_type *find_struct(const struct btf *btf,
					  const char *name)
{
	const char *at = btf->blob.data + btf->header->hdr_len +
			 btf->header->type_off;
	const char *end = at + btf->header->type_len;

	while (at + sizeof(struct btf_type) <= end) {
		const struct btf_type *type = (void *)at;

		if (BTF_INFO_KIND(type->info) == BTF_KIND_STRUCT &&
		    strcmp(name_of(btf, type->name_off), name) == 0)
			return type;
		at += sizeof(*type) + tail_of(type);
	}
	return NULL;
}

/* Offset of a field in bytes, or -1. */
static long find_field(const struct btf *btf, const struct btf_type *type,
		       const char *field)
{
	const struct btf_member *member = (void *)(type + 1);
	unsigned int i;

	for (i = 0; i < BTF_INFO_VLEN(type->info); i++, member++) {
		unsigned int bits = BTF_INFO_KFLAG(type->info) ?
			BTF_MEMBER_BIT_OFFSET(member->offset) : member->offset;

		if (strcmp(name_of(btf, member->name_off), field) == 0)
			return bits / 8;
	}
	return -1;
}

/* True when the row holds; a difference is printed. */
static bool check_row(const struct btf *btf, const struct rfuse_layout_row *row)
{
	const struct btf_type *type = find_struct(btf, row->type);
	const char *what = row->field[0] ? row->field : "(size)";
	long there;

	if (!type)
		die("the running kernel's BTF has no struct %s", row->type);
	there = row->field[0] ? find_field(btf, type, row->field) : type->size;
	if (there == row->value)
		return true;
	fprintf(stderr, "check-layout: struct %s %s: the module has %u, the running kernel %ld\n",
		row->type, what, row->value, there);
	return false;
}

/* The table inside the module. */
static const struct rfuse_layout_row *find_table(const struct blob *module,
						 size_t *count)
{
	const Elf64_Ehdr *header = (void *)module->data;
	const Elf64_Shdr *sections = (void *)(module->data + header->e_shoff);
	const char *names = module->data +
			    sections[header->e_shstrndx].sh_offset;
	unsigned int i;

	for (i = 0; i < header->e_shnum; i++) {
		if (strcmp(names + sections[i].sh_name, RFUSE_LAYOUT_SECTION))
			continue;
		*count = sections[i].sh_size / sizeof(struct rfuse_layout_row);
		return (void *)(module->data + sections[i].sh_offset);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct btf vmlinux = {}, fuse = {};
	const struct rfuse_layout_row *rows;
	const struct btf *btf = &vmlinux;
	struct blob module;
	size_t count, bad = 0, i;

	if (argc != 2)
		die("usage: check-layout MODULE.ko");
	if (!read_file(argv[1], &module) ||
	    module.size < sizeof(Elf64_Ehdr) ||
	    memcmp(module.data, ELFMAG, SELFMAG))
		die("%s is no module", argv[1]);
	rows = find_table(&module, &count);
	if (!rows || !count)
		die("%s holds no layout table", argv[1]);
	if (!load_btf("vmlinux", NULL, &vmlinux))
		die("the running kernel has no BTF (" BTF_DIR "vmlinux)");
	if (load_btf("fuse", &vmlinux, &fuse) && find_struct(&fuse, "fuse_req"))
		btf = &fuse;
	for (i = 0; i < count; i++)
		bad += !check_row(btf, &rows[i]);
	if (bad)
		fprintf(stderr, "check-layout: %zu of %zu differ: %s is for another kernel\n",
			bad, count, argv[1]);
	else
		printf("check-layout: %zu sizes and offsets agree with the running kernel\n",
		       count);
	return bad ? 1 : 0;
}
