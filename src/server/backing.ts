// Owns: FUSE passthrough's files: descriptors of the daemon that are registered with the kernel as backing files, so
// that it reads and writes them by itself. An id belongs to the connection, whichever worker made it; the kernel frees
// what is left when the connection ends.

import { ERRNO } from "../../ffi/errno.ts";
import { ioctl } from "../../ffi/file.ts";
import { addressOf } from "../../ffi/memory.ts";
import { CAP, hasCapability } from "../../ffi/thread.ts";
import { DEV_IOC } from "../abi/fuse-constants.ts";
import { FuseBackingMap } from "../abi/fuse-structs.ts";
import type { Connection } from "../fs/connection.ts";
import type { Backing } from "../fs/filesystem.ts";
import { countRefusal, type StatisticsRow } from "./statistics.ts";

// Why no descriptor can be registered on this connection, as -errno; 0 when it is the kernel's to say.
function obstacle(connection: Connection): number {
  if (!hasCapability(CAP.SYS_ADMIN)) return -ERRNO.EPERM;
  return connection.flags.includes("PASSTHROUGH") ? 0 : -ERRNO.EOPNOTSUPP;
}

/** Registers backing files over `fd`, any descriptor of the connection; refusals are counted in the queue's row. */
export function createBacking(fd: number, connection: Connection, statistics: StatisticsRow): Backing {
  const refused = obstacle(connection);
  const map = new Int32Array(FuseBackingMap.size / 4); // flags and padding stay 0
  const id = new Int32Array(1);
  return {
    open(file) {
      map[0] = file;
      const result = refused < 0 ? refused : ioctl(fd, DEV_IOC.BACKING_OPEN, addressOf(map));
      if (result < 0) countRefusal(statistics, -result);
      return result;
    },
    close(backingId) {
      id[0] = backingId;
      return ioctl(fd, DEV_IOC.BACKING_CLOSE, addressOf(id));
    },
  };
}
