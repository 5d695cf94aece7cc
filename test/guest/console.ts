// Owns: reading a guest's console: which lines are a kernel's complaint, and the lines around them.
// Must not: judge what a command prints; that has streams of its own.

/** First lines of what a kernel says when something is wrong with it. */
// biome-ignore format: one table, read by eye
const COMPLAINTS: ReadonlyArray<readonly [name: string, pattern: RegExp]> = [
  ["panic", /Kernel panic - not syncing/],
  ["BUG", /\bBUG: |kernel BUG at|Oops: |Oops:? *\d{4}|general protection fault|double fault|Unable to handle|stack segment/],
  ["WARNING", /\bWARNING: /],
  ["KASAN", /\bKASAN: /],
  ["UBSAN", /\bUBSAN: /],
  ["lockdep", /INFO: (possible|inconsistent|trying to register)|possible (recursive|circular) locking|suspicious RCU usage|inconsistent lock state|held lock freed|bad unlock balance|INFO: lockdep is turned off/],
  ["sleeping", /sleeping function called from invalid context|scheduling while atomic/],
  ["hung task", /INFO: task .* blocked for more than/],
  ["stall", /rcu.*detected.*stall|soft lockup|hard LOCKUP/],
  ["objects", /ODEBUG: /],
  ["leak", /unreferenced object 0x/],
];

const CONTEXT_LINES = 60;
const PREFIX = /^(<\d+>)?\[ *\d+\.\d+\]/;

/** A complaint: its kind, and the console from its first line on. */
export interface Complaint {
  readonly kind: string;
  readonly text: string;
}

/** The complaints on a console, in order; one that follows within another's lines is part of it. */
export function complaints(text: string): Complaint[] {
  const lines = text.split("\n");
  const found: Complaint[] = [];
  let next = 0;
  lines.forEach((line, at) => {
    const kind = COMPLAINTS.find(([, pattern]) => pattern.test(line))?.[0];
    if (kind === undefined || at < next) return;
    const rest = lines.slice(at, at + CONTEXT_LINES);
    const end = rest.findIndex((one, n) => n > 0 && /---\[ end trace|---\[ end Kernel panic/.test(one));
    const shown = end < 0 ? rest : rest.slice(0, end + 1);
    next = at + shown.length;
    found.push({ kind, text: shown.join("\n").trimEnd() });
  });
  return found;
}

/** The last lines of a console, for a guest that gave no sign of life; the firmware's own lines are left out. */
export function lastLines(text: string, count = 40): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const kernel = lines.findIndex((line) => PREFIX.test(line));
  return lines.slice(Math.max(kernel, 0)).slice(-count).join("\n");
}
