// What the runner says while it works: on a terminal one line that is redrawn, with the time that is left; elsewhere
// one line per round. It writes to standard error alone.

/** Says things about a run of `total` steps. */
export type Progress = {
  /** A step begins. */
  step(what: string): void;
  /** A line that stays. */
  say(text: string): void;
  /** Takes the redrawn line away. */
  end(): void;
};

/** Seconds as minutes and seconds. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** The time that the steps still to do will take when they take as long as those done. */
export function secondsLeft(done: number, total: number, elapsedSeconds: number): number | undefined {
  return done === 0 ? undefined : (elapsedSeconds / done) * (total - done);
}

/** Progress on a stream; `now` is in milliseconds. */
export function createProgress(
  total: number,
  stream: { isTTY?: boolean; write(text: string): unknown } = process.stderr,
  now: () => number = () => performance.now(),
): Progress {
  const start = now();
  const clear = stream.isTTY ? "\r\x1b[K" : "";
  let begun = 0;
  return {
    step(what) {
      const left = secondsLeft(begun, total, (now() - start) / 1000);
      begun++;
      if (!stream.isTTY) return;
      const eta = left === undefined ? "" : `, ${clock(left)} left`;
      stream.write(`${clear}${Math.floor(((begun - 1) / total) * 100)} %${eta}  ${what}`);
    },
    say: (text) => void stream.write(`${clear}${text}\n`),
    end: () => void stream.write(clear),
  };
}
