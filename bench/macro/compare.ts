// Two results of the benchmark side by side: what became better, what worse, what is noise.
// Values are ratios to the baseline of their own round, so that a faster or busier machine cancels; the baseline itself
// is not compared. It reads files and prints; it measures nothing.
import { parseArgs } from "node:util";
import { rankTest } from "./rank-test.ts";
import { type Cell, ratesOf } from "./report.ts";
import { type Result, readResult } from "./results.ts";
import { median } from "./statistics.ts";
import { columns } from "./table.ts";

/** A difference counts when it would come by chance less often than this: five rounds a side can show it. */
const CHANCE = 0.01;
const ROUNDS = 5;
/** And when it is larger than this part of the value before. */
const SMALLEST = 0.03;

export const COMPARE_HELP = `use: bun run bench compare A.json B.json [--absolute]
Says for each workload and peer in both files whether B is better or worse than A, or whether the difference is noise
(Mann-Whitney test, p < ${CHANCE}, and more than ${SMALLEST * 100} %). Exit status 1 when something is worse.
  --absolute      compare operations per second; else ratios to the baseline within each round`;

export type Word = "better" | "worse" | "noise";
export type Difference = { scenario: string; peer: string; before: number; after: number; p: number; word: Word };

type Values = (result: Pick<Result, "cells" | "settings">, scenario: string, peer: string) => number[];

const absolute: Values = ({ cells }, scenario, peer) => [...ratesOf(cells, scenario, peer).values()];

const relative: Values = ({ cells, settings }, scenario, peer) => {
  if (peer === settings.baseline) return [];
  const base = ratesOf(cells, scenario, settings.baseline);
  return [...ratesOf(cells, scenario, peer)].flatMap(([round, rate]) => {
    const under = base.get(round);
    return under === undefined || !(under > 0) ? [] : [rate / under];
  });
};

/** Compares what both results have, in the order of the second. */
export function compareResults(
  before: Pick<Result, "cells" | "settings">,
  after: Pick<Result, "cells" | "settings">,
  inAbsolute = false,
): Difference[] {
  const values = inAbsolute ? absolute : relative;
  return pairs(after.cells).flatMap(({ scenario, peer }) => {
    const [a, b] = [values(before, scenario, peer), values(after, scenario, peer)];
    const [from, to] = [median(a), median(b)];
    if (from === undefined || to === undefined) return [];
    const p = rankTest(a, b);
    const change = to / from - 1;
    const real = p < CHANCE && Math.abs(change) > SMALLEST;
    return [{ scenario, peer, before: from, after: to, p, word: real ? (change > 0 ? "better" : "worse") : "noise" }];
  });
}

function pairs(cells: readonly Cell[]): Array<{ scenario: string; peer: string }> {
  const found = new Map(cells.map(({ scenario, peer }) => [`${scenario}\n${peer}`, { scenario, peer }]));
  return [...found.values()];
}

/** The differences as a table. */
export function formatDifferences(differences: readonly Difference[], digits: number): string {
  const rows = differences.map(({ scenario, peer, before, after, p, word }) => [
    scenario,
    peer,
    before.toFixed(digits),
    after.toFixed(digits),
    `${((after / before - 1) * 100).toFixed(1)} %`,
    p.toFixed(3),
    word,
  ]);
  return columns(["workload", "peer", "before", "after", "change", "p", ""], rows, 2);
}

/** The command; resolves to the exit status. Errors: a file that is no result, or two that have nothing in common. */
export async function runCompare(words: readonly string[]): Promise<number> {
  const flag = { type: "boolean" } as const;
  const options = { absolute: flag, help: flag };
  const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals: true });
  const [first, second, ...more] = positionals;
  if (values.help) {
    process.stdout.write(`${COMPARE_HELP}\n`);
    return 0;
  }
  if (first === undefined || second === undefined || more.length > 0) throw new Error(COMPARE_HELP);
  const [before, after] = [await readResult(first), await readResult(second)];
  if (!values.absolute && before.settings.baseline !== after.settings.baseline) {
    throw new Error(`the baselines differ: ${before.settings.baseline} and ${after.settings.baseline}; try --absolute`);
  }
  const differences = compareResults(before, after, values.absolute);
  if (differences.length === 0) throw new Error("the two results have no workload and peer in common");
  process.stdout.write(`${formatDifferences(differences, values.absolute ? 0 : 3)}\n`);
  const rounds = Math.min(...[before, after].map(({ cells }) => new Set(cells.map(({ round }) => round)).size));
  if (rounds < ROUNDS) {
    process.stderr.write(`only ${rounds} rounds: no difference can be told from chance below ${ROUNDS}\n`);
  }
  const count = (word: Word) => differences.filter((one) => one.word === word).length;
  process.stdout.write(`${count("better")} better, ${count("worse")} worse, ${count("noise")} noise\n`);
  return count("worse") > 0 ? 1 : 0;
}
