// The workloads of the macro benchmark, where client and server run, and the scenarios that combine both.
// Tables and names alone; cell.ts runs them.

/** What the client does; `mode` is one of the load generator's. `shared`: all threads use one directory. */
export type Workload = {
  name: string;
  about: string;
  mode: string;
  kind: "names" | "data" | "mixed";
  shared?: true;
};

/** All workloads, in the order of the report. */
export const WORKLOADS: readonly Workload[] = [
  { name: "stat", kind: "names", mode: "stat", about: "stat a file by path: LOOKUP and GETATTR" },
  { name: "open", kind: "names", mode: "open", about: "open and close: LOOKUP, OPEN, FLUSH, RELEASE" },
  { name: "deep", kind: "names", mode: "deep", about: "open and close a file five directories down" },
  { name: "create", kind: "names", mode: "create", about: "create, close and unlink a file" },
  { name: "create-shared", kind: "names", mode: "create", shared: true, about: "the same in one directory for all" },
  { name: "mkdir", kind: "names", mode: "mkdir", about: "make and remove a directory" },
  { name: "rename", kind: "names", mode: "rename", about: "rename a file" },
  { name: "rename-shared", kind: "names", mode: "rename", shared: true, about: "the same in one directory for all" },
  { name: "symlink", kind: "names", mode: "symlink", about: "make and unlink a symlink" },
  { name: "readlink", kind: "names", mode: "readlink", about: "read a symlink" },
  { name: "readdir", kind: "names", mode: "readdir", about: "list a directory of 100 files" },
  { name: "rread", kind: "data", mode: "rread", about: "4 KiB random reads, O_DIRECT" },
  { name: "rwrite", kind: "data", mode: "rwrite", about: "4 KiB random writes, O_DIRECT" },
  { name: "sread", kind: "data", mode: "sread", about: "128 KiB sequential reads, page cache dropped after each pass" },
  { name: "swrite", kind: "data", mode: "swrite", about: "128 KiB sequential writes through the page cache" },
  { name: "dread128k", kind: "data", mode: "dread128k", about: "128 KiB sequential reads, O_DIRECT" },
  { name: "dwrite128k", kind: "data", mode: "dwrite128k", about: "128 KiB sequential writes, O_DIRECT" },
  { name: "mmap", kind: "data", mode: "mmap", about: "4 KiB of a mapping touched, page cache dropped after each pass" },
  { name: "fileserver", kind: "mixed", mode: "fileserver", about: "filebench's fileserver loop, 128 KiB files" },
  { name: "webserver", kind: "mixed", mode: "webserver", about: "filebench's webserver loop, 16 KiB files" },
  { name: "varmail", kind: "mixed", mode: "varmail", about: "filebench's varmail loop, 16 KiB files, fsync" },
];

/** Where client and server run: `same` CPU, CPUs `apart`, `none` pinned, or one client thread pinned to each CPU. */
export const PLACEMENTS = ["same", "apart", "none", "spread"] as const;
export type PlacementName = (typeof PLACEMENTS)[number];

/** The CPUs of the clients' threads, in turn, and of the server; undefined is anywhere. */
export type Cpus = { client: readonly number[] | undefined; server: number | undefined };

/** CPUs for a placement on a machine that has these. Errors: apart needs two of them. */
export function choosePlacement(placement: PlacementName, allowed: readonly number[]): Cpus {
  const last = allowed.at(-1);
  const other = allowed.at(-2);
  if (placement === "none") return { client: undefined, server: undefined };
  if (placement === "spread") return { client: allowed, server: undefined };
  if (placement === "same") return { client: last === undefined ? undefined : [last], server: last };
  if (other === undefined) throw new Error("placement apart needs two CPUs");
  return { client: [other], server: last };
}

/** One row of the comparison: a workload, a placement, and how many threads the client has. */
export type Scenario = { workload: Workload; placement: PlacementName; threads: number };

/** The name of a scenario: unique, and what tables show. */
export function scenarioName({ workload, placement, threads }: Scenario): string {
  const where = placement === "same" ? "" : ` @${placement}`;
  return `${workload.name}${threads === 1 ? "" : ` x${threads}`}${where}`;
}

/** The workload of that name. Errors: there is none. */
export function workloadNamed(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (!found) throw new Error(`no workload "${name}"`);
  return found;
}
