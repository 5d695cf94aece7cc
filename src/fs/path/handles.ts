// Owns: open files and directories: the number that the kernel has (fh) and the value that the filesystem gave.
// Invariants: an fh is never used twice, so a stale one is EBADF and never another file; fh 0 is "no handle" and is
// what the kernel sends for files that were never opened.

import { FuseError } from "../../codec/fuse-error.ts";
import type { DirectoryStream } from "./directory-stream.ts";
import type { Node } from "./tree.ts";

export interface Handle {
  readonly fh: number;
  readonly node: Node;
  /** What `open`, `create` or `opendir` returned; undefined when that is nothing. */
  readonly value: unknown;
  /** Directories: entries as far as they have been read. */
  stream: DirectoryStream | undefined;
}

export class Handles {
  private readonly table = new Map<number, Handle>();
  private last = 0;

  get size(): number {
    return this.table.size;
  }

  /** Every open handle. */
  all(): Handle[] {
    return [...this.table.values()];
  }

  /** Makes a handle; its node lives at least as long. */
  open(node: Node, value: unknown): Handle {
    const handle: Handle = { fh: ++this.last, node, value, stream: undefined };
    this.table.set(handle.fh, handle);
    node.opens++;
    return handle;
  }

  /** Undefined for fh 0. Errors: EBADF for an fh that is not open. */
  get(fh: number): Handle | undefined {
    if (fh === 0) return undefined;
    const handle = this.table.get(fh);
    if (handle === undefined) throw new FuseError("EBADF", `fh ${fh} is not open`);
    return handle;
  }

  /** An open handle of `node`, best one with a value. Slow: looks at every handle. */
  anyOf(node: Node): Handle | undefined {
    if (node.opens === 0) return undefined;
    const open = [...this.table.values()].filter((handle) => handle.node === node);
    return open.find(({ value }) => value !== undefined) ?? open[0];
  }

  /** True when an open handle of `node` has no value, so that its operations need the path. */
  needsPath(node: Node): boolean {
    if (node.opens === 0) return false;
    for (const handle of this.table.values()) if (handle.node === node && handle.value === undefined) return true;
    return false;
  }

  close(handle: Handle): void {
    if (this.table.delete(handle.fh)) handle.node.opens--;
  }
}
