// Passthrough: locks on the source, between owners of one copy, of several copies, and programs beside the mount.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FuseInHeader } from "../../src/abi/fuse-structs.ts";
import { openDescriptors, PassthroughClient } from "./passthrough-client.ts";

const READ = 0;
const WRITE = 1;
const UNLOCK = 2;
const END = 2n ** 63n - 1n;

interface Lock {
  readonly owner: bigint;
  readonly type: number;
  readonly start?: bigint;
  readonly end?: bigint;
  readonly pid?: number;
  readonly fh?: number;
  readonly flock?: boolean;
}

// The nested fuse_file_lock is written by hand: start, end, type, pid behind fh and owner.
function lockRequest(client: PassthroughClient, name: "GETLK" | "SETLK" | "SETLKW", nodeid: number, lock: Lock) {
  const { owner, type, start = 0n, end = END, pid = 0, fh = 0, flock = false } = lock;
  const bytes = client.request(name, nodeid, { fh, owner, lk_flags: flock ? 1 : 0 }, new Uint8Array(0), owner + 100n);
  const view = new DataView(bytes.buffer, FuseInHeader.size);
  view.setBigUint64(16, start, true);
  view.setBigUint64(24, end, true);
  view.setUint32(32, type, true);
  view.setUint32(36, pid, true);
  return bytes;
}

function ask(client: PassthroughClient, name: "GETLK" | "SETLK" | "SETLKW", nodeid: number, lock: Lock) {
  const reply = client.kernels[client.serving]?.ask(lockRequest(client, name, nodeid, lock));
  return reply === undefined ? { error: "waiting", body: new DataView(new ArrayBuffer(24)) } : client.parse(reply);
}

const set = (client: PassthroughClient, nodeid: number, lock: Lock): string => ask(client, "SETLK", nodeid, lock).error;

function conflict(client: PassthroughClient, nodeid: number, lock: Lock) {
  const { body } = ask(client, "GETLK", nodeid, lock);
  return {
    start: body.getBigUint64(0, true),
    end: body.getBigUint64(8, true),
    type: body.getUint32(16, true),
    pid: body.getUint32(20, true),
  };
}

function withFile(client: PassthroughClient): number {
  writeFileSync(client.path("f"), "text");
  return client.lookup(1, "f").nodeid;
}

