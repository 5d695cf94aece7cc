// Proves when a worker looks for its CPU, and that it goes back there.

import { expect, it } from "vitest";
import { CALLS_PER_LOOK, keepPlace } from "./kept-place.ts";

/** A place that is lost while `lost`, and cannot be taken while `away`. */
function setUp() {
  const state = { lost: false, away: false, looks: 0, taken: 0, calls: 0 };
  const next = keepPlace(() => state.calls++, {
    isKept() {
      state.looks++;
      return !state.lost;
    },
    take() {
      state.taken++;
      if (state.away) return -22;
      state.lost = false;
      return 0;
    },
  });
  return { state, next };
}

it("keepPlace: calls through, looks once in so many calls, and takes nothing that is kept", () => {
  const { state, next } = setUp();
  for (let call = 0; call < CALLS_PER_LOOK; call++) expect(next()).toBe(call);
  expect(state).toEqual({ lost: false, away: false, looks: 1, taken: 0, calls: CALLS_PER_LOOK });
});

it("keepPlace: takes a place that was lost, as soon as its CPU is there", () => {
  const { state, next } = setUp();
  Object.assign(state, { lost: true, away: true });
  for (let call = 0; call < 3 * CALLS_PER_LOOK; call++) next();
  expect(state).toMatchObject({ lost: true, taken: 3 });
  state.away = false;
  for (let call = 0; call < 2 * CALLS_PER_LOOK; call++) next();
  expect(state).toMatchObject({ lost: false, taken: 4, looks: 5 });
});
