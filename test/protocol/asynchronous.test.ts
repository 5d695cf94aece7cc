// Proves requests whose handlers return promises: order, interrupts, time-outs, slow events, and a queue in which every
// tag is in use.
import { describe, expect, it } from "vitest";
import type { Request } from "../../src/codec/request.ts";
import type { RequestView } from "../../src/codec/request-view.ts";
import { NEXT } from "../../src/transport/transport.ts";
import { createFakeKernel } from "./fake-kernel.ts";
import { reply, request, shown, u32, u64, z, zeros } from "./wire.ts";

interface Held {
  readonly name: string;
  readonly signal: AbortSignal | undefined;
  readonly settle: (result: number) => void;
  readonly fail: (reason: unknown) => void;
}

/** A filesystem whose `unlink` waits until the test settles it by name; `lookAtSignal` false never touches the signal. */
function holding(lookAtSignal = true) {
  const held = new Map<string, Held>();
  const unlink = (req: { readonly name: string; readonly signal: AbortSignal }): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const { name } = req;
    held.set(name, { name, signal: lookAtSignal ? req.signal : undefined, settle: resolve, fail: reject });
    return promise;
  };
  const get = (name: string): Held => {
    const found = held.get(name);
    if (found === undefined) throw new Error(`${name} did not arrive`);
    return found;
  };
  return { filesystem: { unlink, statfs: () => -95 }, held, get };
}

const unlink = (name: string, unique: bigint) => request({ code: 10, unique }, z(name));
const interrupt = (unique: bigint) => request({ code: 36, unique: unique | 1n }, u64(unique));
const forget = request({ code: 2, unique: 0n }, u64(1));

describe("a promise", () => {
  it("settled later: is answered then, in the order of settling", async () => {
    const { filesystem, get } = holding();
    using kernel = createFakeKernel(filesystem);
    for (const [index, name] of ["a", "b", "c"].entries()) kernel.send(unlink(name, BigInt(index + 2)));
    expect(kernel.serve()).toBe(NEXT.EMPTY);
    expect([kernel.dispatch.inFlight.size, kernel.receive()]).toEqual([3, undefined]);
    expect(shown(kernel.ask(request({ code: 17, unique: 0x50n })))).toBe(shown(reply(-95, 0x50n)));
    get("c").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 2);
    expect(shown(kernel.receive())).toBe(shown(reply(0, 4n)));
    get("a").settle(-2);
    get("b").fail(Object.assign(new Error("no"), { code: "EACCES" }));
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect([shown(kernel.receive()), shown(kernel.receive())]).toEqual([shown(reply(-2, 2n)), shown(reply(-13, 3n))]);
    expect(kernel.stats()).toMatchObject({ asynchronous: 3, replies: 1, errors: 3 });
    expect(kernel.released()).toBe(3);
  });

  it("with data: keeps its request and reply memory while others come and go", async () => {
    const gates: (() => void)[] = [];
    using kernel = createFakeKernel({
      async read(req) {
        await new Promise<void>((resolve) => gates.push(resolve));
        req.buffer.fill(Number(req.offset), 0, req.size);
        return req.size;
      },
    });
    const read = (offset: number) =>
      request({ code: 15, unique: BigInt(offset) }, u64(1), u64(offset), u32(8), zeros(20));
    for (let offset = 1; offset <= 20; offset++) kernel.send(read(offset));
    kernel.serve();
    await kernel.until(() => gates.length === 20);
    for (const gate of gates.reverse()) gate();
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    for (let offset = 20; offset >= 1; offset--) {
      const bytes = new Uint8Array(8).fill(offset);
      expect(shown(kernel.receive())).toBe(shown(reply(0, BigInt(offset), bytes)));
    }
  });
});

