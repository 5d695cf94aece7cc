// Owns: every struct of <linux/fuse.h>, protocol 7.46, as data: wire names, widths, order.
// Must not: hold constants, flags or code. Proven by gcc in test/abi/fuse-abi.test.ts.
// `since` is the protocol minor (7.N is N) and is stated only above 31, the oldest minor that is supported.
// All structs are made of fixed-width types, so sizes and offsets are the same on x86-64 and aarch64.
// A struct that ends in a flexible C array is described by its fixed part.

import { defineStruct } from "../../ffi/struct.ts";

// --- headers ---------------------------------------------------------------------------------------------------

/** Opens every request. `total_extlen` counts the extension records that follow, in units of 8 bytes. */
export const FuseInHeader = defineStruct("fuse_in_header", 40, {
  len: "u32",
  opcode: "u32",
  unique: "u64",
  nodeid: "u64",
  uid: "u32",
  gid: "u32",
  pid: "u32",
  total_extlen: { type: "u16", since: 38 },
  padding: { type: "u16", since: 38 },
});

/** Opens every reply and notification; in a notification `unique` is 0 and `error` holds the notify code. */
export const FuseOutHeader = defineStruct("fuse_out_header", 16, { len: "u32", error: "i32", unique: "u64" });

// --- attributes ------------------------------------------------------------------------------------------------

export const FuseAttr = defineStruct("fuse_attr", 88, {
  ino: "u64",
  size: "u64",
  blocks: "u64",
  atime: "u64",
  mtime: "u64",
  ctime: "u64",
  atimensec: "u32",
  mtimensec: "u32",
  ctimensec: "u32",
  mode: "u32",
  nlink: "u32",
  uid: "u32",
  gid: "u32",
  rdev: "u32",
  blksize: "u32",
  flags: { type: "u32", since: 32 },
});

export const FuseSxTime = defineStruct(
  "fuse_sx_time",
  16,
  { tv_sec: "i64", tv_nsec: "u32", __reserved: "i32" },
  { since: 39 },
);

/** Same layout as `struct statx` of statx(2). */
export const FuseStatx = defineStruct(
  "fuse_statx",
  256,
  {
    mask: "u32",
    blksize: "u32",
    attributes: "u64",
    nlink: "u32",
    uid: "u32",
    gid: "u32",
    mode: "u16",
    __spare0: { type: "u16", count: 1 },
    ino: "u64",
    size: "u64",
    blocks: "u64",
    attributes_mask: "u64",
    atime: FuseSxTime,
    btime: FuseSxTime,
    ctime: FuseSxTime,
    mtime: FuseSxTime,
    rdev_major: "u32",
    rdev_minor: "u32",
    dev_major: "u32",
    dev_minor: "u32",
    __spare2: { type: "u64", count: 14 },
  },
  { since: 39 },
);

export const FuseKstatfs = defineStruct("fuse_kstatfs", 80, {
  blocks: "u64",
  bfree: "u64",
  bavail: "u64",
  files: "u64",
  ffree: "u64",
  bsize: "u32",
  namelen: "u32",
  frsize: "u32",
  padding: "u32",
  spare: { type: "u32", count: 6 },
});

/** A byte range lock; `end` is inclusive, and 2^63 - 1 means "to the end of the file". */
export const FuseFileLock = defineStruct("fuse_file_lock", 24, { start: "u64", end: "u64", type: "u32", pid: "u32" });

// --- lookup and attributes -------------------------------------------------------------------------------------

/** A name's answer. `nodeid` 0 with a nonzero `entry_valid` is a cached "no such name". Timeouts: s and ns. */
export const FuseEntryOut = defineStruct("fuse_entry_out", 128, {
  nodeid: "u64",
  generation: "u64",
  entry_valid: "u64",
  attr_valid: "u64",
  entry_valid_nsec: "u32",
  attr_valid_nsec: "u32",
  attr: FuseAttr,
});

export const FuseForgetIn = defineStruct("fuse_forget_in", 8, { nlookup: "u64" });

export const FuseForgetOne = defineStruct("fuse_forget_one", 16, { nodeid: "u64", nlookup: "u64" });

