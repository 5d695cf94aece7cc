// Owns: the entries of one directory: by name, and in the order of their cookies for readdir.
// Invariants: a cookie is given once per directory and never changes; entries are sorted by cookie; a removed entry
// stays in the list as a tombstone until they are half of it, so that a reader's place stays valid.
// Must not: count links; tree.ts and rename.ts do.

/** Cookies of `.` and `..`; the entries' own follow. */
export const DOT_COOKIE = 1;
export const DOTDOT_COOKIE = 2;

/** One name; `inode` is null once it is removed. */
export interface Entry<Inode> {
  /** One character per byte. */
  readonly name: string;
  readonly cookie: number;
  inode: Inode | null;
}

/** Entries of a directory, and which directory it is in (of the root and of a removed one: itself). */
export class Directory<Inode> {
  parent: Inode | null = null;
  private readonly byName = new Map<string, Entry<Inode>>();
  private ordered: Entry<Inode>[] = [];
  private nextCookie = DOTDOT_COOKIE + 1;

  /** Entries, without `.` and `..`. */
  get count(): number {
    return this.byName.size;
  }

  /** Cookie of the entry added last. */
  get lastCookie(): number {
    return this.nextCookie - 1;
  }

  /** Hot. */
  find(name: string): Entry<Inode> | undefined {
    return this.byName.get(name);
  }

  /** Adds a name that is not there yet. */
  add(name: string, inode: Inode): void {
    const entry = { name, cookie: this.nextCookie++, inode };
    this.byName.set(name, entry);
    this.ordered.push(entry);
  }

  remove(entry: Entry<Inode>): void {
    entry.inode = null;
    this.byName.delete(entry.name);
    if (this.ordered.length > 2 * this.byName.size + 16) {
      this.ordered = this.ordered.filter((kept) => kept.inode !== null);
    }
  }

  /** Position in the order of the first entry after a cookie; to be used before the directory changes. Hot. */
  positionAfter(cookie: number): number {
    let low = 0;
    let high = this.ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.ordered[middle] as Entry<Inode>).cookie <= cookie) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Entry<Inode> at a position, removed ones included; undefined past the end. Hot. */
  at(position: number): Entry<Inode> | undefined {
    return this.ordered[position];
  }

  entries(): IterableIterator<Entry<Inode>> {
    return this.byName.values();
  }
}
