// Owns: numbers of the kernel's helpers that programs of type SYSCALL can call on Linux 6.1 and later, by their names
// without bpf_. Arguments go to r1 to r5, the result comes in r0; r1 to r5 are destroyed. Source: <linux/bpf.h>.

export const HELPERS = {
  /** r1 map, r2 key; result: the value's address, or 0. */
  map_lookup_elem: 1,
  /** r1 map, r2 key, r3 value, r4 BPF_UPDATE flags; 0 or -errno. */
  map_update_elem: 2,
  /** r1 map, r2 key; 0 or -errno. */
  map_delete_elem: 3,
  /** Nanoseconds of CLOCK_MONOTONIC. */
  ktime_get_ns: 5,
  /** r1 format (of the program's), r2 its bytes, r3 to r5 values: a line in the trace pipe. */
  trace_printk: 6,
  get_prandom_u32: 7,
  get_smp_processor_id: 8,
  /** Process id in the upper half, thread id in the lower. */
  get_current_pid_tgid: 14,
  /** Group in the upper half, user in the lower. */
  get_current_uid_gid: 15,
  /** r1 buffer, r2 its bytes: the caller's name. */
  get_current_comm: 16,
  /** r1 buffer, r2 its bytes, r3 address in the kernel; 0 or -errno. */
  probe_read_kernel: 113,
  jiffies64: 118,
  ktime_get_boot_ns: 125,
  /** r1 ring buffer, r2 data, r3 its bytes, r4 flags; 0 or -errno. */
  ringbuf_output: 130,
  /** r1 ring buffer, r2 bytes, r3 0; result: memory to fill and submit or discard, or 0. */
  ringbuf_reserve: 131,
  ringbuf_submit: 132,
  ringbuf_discard: 133,
} as const;

export type Helper = keyof typeof HELPERS;
