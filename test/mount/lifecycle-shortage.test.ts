// Mounting while something is short: whatever it is that fails, the error says so, and no mount is left, also while the
// process that tried lives on.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { passthroughModule } from "../../src/index.ts";
import { failedMount, mountsAt, startDaemon, until, within } from "./harness.ts";

const asRoot = process.getuid?.() === 0;
/** With fewer Bun does not start; with so many the mount has what it needs. */
const FEWEST = 10;
const ENOUGH = 34;

describe("mount", () => {
  it("without descriptors: fails by a code, at whichever it lacks, and leaves nothing", async () => {
    const seen: string[] = [];
    for (let limit = FEWEST; limit <= ENOUGH; limit++) {
      await using daemon = startDaemon({
        filesystem: passthroughModule,
        options: { workers: 2, filesystemOptions: { source: tmpdir(), maxNodes: 16 } },
        wrap: ["prlimit", `--nofile=${limit}:${limit}`],
        livesOn: true,
      });
      const settled = await daemon.settled().catch(() => undefined); // undefined: Bun itself went without
      if (settled?.event === "ready") break;
      if (settled?.event === "failed") seen.push(String(settled["code"]));
      if (settled?.event === "failed") expect([limit, settled["name"], settled["message"]]).toContain("MountError");
      await until(`no mount with ${limit} descriptors`, () => mountsAt(daemon.mountpoint).length === 0);
      daemon.hangUp();
      await within("the daemon's end", daemon.exited);
      await until("nothing left", () => daemon.leftovers().length === 0);
    }
    expect(seen).toContain("FILESYSTEM_FAILED");
  });

  it.runIf(asRoot)("with a shell that cannot be run: says that the guardian is what it lacks", async () => {
    const broken = join(mkdtempSync(join(tmpdir(), "rfuse-shell-")), "sh");
    writeFileSync(broken, "\x7fELF of another kind", { mode: 0o755 });
    const bind = 'mount --bind "$0" "$(readlink -f /bin/sh)" && exec "$@"';
    const { code, message } = await failedMount({ wrap: ["unshare", "-m", "sh", "-c", bind, broken] });
    expect({ code, message }).toMatchObject({ code: "MOUNT_REFUSED", message: expect.stringContaining("guardian") });
  });
});