/** `count` records of `fuse_forget_one` follow. */
export const FuseBatchForgetIn = defineStruct("fuse_batch_forget_in", 8, { count: "u32", dummy: "u32" });

/** `fh` is valid only with `GETATTR_FLAGS.FH`. */
export const FuseGetattrIn = defineStruct("fuse_getattr_in", 16, { getattr_flags: "u32", dummy: "u32", fh: "u64" });

export const FuseAttrOut = defineStruct("fuse_attr_out", 104, {
  attr_valid: "u64",
  attr_valid_nsec: "u32",
  dummy: "u32",
  attr: FuseAttr,
});

export const FuseStatxIn = defineStruct(
  "fuse_statx_in",
  24,
  { getattr_flags: "u32", reserved: "u32", fh: "u64", sx_flags: "u32", sx_mask: "u32" },
  { since: 39 },
);

export const FuseStatxOut = defineStruct(
  "fuse_statx_out",
  288,
  { attr_valid: "u64", attr_valid_nsec: "u32", flags: "u32", spare: { type: "u64", count: 2 }, stat: FuseStatx },
  { since: 39 },
);

/** `valid` (FATTR) says which of the other fields count. Seconds are signed, carried in a u64. */
export const FuseSetattrIn = defineStruct("fuse_setattr_in", 88, {
  valid: "u32",
  padding: "u32",
  fh: "u64",
  size: "u64",
  lock_owner: "u64",
  atime: "u64",
  mtime: "u64",
  ctime: "u64",
  atimensec: "u32",
  mtimensec: "u32",
  ctimensec: "u32",
  mode: "u32",
  unused4: "u32",
  uid: "u32",
  gid: "u32",
  unused5: "u32",
});

export const FuseAccessIn = defineStruct("fuse_access_in", 8, { mask: "u32", padding: "u32" });

// --- names -----------------------------------------------------------------------------------------------------

export const FuseMknodIn = defineStruct("fuse_mknod_in", 16, {
  mode: "u32",
  rdev: "u32",
  umask: "u32",
  padding: "u32",
});

export const FuseMkdirIn = defineStruct("fuse_mkdir_in", 8, { mode: "u32", umask: "u32" });

export const FuseRenameIn = defineStruct("fuse_rename_in", 8, { newdir: "u64" });

export const FuseRename2In = defineStruct("fuse_rename2_in", 16, { newdir: "u64", flags: "u32", padding: "u32" });

export const FuseLinkIn = defineStruct("fuse_link_in", 8, { oldnodeid: "u64" });

// --- open files ------------------------------------------------------------------------------------------------

export const FuseOpenIn = defineStruct("fuse_open_in", 8, { flags: "u32", open_flags: { type: "u32", since: 33 } });

/** Also the request of TMPFILE. */
export const FuseCreateIn = defineStruct("fuse_create_in", 16, {
  flags: "u32",
  mode: "u32",
  umask: "u32",
  open_flags: { type: "u32", since: 33 },
});

/** `backing_id` counts only with `FOPEN.PASSTHROUGH`. */
export const FuseOpenOut = defineStruct("fuse_open_out", 16, {
  fh: "u64",
  open_flags: "u32",
  backing_id: { type: "i32", since: 40 },
});

export const FuseReleaseIn = defineStruct("fuse_release_in", 24, {
  fh: "u64",
  flags: "u32",
  release_flags: "u32",
  lock_owner: "u64",
});

export const FuseFlushIn = defineStruct("fuse_flush_in", 24, {
  fh: "u64",
  unused: "u32",
  padding: "u32",
  lock_owner: "u64",
});

/** Also the request of READDIR and READDIRPLUS, where `offset` is an opaque cookie of the filesystem. */
export const FuseReadIn = defineStruct("fuse_read_in", 40, {
  fh: "u64",
  offset: "u64",
  size: "u32",
  read_flags: "u32",
  lock_owner: "u64",
  flags: "u32",
  padding: "u32",
});

export const FuseWriteIn = defineStruct("fuse_write_in", 40, {
  fh: "u64",
  offset: "u64",
  size: "u32",
  write_flags: "u32",
  lock_owner: "u64",
  flags: "u32",
  padding: "u32",
});

export const FuseWriteOut = defineStruct("fuse_write_out", 8, { size: "u32", padding: "u32" });

