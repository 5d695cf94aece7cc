// Owns: the proof that the command line is read rightly, and that presets and scenarios are what their names say.

import { expect, test } from "vitest";
import { pairsOf, parseOptions } from "./options.ts";
import { PEERS } from "./peers/table.ts";
import { scenario } from "./preset.ts";
import { LANES, PRESETS, presetNamed } from "./presets.ts";
import { choosePlacement, scenarioName, WORKLOADS } from "./workloads.ts";

const names = (words: readonly string[], cpus = 2) =>
  [...pairsOf(parseOptions(words, cpus)?.groups ?? [], scenarioName).keys()].map(scenarioName);

test("parseOptions: has defaults, and keeps the table's order and each name once", () => {
  expect(parseOptions([], 2)).toMatchObject({ preset: "default", rounds: 5, seconds: 1, named: false, page: true });
  expect(parseOptions([], 2)?.source).toBe("/dev/shm");
  expect(parseOptions(["--source", "/srv"], 2)?.source).toBe("/srv");
  expect(parseOptions(["--quick", "--rounds", "3"], 2)).toMatchObject({ rounds: 3, seconds: 0.15 });
  expect(names(["--only", "open,stat,open"])).toEqual(["stat", "open"]);
  expect(names(["--only", "stat", "--placement", "spread"], 4)).toEqual(["stat x4 @spread"]);
  expect(names(["--only", "stat", "--threads", "16", "--placement", "none"])).toEqual(["stat x16 @none"]);
  expect(names([])).toEqual(WORKLOADS.map(({ name }) => name));
  expect(names(["--full"])).toContain("create-shared x2 @spread");
  expect(parseOptions(["--help"], 2)).toBeUndefined();
});

test("parseOptions: ratios refer to libfuse, or to the first server where that is left out", () => {
  expect(parseOptions([], 2)?.baseline).toBe("passthrough_ll");
  expect(parseOptions(["--peers", "raw,rfuse-uring,rfuse-dev"], 2)?.baseline).toBe("rfuse-dev");
  expect(parseOptions(["--preset", "passthrough"], 2)?.baseline).toBe("raw");
});

test("parseOptions: a quick run has all kinds of peers", () => {
  const peers = new Set([...pairsOf(parseOptions(["--quick"], 2)?.groups ?? [], scenarioName).values()].flat());
  for (const name of [
    "raw",
    "passthrough_ll",
    "passthrough_fh",
    "ll-newer-uring",
    "hp-newer",
    "bindfs",
    "fuse-native",
    "fuse-napi",
  ]) {
    expect(peers).toContain(name);
  }
});

test("parseOptions: narrows a preset to the workloads and peers asked for", () => {
  const options = parseOptions(["--preset", "same-core", "--only", "stat", "--peers", "rfuse-dev,ll-newer"], 2);
  expect([...pairsOf(options?.groups ?? [], scenarioName)]).toEqual([[scenario("stat"), ["ll-newer", "rfuse-dev"]]]);
  expect(options?.claims.length).toBeGreaterThan(0);
});

test.each([
  [["--only", "stta"], "stta"],
  [["--peers", "nobody"], "nobody"],
  [["--baseline", "nobody"], "nobody"],
  [["--preset", "lane"], "lane"],
  [["--rounds", "1.5"], "1.5"],
  [["--seconds=-1"], "-1"],
  [["--placement", "near"], "near"],
  [["--quick", "--full"], "exclude"],
])("parseOptions: refuses %j by name", (words, wrong) => {
  expect(() => parseOptions(words, 2)).toThrow(wrong);
});

test("presets: every ratio is between cells of the preset's own matrix, of peers that exist", () => {
  const known = new Set(PEERS.map(({ name }) => name));
  expect(known.size).toBe(PEERS.length);
  for (const preset of PRESETS) {
    const pairs = new Set(
      [...pairsOf(preset.groups, scenarioName)].flatMap(([one, peers]) =>
        peers.map((peer) => `${scenarioName(one)} ${peer}`),
      ),
    );
    expect(preset.claims.length, preset.name).toBeGreaterThan(0);
    for (const { over, under } of preset.claims) {
      for (const { scenario: one, peer } of [over, under]) {
        expect(known, preset.name).toContain(peer);
        expect(pairs, preset.name).toContain(`${scenarioName(one)} ${peer}`);
      }
    }
  }
});

test("presetNamed: lanes joins all presets about our lanes", () => {
  const claims = PRESETS.filter(({ name }) => LANES.includes(name)).flatMap((preset) => preset.claims);
  expect(presetNamed(["lanes"]).claims).toEqual(claims);
});

test("choosePlacement: pins as the name says", () => {
  expect(choosePlacement("same", [0, 2, 5])).toEqual({ client: [5], server: 5 });
  expect(choosePlacement("apart", [0, 2, 5])).toEqual({ client: [2], server: 5 });
  expect(choosePlacement("spread", [0, 2, 5])).toEqual({ client: [0, 2, 5], server: undefined });
  expect(choosePlacement("none", [0, 2, 5])).toEqual({ client: undefined, server: undefined });
  expect(() => choosePlacement("apart", [3])).toThrow("two CPUs");
});
