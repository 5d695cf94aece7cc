// Owns: the public face of the package; everything that users may rely on is named here and nothing else.

export { FOPEN } from "./abi/fuse-constants.ts";
export * as bpf from "./bpf/api.ts";
export { ERRNO, type ErrnoName, errno, FuseError } from "./codec/fuse-error.ts";
export type { RequestHeader, RequestView } from "./codec/request-view.ts";
export { type Diagnosis, diagnose, type Setting } from "./doctor.ts";
export type { Connection, InitWishes } from "./fs/connection.ts";
export type { Backing, Filesystem, Result, SessionContext } from "./fs/filesystem.ts";
export { MemoryFilesystem } from "./fs/memory/memory-filesystem.ts";
export type { MemoryOptions } from "./fs/memory/options.ts";
export { memoryModule, passthroughModule } from "./fs/modules.ts";
export { NOTIFIED, type Notifier } from "./fs/notifier.ts";
export type { CacheTimes, PassthroughOptions } from "./fs/passthrough/options.ts";
export { PassthroughFilesystem } from "./fs/passthrough/passthrough-filesystem.ts";
export { fsPromisesFilesystem } from "./fs/path/fs-promises.ts";
export type { FsPromisesLike } from "./fs/path/fs-promises-like.ts";
export { pathFilesystem } from "./fs/path/path-filesystem.ts";
export type {
  DirectoryEntries,
  DirentLike,
  FileRange,
  FileType,
  PathContext,
  PathFilesystem,
  PathOptions,
  StatFsLike,
  StatsLike,
} from "./fs/path/types.ts";
export { mount } from "./mount.ts";
export type { CloseReason, Mount, MountEvents, MountStatistics } from "./mount-interface.ts";
export type { CacheStatistics, MountBpf } from "./mount-programs.ts";
export type { MetadataCacheOptions } from "./mounting/cache-options.ts";
export type { UnmountOptions } from "./mounting/detach.ts";
export { MountError, type MountErrorCode } from "./mounting/errors.ts";
export type { MountOptions } from "./mounting/options.ts";
export type { RequestFault, SlowRequest } from "./server/dispatch.ts";
export type { Statistics } from "./server/statistics.ts";
export type { Finding, LaneReport, ProbeCode } from "./transport/probe.ts";
export type { FilesystemContext } from "./worker-messages.ts";
