// Proves that no wake-up is lost on either side, by two threads that hammer one channel: callers who poll for as long as it
// takes just about to be answered, and a worker that spins, sleeps in WAIT, or sleeps in an epoll set beside a device. A
// lost wake-up is a caller that is not woken in 20 s, or a worker that never returns.
import { once } from "node:events";
import { expect, it } from "vitest";
import type { RingJob } from "../../bench/micro/ring-partner.ts";
import { createTrip, createTripServer } from "../../bench/micro/ring-trip.ts";

const CASES = [
  { rests: "spin", calls: 60_000, polls: 400 },
  { rests: "wait", calls: 10_000, polls: 20_000 },
  { rests: "epoll", calls: 10_000, polls: 20_000 },
] as const;

it.each(CASES)("$rests: $calls requests, polled for up to $polls looks, are all answered", async (one) => {
  const server = createTripServer(createTrip(0xffff_ff00 | 0), one.rests);
  const worker = new Worker(new URL("../../bench/micro/ring-partner.ts", import.meta.url).href);
  try {
    const failed = new Promise<never>((_, reject) => worker.addEventListener("error", reject));
    const { calls, polls } = one;
    worker.postMessage({ trip: server.trip, cpu: undefined, kind: "call", calls, polls } satisfies RingJob);
    expect((await Promise.race([once(worker, "message"), failed]))[0].data).toBe("ready");
    server.serve();
    const slept = (await Promise.race([once(worker, "message"), failed]))[0].data as number;
    expect(slept).toBeGreaterThan(0);
  } finally {
    worker.terminate();
    server.close();
  }
});
