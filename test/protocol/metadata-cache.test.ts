// What a metadata cache may answer and what not, case by case, with its own programs over a kernel without a kernel: the
// known faults of ExtFUSE, and replies that a change overtook. Needs root.

import { describe, expect, it } from "vitest";
import { OPCODES } from "../../src/abi/fuse-opcodes.ts";
import type { RequestView } from "../../src/codec/request-view.ts";
import {
  ATTR,
  during,
  ENODATA,
  ENTRY_ATTR,
  ERANGE,
  FILE,
  field,
  gated,
  getattr,
  getxattr,
  lookup,
  make,
  nodeidOf,
  setxattr,
  start,
  twice,
  write,
} from "./cache-requests.ts";
import { type Answer, arg } from "./cached-kernel.ts";
import { chars, request, z } from "./wire.ts";

const root = process.getuid?.() === 0;

describe.runIf(root)("MetadataCache: answers", () => {
  it("LOOKUP, GETATTR, GETXATTR and READLINK the second time, with the same bytes", () => {
    const kernel = start();
    const file = make(kernel, "file");
    const link = nodeidOf(kernel.ask("SYMLINK", 1, { name: "link", rest: z("target") }));
    setxattr(kernel, file, "user.one", "value");
    const asks: (() => Answer)[] = [
      () => lookup(kernel, "file"),
      () => lookup(kernel, "nothing"),
      () => getattr(kernel, file),
      () => getxattr(kernel, file, "user.one"),
      () => getxattr(kernel, file, "security.capability"),
      () => kernel.ask("READLINK", link, { dataMax: 1024 }),
    ];
    for (const ask of asks) {
      const [first, second] = [ask(), ask()];
      expect(second).toEqual({ ...first, by: "program" });
    }
  });

  it("what a request that made or changed a file has said", () => {
    const kernel = start();
    const file = make(kernel, "file");
    expect([lookup(kernel, "file").by, getattr(kernel, file).by]).toEqual(["program", "program"]);
    kernel.ask("SETATTR", file, { arg: arg.setattr(1, 0, 0o600) });
    const answer = getattr(kernel, file);
    expect([answer.by, field(answer, ATTR.mode) & 0o777]).toEqual(["program", 0o600]);
  });

  it("ACCESS by mask, until the file's mode changes", () => {
    const kernel = start(() => ({ access: (req: RequestView<"ACCESS">) => ((req.mask & 2) !== 0 ? -13 : 0) }));
    const file = make(kernel, "file");
    const access = (mask: number) => kernel.ask("ACCESS", file, { arg: arg.access(mask) });
    getattr(kernel, file);
    for (const mask of [0, 1, 4]) expect(twice(() => access(mask))).toMatchObject({ error: 0, by: "program" });
    for (const mask of [2, 7]) expect(twice(() => access(mask))).toMatchObject({ error: -13, by: "program" });
    expect(access(8).by).toBe("daemon");
    kernel.ask("SETATTR", file, { arg: arg.setattr(1, 0, 0o600) });
    expect(access(4).by).toBe("daemon");
  });

  it("names of 255 bytes, and neither . nor ..", () => {
    const kernel = start();
    const name = "n".repeat(255);
    make(kernel, name);
    expect(lookup(kernel, name).by).toBe("program");
    expect(twice(() => lookup(kernel, "n".repeat(254))).by).toBe("program");
  });

  it("not what was not asked for", () => {
    const kernel = start(undefined, { negative: false, attr: false, xattr: false });
    const file = make(kernel, "file");
    expect(twice(() => lookup(kernel, "file")).by).toBe("program");
    expect(twice(() => lookup(kernel, "nothing")).by).toBe("daemon");
    expect(twice(() => getattr(kernel, file)).by).toBe("daemon");
    expect(twice(() => getxattr(kernel, file, "user.one")).by).toBe("daemon");
  });

  it("for ttlMs, and then asks again", async () => {
    const kernel = start(undefined, { ttlMs: 20 });
    const file = make(kernel, "file");
    getattr(kernel, file);
    await kernel.daemon.until(() => getattr(kernel, file).by === "daemon");
    expect(getattr(kernel, file).by).toBe("program");
  });
});