export const FuseStatfsOut = defineStruct("fuse_statfs_out", 80, { st: FuseKstatfs });

export const FuseFsyncIn = defineStruct("fuse_fsync_in", 16, { fh: "u64", fsync_flags: "u32", padding: "u32" });

export const FuseSyncfsIn = defineStruct("fuse_syncfs_in", 8, { padding: "u64" }, { since: 34 });

export const FuseFallocateIn = defineStruct("fuse_fallocate_in", 32, {
  fh: "u64",
  offset: "u64",
  length: "u64",
  mode: "u32",
  padding: "u32",
});

export const FuseLseekIn = defineStruct("fuse_lseek_in", 24, {
  fh: "u64",
  offset: "u64",
  whence: "u32",
  padding: "u32",
});

export const FuseLseekOut = defineStruct("fuse_lseek_out", 8, { offset: "u64" });

/** Request of COPY_FILE_RANGE (answered by `fuse_write_out`) and of COPY_FILE_RANGE_64. */
export const FuseCopyFileRangeIn = defineStruct("fuse_copy_file_range_in", 56, {
  fh_in: "u64",
  off_in: "u64",
  nodeid_out: "u64",
  fh_out: "u64",
  off_out: "u64",
  len: "u64",
  flags: "u64",
});

export const FuseCopyFileRangeOut = defineStruct("fuse_copy_file_range_out", 8, { bytes_copied: "u64" }, { since: 45 });

export const FuseBmapIn = defineStruct("fuse_bmap_in", 16, { block: "u64", blocksize: "u32", padding: "u32" });

export const FuseBmapOut = defineStruct("fuse_bmap_out", 8, { block: "u64" });

// --- extended attributes ---------------------------------------------------------------------------------------

/** Sent only if SETXATTR_EXT was negotiated; otherwise the kernel sends `FuseSetxattrInCompat`. */
export const FuseSetxattrIn = defineStruct("fuse_setxattr_in", 16, {
  size: "u32",
  flags: "u32",
  setxattr_flags: { type: "u32", since: 33 },
  padding: { type: "u32", since: 33 },
});

/** First 8 bytes of `fuse_setxattr_in` (FUSE_COMPAT_SETXATTR_IN_SIZE). */
export const FuseSetxattrInCompat = defineStruct("fuse_setxattr_in_compat", 8, { size: "u32", flags: "u32" });

/** Also the request of LISTXATTR. `size` 0 asks for the size alone. */
export const FuseGetxattrIn = defineStruct("fuse_getxattr_in", 8, { size: "u32", padding: "u32" });

export const FuseGetxattrOut = defineStruct("fuse_getxattr_out", 8, { size: "u32", padding: "u32" });

// --- locks -----------------------------------------------------------------------------------------------------

export const FuseLkIn = defineStruct("fuse_lk_in", 48, {
  fh: "u64",
  owner: "u64",
  lk: FuseFileLock,
  lk_flags: "u32",
  padding: "u32",
});

export const FuseLkOut = defineStruct("fuse_lk_out", 24, { lk: FuseFileLock });

// --- session ---------------------------------------------------------------------------------------------------

/** Sent by kernels from 7.36 on. */
export const FuseInitIn = defineStruct("fuse_init_in", 64, {
  major: "u32",
  minor: "u32",
  max_readahead: "u32",
  flags: "u32",
  flags2: { type: "u32", since: 36 },
  unused: { type: "u32", count: 11, since: 36 },
});

/** First 16 bytes of `fuse_init_in`: all of it before 7.36. */
export const FuseInitInCompat = defineStruct("fuse_init_in_compat", 16, {
  major: "u32",
  minor: "u32",
  max_readahead: "u32",
  flags: "u32",
});

/** `time_gran` in ns, `map_alignment` a power of two's exponent, `request_timeout` in seconds. */
export const FuseInitOut = defineStruct("fuse_init_out", 64, {
  major: "u32",
  minor: "u32",
  max_readahead: "u32",
  flags: "u32",
  max_background: "u16",
  congestion_threshold: "u16",
  max_write: "u32",
  time_gran: "u32",
  max_pages: "u16",
  map_alignment: "u16",
  flags2: { type: "u32", since: 36 },
  max_stack_depth: { type: "u32", since: 40 },
  request_timeout: { type: "u16", since: 43 },
  unused: { type: "u16", count: 11, since: 43 },
});

