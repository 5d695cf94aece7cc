// The POSIX behaviour suite: what every mounted directory is judged by, written once.
// Owns the list of areas. Knows no transport and no server: a target is a directory and a table of features.
import { describe } from "vitest";
import { acls } from "./acl.ts";
import { concurrency } from "./concurrency.ts";
import { directories } from "./directories.ts";
import { exerciser } from "./exerciser.ts";
import { files } from "./files.ts";
import { limits } from "./limits.ts";
import { links } from "./links.ts";
import { locks } from "./locks.ts";
import { mmap } from "./mmap.ts";
import { names } from "./names.ts";
import { ownership } from "./ownership.ts";
import { PATIENCE } from "./pace.ts";
import { permissions } from "./permissions.ts";
import { rename } from "./rename.ts";
import { setid } from "./setid.ts";
import { space } from "./space.ts";
import { special } from "./special.ts";
import type { Target } from "./target.ts";
import { times } from "./times.ts";
import { unlinked } from "./unlinked.ts";
import { xattrs } from "./xattrs.ts";

export type { Features, Support, Target } from "./target.ts";

const AREAS = {
  names,
  files,
  directories,
  links,
  rename,
  permissions,
  ownership,
  setid,
  times,
  xattrs,
  acls,
  locks,
  space,
  mmap,
  unlinked,
  special,
  concurrency,
  limits,
  exerciser,
} as const;

/** Areas whose every test needs other uids. */
const ROOT_ONLY: ReadonlySet<string> = new Set(["setid"]);

/** The name of one area of the suite. */
export type Area = keyof typeof AREAS;

/** Registers the suite for one target, or the areas named; a test may take 60 s or more, so that a slow machine is no failure. */
export function behaviour(target: Target, areas: readonly Area[] = Object.keys(AREAS) as Area[]): void {
  describe(target.name, { timeout: 60_000 * PATIENCE }, () => {
    for (const name of areas.filter((area) => target.asRoot || !ROOT_ONLY.has(area)))
      describe(name, () => AREAS[name](target));
  });
}
