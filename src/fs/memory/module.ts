// The module form of the filesystem in memory: `mount(mountpoint, memoryModule, { filesystemOptions })`.
// Its state lives in this module's thread, so it is served by one worker.

import { MemoryFilesystem } from "./memory-filesystem.ts";
import type { MemoryOptions } from "./options.ts";

export default ({ options }: { readonly options: unknown }) => new MemoryFilesystem((options ?? {}) as MemoryOptions);