describe("INTERRUPT", () => {
  it("aborts the signal of the request it names, and no other", async () => {
    const { filesystem, get } = holding();
    using kernel = createFakeKernel(filesystem);
    kernel.send(unlink("a", 0x1_0000_0002n));
    kernel.send(unlink("b", 0x2_0000_0002n));
    kernel.send(interrupt(0x2_0000_0002n));
    kernel.serve();
    expect([get("a").signal?.aborted, get("b").signal?.aborted]).toEqual([false, true]);
    expect([kernel.foreign, kernel.receive()]).toEqual([[], undefined]);
    get("b").fail(get("b").signal?.reason);
    await kernel.until(() => kernel.dispatch.inFlight.size === 1);
    expect(shown(kernel.receive())).toBe(shown(reply(-4, 0x2_0000_0002n)));
    expect(kernel.stats().interrupted).toBe(1);
    get("a").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
  });

  it("before the handler looks at its signal: is found there", async () => {
    const gate = Promise.withResolvers<void>();
    let aborted: boolean | undefined;
    using kernel = createFakeKernel({
      async unlink(req) {
        await gate.promise;
        aborted = req.signal.aborted;
        req.signal.throwIfAborted();
        return 0;
      },
    });
    kernel.send(unlink("a", 2n));
    kernel.send(interrupt(2n));
    kernel.serve();
    gate.resolve();
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect([aborted, shown(kernel.receive())]).toEqual([true, shown(reply(-4, 2n))]);
  });

  it("of a handler that ignores its signal: changes nothing, nor does a second one", async () => {
    const { filesystem, get } = holding(false);
    using kernel = createFakeKernel(filesystem);
    for (const bytes of [unlink("a", 2n), interrupt(2n), interrupt(2n)]) kernel.send(bytes);
    kernel.serve();
    get("a").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(shown(kernel.receive())).toBe(shown(reply(0, 2n)));
    kernel.ask(interrupt(2n));
    expect(kernel.foreign).toEqual([[2, 0]]);
  });

  it("leaves the next request of the tag a fresh signal", async () => {
    const { filesystem, get } = holding();
    using kernel = createFakeKernel(filesystem);
    for (const bytes of [unlink("a", 2n), interrupt(2n)]) kernel.send(bytes);
    kernel.serve();
    get("a").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(shown(kernel.ask(unlink("b", 4n)))).toBe(shown(reply(0, 2n)));
    expect(get("b").signal?.aborted).toBe(false);
    get("b").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
  });

  it("does not reach the signal that an earlier, synchronous handler kept from the same tag", async () => {
    const kept: AbortSignal[] = [];
    const { filesystem, get } = holding();
    using kernel = createFakeKernel({
      ...filesystem,
      rmdir(req) {
        kept.push(req.signal);
        return 0;
      },
    });
    kernel.ask(request({ code: 11 }, z("d")));
    for (const bytes of [unlink("a", 2n), interrupt(2n)]) kernel.send(bytes);
    kernel.serve();
    expect([get("a").signal?.aborted, kept[0]?.aborted]).toEqual([true, false]);
    get("a").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
  });
});

describe("a time-out", () => {
  it("answers ETIMEDOUT once, and the tag is used again only when the handler has settled", async () => {
    const { filesystem, get } = holding();
    using kernel = createFakeKernel(filesystem, { timeoutMs: 40, maxInFlight: 1 });
    kernel.ask(unlink("a", 2n));
    let answer: Uint8Array | undefined;
    await kernel.until(() => {
      answer = kernel.receive();
      return answer !== undefined;
    });
    expect(shown(answer)).toBe(shown(reply(-110, 2n)));
    expect(get("a").signal?.reason).toMatchObject({ name: "TimeoutError" });
    expect(kernel.dispatch.inFlight.size).toBe(1);
    kernel.send(unlink("b", 4n));
    expect(kernel.serve()).toBe(NEXT.FULL);
    expect(() => get("b")).toThrow("did not arrive");
    get("a").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(kernel.receive()).toBeUndefined();
    expect(kernel.serve()).toBe(NEXT.EMPTY);
    get("b").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(shown(kernel.receive())).toBe(shown(reply(0, 4n)));
    expect(kernel.stats()).toMatchObject({ timedOut: 1, errors: 1, replies: 1 });
  });

  it("after an INTERRUPT: the handler can still tell that it was answered", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    let cursor: Request | undefined;
    const unlinkLater = (req: RequestView<"UNLINK">) => {
      cursor = req.request;
      return promise;
    };
    using kernel = createFakeKernel({ unlink: unlinkLater }, { timeoutMs: 40 });
    for (const bytes of [unlink("a", 2n), interrupt(2n)]) kernel.send(bytes);
    kernel.serve();
    expect([cursor?.answered, cursor?.signal.reason?.name]).toEqual([false, "AbortError"]);
    await kernel.until(() => kernel.stats().timedOut === 1);
    expect([cursor?.answered, cursor?.signal.reason?.name]).toEqual([true, "AbortError"]);
    resolve(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(cursor?.answered).toBe(false);
  });

  it("late rejection: is no error event", async () => {
    const { filesystem, get } = holding();
    using kernel = createFakeKernel(filesystem, { timeoutMs: 40 });
    kernel.ask(unlink("a", 2n));
    await kernel.until(() => kernel.stats().timedOut === 1);
    get("a").fail(new TypeError("too late"));
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(kernel.errors).toEqual([]);
  });

  it("slow event: comes once, and the request goes on", async () => {
    const { filesystem, get } = holding();
    using kernel = createFakeKernel(filesystem, { slowMs: 40 });
    kernel.ask(unlink("a", 2n));
    await kernel.until(() => kernel.slow.length > 0);
    expect(kernel.slow[0]).toMatchObject({ opcode: "UNLINK", nodeid: 0x21, unique: 2n });
    expect(kernel.slow[0]?.elapsedMs).toBeGreaterThanOrEqual(40);
    const since = Bun.nanoseconds();
    await kernel.until(() => Bun.nanoseconds() - since > 60e6); // several looks at the waiting requests
    expect(kernel.slow).toHaveLength(1);
    get("a").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(shown(kernel.receive())).toBe(shown(reply(0, 2n)));
  });

  it("end of the mount: aborts every signal and answers nothing more", async () => {
    const { filesystem, get } = holding();
    using kernel = createFakeKernel(filesystem, { timeoutMs: 40 });
    kernel.ask(unlink("a", 2n));
    kernel.dispatch.inFlight.end(new Error("the mount has ended"));
    expect(get("a").signal?.reason).toMatchObject({ message: "the mount has ended" });
    get("a").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect([kernel.receive(), kernel.stats().timedOut]).toEqual([undefined, 0]);
  });
});

