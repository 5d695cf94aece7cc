// A worker that ends with every bucket of a metadata cache locked: the others go on, with right answers, and forget in
// balance. Needs root.

import { describe, expect, it } from "vitest";
import {
  ATTR,
  field,
  getattr,
  getxattr,
  lookup,
  make,
  nodeidOf,
  setxattr,
  start,
  twice,
  write,
} from "./cache-requests.ts";
import { arg, referenceOf } from "./cached-kernel.ts";
import { chars } from "./wire.ts";

describe.runIf(process.getuid?.() === 0)("MetadataCache: a worker ended with all locks held", () => {
  it("the others take over, and what they keep is right", async () => {
    const told: number[] = [];
    let references = 0; // that the filesystem gave
    const kernel = start(() => ({ forget: (_: number, nlookup: number) => void told.push(nlookup) }), {
      entries: 8,
      given: (name, answer) => {
        references += referenceOf(name, answer) === 0 ? 0 : 1;
      },
    });
    const file = make(kernel, "file");
    setxattr(kernel, file, "user.one", "value");
    const asks = (name: string) => [
      () => lookup(kernel, name),
      () => getattr(kernel, file),
      () => getxattr(kernel, file, "user.one"),
    ];
    for (const ask of asks("file")) expect(twice(ask).by).toBe("program");

    const worker = new Worker(new URL("./lock-and-leave.ts", import.meta.url));
    const ended = new Promise((resolve) => worker.addEventListener("close", resolve));
    worker.postMessage(kernel.settings);
    await ended;

    const before = performance.now();
    write(kernel, file, 0, "text");
    kernel.ask("LINK", 1, { arg: arg.link(file), name: "other" });
    kernel.ask("UNLINK", 1, { name: "file" });
    expect(performance.now() - before).toBeLessThan(5000);
    expect([ATTR.size, ATTR.nlink].map((at) => field(getattr(kernel, file), at))).toEqual([4, 1]);
    expect(getxattr(kernel, file, "user.one").body).toEqual(chars("value"));
    expect(nodeidOf(lookup(kernel, "other"))).toBe(file);
    for (const ask of asks("other")) expect(twice(ask).by).toBe("program");

    expect(kernel.held.get(file)).toBeGreaterThan(references);
    kernel.forget(file)();
    expect(told).toEqual([references]);
  });
});
