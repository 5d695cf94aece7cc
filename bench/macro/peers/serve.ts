// The server of rfuse's own peers: mounts what it is told to until it is unmounted.
//   bun run bench/macro/peers/serve.ts passthrough|memory|async SOURCE MOUNTPOINT OPTIONS
// OPTIONS is JSON of mount(); a lane that is asked for by name and not had is an error, never another lane.
import { type MountOptions, memoryModule, mount, passthroughModule } from "../../../src/index.ts";

const MODULES: Record<string, URL> = {
  passthrough: passthroughModule,
  memory: memoryModule,
  async: new URL("./async-module.ts", import.meta.url),
};

const [kind = "", source = "", mountpoint = "", json = "{}"] = process.argv.slice(2);
const module = MODULES[kind];
if (module === undefined) throw new Error(`no filesystem "${kind}"`);
const options = JSON.parse(json) as MountOptions & { filesystemOptions?: object };
const mounted = await mount(mountpoint, module, {
  ...options,
  name: source,
  filesystemOptions: { ...options.filesystemOptions, ...(kind === "memory" ? {} : { source }) },
});
if (options.lane !== undefined && options.lane !== "auto" && mounted.lane !== options.lane) {
  process.stderr.write(`the lane is ${mounted.lane}: ${mounted.laneReason}\n`);
  await mounted.unmount();
  process.exit(1);
}
const { active, reason: inactive } = mounted.stats().metadataCache;
if (options.metadataCache !== undefined && options.metadataCache !== false && !active) {
  process.stderr.write(`there is no metadata cache: ${inactive}\n`);
  await mounted.unmount();
  process.exit(1);
}
process.on("SIGUSR2", () => void process.stderr.write(`requests ${mounted.stats().requests}\n`));
process.on("SIGTERM", () => void mounted.unmount({ lazy: true }).catch(() => process.exit(1)));
const reason = await mounted.closed;
process.exit(reason === "unmounted" ? 0 : 1);