describe("a queue with every tag in use", () => {
  it.each([1, 3, 15, 16, 17, 40])(
    "maxInFlight %i: serves so many, parks one, and goes on when one settles",
    async (most) => {
      const { filesystem, held, get } = holding();
      using kernel = createFakeKernel(filesystem, { maxInFlight: most });
      for (let index = 0; index < most + 3; index++) kernel.send(unlink(`n${index}`, BigInt(2 * index + 2)));
      expect([kernel.serve(), kernel.serve()]).toEqual([NEXT.FULL, NEXT.FULL]);
      expect(held.size).toBe(most);
      for (let index = 0; index < most + 3; index++) {
        get(`n${index}`).settle(-index - 1);
        const left = Math.min(most, most + 3 - index) - 1;
        await kernel.until(() => kernel.dispatch.inFlight.size === left);
        expect(shown(kernel.receive())).toBe(shown(reply(-index - 1, BigInt(2 * index + 2))));
        expect(kernel.serve()).toBe(index < 2 ? NEXT.FULL : NEXT.EMPTY);
      }
      expect(kernel.dispatch.inFlight.size).toBe(0);
    },
  );

  it("INTERRUPT and FORGET: get through while handlers hold every tag", async () => {
    const { filesystem, get } = holding();
    const forgotten: number[] = [];
    using kernel = createFakeKernel(
      { ...filesystem, forget: (nodeid) => void forgotten.push(nodeid) },
      { maxInFlight: 2 },
    );
    for (const bytes of [unlink("a", 2n), unlink("b", 4n), forget, forget, interrupt(2n), forget]) kernel.send(bytes);
    expect(kernel.serve()).toBe(NEXT.EMPTY);
    expect(get("a").signal?.aborted).toBe(true);
    expect(forgotten).toEqual([0x21, 0x21, 0x21]);
    for (const name of ["a", "b"]) get(name).settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
  });

  it("malformed request: is refused at its turn, and the queue goes on", async () => {
    const { filesystem, get } = holding();
    using kernel = createFakeKernel(filesystem, { maxInFlight: 1 });
    kernel.send(unlink("a", 2n));
    kernel.send(unlink("broken", 4n).slice(0, 30));
    kernel.send(unlink("c", 6n));
    expect(kernel.serve()).toBe(NEXT.FULL);
    get("a").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(kernel.serve()).toBe(NEXT.EMPTY);
    get("c").settle(0);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    const answers = [kernel.receive(), kernel.receive(), kernel.receive()];
    expect(answers.map(shown)).toEqual([reply(0, 2n), reply(-5, 4n), reply(0, 6n)].map(shown));
  });
});
