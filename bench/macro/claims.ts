// Ratios that a run was to show: computed within each round, judged by their median, and shown as a table.
// Pure functions. A claim whose cells are missing is said to be unmeasured, never passed over.
import type { Claim, Source } from "./preset.ts";
import { type Cell, ratesOf } from "./report.ts";
import { pairedRatio, type Spread } from "./statistics.ts";
import { columns } from "./table.ts";
import { scenarioName } from "./workloads.ts";

/** A claim with what was measured; `ratio` is undefined when one of its cells was not. */
export type Verdict = {
  text: string;
  workload: string;
  atLeast: number;
  ratio: Spread | undefined;
  rounds: number;
  holds: boolean | undefined;
};

/** Judges claims by the cells of one run. */
export function judge(claims: readonly Claim[], cells: readonly Cell[]): Verdict[] {
  const rates = ({ scenario, peer }: Source) => ratesOf(cells, scenarioName(scenario), peer);
  return claims.map((claim) => {
    const over = rates(claim.over);
    const ratio = pairedRatio(over, rates(claim.under));
    return {
      text: claim.text,
      workload: scenarioName(claim.over.scenario),
      atLeast: claim.atLeast,
      ratio,
      rounds: over.size,
      holds: ratio && ratio.median >= claim.atLeast,
    };
  });
}

/** The verdicts as a table, one line each. */
export function formatVerdicts(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ text, workload, atLeast, ratio, holds }) => [
    text,
    workload,
    ratio ? ratio.median.toFixed(2) : "-",
    ratio ? `${ratio.min.toFixed(2)}..${ratio.max.toFixed(2)}` : "-",
    atLeast.toFixed(2),
    holds === undefined ? "not measured" : holds ? "holds" : "MISSED",
  ]);
  return columns(["ratio", "workload", "median", "min..max", "goal", ""], rows, 2);
}
