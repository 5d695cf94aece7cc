// The charts of a result: which rows each shows, and how. Pure: rows in, SVG texts out.
import * as Plot from "@observablehq/plot";
import type { Row } from "../macro/report.ts";
import { drawSvg, FAMILY_COLOURS, type Family, familyOf, type Legend, peerColours, SERIES } from "./figure.ts";

/** A chart: `file` is its name without ending, `group` the heading under which the page shows it. */
export type Chart = { file: string; group: string; title: string; note: string; legend: Legend; svg: string };

const WIDTH = 560;
const LEFT = 170;
const BAR = 22;
const RATIO_TICKS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
const FINE_TICKS = [0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5];
/** Ratio of the ends of an axis above which fine marks would be too close. */
const FINE = 10;

/** Where an axis of ratios has its marks. */
export function ratioTicks([from, to]: readonly [number, number]): number[] {
  return (to / from < FINE ? FINE_TICKS : RATIO_TICKS).filter((tick) => tick >= from && tick <= to);
}
/** Room for the label below an axis. */
const BELOW = { marginBottom: 44 };
const STACKED = ["stat", "open", "create", "rename", "readdir", "rread", "rwrite", "dread128k"];

function fileName(...words: readonly string[]): string {
  return words
    .join("-")
    .replaceAll(/[^a-z0-9]+/gi, "-")
    .toLowerCase();
}

function scenariosOf(rows: readonly Row[]): string[] {
  return [...new Set(rows.map(({ scenario }) => scenario))];
}

/** Peers with the colours in which `peerColours` draws them. */
export function legendOf(peers: readonly string[]): Legend {
  const colours = peerColours(peers);
  return peers.map((peer, index) => [peer, colours[index] ?? "currentColor"] as const);
}

const FAMILIES: Legend = Object.entries(FAMILY_COLOURS);

/** Marks, labels and grid of a logarithmic axis; Plot would leave out labels that are no powers of ten. */
export function ratioAxis(ticks: readonly number[]): Plot.Markish[] {
  const labels = { label: null, text: ticks.map(String) };
  return [Plot.gridX(ticks, { strokeOpacity: 0.15 }), Plot.axisX(ticks, labels)];
}

/** One chart per scenario: bars from the baseline's 1, on a scale in which half and twice are equally far from it. */
export function ratioBars(rows: readonly Row[], baseline: string): Chart[] {
  return scenariosOf(rows).flatMap((scenario) => {
    const bars = rows.flatMap(({ scenario: of, peer, ratio }) =>
      of === scenario && ratio ? [{ peer, ...ratio }] : [],
    );
    if (bars.length < 2) return [];
    const most = Math.max(...bars.map(({ max }) => max));
    const least = Math.min(...bars.map(({ min }) => min));
    const title = `${scenario}: operations per second relative to ${baseline}`;
    const fill = ({ peer }: { peer: string }) => FAMILY_COLOURS[familyOf(peer) as Family];
    const domain = [Math.min(0.8, least * 0.9), Math.max(1.25, most * 1.1)] as const;
    const ticks = ratioTicks(domain);
    const svg = drawSvg(title, {
      width: WIDTH,
      height: bars.length * BAR + 50,
      marginLeft: LEFT,
      marginRight: 56,
      x: { type: "log", domain, label: null, axis: null },
      y: { domain: bars.map(({ peer }) => peer), label: null },
      marks: [
        ...ratioAxis(ticks),
        Plot.barX(bars, { y: "peer", x1: 1, x2: "median", fill, insetTop: 3, insetBottom: 3 }),
        Plot.ruleY(bars, { y: "peer", x1: "min", x2: "max", stroke: "currentColor", strokeWidth: 1.5 }),
        Plot.ruleX([1], { stroke: "currentColor" }),
        Plot.text(bars, {
          y: "peer",
          x: (bar: { max: number }) => Math.max(1, bar.max),
          text: (bar: { median: number }) => bar.median.toFixed(2),
          textAnchor: "start",
          dx: 6,
          fill: "currentColor",
        }),
      ],
    });
    const note = "Median over rounds; the thin line runs from the smallest to the largest ratio.";
    return [{ file: fileName("ratio", scenario), group: "Against each other", title, note, legend: FAMILIES, svg }];
  });
}

/** Threads and placement of a scenario's name. Source: scenarioName() of workloads.ts. */
export function clientsOf(scenario: string): { workload: string; clients: number } {
  const [workload = ""] = scenario.split(" ");
  return { workload, clients: Number(/ x(\d+)/.exec(scenario)?.[1] ?? 1) };
}

