// Owns: the modules of the filesystems that ship, for `mount`'s module form.

/** Module of `MemoryFilesystem`; `filesystemOptions` are `MemoryOptions`. */
export const memoryModule = new URL("./memory/module.ts", import.meta.url);

/** Module of `PassthroughFilesystem`; `filesystemOptions` are `PassthroughOptions`. */
export const passthroughModule = new URL("./passthrough/module.ts", import.meta.url);
