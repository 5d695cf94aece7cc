// Which mounts can have a metadata cache, by who checks callers; and which programs cannot stand beside one.

import { expect, it } from "vitest";
import type { OpcodeName } from "./abi/fuse-opcodes.ts";
import { changesKept } from "./bpf/cache/changes.ts";
import { cacheRefusal } from "./mount-programs.ts";

const all = { allowOther: true, defaultPermissions: true };
const agreed = (flags: ("POSIX_ACL" | "ASYNC_READ")[], ...methods: string[]) => ({ flags, methods: new Set(methods) });

it("cacheRefusal: where access control lists are the filesystem's own secret there is no cache for several users", () => {
  expect(cacheRefusal(all, agreed(["ASYNC_READ"], "lookup", "getxattr"))).toMatch(/access control lists/);
  expect(cacheRefusal(all, agreed(["POSIX_ACL"], "lookup", "getxattr"))).toBeUndefined();
  expect(cacheRefusal(all, agreed([], "lookup"))).toBeUndefined();
  expect(cacheRefusal({ ...all, defaultPermissions: false }, agreed(["POSIX_ACL"]))).toMatch(/tells callers apart/);
  expect(cacheRefusal({ allowOther: false, defaultPermissions: false }, agreed([], "getxattr"))).toBeUndefined();
});

it("changesKept: all that changes more than a time of access", () => {
  const changing: OpcodeName[] = [
    ...(["SETATTR", "WRITE", "FALLOCATE", "COPY_FILE_RANGE", "COPY_FILE_RANGE_64", "SETXATTR", "REMOVEXATTR"] as const),
    ...([
      "OPEN",
      "CREATE",
      "TMPFILE",
      "MKNOD",
      "MKDIR",
      "SYMLINK",
      "LINK",
      "UNLINK",
      "RMDIR",
      "RENAME",
      "RENAME2",
    ] as const),
    "IOCTL",
  ];
  for (const opcode of changing) expect(changesKept(opcode), opcode).toBe(true);
  const others: OpcodeName[] = ["READ", "READDIR", "READLINK", "STATFS", "FLUSH", "FSYNC", "OPENDIR", "LSEEK", "STATX"];
  for (const opcode of others) expect(changesKept(opcode), opcode).toBe(false);
});
