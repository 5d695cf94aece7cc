// Proves that whatever a worker's code throws can be sent to the session, and says what it was.
import { describe, expect, it } from "vitest";
import { fromPlain, toPlain } from "./worker-messages.ts";

describe("toPlain", () => {
  it("keeps an error's name, message, stack and code", () => {
    const error = Object.assign(new RangeError("too far"), { code: "EDOM" });
    expect(fromPlain(toPlain(error))).toMatchObject({ name: "RangeError", message: "too far", code: "EDOM" });
    expect(toPlain(error).stack).toBe(error.stack);
  });

  it("keeps its causes, also of one that is its own", () => {
    const cause = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    expect(fromPlain(toPlain(new TypeError("fetch failed", { cause })))).toMatchObject({
      message: "fetch failed",
      cause: { message: "refused", code: "ECONNREFUSED" },
    });
    const own = new Error("own");
    own.cause = own;
    expect(toPlain(own)).toMatchObject({ cause: { cause: { message: "own" } } });
    expect(fromPlain(toPlain(new Error("none"))).cause).toBeUndefined();
  });

  it("tells the parts of an AggregateError, of which a module with errors of syntax is one", () => {
    const error = new AggregateError([new Error("expected ;"), "x"], "2 errors");
    expect(toPlain(error).message).toBe('2 errors: expected ;; "x"');
  });

  it.each<readonly [string, unknown]>([
    ["an object without prototype", Object.create(null)],
    ["an error with a message that cannot be cloned", Object.assign(new Error(), { message: () => {} })],
    ["a symbol", Symbol("s")],
    ["nothing", undefined],
  ])("makes of %s what can be sent", (_, thrown) => {
    const plain = toPlain(thrown);
    expect(plain.message).toMatch(/^non-error thrown: ./);
    expect(structuredClone(plain)).toEqual(plain);
  });
});
