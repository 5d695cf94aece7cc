// All charts of a result, in the order of the page. Pure.
import type { Row } from "../macro/report.ts";
import { type Chart, latencyCurves, ratioBars, scalingLines, timeStacks } from "./charts.ts";
import { overview } from "./overview.ts";

/** The charts of these rows, whose ratios refer to `baseline`. */
export function allCharts(rows: readonly Row[], baseline: string): Chart[] {
  return [
    ...overview(rows, baseline),
    ...ratioBars(rows, baseline),
    ...timeStacks(rows),
    ...scalingLines(rows),
    ...latencyCurves(rows, baseline),
  ];
}
