// Owns: the proof that progress tells the time that is left, and that it redraws on terminals alone.

import { expect, test } from "vitest";
import { clock, createProgress, secondsLeft } from "./progress.ts";

function drawn(isTTY: boolean): string[] {
  const lines: string[] = [];
  let time = 0;
  const progress = createProgress(4, { isTTY, write: (text) => lines.push(text) }, () => time);
  progress.step("one");
  time = 30_000;
  progress.step("two");
  progress.say("stays");
  progress.end();
  return lines;
}

test("createProgress: redraws one line with the time left on a terminal", () => {
  expect(drawn(true)).toEqual(["\r\x1b[K0 %  one", "\r\x1b[K25 %, 1:30 left  two", "\r\x1b[Kstays\n", "\r\x1b[K"]);
});

test("createProgress: only says what stays elsewhere", () => {
  expect(drawn(false).filter((text) => text !== "")).toEqual(["stays\n"]);
});

test("secondsLeft, clock: go by the steps that are done", () => {
  expect(secondsLeft(0, 10, 5)).toBeUndefined();
  expect(secondsLeft(2, 10, 5)).toBe(20);
  expect(clock(125.4)).toBe("2:05");
  expect(clock(-1)).toBe("0:00");
});
