// The behaviour suite on our own mounts: both filesystems that ship, in worker threads and as an object. Run as root it
// mounts by mount(2) and covers permissions between users; run as another user it mounts by fusermount3.
// Owns what each target can do; the expectations are the suite's.

import { afterAll, beforeAll, describe } from "vitest";
import { behaviour, type Features } from "../behaviour/suite.ts";
import { canPass, MEMORY, makeSource, PASSED_THROUGH, PASSTHROUGH } from "./features.ts";
import { type Daemon, startMount } from "./harness.ts";

const isRoot = process.getuid?.() === 0;

interface Served {
  readonly filesystem: URL;
  readonly features: Features;
  readonly forms: readonly ("module" | "object")[];
  /** Makes `filesystemOptions`. */
  options(): Record<string, unknown>;
}

const PASSTHROUGH_MODULE = new URL("../../src/fs/passthrough/module.ts", import.meta.url);

const SERVED: Record<string, Served> = {
  passthrough: {
    filesystem: PASSTHROUGH_MODULE,
    features: PASSTHROUGH,
    forms: canPass ? ["object"] : ["module", "object"],
    options: () => ({ source: makeSource(), passthrough: "off" }),
  },
  ...(canPass && {
    "passthrough by the kernel": {
      filesystem: PASSTHROUGH_MODULE,
      features: PASSED_THROUGH,
      forms: ["module"],
      options: () => ({ source: makeSource() }),
    },
  }),
  memory: {
    filesystem: new URL("../../src/fs/memory/module.ts", import.meta.url),
    features: MEMORY,
    forms: ["module", "object"],
    options: () => ({ mode: 0o777 }),
  },
};

for (const [name, { filesystem, features, forms, options }] of Object.entries(SERVED)) {
  for (const form of forms) {
    describe(`${name}, ${form} form, ${isRoot ? "root" : "unprivileged"}`, () => {
      let daemon: Daemon | undefined;
      const filesystemOptions = options();
      beforeAll(async () => {
        daemon = await startMount({ filesystem, form, options: { allowOther: isRoot, filesystemOptions } });
      });
      afterAll(async () => {
        await daemon?.[Symbol.asyncDispose]();
      });
      const dir = () => daemon?.mountpoint ?? "";
      behaviour({ name, dir, asRoot: isRoot, features });
    });
  }
}
