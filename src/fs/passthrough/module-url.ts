// Owns: where the passthrough's module is, for `mount(mountpoint, passthroughModule, { filesystemOptions })`.
// Must not: load it; worker threads do.

/** The passthrough filesystem in module form; `filesystemOptions` are `PassthroughOptions`. */
export const passthroughModule: URL = new URL("./module.ts", import.meta.url);
