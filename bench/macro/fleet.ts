// All servers of a run: each peer is mounted once per place that its scenarios need, and stays mounted throughout.
// It owns those servers, their mounts below one folder, and the switches of the kernel that they need.
import { mkdir, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { LARGE_PIPES, turnOn, URING } from "./kernel-switch.ts";
import type { Peer, Running } from "./peers/peer.ts";
import { readUsage } from "./server-usage.ts";

/** A peer at a place: on one CPU, or anywhere when `cpu` is undefined. */
export type Berth = { peer: Peer; cpu: number | undefined };
export type LeftOut = { peer: string; reason: string };
export type Idle = { peer: string; cpuMs: number; seconds: number };

export type Fleet = {
  leftOut: LeftOut[];
  /** The server at that place; undefined when it did not start or was dropped. */
  find(peer: string, cpu: number | undefined): Running | undefined;
  /** CPU time that each server used while nobody asked it for anything. */
  idle(seconds: number, signal: AbortSignal): Promise<Idle[]>;
  /** Stops one that hangs, and says so. */
  drop(peer: string, cpu: number | undefined, reason: string): Promise<void>;
  /** Stops all. Resolves to what did not stop cleanly. */
  stop(): Promise<string[]>;
};

type Started = Berth & { running: Running };

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// A server that was asked for io_uring and fell back to the device must not be measured under its name.
async function refuseFallback(pid: number): Promise<void> {
  const folder = `/proc/${pid}/fd`;
  for (const fd of await readdir(folder)) {
    if ((await readlink(join(folder, fd)).catch(() => "")).includes("[io_uring]")) return;
  }
  throw new Error("it holds no ring: FUSE-over-io_uring was not agreed");
}

async function startOne({ peer, cpu }: Berth, source: string, folder: string): Promise<Started> {
  const mountpoint = join(folder, `${peer.name}${cpu === undefined ? "" : `-cpu${cpu}`}`);
  await mkdir(mountpoint);
  const running = await peer.start(source, mountpoint, { cpu });
  try {
    if (peer.uring && !peer.strict && running.pid !== undefined) await refuseFallback(running.pid);
  } catch (error) {
    await running.stop();
    throw error;
  }
  return { peer, cpu, running };
}

/**
 * Starts servers over `source`, one after the other; `say` is told which. One that does not start is left out with its
 * reason, unless `all` must start: then all are stopped and its reason is thrown.
 */
export async function startFleet(
  berths: readonly Berth[],
  source: string,
  folder: string,
  { all, say, signal }: { all: boolean; say: (text: string) => void; signal: AbortSignal },
): Promise<Fleet> {
  const started: Started[] = [];
  const leftOut: LeftOut[] = [];
  const nothing = async () => {};
  const missing = (error: unknown) => {
    noUring = message(error);
    return nothing;
  };
  let noUring: string | undefined;
  const pipes = berths.some(({ peer }) => peer.largePipes) ? await turnOn(LARGE_PIPES).catch(() => nothing) : nothing;
  const uringOff = berths.some(({ peer }) => peer.uring) ? await turnOn(URING).catch(missing) : nothing;
  const fleet = makeFleet(started, leftOut, pipes);
  try {
    for (const berth of berths) {
      if (signal.aborted) break;
      say(`starting ${berth.peer.name}`);
      try {
        if (berth.peer.uring && noUring !== undefined) throw new Error(noUring);
        started.push(await startOne(berth, source, folder));
      } catch (error) {
        if (all) throw new Error(`${berth.peer.name}: ${message(error)}`);
        leftOut.push({ peer: berth.peer.name, reason: message(error) });
      }
    }
    return fleet;
  } catch (error) {
    await fleet.stop();
    throw error;
  } finally {
    await uringOff();
  }
}

function makeFleet(started: Started[], leftOut: LeftOut[], restore: () => Promise<void>): Fleet {
  const place = (peer: string, cpu: number | undefined) =>
    started.findIndex((one) => one.peer.name === peer && one.cpu === cpu);
  return {
    leftOut,
    find: (peer, cpu) => started[place(peer, cpu)]?.running,
    async idle(seconds, signal) {
      const servers = started.flatMap(({ peer, running }) =>
        running.pid === undefined ? [] : [{ peer: peer.name, pid: running.pid }],
      );
      await pause(500, undefined, { signal }).catch(() => {});
      const before = await Promise.all(servers.map(({ pid }) => readUsage(pid)));
      await pause(seconds * 1000, undefined, { signal }).catch(() => {});
      if (signal.aborted) return [];
      const after = await Promise.all(servers.map(({ pid }) => readUsage(pid)));
      return servers.map(({ peer }, index) => {
        const spentUs = (after[index]?.cpuUs ?? 0) - (before[index]?.cpuUs ?? 0);
        return { peer, cpuMs: spentUs / 1000, seconds };
      });
    },
    async drop(peer, cpu, reason) {
      const [gone] = started.splice(place(peer, cpu), 1);
      leftOut.push({ peer, reason });
      await gone?.running.stop();
    },
    async stop() {
      const failures: string[] = [];
      for (const { peer, running } of started.splice(0).reverse()) {
        await running.stop().catch((error) => failures.push(`${peer.name}: ${message(error)}`));
      }
      await restore();
      return failures;
    },
  };
}
