// The table of what a request costs the server's threads in context switches and system calls. Pure.
// Where the CPU is emulated these say more than times. A filesystem's own system calls are among them: compare with the
// peers that serve from memory, which make none.
import type { Row } from "./report.ts";
import { columns } from "./table.ts";

const HEADINGS = ["workload", "peer", "requests/op", "switches/request", "syscalls/request"];

/** One line per row whose server counts its requests; empty when there is none. */
export function formatDaemonSide(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ scenario, peer, daemon }) =>
    daemon === undefined
      ? []
      : [[scenario, peer, daemon.requests.toFixed(2), daemon.switches.toFixed(3), daemon.syscalls?.toFixed(3) ?? "-"]],
  );
  return lines.length === 0 ? "" : columns(HEADINGS, lines, 2);
}