describe.runIf(root)("MetadataCache: the faults of ExtFUSE", () => {
  it("RENAME: ends the new name in the new directory", () => {
    const kernel = start();
    const directory = nodeidOf(kernel.ask("MKDIR", 1, { arg: arg.mkdir, name: "d" }));
    const [moved, covered] = [make(kernel, "from"), make(kernel, "to", directory)];
    expect(nodeidOf(lookup(kernel, "to", directory))).toBe(covered);
    kernel.ask("RENAME", 1, { arg: arg.rename(directory), name: "from", rest: z("to") });
    expect(nodeidOf(lookup(kernel, "to", directory))).toBe(moved);
    expect(nodeidOf(lookup(kernel, "from"))).toBe(0);
  });

  it("LOOKUP: gives no attributes from before SETATTR, WRITE, LINK and UNLINK", () => {
    const kernel = start();
    const file = make(kernel, "file");
    const seen = (at: number): number => field(lookup(kernel, "file"), at + ENTRY_ATTR);
    kernel.ask("SETATTR", file, { arg: arg.setattr(8, 77, 0) });
    expect(seen(ATTR.size)).toBe(77);
    write(kernel, file, 90, "x");
    expect(seen(ATTR.size)).toBe(91);
    kernel.ask("LINK", 1, { arg: arg.link(file), name: "other" });
    expect(seen(ATTR.nlink)).toBe(2);
    kernel.ask("UNLINK", 1, { name: "other" });
    expect(seen(ATTR.nlink)).toBe(1);
  });

  it("GETATTR: sees each of many changes in a row", () => {
    const kernel = start();
    const file = make(kernel, "file");
    for (let size = 1; size < 40; size++) {
      write(kernel, file, size - 1, "x");
      expect(field(getattr(kernel, file), ATTR.size)).toBe(size);
      expect(getattr(kernel, file).by).toBe("program");
    }
  });

  it("GETXATTR: is ENODATA only where there is nothing, and its size and ERANGE are right", () => {
    const kernel = start();
    const file = make(kernel, "file");
    expect(twice(() => getxattr(kernel, file, "user.one"))).toMatchObject({ error: ENODATA, by: "program" });
    setxattr(kernel, file, "user.one", "value");
    expect(getxattr(kernel, file, "user.one").body).toEqual(chars("value"));
    expect(getxattr(kernel, file, "user.one")).toMatchObject({ error: 0, by: "program" });
    expect(getxattr(kernel, file, "user.one", 4)).toMatchObject({ error: ERANGE, by: "program" });
    expect(field(getxattr(kernel, file, "user.one", 0), 0)).toBe(5);
    kernel.ask("REMOVEXATTR", file, { name: "user.one" });
    expect(getxattr(kernel, file, "user.one").error).toBe(ENODATA);
  });

  it("GETXATTR: what is not there stays known over a WRITE, what is there does not", () => {
    const kernel = start();
    const file = make(kernel, "file");
    setxattr(kernel, file, "user.one", "value");
    for (const name of ["user.one", "security.capability"]) twice(() => getxattr(kernel, file, name));
    write(kernel, file, 0, "x");
    expect(getxattr(kernel, file, "security.capability").by).toBe("program");
    expect(getxattr(kernel, file, "user.one").by).toBe("daemon");
  });

  it("FLUSH: reaches the filesystem every time", () => {
    let flushes = 0;
    const kernel = start(() => ({ flush: () => void flushes++ }));
    const file = make(kernel, "file");
    for (let count = 0; count < 3; count++) kernel.ask("FLUSH", file, { arg: arg.release(0n) });
    expect(flushes).toBe(3);
  });

  it("UNLINK and RMDIR: the name is gone, and negative", () => {
    const kernel = start();
    make(kernel, "file");
    kernel.ask("MKDIR", 1, { arg: arg.mkdir, name: "d" });
    kernel.ask("UNLINK", 1, { name: "file" });
    kernel.ask("RMDIR", 1, { name: "d" });
    for (const name of ["file", "d"]) expect(nodeidOf(twice(() => lookup(kernel, name)))).toBe(0);
  });

  it.each(["MKNOD", "MKDIR", "SYMLINK", "LINK"] as const)("%s: ends the negative entry", (opcode) => {
    const kernel = start();
    const file = make(kernel, "file");
    expect(nodeidOf(twice(() => lookup(kernel, "new")))).toBe(0);
    const parts = { MKNOD: { arg: FILE }, MKDIR: { arg: arg.mkdir }, SYMLINK: {}, LINK: { arg: arg.link(file) } }[
      opcode
    ];
    kernel.ask(opcode, 1, { ...parts, name: "new", ...(opcode === "SYMLINK" ? { rest: z("t") } : {}) });
    expect(nodeidOf(lookup(kernel, "new"))).not.toBe(0);
  });
});

