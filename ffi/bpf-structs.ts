// Owns: the members of `union bpf_attr` that are used here, and the numbers of <linux/bpf.h> that go with them; the same
// on x86_64 and aarch64. Names are the kernel's without BPF_.
// Must not: make system calls.

import { defineStruct } from "./struct.ts";

/** Commands of bpf(2). */
export const BPF_CMD = {
  MAP_CREATE: 0,
  MAP_LOOKUP_ELEM: 1,
  MAP_UPDATE_ELEM: 2,
  MAP_DELETE_ELEM: 3,
  MAP_GET_NEXT_KEY: 4,
  PROG_LOAD: 5,
  PROG_TEST_RUN: 10,
  OBJ_GET_INFO_BY_FD: 15,
  MAP_LOOKUP_BATCH: 24,
  MAP_LOOKUP_AND_DELETE_BATCH: 25,
  MAP_UPDATE_BATCH: 26,
  MAP_DELETE_BATCH: 27,
} as const;

/** Types of maps. */
export const BPF_MAP_TYPE = {
  HASH: 1,
  ARRAY: 2,
  PROG_ARRAY: 3,
  PERCPU_HASH: 5,
  PERCPU_ARRAY: 6,
  LRU_HASH: 9,
  RINGBUF: 27,
} as const;

/** Flags of MAP_CREATE. MMAPABLE: arrays only; RDONLY_PROG: programs may not write. */
export const BPF_MAP_FLAG = { NO_PREALLOC: 1, RDONLY_PROG: 1 << 7, MMAPABLE: 1 << 10 } as const;

/** Flags of MAP_UPDATE_ELEM: set in any case, only if the key is new, only if it is there. */
export const BPF_UPDATE = { ANY: 0, NOEXIST: 1, EXIST: 2 } as const;

/** Types of programs. */
export const BPF_PROG_TYPE = { SOCKET_FILTER: 1, SYSCALL: 31 } as const;

/** Flags of PROG_LOAD. */
export const BPF_PROG_FLAG = { SLEEPABLE: 1 << 4 } as const;

/** Bytes of a name in the kernel, its NUL included. */
export const BPF_OBJ_NAME_LEN = 16;

export const BpfMapCreate = defineStruct("bpf_map_create", 72, {
  map_type: "u32",
  key_size: "u32",
  value_size: "u32",
  max_entries: "u32",
  map_flags: "u32",
  inner_map_fd: "u32",
  numa_node: "u32",
  map_name: { type: "u8", count: BPF_OBJ_NAME_LEN },
  map_ifindex: "u32",
  btf_fd: "u32",
  btf_key_type_id: "u32",
  btf_value_type_id: "u32",
  btf_vmlinux_value_type_id: "u32",
  map_extra: "u64",
});

/** Of MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM, MAP_DELETE_ELEM and MAP_GET_NEXT_KEY, where `value` is the next key. */
export const BpfMapElem = defineStruct("bpf_map_elem", 32, {
  map_fd: "u32",
  __pad0: "u32",
  key: "u64",
  value: "u64",
  flags: "u64",
});

export const BpfMapBatch = defineStruct("bpf_map_batch", 56, {
  in_batch: "u64",
  out_batch: "u64",
  keys: "u64",
  values: "u64",
  count: "u32",
  map_fd: "u32",
  elem_flags: "u64",
  flags: "u64",
});

export const BpfProgLoad = defineStruct("bpf_prog_load", 80, {
  prog_type: "u32",
  insn_cnt: "u32",
  insns: "u64",
  license: "u64",
  log_level: "u32",
  log_size: "u32",
  log_buf: "u64",
  kern_version: "u32",
  prog_flags: "u32",
  prog_name: { type: "u8", count: BPF_OBJ_NAME_LEN },
  prog_ifindex: "u32",
  expected_attach_type: "u32",
  prog_btf_fd: "u32",
  func_info_rec_size: "u32",
});

export const BpfTestRun = defineStruct("bpf_test_run", 80, {
  prog_fd: "u32",
  retval: "u32",
  data_size_in: "u32",
  data_size_out: "u32",
  data_in: "u64",
  data_out: "u64",
  repeat: "u32",
  duration: "u32",
  ctx_size_in: "u32",
  ctx_size_out: "u32",
  ctx_in: "u64",
  ctx_out: "u64",
  flags: "u32",
  cpu: "u32",
  batch_size: "u32",
  __pad0: "u32",
});

export const BpfInfo = defineStruct("bpf_info", 16, { bpf_fd: "u32", info_len: "u32", info: "u64" });
