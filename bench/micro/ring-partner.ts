// The other thread of a trip over a ring: serves until the trip ends, or calls so often and ends it. It posts "ready"
// before, and afterwards how many of its calls slept.
import { parentPort } from "node:worker_threads";
import { pin } from "./pin.ts";
import { createCaller, createTripServer, endTrip, type RingTrip } from "./ring-trip.ts";

export type RingJob = { readonly trip: RingTrip; readonly cpu: number | undefined } & (
  | { readonly kind: "serve"; readonly rests: "spin" | "wait" }
  /** Looks 0 to `polls` - 1 times for each reply, in turn. */
  | { readonly kind: "call"; readonly calls: number; readonly polls: number }
);

function callOften(trip: RingTrip, calls: number, polls: number): number {
  const call = createCaller(trip);
  let slept = 0;
  try {
    for (let index = 0; index < calls; index++) if (call((index * 31) % polls)) slept++;
  } finally {
    endTrip(trip);
  }
  return slept;
}

parentPort?.on("message", (job: RingJob) => {
  if (job.cpu !== undefined) pin([job.cpu]);
  parentPort?.postMessage("ready");
  if (job.kind === "call") {
    parentPort?.postMessage(callOften(job.trip, job.calls, job.polls));
    return;
  }
  const server = createTripServer(job.trip, job.rests);
  server.serve();
  server.close();
  parentPort?.postMessage(0);
});
