// Names of the in-memory filesystem against a model of directories and links: random operations, link counts, `..`,
// and that nothing is left of an inode that nobody holds.
import { describe, expect, it } from "vitest";
import { ERRNO } from "../../ffi/errno.ts";
import { S } from "../../ffi/file.ts";
import { MemoryFilesystem } from "../../src/fs/memory/memory-filesystem.ts";
import { Caller } from "./memory-caller.ts";

const RENAME = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 } as const;

interface Node {
  readonly nodeid: number;
  /** Names, of a directory. */
  readonly children: Map<string, Node> | null;
}

class Model {
  readonly filesystem = new MemoryFilesystem();
  readonly caller = new Caller(this.filesystem);
  readonly root: Node = { nodeid: 1, children: new Map() };
  private state: number;

  constructor(seed: number) {
    this.state = seed;
  }

  random(below: number): number {
    this.state = (Math.imul(this.state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (this.state >>> 8) % below;
  }
  name(): string {
    return `n${this.random(6)}`;
  }
  directories(from: Node = this.root): Node[] {
    const below = [...(from.children?.values() ?? [])].filter((node) => node.children !== null);
    return [from, ...below.flatMap((node) => this.directories(node))];
  }
  directory(): Node & { children: Map<string, Node> } {
    const all = this.directories();
    return all[this.random(all.length)] as Node & { children: Map<string, Node> };
  }
  nodes(): Map<Node, number> {
    const counts = new Map<Node, number>();
    for (const directory of this.directories()) {
      for (const node of directory.children?.values() ?? []) counts.set(node, (counts.get(node) ?? 0) + 1);
    }
    return counts;
  }
}

type Step = (model: Model) => void;

const make =
  (opcode: "MKDIR" | "CREATE" | "MKNOD"): Step =>
  (model) => {
    const { nodeid, children } = model.directory();
    const name = model.name();
    const mode = opcode === "MKNOD" ? S.IFIFO | 0o600 : 0o700;
    const known = children.get(name);
    if (known !== undefined && opcode === "CREATE") return;
    const { result, view } = model.caller.call(opcode, { nodeid, names: [name], fields: { mode } });
    expect(result).toBe(known === undefined ? 0 : -ERRNO.EEXIST);
    if (known !== undefined) return;
    children.set(name, { nodeid: view.entry.nodeid, children: opcode === "MKDIR" ? new Map() : null });
    if (opcode === "CREATE") model.caller.result("RELEASE", { nodeid: view.entry.nodeid });
  };

const link: Step = (model) => {
  const files = [...model.nodes().keys()];
  const node = files[model.random(files.length)];
  if (node === undefined) return;
  const { nodeid, children } = model.directory();
  const name = model.name();
  const wanted = node.children !== null ? -ERRNO.EPERM : children.has(name) ? -ERRNO.EEXIST : 0;
  expect(model.caller.result("LINK", { nodeid, names: [name], fields: { oldnodeid: node.nodeid } })).toBe(wanted);
  if (wanted === 0) children.set(name, node);
};

const remove =
  (opcode: "UNLINK" | "RMDIR"): Step =>
  (model) => {
    const { nodeid, children } = model.directory();
    const name = model.name();
    const node = children.get(name);
    const directory = node?.children ?? null;
    const forDirectory = directory === null ? -ERRNO.ENOTDIR : directory.size > 0 ? -ERRNO.ENOTEMPTY : 0;
    const fitting = opcode === "RMDIR" ? forDirectory : directory === null ? 0 : -ERRNO.EISDIR;
    const wanted = node === undefined ? -ERRNO.ENOENT : fitting;
    expect(model.caller.result(opcode, { nodeid, names: [name] })).toBe(wanted);
    if (wanted === 0) children.delete(name);
  };

function renameResult(model: Model, from: Node, name: string, to: Node, newname: string, flags: number): number {
  const source = from.children?.get(name);
  const target = to.children?.get(newname);
  if (source === undefined) return -ERRNO.ENOENT;
  if (flags === RENAME.NOREPLACE && target !== undefined) return -ERRNO.EEXIST;
  if (flags === RENAME.EXCHANGE && target === undefined) return -ERRNO.ENOENT;
  if (model.directories(source).includes(to) && source.children !== null) return -ERRNO.EINVAL;
  if (flags === RENAME.EXCHANGE) {
    const inside = target?.children != null && model.directories(target).includes(from);
    return inside ? -ERRNO.EINVAL : 0;
  }
  if (target === undefined || target === source) return 0;
  if (source.children === null) return target.children === null ? 0 : -ERRNO.EISDIR;
  if (target.children === null) return -ERRNO.ENOTDIR;
  return target.children.size > 0 ? -ERRNO.ENOTEMPTY : 0;
}

const rename =
  (flags: number): Step =>
  (model) => {
    const [from, to] = [model.directory(), model.directory()];
    const [name, newname] = [model.name(), model.name()];
    const wanted = renameResult(model, from, name, to, newname, flags);
    const call = { nodeid: from.nodeid, names: [name, newname], fields: { newdir: to.nodeid, flags } };
    expect(model.caller.result("RENAME2", call)).toBe(wanted);
    const source = from.children.get(name);
    const target = to.children.get(newname);
    if (wanted !== 0 || source === undefined || source === target) return;
    if (flags === RENAME.EXCHANGE && target !== undefined) from.children.set(name, target);
    else from.children.delete(name);
    to.children.set(newname, source);
    if (flags !== RENAME.WHITEOUT) return;
    from.children.set(name, { nodeid: model.caller.lookup(from.nodeid, name), children: null });
  };

const STEPS: readonly Step[] = [
  make("MKDIR"),
  make("MKDIR"),
  make("CREATE"),
  make("MKNOD"),
  link,
  remove("UNLINK"),
  remove("RMDIR"),
  rename(0),
  rename(RENAME.NOREPLACE),
  rename(RENAME.EXCHANGE),
  rename(RENAME.WHITEOUT),
];

// `..` and the rest of a directory, as READDIR shows it: names to nodeids.
function list(model: Model, nodeid: number): Map<string, number> {
  const { caller } = model;
  const { result, view } = caller.call("READDIR", { nodeid, fields: { size: 65_536 } });
  const bytes = Buffer.from(caller.reply(result));
  const names = new Map<string, number>();
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 16);
    names.set(bytes.toString("latin1", at + 24, at + 24 + length), Number(bytes.readBigUInt64LE(at)));
    at += (24 + length + 7) & ~7;
  }
  expect(view.entries.length).toBe(result);
  return names;
}

