// Owns: the one error of everything eBPF: which call failed, the errno's name, what that means, and the verifier's log.
// Must not: know callers.

import { errnoName } from "../../ffi/errno.ts";

/** Lines of the verifier's log that the message holds; its last ones say what is wrong. */
const LOG_LINES = 3;

/** A refused map, element, program or object; `code` is an errno's name, `log` the verifier's whole text or "". */
export class BpfError extends Error {
  override readonly name = "BpfError";
  readonly code: string;
  readonly log: string;

  constructor(what: string, code: string, log = "") {
    const last = log.trimEnd().split("\n").slice(-LOG_LINES).join("\n");
    super(log === "" ? `${what}: ${code}` : `${what}: ${code}\n${last}`);
    this.code = code;
    this.log = log;
  }
}

/** What an errno means where `what` was asked. */
type Meanings = Readonly<Record<string, string>>;

/** `result` when it is not negative. Errors: `BpfError`, with the meaning of the errno if it has one there. */
export function bpfResult(result: number, what: string, meanings: Meanings = {}, log = ""): number {
  if (result >= 0) return result;
  const code = errnoName(result);
  const meaning = meanings[code];
  throw new BpfError(meaning === undefined ? what : `${what}: ${meaning}`, code, log);
}