describe.runIf(root)("MetadataCache: a reply that a change overtook is not kept", () => {
  it("GETATTR by SETATTR", async () => {
    const gate = Promise.withResolvers<void>();
    let held = false;
    const kernel = start(gated("getattr", gate, () => held));
    const file = make(kernel, "file");
    kernel.cache.changedNode(file);
    held = true;
    const asked = request({ code: OPCODES.GETATTR.code, nodeid: file }, arg.getattr);
    await during(kernel, asked, gate, () => {
      kernel.ask("SETATTR", file, { arg: arg.setattr(8, 50, 0) });
    });
    held = false;
    expect(field(getattr(kernel, file), ATTR.size)).toBe(50);
  });

  it("LOOKUP by UNLINK", async () => {
    const gate = Promise.withResolvers<void>();
    let held = false;
    const kernel = start(gated("lookup", gate, () => held));
    make(kernel, "file");
    kernel.cache.changedName(1, "file");
    held = true;
    await during(kernel, request({ code: OPCODES.LOOKUP.code, nodeid: 1 }, z("file")), gate, () => {
      kernel.ask("UNLINK", 1, { name: "file" });
    });
    held = false;
    expect(nodeidOf(lookup(kernel, "file"))).toBe(0);
  });

  it("a negative LOOKUP by MKNOD", async () => {
    const gate = Promise.withResolvers<void>();
    let held = true;
    const kernel = start(gated("lookup", gate, () => held));
    await during(kernel, request({ code: OPCODES.LOOKUP.code, nodeid: 1 }, z("file")), gate, () => {
      make(kernel, "file");
    });
    held = false;
    expect(nodeidOf(lookup(kernel, "file"))).not.toBe(0);
  });

  it("GETXATTR by SETXATTR", async () => {
    const gate = Promise.withResolvers<void>();
    let held = true;
    const kernel = start(gated("getxattr", gate, () => held));
    const file = make(kernel, "file");
    const asked = request({ code: OPCODES.GETXATTR.code, nodeid: file }, arg.getxattr(100), z("user.one"));
    await during(kernel, asked, gate, () => {
      setxattr(kernel, file, "user.one", "value");
    });
    held = false;
    expect(getxattr(kernel, file, "user.one").body).toEqual(chars("value"));
  });

  it("and nothing is answered while the change goes on", async () => {
    const gate = Promise.withResolvers<void>();
    let held = false;
    const kernel = start(gated("setattr", gate, () => held));
    const file = make(kernel, "file");
    expect([getattr(kernel, file).by, getattr(kernel, make(kernel, "other")).by]).toEqual(["program", "program"]);
    held = true;
    const asked = request({ code: OPCODES.SETATTR.code, nodeid: file }, arg.setattr(1, 0, 0o600));
    await during(kernel, asked, gate, () => {
      expect(kernel.askProgram("GETATTR", file)).toBeUndefined();
      expect(kernel.askProgram("LOOKUP", 1, { name: "file" })).toBeUndefined();
      expect(kernel.askProgram("LOOKUP", 1, { name: "other" })).toBeDefined();
    });
    expect(getattr(kernel, file).by).toBe("program");
  });
});
