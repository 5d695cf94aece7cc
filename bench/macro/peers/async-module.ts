// A filesystem whose every handler awaits real input and output: node:fs/promises over a directory, in the module form
// of mount(). `filesystemOptions` is { source }. Timeouts are zero.
import * as files from "node:fs/promises";
import { type Filesystem, fsPromisesFilesystem } from "../../../src/index.ts";

export default function asyncPassthrough(context: { readonly options: unknown }): Filesystem {
  const { source } = context.options as { readonly source: string };
  const zero = { attrTimeoutMs: 0, entryTimeoutMs: 0, background: false };
  return fsPromisesFilesystem(files, source, zero);
}
