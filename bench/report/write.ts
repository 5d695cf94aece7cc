// Writes the pictures and the page of a result beside its raw file: FILE.html, and FILE/ with one SVG per chart.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Result, readResult } from "../macro/results.ts";
import { allCharts } from "./all-charts.ts";
import { standaloneSvg } from "./figure.ts";
import { makePage } from "./page.ts";

/** Writes them and resolves to the page's path. */
export async function writeReport(path: string, result: Result): Promise<string> {
  const stem = path.replace(/\.json$/, "");
  const charts = allCharts(result.summary, result.settings.baseline);
  await rm(stem, { recursive: true, force: true });
  await mkdir(stem, { recursive: true });
  for (const chart of charts) await writeFile(join(stem, `${chart.file}.svg`), standaloneSvg(chart));
  await writeFile(`${stem}.html`, makePage(result, charts));
  return `${stem}.html`;
}

/** The command; resolves to the exit status. Errors: no file, or one that is no result. */
export async function runReport(words: readonly string[]): Promise<number> {
  const [path, ...rest] = words;
  if (path === undefined || rest.length > 0) throw new Error("use: bun run bench report FILE.json");
  process.stdout.write(`${await writeReport(path, await readResult(path))}\n`);
  return 0;
}