describe("record locks", () => {
  it.each([1, 2])("owners exclude each other by ranges, %i copies serving", (copies) => {
    using client = new PassthroughClient({}, copies);
    const f = withFile(client);
    expect(set(client, f, { owner: 1n, type: WRITE, start: 10n, end: 19n, pid: 11 })).toBe("");
    client.serving = copies - 1;
    expect(set(client, f, { owner: 2n, type: READ, start: 0n, end: 10n, pid: 22 })).toBe("EAGAIN");
    expect(set(client, f, { owner: 2n, type: READ, start: 20n, pid: 22 })).toBe("");
    expect(set(client, f, { owner: 1n, type: READ, start: 10n, end: 19n })).toBe("");
    expect(set(client, f, { owner: 2n, type: READ, start: 0n, end: 15n })).toBe("");
  });

  it("getlk: tells the range, the type and the process that holds it", () => {
    using client = new PassthroughClient({}, 2);
    const f = withFile(client);
    expect(conflict(client, f, { owner: 3n, type: WRITE }).type).toBe(UNLOCK);
    set(client, f, { owner: 1n, type: WRITE, start: 10n, end: 19n, pid: 11 });
    set(client, f, { owner: 2n, type: WRITE, start: 30n, pid: 22 });
    client.serving = 1;
    expect(conflict(client, f, { owner: 3n, type: READ, end: 12n })).toEqual({
      start: 10n,
      end: 19n,
      type: WRITE,
      pid: 11,
    });
    expect(conflict(client, f, { owner: 3n, type: READ, start: 25n })).toEqual({
      start: 30n,
      end: END,
      type: WRITE,
      pid: 22,
    });
    expect(conflict(client, f, { owner: 1n, type: WRITE, end: 20n }).type).toBe(UNLOCK);
  });

  it("flush and an unlock of everything close the owner's descriptor", () => {
    using client = new PassthroughClient();
    const f = withFile(client);
    const fh = client.open(f, 2);
    const before = openDescriptors();
    expect(set(client, f, { owner: 5n, type: UNLOCK })).toBe("");
    expect(openDescriptors()).toEqual(before);
    expect(set(client, f, { owner: 5n, type: WRITE, end: 5n })).toBe("");
    expect(openDescriptors().length).toBe(before.length + 1);
    expect(set(client, f, { owner: 5n, type: UNLOCK })).toBe("");
    expect(openDescriptors()).toEqual(before);
    expect(set(client, f, { owner: 5n, type: WRITE })).toBe("");
    expect(client.ask("FLUSH", f, { fh, lock_owner: 5n }).error).toBe("");
    expect(openDescriptors()).toEqual(before);
    expect(set(client, f, { owner: 6n, type: WRITE })).toBe("");
    expect(client.ask("FLUSH", f, { fh, lock_owner: 5n }).error).toBe("");
    expect(set(client, f, { owner: 7n, type: WRITE })).toBe("EAGAIN");
    expect(client.copies[0]?.counters().lockOwners.live).toBe(2);
  });

  it.each([1, 2])("release ends the locks of owners that came by its handle, %i copies serving", (copies) => {
    using client = new PassthroughClient({}, copies);
    const f = withFile(client);
    const before = openDescriptors();
    const [one, two] = [client.open(f, 2), client.open(f, 2)];
    expect(set(client, f, { owner: 5n, type: WRITE, end: 5n, fh: one })).toBe("");
    expect(set(client, f, { owner: 6n, type: WRITE, start: 10n, fh: two })).toBe("");
    expect(conflict(client, f, { owner: 7n, type: WRITE, end: 9n, fh: one }).end).toBe(5n);
    client.serving = copies - 1;
    client.ask("FLUSH", f, { fh: one, lock_owner: 8n });
    expect(set(client, f, { owner: 6n, type: WRITE, fh: two })).toBe("EAGAIN");
    client.release(f, one);
    expect(set(client, f, { owner: 6n, type: WRITE, end: 9n, fh: two })).toBe("");
    expect(set(client, f, { owner: 9n, type: READ, start: 10n, fh: two })).toBe("EAGAIN");
    client.release(f, two);
    expect(openDescriptors()).toEqual(before);
    expect(client.copies[0]?.counters().lockOwners.live).toBe(0);
  });

  it("ranges that struct flock cannot say are refused", () => {
    using client = new PassthroughClient();
    const f = withFile(client);
    const before = openDescriptors();
    expect(set(client, f, { owner: 1n, type: WRITE, start: 2n ** 63n, end: 2n ** 64n - 1n })).toBe("EOVERFLOW");
    expect(set(client, f, { owner: 1n, type: WRITE, start: 5n, end: 4n })).toBe("EINVAL");
    expect(set(client, f, { owner: 1n, type: 3 })).toBe("EINVAL");
    expect(openDescriptors()).toEqual(before);
  });

  it("setlkw: waits for an unlock, or for the interrupt", async () => {
    using client = new PassthroughClient();
    const f = withFile(client);
    const [kernel] = client.kernels;
    if (kernel === undefined) throw new Error("no kernel");
    set(client, f, { owner: 1n, type: WRITE });
    expect(ask(client, "SETLKW", f, { owner: 2n, type: WRITE }).error).toBe("waiting");
    expect(kernel.dispatch.inFlight.size).toBe(1);
    set(client, f, { owner: 1n, type: UNLOCK });
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(client.parse(kernel.receive() ?? new Uint8Array(16)).error).toBe("");
    expect(set(client, f, { owner: 3n, type: READ })).toBe("EAGAIN");
    expect(ask(client, "SETLKW", f, { owner: 3n, type: READ }).error).toBe("waiting");
    kernel.send(client.request("INTERRUPT", 0, { unique: 103n }, new Uint8Array(0)));
    kernel.serve();
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(client.parse(kernel.receive() ?? new Uint8Array(16)).error).toBe("EINTR");
    expect(client.copies[0]?.counters().lockOwners.live).toBeGreaterThan(0);
  });
});

describe("flock", () => {
  it("is between handles, and ends with them", () => {
    using client = new PassthroughClient({}, 2);
    const f = withFile(client);
    const [one, two] = [client.open(f, 0), client.open(f, 0)];
    expect(set(client, f, { owner: 1n, type: WRITE, fh: one, flock: true })).toBe("");
    client.serving = 1;
    expect(set(client, f, { owner: 2n, type: READ, fh: two, flock: true })).toBe("EAGAIN");
    client.release(f, one);
    expect(set(client, f, { owner: 2n, type: WRITE, fh: two, flock: true })).toBe("");
  });

  it("holds against programs beside the mount", async () => {
    using client = new PassthroughClient();
    const f = withFile(client);
    const fh = client.open(f, 0);
    const holder = spawn("flock", ["-x", client.path("f"), "sh", "-c", "echo held; read _"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      await once(holder.stdout, "data");
      expect(set(client, f, { owner: 1n, type: READ, fh, flock: true })).toBe("EAGAIN");
    } finally {
      holder.stdin.end();
      await once(holder, "exit");
    }
    expect(set(client, f, { owner: 1n, type: READ, fh, flock: true })).toBe("");
  });
});
