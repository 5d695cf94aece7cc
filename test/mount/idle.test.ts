// A mount that nobody uses costs nothing: no timer, no poll with a time-out, no spinning; neither fresh nor after a
// burst of requests. All mounts idle at the same time, so that the test takes the time of one.

import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { client, type Daemon, until } from "./harness.ts";
import { LANES, SINGLE, startOn } from "./lanes.ts";

const IDLE_MS = 10_000;
/** Most CPU time in that while, for all threads of a daemon and its guardian. */
const MOST_MS = 5;
/** Bun tidies up some time after it started, for milliseconds and once; what a mount does by itself is there at each look. */
const LOOKS = 3;
/** A daemon has come to rest when it took less than this in `REST_MS`. */
const RESTFUL_MS = 0.5;
const REST_MS = 500;
/** Bun looks at its heap once a second, whatever runs on it, until that has not changed for half a minute. */
const WITHOUT_BUNS_OWN = { BUN_GC_TIMER_DISABLE: "1" };

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

type Times = ReadonlyMap<string, number>;

/** CPU time by thread of these processes, in ms. */
function cpuTimes(pids: readonly number[]): Times {
  const threads = pids.flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}`));
  return new Map(threads.map((path) => [path, Number(readFileSync(`${path}/schedstat`, "utf8").split(" ")[0]) / 1e6]));
}

/** What the threads that are there now took since `before`; one that ended was idle, as a pool's are. */
function cpuMsSince(before: Times, pids: readonly number[]): number {
  let sum = 0;
  for (const [path, ms] of cpuTimes(pids)) sum += ms - (before.get(path) ?? 0);
  return sum;
}

interface Idler {
  readonly name: string;
  readonly pids: readonly number[];
}

async function burst({ mountpoint }: Daemon): Promise<void> {
  const script = `for i in $(seq 50); do cat ${mountpoint}/now ${mountpoint}/later; done`;
  const both = await Promise.all([client("sh", "-c", script), client("sh", "-c", script)]);
  for (const { stdout } of both) expect(stdout).toBe("now\nlater\n".repeat(50));
}

async function pidsOf(daemon: Daemon): Promise<number[]> {
  const guardian = await client("pgrep", "-f", `rfuse-guardian ${daemon.mountpoint} `);
  return [daemon.pid, Number(guardian.stdout)];
}

async function resting(idlers: readonly Idler[]): Promise<void> {
  const took = new Map<string, number>();
  await until(
    "rest",
    async () => {
      const before = idlers.map(({ pids }) => cpuTimes(pids));
      await sleep(REST_MS);
      for (const [at, { name, pids }] of idlers.entries()) took.set(name, cpuMsSince(before[at] as Times, pids));
      return [...took.values()].every((ms) => ms < RESTFUL_MS);
    },
    60_000,
  );
}

/** Those that took `MOST_MS` or more in the next `IDLE_MS`. */
async function busyOnes(idlers: readonly Idler[]): Promise<Idler[]> {
  const before = idlers.map(({ pids }) => cpuTimes(pids));
  await sleep(IDLE_MS);
  return idlers.filter(({ name, pids }, at) => {
    const ms = cpuMsSince(before[at] as Times, pids);
    process.stdout.write(`${name}: ${ms.toFixed(2)} ms\n`);
    return !(ms < MOST_MS);
  });
}

it(`an idle mount takes less than ${MOST_MS} ms of CPU time in ${IDLE_MS / 1000} s, on each lane, fresh and after a burst`, async () => {
  await using stack = new AsyncDisposableStack();
  const idlers: Idler[] = [];
  for (const [lanes, form] of [
    [LANES, "module"],
    [SINGLE, "object"],
  ] as const) {
    for (const lane of lanes) {
      for (const fresh of [true, false]) {
        const daemon = stack.use(await startOn(lane, { form, filesystem: "restful", env: WITHOUT_BUNS_OWN }));
        if (!fresh) await burst(daemon);
        idlers.push({
          name: `${lane.name}, ${form}, ${fresh ? "fresh" : "after a burst"}`,
          pids: await pidsOf(daemon),
        });
      }
    }
  }
  await resting(idlers);
  let left: readonly Idler[] = idlers;
  for (let look = 0; look < LOOKS && left.length > 0; look++) left = await busyOnes(left);
  expect(left.map(({ name }) => name)).toEqual([]);
}, 180_000);
