// What becomes of a metadata cache's nodes: forgotten, come again, open by passthrough, changed from outside. With its own
// programs over a kernel without a kernel. Needs root.

import { describe, expect, it } from "vitest";
import { FOPEN } from "../../src/abi/fuse-constants.ts";
import { OPCODES } from "../../src/abi/fuse-opcodes.ts";
import type { RequestView } from "../../src/codec/request-view.ts";
import {
  ATTR,
  during,
  ENOENT,
  field,
  gated,
  getattr,
  lookup,
  make,
  nodeidOf,
  start,
  twice,
  write,
} from "./cache-requests.ts";
import { arg } from "./cached-kernel.ts";
import { request, z } from "./wire.ts";

const root = process.getuid?.() === 0;
const EIO = -5;

describe.runIf(root)("MetadataCache: nodes", () => {
  it("a change of a name that nobody remembers drops all attributes", () => {
    const kernel = start(undefined, { entries: 8 });
    const file = make(kernel, "file");
    for (let count = 0; count < 64; count++) lookup(kernel, `nothing ${count}`);
    kernel.ask("LINK", 1, { arg: arg.link(file), name: "other" });
    for (let count = 0; count < 64; count++) lookup(kernel, `nothing ${count}`);
    getattr(kernel, file);
    kernel.ask("UNLINK", 1, { name: "other" });
    expect(kernel.cache.counters().emptied).toBe(1);
    expect(field(getattr(kernel, file), ATTR.nlink)).toBe(1);
  });

  it("a name that changed from outside and that nobody remembers drops all attributes, unless its node is told", () => {
    const kernel = start(undefined, { entries: 8 });
    const [file, bystander] = [make(kernel, "file"), make(kernel, "bystander")];
    kernel.ask("LINK", 1, { arg: arg.link(file), name: "other" });
    for (let count = 0; count < 64; count++) lookup(kernel, `nothing ${count}`);
    const kept = () => [file, bystander].map((nodeid) => kernel.askProgram("GETATTR", nodeid) !== undefined);
    for (const nodeid of [file, bystander]) twice(() => getattr(kernel, nodeid));
    expect(kept()).toEqual([true, true]);
    kernel.cache.changedName(1, "other", file);
    expect(kept()).toEqual([false, true]);
    getattr(kernel, file);
    kernel.cache.changedName(1, "other");
    expect(kept()).toEqual([false, false]);
  });

  it("a name that was not there and changed from outside ends no more than itself and its directory", () => {
    const kernel = start();
    const file = make(kernel, "file");
    lookup(kernel, "new");
    kernel.cache.changedName(1, "new");
    expect(kernel.askProgram("LOOKUP", 1, { name: "new" })).toBeUndefined();
    expect(kernel.askProgram("GETATTR", file)).toBeDefined();
  });

  it("FORGET: a node that was looked up again meanwhile stays, and goes with the last", () => {
    const told: number[] = [];
    const kernel = start(() => ({ forget: (_: number, nlookup: number) => void told.push(nlookup) }));
    const file = make(kernel, "file");
    for (let count = 0; count < 5; count++) expect(lookup(kernel, "file").by).toBe("program");
    const forget = kernel.forget(file); // six, of which the filesystem has given one
    lookup(kernel, "file");
    forget();
    expect(told).toEqual([]); // the seventh came first, and one of the six stands in for it
    kernel.forget(file)();
    expect(told).toEqual([1]);
    expect(kernel.askProgram("LOOKUP", 1, { name: "file" })).toBeUndefined();
  });

  const ILLEGAL: Record<string, (entry: RequestView<"LOOKUP">["entry"]) => void> = {
    "nanoseconds of a time": (entry) => {
      entry.attr.mtimensec = 1_000_000_000;
    },
    "nanoseconds of how long attributes hold": (entry) => {
      entry.attr_valid_nsec = 1_000_000_000;
    },
    "nanoseconds of how long the name holds": (entry) => {
      entry.entry_valid_nsec = 0xffff_ffff;
    },
    "a type that there is not": (entry) => {
      entry.attr.mode = 0o030644;
    },
    "a size from 2^63": (entry) => {
      entry.attr.size = (2n ** 63n) as never;
    },
  };
  it.each(Object.entries(ILLEGAL))(
    "LOOKUP: what the module would refuse after it was counted is not kept: %s",
    (_what, spoil) => {
      const kernel = start((base) => ({
        lookup(req: RequestView<"LOOKUP">) {
          const result = base.lookup(req);
          spoil(req.entry);
          return result;
        },
      }));
      const file = make(kernel, "file");
      kernel.cache.changedAll();
      expect(nodeidOf(twice(() => lookup(kernel, "file")))).toBe(file);
      expect(kernel.askProgram("LOOKUP", 1, { name: "file" })).toBeUndefined();
    },
  );

  it("LOOKUP: a node that became another one is not kept while the kernel still has the first", () => {
    for (const second of [
      { generation: 2, type: 0o100000 },
      { generation: 1, type: 0o040000 },
    ]) {
      let now = { generation: 1, type: 0o100000 };
      const kernel = start(() => ({
        lookup(req: RequestView<"LOOKUP">) {
          req.entry.nodeid = 5;
          req.entry.generation = now.generation;
          req.entry.attr.mode = now.type + 0o644;
          return 0;
        },
        forget: () => {},
      }));
      expect(twice(() => lookup(kernel, "a")).by).toBe("program");
      now = second;
      lookup(kernel, "b"); // the kernel learns of it by this reply
      for (const name of ["a", "b"]) expect(kernel.askProgram("LOOKUP", 1, { name }), name).toBeUndefined();
      expect(twice(() => lookup(kernel, "b")).by).toBe("program");
    }
  });

  it("a nodeid that comes again is another node, with a generation and without", () => {
    for (const generation of [0, 1]) {
      const nodes = new Map([["a", 0]]);
      const kernel = start(() => ({
        lookup(req: RequestView<"LOOKUP">) {
          const known = nodes.get(req.name);
          if (known === undefined) return ENOENT;
          req.entry.nodeid = 5;
          req.entry.generation = known;
          req.entry.attr.mode = 0o100000 + known;
          return 0;
        },
        forget: () => {},
      }));
      expect(twice(() => lookup(kernel, "a")).by).toBe("program");
      kernel.forget(5)();
      nodes.clear();
      nodes.set("b", generation);
      lookup(kernel, "b");
      expect(kernel.askProgram("LOOKUP", 1, { name: "a" }), `generation ${generation}`).toBeUndefined();
      expect(kernel.askProgram("LOOKUP", 1, { name: "b" })).toBeDefined();
    }
  });

  it("a file open by passthrough is not kept until the last is closed", () => {
    const kernel = start(() => ({
      open(req: RequestView<"OPEN">) {
        req.open.open_flags = FOPEN.PASSTHROUGH;
        req.open.backing_id = 1;
      },
      release: () => 0,
    }));
    const file = make(kernel, "file");
    for (let count = 0; count < 2; count++) kernel.ask("OPEN", file, { arg: arg.open(0) });
    expect(twice(() => getattr(kernel, file)).by).toBe("daemon");
    kernel.ask("RELEASE", file, { arg: arg.release(0n) });
    expect(twice(() => getattr(kernel, file)).by).toBe("daemon");
    kernel.ask("RELEASE", file, { arg: arg.release(0n) });
    expect(twice(() => getattr(kernel, file)).by).toBe("program");
  });

  it("a nameless file open by passthrough is not kept until it is closed", () => {
    const kernel = start((base) => ({
      tmpfile(req: RequestView<"TMPFILE">) {
        const result = base.tmpfile(req);
        req.open.open_flags = FOPEN.PASSTHROUGH;
        req.open.backing_id = 1;
        return result;
      },
      release: () => 0,
    }));
    const file = nodeidOf(kernel.ask("TMPFILE", 1, { arg: arg.create, name: "/" }));
    expect(twice(() => getattr(kernel, file)).by).toBe("daemon");
    kernel.ask("RELEASE", file, { arg: arg.release(0n) });
    expect(twice(() => getattr(kernel, file)).by).toBe("program");
  });

  it("a change that failed leaves nobody sure what its names lead to", () => {
    const kernel = start((base) => ({
      rename(req: RequestView<"RENAME">) {
        base.rename(req);
        return EIO; // it is done all the same, as after a time-out
      },
    }));
    const [moved] = [make(kernel, "from"), make(kernel, "to")] as const;
    kernel.ask("LINK", 1, { arg: arg.link(moved), name: "other" });
    expect(kernel.ask("RENAME", 1, { arg: arg.rename(1), name: "from", rest: z("to") }).error).toBe(EIO);
    expect(field(getattr(kernel, moved), ATTR.nlink)).toBe(2);
    kernel.ask("UNLINK", 1, { name: "to" });
    expect(field(getattr(kernel, moved), ATTR.nlink)).toBe(1);
  });

  it("FORGET: what a request finds out about the node from before it is not kept", async () => {
    const gate = Promise.withResolvers<void>();
    let waits = false;
    const kernel = start(gated("getattr", gate, () => waits));
    const file = make(kernel, "file");
    kernel.cache.changedAll();
    waits = true;
    await during(kernel, request({ code: OPCODES.GETATTR.code, nodeid: file }, arg.getattr), gate, kernel.forget(file));
    expect(kernel.askProgram("GETATTR", file, { arg: arg.getattr })).toBeUndefined();
  });

  it("ACCESS: a permission from before everything changed is not kept", async () => {
    const gate = Promise.withResolvers<void>();
    const kernel = start(() => ({ access: () => gate.promise.then(() => 0) }));
    const file = make(kernel, "file");
    const asked = request({ code: OPCODES.ACCESS.code, nodeid: file }, arg.access(4));
    await during(kernel, asked, gate, () => {
      kernel.cache.changedAll();
      // What is known of the node is new again, and the answer to come would be kept beside it.
      getattr(kernel, file);
    });
    expect(kernel.askProgram("ACCESS", file, { arg: arg.access(4) })).toBeUndefined();
  });

  it("CREATE: what was found out before it about a file that it emptied is not kept", async () => {
    const gate = Promise.withResolvers<void>();
    let waits = false;
    const kernel = start(gated("getattr", gate, () => waits));
    const file = make(kernel, "file");
    write(kernel, file, 0, "text");
    kernel.cache.changedAll(); // nobody remembers what the name leads to
    waits = true;
    const asked = request({ code: OPCODES.GETATTR.code, nodeid: file }, arg.getattr);
    await during(kernel, asked, gate, () => {
      expect(nodeidOf(kernel.ask("CREATE", 1, { arg: arg.createEmpty, name: "file" }))).toBe(file);
    });
    waits = false;
    expect(field(getattr(kernel, file), ATTR.size)).toBe(0);
  });

  it("changes from outside: a node, a name with what it led to, everything", () => {
    const kernel = start();
    const file = make(kernel, "file");
    const all = () => {
      for (const ask of [() => getattr(kernel, file), () => getattr(kernel, 1), () => lookup(kernel, "file")])
        twice(ask);
      return ["GETATTR", "LOOKUP"] as const;
    };
    const answered = () => [
      kernel.askProgram("GETATTR", file) !== undefined,
      kernel.askProgram("GETATTR", 1) !== undefined,
      kernel.askProgram("LOOKUP", 1, { name: "file" }) !== undefined,
    ];
    all();
    expect(answered()).toEqual([true, true, true]);
    kernel.cache.changedNode(file);
    expect(answered()).toEqual([false, true, false]);
    all();
    kernel.cache.changedName(1, Buffer.from("file"));
    expect(answered()).toEqual([false, false, false]);
    all();
    kernel.cache.changedAll();
    expect(answered()).toEqual([false, false, false]);
    all();
    expect(answered()).toEqual([true, true, true]);
  });

  it("READDIRPLUS: its entries are answered by LOOKUP and GETATTR", () => {
    const kernel = start();
    const [one, two] = [make(kernel, "one"), make(kernel, "two")];
    kernel.cache.changedAll();
    const opened = kernel.ask("OPENDIR", 1, { arg: arg.open(0) });
    const fh = new DataView(opened.body.buffer, opened.body.byteOffset).getBigUint64(0, true);
    kernel.ask("READDIRPLUS", 1, { arg: arg.read(fh, 0, 4096) });
    expect([lookup(kernel, "one"), lookup(kernel, "two")].map(nodeidOf)).toEqual([one, two]);
    expect([lookup(kernel, "one"), getattr(kernel, two)].map(({ by }) => by)).toEqual(["program", "program"]);
  });
});
