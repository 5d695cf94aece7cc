// Owns: requests of the tests of the metadata cache, and kernels over the memory filesystem that are closed after each.
// Must not: judge answers.

import { afterEach } from "vitest";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { MemoryFilesystem } from "../../src/fs/memory/memory-filesystem.ts";
import { type Answer, arg, type CachedKernel, type CachedKernelOptions, createCachedKernel } from "./cached-kernel.ts";
import { chars } from "./wire.ts";

export const FILE = arg.mknod(0o100644);
export const ENOENT = -2;
export const ENODATA = -61;
export const ERANGE = -34;
export const ATTR = { size: 16 + 8, mode: 16 + 60, nlink: 16 + 64 } as const;
export const ENTRY_ATTR = 40 - 16;

/** Methods in place of the memory filesystem's. */
export type Methods = { readonly [Name in keyof Filesystem]?: Filesystem[Name] };
const open: CachedKernel[] = [];
afterEach(() => {
  for (const kernel of open.splice(0)) kernel[Symbol.dispose]();
});

/** A kernel over the memory filesystem, some of whose methods are `methods`. */
export function start(methods: (base: MemoryFilesystem) => Methods = () => ({}), options: CachedKernelOptions = {}) {
  const base = new MemoryFilesystem({ attrTimeoutMs: 0, entryTimeoutMs: 0 });
  const kernel = createCachedKernel(Object.assign(Object.create(base) as MemoryFilesystem, methods(base)), options);
  open.push(kernel);
  return kernel;
}

export const nodeidOf = ({ body }: Answer): number =>
  Number(new DataView(body.buffer, body.byteOffset).getBigUint64(0, true));
export const field = ({ body }: Answer, at: number): number =>
  new DataView(body.buffer, body.byteOffset).getUint32(at, true);
export const make = (kernel: CachedKernel, name: string, parent = 1): number =>
  nodeidOf(kernel.ask("MKNOD", parent, { arg: FILE, name }));
export const getattr = (kernel: CachedKernel, nodeid: number): Answer =>
  kernel.ask("GETATTR", nodeid, { arg: arg.getattr });
export const lookup = (kernel: CachedKernel, name: string, parent = 1): Answer =>
  kernel.ask("LOOKUP", parent, { name });
/** Who answers, once the daemon has been asked. */
export const twice = (ask: () => Answer): Answer => {
  ask();
  return ask();
};
export const getxattr = (kernel: CachedKernel, nodeid: number, name: string, size = 100): Answer =>
  kernel.ask("GETXATTR", nodeid, { arg: arg.getxattr(size), name, dataMax: size });
export const setxattr = (kernel: CachedKernel, nodeid: number, name: string, value: string): Answer =>
  kernel.ask("SETXATTR", nodeid, { arg: arg.setxattr(value.length), name, rest: chars(value) });
export function write(kernel: CachedKernel, nodeid: number, offset: number, text: string): void {
  const opened = kernel.ask("OPEN", nodeid, { arg: arg.open(1) });
  const fh = new DataView(opened.body.buffer, opened.body.byteOffset).getBigUint64(0, true);
  kernel.ask("WRITE", nodeid, { arg: arg.write(fh, offset, text.length), rest: chars(text) });
  kernel.ask("RELEASE", nodeid, { arg: arg.release(fh) });
}

/** Sends a request whose handler waits for `gate`, and gives its reply when that is open. */
export async function during(
  kernel: CachedKernel,
  bytes: Uint8Array,
  gate: PromiseWithResolvers<void>,
  meanwhile: () => void,
) {
  kernel.daemon.send(bytes);
  kernel.daemon.serve();
  meanwhile();
  gate.resolve();
  let reply: Uint8Array | undefined;
  await kernel.daemon.until(() => {
    reply = kernel.daemon.receive();
    return reply !== undefined;
  });
  return reply as Uint8Array;
}

export const gated =
  <Name extends keyof Filesystem>(name: Name, gate: PromiseWithResolvers<void>, when: () => boolean) =>
  (base: MemoryFilesystem): Methods => {
    const method = (base as Filesystem)[name] as unknown as (this: unknown, req: unknown) => number;
    return {
      [name](this: unknown, req: unknown) {
        const result = method.call(base, req);
        return when() ? gate.promise.then(() => result) : result;
      },
    };
  };
