// The behaviour suite on our own mounts, over the table of what is served how. Run as root it mounts by mount(2) and
// covers permissions between users; run as another user it mounts by fusermount3.
// Owns no expectation; they are the suite's.

import { afterAll, beforeAll, describe } from "vitest";
import { behaviour } from "../behaviour/suite.ts";
import { makeSource } from "./features.ts";
import type { Daemon } from "./harness.ts";
import { startOn } from "./lanes.ts";
import { nameOf, ROWS } from "./served.ts";

const isRoot = process.getuid?.() === 0;

for (const row of ROWS) {
  describe(`${nameOf(row)}, ${isRoot ? "root" : "unprivileged"}`, () => {
    const { shipped, form, lane } = row;
    const filesystemOptions = shipped.options(makeSource());
    let daemon: Daemon | undefined;
    beforeAll(async () => {
      const options = { allowOther: isRoot, filesystemOptions };
      daemon = await startOn(lane, { filesystem: shipped.filesystem, form, options });
    });
    afterAll(async () => {
      await daemon?.[Symbol.asyncDispose]();
    });
    behaviour({ name: "mount", dir: () => daemon?.mountpoint ?? "", asRoot: isRoot, features: shipped.features });
  });
}
