// Owns: the proof that charts show the rows' numbers, and that the page holds all of them and nothing from elsewhere.

import { expect, test } from "vitest";
import type { Row } from "../macro/report.ts";
import type { Result } from "../macro/results.ts";
import { allCharts } from "./all-charts.ts";
import { clientsOf, latencyCurves, partsOf, ratioBars, scalingLines, timeStacks } from "./charts.ts";
import { peerColours, standaloneSvg } from "./figure.ts";
import { overview } from "./overview.ts";
import { escapeHtml, makePage } from "./page.ts";

function row(scenario: string, peer: string, rate: number, ratio: number): Row {
  return {
    scenario,
    peer,
    opsPerS: { median: rate, min: rate, max: rate },
    ratio: { median: ratio, min: ratio * 0.9, max: ratio * 1.1 },
    bytesPerS: 0,
    p50Us: 1,
    p99Us: 2,
    p999Us: 3,
    clientCpuUs: 1,
    serverCpuUs: 2,
    kernelCpuUs: 7,
    clientSystemUs: 3,
    serverSystemUs: 4,
    sleeps: 0,
    switches: 0,
    syscalls: undefined,
    rssBytes: 2 ** 21,
    quantiles: [
      [0, 1],
      [0.5, 2],
      [0.99, 9],
      [1, 50],
    ],
  };
}

const ROWS = [
  row("stat", "passthrough_ll", 50_000, 1),
  row("stat", "rfuse-dev", 62_500, 1.25),
  row("stat x2 @spread", "passthrough_ll", 60_000, 1),
  row("stat x2 @spread", "rfuse-dev", 118_750, 1.98),
  row("create", "rfuse-dev", 10_000, 1),
];

const RESULT: Result = {
  version: 2,
  written: "2020-01-01T00:00:00.000Z",
  command: "bun run bench --only stat",
  machine: { kernel: "6.18", cpu: "<script>" },
  settings: { baseline: "passthrough_ll", scenarios: ["stat"], peers: ["rfuse-dev"], seconds: 1 },
  interrupted: true,
  leftOut: [{ peer: "bindfs", reason: "bindfs is missing" }],
  idle: [{ peer: "rfuse-dev", cpuMs: 0.2, seconds: 2 }],
  summary: ROWS,
  verdicts: [
    { text: "a / b", workload: "stat", atLeast: 1, ratio: { median: 1.2, min: 1, max: 2 }, rounds: 5, holds: true },
    { text: "c / d", workload: "stat", atLeast: 3, ratio: { median: 1.2, min: 1, max: 2 }, rounds: 5, holds: false },
  ],
  counts: [],
  cells: [],
};

test("ratioBars: one chart per scenario with two peers or more, labelled with the medians", () => {
  const charts = ratioBars(ROWS, "passthrough_ll");
  expect(charts.map(({ file }) => file)).toEqual(["ratio-stat", "ratio-stat-x2-spread"]);
  expect(charts[0]?.svg).toContain(">1.25</text>");
  expect(charts[0]?.svg).toContain(">rfuse-dev</text>");
});

test("scalingLines: relates each peer to its own single client", () => {
  const [chart, ...rest] = scalingLines(ROWS);
  expect(rest).toEqual([]);
  expect(chart?.file).toBe("scaling-stat");
  expect(chart?.svg).toContain(">1.90</text>");
  expect(chart?.svg).toContain(">1.20</text>");
});

test("latencyCurves: leave out what is rarer than the axis shows", () => {
  const [chart] = latencyCurves(ROWS, "passthrough_ll");
  expect(chart?.legend.map(([name]) => name)).toEqual(["passthrough_ll", "rfuse-dev"]);
  expect(chart?.svg).toContain(">99.9 %</text>");
});

test("timeStacks, partsOf: parts of an operation sum up to its time", () => {
  const [first] = ROWS;
  const parts = first ? partsOf(first) : [];
  expect(parts.map(({ us }) => us)).toEqual([1, 3, 2, 4, 10]);
  expect(timeStacks(ROWS).map(({ file }) => file)).toEqual(["time-stat"]);
});

test("clientsOf: reads threads from a scenario's name", () => {
  expect(clientsOf("stat x16 @none")).toEqual({ workload: "stat", clients: 16 });
  expect(clientsOf("stat")).toEqual({ workload: "stat", clients: 1 });
});

test("overview: a dot for each peer but the baseline and no FUSE, none for a single workload", () => {
  const [chart] = overview([...ROWS, row("stat", "raw", 1e6, 20)], "passthrough_ll");
  expect(chart?.legend.map(([name]) => name)).toEqual(["rfuse-dev"]);
  expect(chart?.svg.match(/<circle/g)?.length).toBe(3);
  expect(overview(ROWS.slice(0, 2), "passthrough_ll")).toEqual([]);
});

test("standaloneSvg: has title, legend and the drawing, in more rows where they are long", () => {
  const svg = '<svg width="200" height="50"><title>x</title></svg>';
  const legend = ["one", "two", "three and more words", "four and more words"].map((name) => [name, "#123"] as const);
  const alone = standaloneSvg({ title: "a & b", legend, svg });
  expect(alone).toContain(">a &amp; b</text>");
  expect(alone.match(/<rect/g)?.length).toBe(4);
  expect(alone).toMatch(/^<svg [^>]*width="200" height="138"/);
  expect(alone).toContain('y="88"');
});

test("peerColours: no two of a chart are alike", () => {
  const peers = ["raw", "rfuse-dev", "rfuse-uring", "somebody", "somebody-else", "ll-newer", "passthrough_ll"];
  expect(new Set(peerColours(peers)).size).toBe(peers.length);
});

test("makePage: shows every figure, chart and goal, says what is missing, and loads nothing", () => {
  const charts = allCharts(ROWS, "passthrough_ll");
  const page = makePage(RESULT, charts);
  expect(page.match(/<svg/g)?.length).toBe(charts.length);
  expect(page).toContain("62500");
  expect(page).toContain("bindfs is missing");
  expect(page).toContain('<span class="missed">missed</span>');
  expect(page).toContain("interrupted");
  expect(page).toContain("&lt;script&gt;");
  expect(page).not.toMatch(/<script|<link|src=|@import|url\(/);
  expect(page.match(/https?:\/\/[^"\s<]+/g)?.every((url) => url.startsWith("http://www.w3.org/"))).toBe(true);
});

test("escapeHtml: leaves nothing that HTML would read", () => {
  expect(escapeHtml(`<a href="x" title='y'>&`)).toBe("&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;");
});
