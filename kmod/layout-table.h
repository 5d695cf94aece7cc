/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One row per field of a private fuse struct that this module touches. The
 * module carries them in a section of its own; check-layout compares them with
 * the BTF of the running kernel before the first load.
 */
#ifndef _RFUSE_LAYOUT_TABLE_H
#define _RFUSE_LAYOUT_TABLE_H

#define RFUSE_LAYOUT_SECTION	".rfuse_layout"
#define RFUSE_LAYOUT_NAME	40

struct rfuse_layout_row {
	char type[RFUSE_LAYOUT_NAME];
	char field[RFUSE_LAYOUT_NAME];	/* empty: the size of the struct */
	unsigned int value;		/* bytes */
	unsigned int reserved;
};

#endif /* _RFUSE_LAYOUT_TABLE_H */
