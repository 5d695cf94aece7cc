// What a preset is, and how its scenarios and claims are written down.
// Types and constructors alone; presets.ts has the table.
import { type PlacementName, type Scenario, workloadNamed } from "./workloads.ts";

/** Scenarios that are each run on the same peers. */
export type Group = { scenarios: readonly Scenario[]; peers: readonly string[] };

/** One cell of the matrix: where a number comes from. */
export type Source = { scenario: Scenario; peer: string };

/** The ratio of two cells, and what it is to be at least. */
export type Claim = { text: string; over: Source; under: Source; atLeast: number };

/** `baseline` is the peer that the table's ratios refer to. */
export type Preset = {
  name: string;
  about: string;
  baseline: string;
  groups: readonly Group[];
  claims: readonly Claim[];
};

/** A scenario by its parts; one client thread unless said otherwise. */
export function scenario(workload: string, placement: PlacementName = "same", threads = 1): Scenario {
  return { workload: workloadNamed(workload), placement, threads };
}

/** One cell by the parts of its scenario. */
export function at(workload: string, peer: string, placement: PlacementName = "same", threads = 1): Source {
  return { scenario: scenario(workload, placement, threads), peer };
}

/** The same ratio of two peers for each of some workloads. */
export function each(
  workloads: readonly string[],
  [over, under]: readonly [over: string, under: string],
  atLeast: number,
  placement: PlacementName = "same",
  threads = 1,
): Claim[] {
  return workloads.map((workload) => ({
    text: `${over} / ${under}`,
    over: at(workload, over, placement, threads),
    under: at(workload, under, placement, threads),
    atLeast,
  }));
}