export const CuseInitIn = defineStruct("cuse_init_in", 16, {
  major: "u32",
  minor: "u32",
  unused: "u32",
  flags: "u32",
});

export const CuseInitOut = defineStruct("cuse_init_out", 72, {
  major: "u32",
  minor: "u32",
  unused: "u32",
  flags: "u32",
  max_read: "u32",
  max_write: "u32",
  dev_major: "u32",
  dev_minor: "u32",
  spare: { type: "u32", count: 10 },
});

/** `unique` is that of the request to interrupt. */
export const FuseInterruptIn = defineStruct("fuse_interrupt_in", 8, { unique: "u64" });

// --- ioctl and poll --------------------------------------------------------------------------------------------

export const FuseIoctlIn = defineStruct("fuse_ioctl_in", 32, {
  fh: "u64",
  flags: "u32",
  cmd: "u32",
  arg: "u64",
  in_size: "u32",
  out_size: "u32",
});

export const FuseIoctlIovec = defineStruct("fuse_ioctl_iovec", 16, { base: "u64", len: "u64" });

export const FuseIoctlOut = defineStruct("fuse_ioctl_out", 16, {
  result: "i32",
  flags: "u32",
  in_iovs: "u32",
  out_iovs: "u32",
});

/** `kh` is the kernel's handle, opaque: it is sent back in `fuse_notify_poll_wakeup_out`. */
export const FusePollIn = defineStruct("fuse_poll_in", 24, { fh: "u64", kh: "u64", flags: "u32", events: "u32" });

export const FusePollOut = defineStruct("fuse_poll_out", 8, { revents: "u32", padding: "u32" });

// --- directories -----------------------------------------------------------------------------------------------

/** Fixed part; `namelen` bytes of name follow, then zeros up to a multiple of 8. */
export const FuseDirent = defineStruct("fuse_dirent", 24, { ino: "u64", off: "u64", namelen: "u32", type: "u32" });

export const FuseDirentplus = defineStruct("fuse_direntplus", 152, { entry_out: FuseEntryOut, dirent: FuseDirent });

// --- notifications ---------------------------------------------------------------------------------------------

export const FuseNotifyPollWakeupOut = defineStruct("fuse_notify_poll_wakeup_out", 8, { kh: "u64" });

/** `off` < 0 invalidates attributes only; `len` <= 0 means to the end. */
export const FuseNotifyInvalInodeOut = defineStruct("fuse_notify_inval_inode_out", 24, {
  ino: "u64",
  off: "i64",
  len: "i64",
});

/** The name and a NUL follow; `namelen` does not count the NUL. */
export const FuseNotifyInvalEntryOut = defineStruct("fuse_notify_inval_entry_out", 16, {
  parent: "u64",
  namelen: "u32",
  flags: { type: "u32", since: 38 },
});

/** The name and a NUL follow; `namelen` does not count the NUL. */
export const FuseNotifyDeleteOut = defineStruct("fuse_notify_delete_out", 24, {
  parent: "u64",
  child: "u64",
  namelen: "u32",
  padding: "u32",
});

/** `size` bytes of data follow. */
export const FuseNotifyStoreOut = defineStruct("fuse_notify_store_out", 24, {
  nodeid: "u64",
  offset: "u64",
  size: "u32",
  padding: "u32",
});

export const FuseNotifyRetrieveOut = defineStruct("fuse_notify_retrieve_out", 32, {
  notify_unique: "u64",
  nodeid: "u64",
  offset: "u64",
  size: "u32",
  padding: "u32",
});

/** Op struct of NOTIFY_REPLY; has the size of `fuse_write_in`. `size` bytes of data follow. */
export const FuseNotifyRetrieveIn = defineStruct("fuse_notify_retrieve_in", 40, {
  dummy1: "u64",
  offset: "u64",
  size: "u32",
  dummy2: "u32",
  dummy3: "u64",
  dummy4: "u64",
});

/** `count` nodeids (u64) follow. */
export const FuseNotifyPruneOut = defineStruct(
  "fuse_notify_prune_out",
  16,
  { count: "u32", padding: "u32", spare: "u64" },
  { since: 45 },
);