function check(model: Model, what: string): void {
  for (const directory of model.directories()) {
    const names = list(model, directory.nodeid);
    const expected = [...(directory.children ?? [])].map(([name, node]) => [name, node.nodeid]);
    names.delete(".");
    const parent = model.directories().find((other) => [...(other.children?.values() ?? [])].includes(directory));
    expect([what, names.get("..")]).toEqual([what, (parent ?? model.root).nodeid]);
    names.delete("..");
    expect([what, [...names].sort()]).toEqual([what, expected.sort()]);
    const subdirectories = [...(directory.children?.values() ?? [])].filter((node) => node.children !== null).length;
    expect([what, model.caller.attr(directory.nodeid).nlink]).toEqual([what, 2 + subdirectories]);
  }
  for (const [node, count] of model.nodes()) {
    if (node.children === null) expect([what, model.caller.attr(node.nodeid).nlink]).toEqual([what, count]);
  }
}

describe("memory: names", () => {
  it.each([1, 2, 3, 4])("random operations agree with a model, and nothing is left behind, seed %i", (seed) => {
    const model = new Model(seed);
    const done = new Set<string>();
    for (let round = 0; round < 1500; round++) {
      const index = model.random(STEPS.length);
      (STEPS[index] as Step)(model);
      done.add(`${index}`);
      if (round % 10 === 0) check(model, `seed ${seed}, round ${round}, step ${index}`);
    }
    expect(done.size).toBe(STEPS.length);
    expect(model.nodes().size).toBeGreaterThan(0);
    model.caller.forgetAll();
    expect(model.filesystem.usage().inodes).toBe(1 + model.nodes().size);
  });

  it("an inode lives while it is named, known or open, and is ESTALE after", () => {
    const filesystem = new MemoryFilesystem();
    const caller = new Caller(filesystem);
    const nodeid = caller.create(1, "f");
    caller.write(nodeid, 0, Buffer.from("data"));
    expect(caller.result("UNLINK", { nodeid: 1, names: ["f"] })).toBe(0);
    expect(caller.attr(nodeid).nlink).toBe(0);
    expect(Buffer.from(caller.read(nodeid, 0, 10)).toString()).toBe("data");
    caller.forgetAll();
    expect(filesystem.usage()).toEqual({ inodes: 2, bytes: 4096 });
    expect(caller.result("RELEASE", { nodeid })).toBe(0);
    expect(filesystem.usage()).toEqual({ inodes: 1, bytes: 0 });
    expect(caller.result("GETATTR", { nodeid })).toBe(-ERRNO.ESTALE);
    expect(caller.create(1, "g")).toBeGreaterThan(nodeid);
  });

  it("an inode that the kernel does not know ends with its last name, also when it is replaced", () => {
    const filesystem = new MemoryFilesystem();
    const caller = new Caller(filesystem);
    for (const name of ["a", "b", "c"]) filesystem.paths.writeFile(`/${name}`, name);
    filesystem.paths.mkdir("/d");
    expect(caller.result("UNLINK", { names: ["a"] })).toBe(0);
    expect(filesystem.usage()).toEqual({ inodes: 4, bytes: 8192 });
    expect(caller.result("RENAME", { names: ["b", "c"], fields: { newdir: 1 } })).toBe(0);
    expect(filesystem.usage()).toEqual({ inodes: 3, bytes: 4096 });
    expect(caller.result("RMDIR", { names: ["d"] })).toBe(0);
    expect(filesystem.usage().inodes).toBe(2);
    expect(Buffer.from(filesystem.paths.readFile("/c")).toString()).toBe("b");
  });

  it("a file made without a name can be linked, and ends without one", () => {
    const filesystem = new MemoryFilesystem();
    const caller = new Caller(filesystem);
    const tmpfile = () =>
      caller.call("TMPFILE", { names: ["#1"], fields: { mode: 0o600, flags: 2 } }).view.entry.nodeid;
    const [kept, dropped] = [tmpfile(), tmpfile()];
    expect(caller.attr(kept).nlink).toBe(0);
    expect(caller.result("LINK", { names: ["kept"], fields: { oldnodeid: kept } })).toBe(0);
    caller.result("RELEASE", { nodeid: kept });
    caller.result("RELEASE", { nodeid: dropped });
    caller.forgetAll();
    expect(filesystem.usage().inodes).toBe(2);
    expect(caller.lookup(1, "kept")).toBe(kept);
  });

  it("names are bytes of any value, at most 255; a target has at most 4095", () => {
    const caller = new Caller(new MemoryFilesystem());
    const odd = "\xff\x01 \xe9";
    const nodeid = caller.create(1, odd);
    expect(caller.lookup(1, odd)).toBe(nodeid);
    expect(caller.create(1, "x".repeat(255))).toBeGreaterThan(0);
    expect(caller.create(1, "x".repeat(256))).toBe(-ERRNO.ENAMETOOLONG);
    expect(caller.lookup(1, "x".repeat(256))).toBe(-ERRNO.ENAMETOOLONG);
    expect(caller.result("SYMLINK", { names: ["l", "y".repeat(4095)] })).toBe(0);
    expect(caller.result("SYMLINK", { names: ["m", "y".repeat(4096)] })).toBe(-ERRNO.ENAMETOOLONG);
    expect(caller.result("READLINK", { nodeid: caller.lookup(1, "l") })).toBe(4095);
  });

  it("readdirplus counts a reference for every entry but the dots", () => {
    const filesystem = new MemoryFilesystem();
    for (const name of ["a", "b", "c"]) filesystem.paths.writeFile(`/${name}`, name);
    const caller = new Caller(filesystem);
    const { result } = caller.call("READDIRPLUS", { fields: { size: 65_536 } });
    expect(result).toBe(5 * (128 + 32));
    for (const name of ["a", "b", "c"]) filesystem.paths.remove(`/${name}`);
    expect(filesystem.usage().inodes).toBe(4);
    for (const nodeid of [2, 3, 4]) filesystem.forget(nodeid, 1);
    expect(filesystem.usage().inodes).toBe(1);
  });
});