/** One chart per workload that was run with several numbers of clients: throughput relative to one client. */
export function scalingLines(rows: readonly Row[]): Chart[] {
  const workloads = [...new Set(rows.map(({ scenario }) => clientsOf(scenario).workload))];
  return workloads.flatMap((workload) => {
    const own = rows.filter(({ scenario }) => clientsOf(scenario).workload === workload);
    const single = new Map(
      own.flatMap((row) =>
        clientsOf(row.scenario).clients === 1 && !row.scenario.includes("@")
          ? [[row.peer, row.opsPerS.median] as const]
          : [],
      ),
    );
    const points = own.flatMap(({ scenario, peer, opsPerS }) => {
      const base = single.get(peer);
      const { clients } = clientsOf(scenario);
      const comparable = !scenario.includes("@") || scenario.includes("@spread");
      return base === undefined || !comparable ? [] : [{ peer, clients, times: opsPerS.median / base }];
    });
    const most = Math.max(...points.map(({ clients }) => clients));
    if (!(most > 1)) return [];
    const title = `${workload}: throughput with more clients, each on a core, relative to one`;
    const peers = [...new Set(points.filter(({ clients }) => clients > 1).map(({ peer }) => peer))];
    const svg = drawSvg(title, {
      width: WIDTH,
      height: 310,
      ...BELOW,
      marginRight: 150,
      x: { label: "clients", labelOffset: 38, domain: [1, most], ticks: most - 1, tickFormat: "d" },
      y: { label: "times one client", zero: true, grid: true },
      color: { domain: peers, range: peerColours(peers) },
      marks: [
        Plot.line(
          [
            [1, 1],
            [most, most],
          ],
          { stroke: "currentColor", strokeDasharray: "3,4", strokeOpacity: 0.5 },
        ),
        Plot.line(points, { x: "clients", y: "times", stroke: "peer", sort: "clients", strokeWidth: 2 }),
        Plot.dot(points, { x: "clients", y: "times", fill: "peer" }),
        Plot.text(
          points.filter(({ clients }) => clients === most),
          {
            x: "clients",
            y: "times",
            text: (point: { times: number }) => point.times.toFixed(2),
            dx: 8,
            textAnchor: "start",
            fill: "peer",
          },
        ),
      ],
    });
    const legend = legendOf(peers);
    const note = "The dashed line is what perfect scaling would be.";
    return [{ file: fileName("scaling", workload), group: "More clients", title, note, legend, svg }];
  });
}

function shownInCurves(peer: string, baseline: string): boolean {
  return (
    peer === baseline ||
    peer === "raw" ||
    peer === "ll-newer-uring" ||
    peer === "fuse-native" ||
    peer.startsWith("rfuse")
  );
}

/** One chart per scenario: which part of the operations was answered within how many microseconds. */
export function latencyCurves(rows: readonly Row[], baseline: string): Chart[] {
  return scenariosOf(rows).flatMap((scenario) => {
    const own = rows
      .filter((row) => row.scenario === scenario && shownInCurves(row.peer, baseline))
      .slice(0, SERIES.length);
    const points = own
      .flatMap(({ peer, quantiles }) =>
        quantiles.map(([fraction, us]) => ({ peer, tail: 1 - fraction, us: Math.max(us, 0.05) })),
      )
      .filter(({ tail }) => tail >= 1e-4);
    if (own.length < 2 || points.length === 0) return [];
    const peers = own.map(({ peer }) => peer);
    const title = `${scenario}: latency`;
    const svg = drawSvg(title, {
      width: WIDTH,
      height: 310,
      ...BELOW,
      marginLeft: 68,
      x: { type: "log", label: "microseconds", labelOffset: 38, tickFormat: "~g", ticks: 6, grid: true },
      y: {
        type: "log",
        domain: [1, 1e-4],
        label: "operations within",
        labelArrow: "none",
        grid: true,
        ticks: [1, 0.5, 0.1, 0.01, 0.001, 0.0001],
        tickFormat: (tail: number) => `${Number(((1 - tail) * 100).toFixed(2))} %`,
      },
      color: { domain: peers, range: peerColours(peers) },
      marks: [Plot.line(points, { x: "us", y: "tail", stroke: "peer", strokeWidth: 1.8 })],
    });
    const legend = legendOf(peers);
    const note = "Each step up is ten times rarer: half, 90 %, 99 %, 99.9 %, 99.99 % of the operations.";
    return [{ file: fileName("latency", scenario), group: "Latency", title, note, legend, svg }];
  });
}

const PARTS = ["client", "kernel for the client", "server", "kernel for the server", "nobody's CPU time"] as const;

/** Where the time of one operation went, in microseconds; what no CPU time explains is waiting, or a CPU shared. */
export function partsOf(row: Row): Array<{ part: (typeof PARTS)[number]; us: number }> {
  const { clients } = clientsOf(row.scenario);
  const wall = (1e6 * clients) / row.opsPerS.median;
  const spent = [row.clientCpuUs, row.clientSystemUs, row.serverCpuUs ?? 0, row.serverSystemUs ?? 0];
  const rest = Math.max(0, wall - spent.reduce((sum, us) => sum + us, 0));
  return [...spent, rest].map((us, index) => ({ part: PARTS[index] ?? PARTS[4], us }));
}

/** One chart per scenario: a bar per peer, divided by who used the time of one operation. */
export function timeStacks(rows: readonly Row[]): Chart[] {
  return scenariosOf(rows)
    .filter((scenario) => STACKED.includes(scenario))
    .flatMap((scenario) => {
      const own = rows.filter((row) => row.scenario === scenario && row.peer !== "raw");
      if (own.length < 2) return [];
      const parts = own.flatMap((row) => partsOf(row).map((one) => ({ peer: row.peer, ...one })));
      const title = `${scenario}: where the time of one operation goes`;
      const svg = drawSvg(title, {
        width: WIDTH,
        height: own.length * BAR + 74,
        ...BELOW,
        marginLeft: LEFT,
        x: { label: "microseconds", labelOffset: 38, grid: true },
        y: { domain: own.map(({ peer }) => peer), label: null },
        color: { domain: [...PARTS], range: SERIES },
        marks: [
          Plot.barX(
            parts,
            Plot.stackX({ x: "us", y: "peer", fill: "part", insetTop: 3, insetBottom: 3, order: [...PARTS] }),
          ),
        ],
      });
      const legend = PARTS.map((part, index) => [part, SERIES[index] ?? "currentColor"] as const);
      const note =
        "Client and server on one CPU, so the parts follow one another. User time is counted in clock ticks.";
      return [{ file: fileName("time", scenario), group: "Where the time goes", title, note, legend, svg }];
    });
}