// --- passthrough and DAX ---------------------------------------------------------------------------------------

/** Argument of the BACKING_OPEN ioctl. */
export const FuseBackingMap = defineStruct(
  "fuse_backing_map",
  16,
  { fd: "i32", flags: "u32", padding: "u64" },
  { since: 40 },
);

export const FuseSetupmappingIn = defineStruct("fuse_setupmapping_in", 40, {
  fh: "u64",
  foffset: "u64",
  len: "u64",
  flags: "u64",
  moffset: "u64",
});

/** `count` records of `fuse_removemapping_one` follow, without alignment in between. */
export const FuseRemovemappingIn = defineStruct("fuse_removemapping_in", 4, { count: "u32" });

export const FuseRemovemappingOne = defineStruct("fuse_removemapping_one", 16, { moffset: "u64", len: "u64" });

// --- extension records of MKNOD, MKDIR, SYMLINK, CREATE, TMPFILE -----------------------------------------------

/** `size` is the length of the context; a name with NUL, then the context follow. */
export const FuseSecctx = defineStruct("fuse_secctx", 8, { size: "u32", padding: "u32" }, { since: 36 });

/** `size` includes this header and all contexts. `nr_secctx` sits where other records have their type. */
export const FuseSecctxHeader = defineStruct("fuse_secctx_header", 8, { size: "u32", nr_secctx: "u32" }, { since: 36 });

/** `size` includes this header; a `type` up to `EXT_TYPE.MAX_NR_SECCTX` makes it a `fuse_secctx_header`. */
export const FuseExtHeader = defineStruct("fuse_ext_header", 8, { size: "u32", type: "u32" }, { since: 38 });

/** Fixed part; `nr_groups` group ids (u32) follow. */
export const FuseSuppGroups = defineStruct("fuse_supp_groups", 4, { nr_groups: "u32" }, { since: 38 });

// --- io_uring --------------------------------------------------------------------------------------------------

/** `commit_id` is opaque and goes back in `fuse_uring_cmd_req`. Before 7.46 `offset` is padding. */
export const FuseUringEntInOut = defineStruct(
  "fuse_uring_ent_in_out",
  32,
  {
    flags: "u64",
    commit_id: "u64",
    payload_sz: "u32",
    offset: { type: "u32", since: 46 },
    reserved: "u64",
  },
  { since: 42 },
);

/** The header buffer of one ring entry: in or out header, op struct, entry state. */
export const FuseUringReqHeader = defineStruct(
  "fuse_uring_req_header",
  288,
  {
    in_out: { type: "u8", count: 128 },
    op_in: { type: "u8", count: 128 },
    ring_ent_in_out: FuseUringEntInOut,
  },
  { since: 42 },
);

/**
 * In the 80 byte command area of an SQE128: the part that is the same in all minors. From 7.46 a union follows
 * (`FuseUringCmdReqBufpool`), which must be zero unless the command uses it.
 */
export const FuseUringCmdReq = defineStruct(
  "fuse_uring_cmd_req",
  24,
  { flags: "u64", commit_id: "u64", qid: "u16", padding: { type: "u8", count: 6 } },
  { since: 42 },
);

/** The unnamed struct in the union of `fuse_uring_cmd_req`. `uaddr` is the base address, `len` in bytes. */
export const FuseUringBufpool = defineStruct(
  "fuse_uring_bufpool",
  16,
  { uaddr: "u64", len: "u32", reserved: "u32" },
  { since: 46 },
);

/** `fuse_uring_cmd_req` from 7.46 on, with the `bufpool` arm of its union. */
export const FuseUringCmdReqBufpool = defineStruct(
  "fuse_uring_cmd_req_bufpool",
  40,
  {
    flags: "u64",
    commit_id: "u64",
    qid: "u16",
    padding: { type: "u8", count: 6 },
    bufpool: FuseUringBufpool,
  },
  { since: 46 },
);

/** Offset of the u16 `ent_zero_copy_buf_index`, the other arm of that union (REGISTER on a zero-copy queue, 7.46). */
export const URING_ENT_ZERO_COPY_BUF_INDEX_AT = 24;
