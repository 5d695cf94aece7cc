// Owns: what a reply adds to a queue's counters: bytes read and written, and opens by the way that they are served.
// Must not: allocate.

import { FOPEN } from "../abi/fuse-constants.ts";
import { OPCODES } from "../abi/fuse-opcodes.ts";
import { FuseEntryOut, FuseOpenOut } from "../abi/fuse-structs.ts";
import type { Request } from "../codec/request.ts";
import { COUNT, count, type StatisticsRow } from "./statistics.ts";

const { READ, WRITE, OPEN, CREATE, TMPFILE } = OPCODES;

/** Counts a reply of `length` bytes without error. Hot. */
export function countReply(statistics: StatisticsRow, request: Request, length: number): void {
  const code = request.opcode;
  if (code === READ.code) count(statistics, COUNT.bytesRead, length);
  else if (code === WRITE.code) count(statistics, COUNT.bytesWritten, request.u32(request.opOut));
  else if (code === OPEN.code) countOpen(statistics, request, request.opOut);
  else if (code === CREATE.code || code === TMPFILE.code) {
    countOpen(statistics, request, request.opOut + FuseEntryOut.size);
  }
}

// hot
function countOpen(statistics: StatisticsRow, request: Request, offset: number): void {
  const passed = (request.u32(offset + FuseOpenOut.at.open_flags) & FOPEN.PASSTHROUGH) !== 0;
  count(statistics, passed ? COUNT.passthroughOpens : COUNT.ordinaryOpens, 1);
}
