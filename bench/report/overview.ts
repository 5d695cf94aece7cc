// The chart that shows all workloads of a result at once: a dot for each peer's ratio, a line for its range. Pure.
import * as Plot from "@observablehq/plot";
import type { Row } from "../macro/report.ts";
import type { Spread } from "../macro/statistics.ts";
import { type Chart, legendOf, ratioAxis, ratioTicks } from "./charts.ts";
import { drawSvg, peerColours } from "./figure.ts";

const WIDTH = 720;
const LEFT = 150;
/** Between the lines of two peers, and two workloads. */
const STEP = 6;
const GAP = 12;

type Dot = Spread & { scenario: string; peer: string };

/** No chart below two workloads. The file without FUSE is left out: it would be all that can be seen. */
export function overview(rows: readonly Row[], baseline: string): Chart[] {
  const dots: Dot[] = rows.flatMap(({ scenario, peer, ratio }) =>
    ratio && peer !== "raw" && peer !== baseline ? [{ scenario, peer, ...ratio }] : [],
  );
  const scenarios = [...new Set(dots.map(({ scenario }) => scenario))];
  const peers = [...new Set(dots.map(({ peer }) => peer))];
  if (scenarios.length < 2 || peers.length === 0) return [];
  const least = Math.min(0.8, ...dots.map(({ min }) => min * 0.95));
  const most = Math.max(1.25, ...dots.map(({ max }) => max * 1.05));
  const ticks = ratioTicks([least, most]);
  const colours = peerColours(peers);
  const marks = peers.flatMap((peer, index) => {
    const own = dots.filter((dot) => dot.peer === peer);
    const dy = (index - (peers.length - 1) / 2) * STEP;
    const colour = colours[index] ?? "currentColor";
    return [
      Plot.ruleY(own, {
        y: "scenario",
        x1: "min",
        x2: "max",
        dy,
        stroke: colour,
        strokeWidth: 1.5,
        strokeOpacity: 0.6,
      }),
      Plot.dot(own, { y: "scenario", x: "median", dy, fill: colour, r: 3 }),
    ];
  });
  const svg = drawSvg(`all workloads, relative to ${baseline}`, {
    width: WIDTH,
    height: scenarios.length * (peers.length * STEP + GAP) + 50,
    marginLeft: LEFT,
    x: { type: "log", domain: [least, most], label: null, axis: null },
    y: { domain: scenarios, label: null },
    marks: [...ratioAxis(ticks), Plot.ruleX([1], { stroke: "currentColor" }), ...marks],
  });
  const title = `Operations per second relative to ${baseline}`;
  const note = "Dots are medians over rounds, lines run from the smallest to the largest ratio; right of 1 is faster.";
  return [{ file: "overview", group: "At a glance", title, note, legend: legendOf(peers), svg }];
}
