// The random exerciser as tests: a file against a model in memory, from a printed seed.
// RFUSE_SEED=n repeats a run, RFUSE_STEPS=n makes it longer.
import { expect } from "vitest";
import { area, type Target } from "./target.ts";

const CHOICES = {
  plain: ["read", "write", "truncate", "reopen", "sync"],
  mapped: ["read", "write", "truncate", "map-read", "map-write", "reopen", "sync"],
  all: ["read", "read", "write", "write", "truncate", "map-read", "map-write", "copy", "reopen", "sync"],
} as const;

/** The exerciser's operations that a target has, for one choice of them. */
function operations({ features }: Target, choice: keyof typeof CHOICES): string {
  const names: string[] = [...CHOICES[choice], ...(choice === "all" ? features.fallocate : [])];
  return names.filter((name) => features.sharedMmap === true || !name.startsWith("map-")).join();
}

/** Registers the exerciser's tests. */
export function exerciser(target: Target): void {
  const it = area(target, "exerciser");
  const steps = Number(process.env["RFUSE_STEPS"] ?? 3000);
  const first = Number(process.env["RFUSE_SEED"] ?? Date.now() % 1_000_000_007);
  for (const [i, choice] of (Object.keys(CHOICES) as (keyof typeof CHOICES)[]).entries()) {
    const seed = first + i;
    it(`exerciser: ${steps} steps of ${choice}, seed ${seed}`, async ({ p, path }) => {
      expect(await p.number("exercise", path("f"), seed, steps, 200_000, operations(target, choice))).toBe(steps);
    });
  }

  it(`exerciser: four processes with a file each, seed ${first}`, async ({ path, probe }) => {
    const each = Math.floor(steps / 3);
    const runs = [0, 1, 2, 3].map(async (i) => {
      const q = await probe();
      return q.number("exercise", path(`f${i}`), first + i, each, 60_000, operations(target, "all"));
    });
    expect(await Promise.all(runs)).toEqual([each, each, each, each]);
  });
}
