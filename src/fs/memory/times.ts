// Owns: the clock of the filesystem and the four times of an inode, as seconds and nanoseconds apart (a count of
// nanoseconds since 1970 does not fit a number). Relative access times are decided here.

const NS = 1_000_000_000;
const DAY_S = 86_400;
/** A wall clock that moved by more than this was set by somebody: follow it. */
const STEP_MS = 20;

/** Times of an inode; `...Ns` is the nanoseconds within the second, 0..999,999,999. Seconds may be negative. */
export interface Times {
  atime: number;
  atimeNs: number;
  mtime: number;
  mtimeNs: number;
  ctime: number;
  ctimeNs: number;
  readonly btime: number;
  readonly btimeNs: number;
}

/** Wall clock with the resolution of the monotonic one; it runs backwards only when the machine's clock was set. */
export class Clock {
  seconds = 0;
  nanoseconds = 0;
  private baseMs = 0;
  private baseNs = 0;

  constructor() {
    this.rebase();
    this.tick();
  }

  /** Reads the clock into `seconds` and `nanoseconds`. Hot. */
  tick(): void {
    const elapsedMs = (Bun.nanoseconds() - this.baseNs) / 1e6;
    if (Math.abs(this.baseMs + elapsedMs - Date.now()) > STEP_MS) this.rebase();
    const elapsedNs = Bun.nanoseconds() - this.baseNs + (this.baseMs % 1000) * 1e6;
    this.seconds = Math.floor(this.baseMs / 1000) + Math.floor(elapsedNs / NS);
    this.nanoseconds = elapsedNs % NS;
  }

  // Takes the moment at which the millisecond changes, so that the error is microseconds. Lasts 1 ms at most.
  private rebase(): void {
    const start = Date.now();
    let now = start;
    while (now === start) now = Date.now();
    this.baseMs = now;
    this.baseNs = Math.floor(Bun.nanoseconds());
  }
}

/** The status changed. Hot. */
export function touchCtime(times: Times, clock: Clock): void {
  clock.tick();
  times.ctime = clock.seconds;
  times.ctimeNs = clock.nanoseconds;
}

/** The content changed. Hot. */
export function touchMtime(times: Times, clock: Clock): void {
  touchCtime(times, clock);
  times.mtime = clock.seconds;
  times.mtimeNs = clock.nanoseconds;
}

/** Whether a read moves the access time as mount option `relatime` has it. Hot. */
export function atimeIsStale(times: Times, nowSeconds: number): boolean {
  const { atime, atimeNs, mtime, mtimeNs, ctime, ctimeNs } = times;
  if (atime < mtime || (atime === mtime && atimeNs <= mtimeNs)) return true;
  if (atime < ctime || (atime === ctime && atimeNs <= ctimeNs)) return true;
  return nowSeconds - atime >= DAY_S;
}

/** The content was read. Hot. */
export function touchAtime(times: Times, clock: Clock): void {
  clock.tick();
  if (!atimeIsStale(times, clock.seconds)) return;
  times.atime = clock.seconds;
  times.atimeNs = clock.nanoseconds;
}
