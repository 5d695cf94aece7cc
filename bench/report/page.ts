// The page of a result: one HTML text that needs nothing beside itself and reads in light and dark. Pure.

import { PEERS } from "../macro/peers/table.ts";
import type { Row } from "../macro/report.ts";
import type { Result } from "../macro/results.ts";
import type { Spread } from "../macro/statistics.ts";
import { WORKLOADS } from "../macro/workloads.ts";
import type { Chart } from "./charts.ts";

const STYLE = `:root{color-scheme:light dark;--ink:light-dark(#1c1c1c,#e4e4e4);--soft:light-dark(#5a5a5a,#a8a8a8);
--paper:light-dark(#fff,#16181b);--card:light-dark(#f6f6f4,#1f2226);--line:light-dark(#d8d8d4,#3a3f45)}
body{margin:0 auto;max-width:1240px;padding:24px;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:26px;margin:0 0 4px}h2{font-size:20px;margin:40px 0 12px}p,figcaption,dd,dt{max-width:75ch}
.soft,figcaption{color:var(--soft);font-size:14px}code{background:var(--card);padding:2px 5px;border-radius:4px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,540px),1fr));gap:20px}
figure{margin:0;padding:16px;background:var(--card);border:1px solid var(--line);border-radius:8px;min-width:0}
figure h3{font-size:15px;margin:0 0 6px}figure svg{width:100%;height:auto}figure svg text{fill:currentColor}
.legend{display:flex;flex-wrap:wrap;gap:4px 14px;font-size:13px;margin:0 0 6px;padding:0;list-style:none}
.legend i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:5px}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:4px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}th{font-weight:600;color:var(--soft)}
.holds{color:light-dark(#1f7a33,#6cc67e)}.missed{color:light-dark(#b3261e,#ff8a80);font-weight:600}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;font-size:14px}dt{color:var(--soft)}dd{margin:0}
@media print{figure{break-inside:avoid}}`;

/** Text made safe for HTML content and attributes. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replaceAll(/[&<>"']/g, (char) => names[char] ?? char);
}

function table(headings: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
  return `<div class="wide"><table><thead>${line(headings, "th")}</thead><tbody>${rows.map((row) => line(row, "td")).join("\n")}</tbody></table></div>`;
}

function range(spread: Spread | undefined, digits: number): string {
  if (!spread) return "–";
  return `${spread.median.toFixed(digits)} <span class="soft">${spread.min.toFixed(digits)}..${spread.max.toFixed(digits)}</span>`;
}

function number(value: number | undefined, digits: number): string {
  return value === undefined ? "–" : value.toFixed(digits);
}

function figuresTable(rows: readonly Row[]): string {
  const headings = [
    "workload",
    "peer",
    "ops/s",
    "ratio",
    "MB/s",
    "p50 us",
    "p99 us",
    "p99.9 us",
    "client us/op",
    "server us/op",
    "kernel us/op",
    "switches/op",
    "syscalls/op",
    "RSS MiB",
  ];
  return table(
    headings,
    rows.map((row) => [
      escapeHtml(row.scenario),
      escapeHtml(row.peer),
      range(row.opsPerS, 0),
      range(row.ratio, 2),
      row.bytesPerS > 0 ? number(row.bytesPerS / 1e6, 0) : "–",
      number(row.p50Us, 1),
      number(row.p99Us, 1),
      number(row.p999Us, 1),
      number(row.clientCpuUs, 1),
      number(row.serverCpuUs, 1),
      number(row.kernelCpuUs, 1),
      number(row.switches, 2),
      number(row.syscalls, 1),
      number(row.rssBytes === undefined ? undefined : row.rssBytes / 2 ** 20, 0),
    ]),
  );
}

function verdictTable({ verdicts }: Result): string {
  if (verdicts.length === 0) return "";
  const word = (holds: boolean | undefined) =>
    holds === undefined
      ? "not measured"
      : `<span class="${holds ? "holds" : "missed"}">${holds ? "holds" : "missed"}</span>`;
  const rows = verdicts.map(({ text, workload, ratio, atLeast, holds }) => [
    escapeHtml(text),
    escapeHtml(workload),
    range(ratio, 2),
    atLeast.toFixed(2),
    word(holds),
  ]);
  return `<h2>Goals</h2>${table(["ratio", "workload", "median, range", "at least", ""], rows)}`;
}

function chartFigure({ title, note, legend, svg }: Chart): string {
  const items = legend
    .map(([name, colour]) => `<li><i style="background:${colour}"></i>${escapeHtml(name)}</li>`)
    .join("");
  return `<figure><h3>${escapeHtml(title)}</h3><ul class="legend">${items}</ul>${svg}<figcaption>${escapeHtml(note)}</figcaption></figure>`;
}

function chartSections(charts: readonly Chart[]): string {
  const groups = [...new Set(charts.map(({ group }) => group))];
  const section = (group: string) =>
    `<h2>${group}</h2><div class="charts">${charts
      .filter((chart) => chart.group === group)
      .map(chartFigure)
      .join("\n")}</div>`;
  return groups.map(section).join("\n");
}

function definitions(pairs: ReadonlyArray<readonly [string, string]>): string {
  return `<dl>${pairs.map(([name, text]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(text)}</dd>`).join("\n")}</dl>`;
}

function legendOfNames({ settings, leftOut, idle }: Result): string {
  const peers = PEERS.filter(({ name }) => settings.peers.includes(name)).map(
    ({ name, about }) => [name, about] as const,
  );
  const used = new Set(settings.scenarios.map((scenario) => scenario.split(" ")[0]));
  const workloads = WORKLOADS.filter(({ name }) => used.has(name)).map(({ name, about }) => [name, about] as const);
  const missing = leftOut.map(({ peer, reason }) => [peer, reason] as const);
  const quiet = idle.map(
    ({ peer, cpuMs, seconds }) => [peer, `${cpuMs.toFixed(1)} ms of CPU in ${seconds} s`] as const,
  );
  return [
    `<h2>Workloads</h2>${definitions(workloads)}`,
    `<h2>Peers</h2>${definitions(peers)}`,
    missing.length > 0 ? `<h2>Not measured</h2>${definitions(missing)}` : "",
    quiet.length > 0 ? `<h2>Idle</h2>${definitions(quiet)}` : "",
  ].join("\n");
}

/** The page of a result with its charts inlined. */
export function makePage(result: Result, charts: readonly Chart[]): string {
  const { machine, settings, written, command, interrupted } = result;
  const facts = Object.entries(machine).map(([name, value]) => [name.replaceAll("_", " "), String(value)] as const);
  const note = interrupted ? " The run was interrupted; this is what was done." : "";
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>rfuse benchmark</title><style>${STYLE}</style></head><body>
<h1>rfuse benchmark</h1>
<p class="soft">${escapeHtml(written)} · <code>${escapeHtml(command)}</code></p>
<p>Operations per second relative to <b>${escapeHtml(settings.baseline)}</b>, taken within each round; medians with the
smallest and largest value. Peers took turns in one run on one machine: compare the numbers on this page with each other,
not with those of another.${note}</p>
${verdictTable(result)}
${chartSections(charts)}
<h2>All figures</h2>${figuresTable(result.summary)}
${legendOfNames(result)}
<h2>Machine</h2>${definitions(facts)}
</body></html>
`;
}
