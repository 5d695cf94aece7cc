// Owns: listing what a <linux/fuse.h> declares, by its text, to find what the tables do not describe.
// Must not: judge values; that is gcc's part.

/** Declared by the header and not described by the tables, with the reason. */
export const UNDESCRIBED: Readonly<Record<string, string>> = {
  FUSE_KERNEL_MINOR_VERSION: "differs by header; the test reads it",
  FUSE_NAME_OFFSET: "size of fuse_dirent",
  FUSE_NAME_OFFSET_DIRENTPLUS: "size of fuse_direntplus",
  FUSE_REMOVEMAPPING_MAX_ENTRY: "depends on PAGE_SIZE of the kernel",
  FUSE_WRITE_KILL_PRIV: "obsolete alias of FUSE_WRITE_KILL_SUIDGID",
  FUSE_DIRECT_IO_RELAX: "obsolete alias of FUSE_DIRECT_IO_ALLOW_MMAP",
  "fuse_dirent.name": "flexible array",
  "fuse_supp_groups.groups": "flexible array",
};

/** The protocol minor that the header states. Errors: `Error` if it states none. */
export function headerMinor(header: string): number {
  const minor = /^#define FUSE_KERNEL_MINOR_VERSION (\d+)$/m.exec(header)?.[1];
  if (minor === undefined) throw new Error("header without FUSE_KERNEL_MINOR_VERSION");
  return Number(minor);
}

function withoutComments(header: string): string {
  return header.replace(/\/\*[\s\S]*?\*\//g, " ");
}

function structNames(code: string): string[] {
  const names: string[] = [];
  for (const [, tag = "", body = ""] of code.matchAll(/^struct (\w+) \{([\s\S]*?)^\};/gm)) {
    names.push(tag);
    for (const [, field = ""] of body.matchAll(/^\s+(?:u?int\d+_t|char|struct \w+)\s+(\w+)(?:\[\w*\])?;/gm)) {
      names.push(`${tag}.${field}`);
    }
  }
  return names;
}

/** C names of macros without parameters, enum values, structs, and fields as "struct.field". */
export function declaredNames(header: string): string[] {
  const code = withoutComments(header);
  const macros = [...code.matchAll(/^#define\s+((?:FUSE|FOPEN|FATTR|CUSE)_\w+)(?=\s)/gm)].map(([, name = ""]) => name);
  const values = [...code.matchAll(/^\s+((?:FUSE|CUSE)_\w+)\s*=/gm)].map(([, name = ""]) => name);
  return [...macros, ...values, ...structNames(code)];
}
