// Owns: the count of pages in use against the limit. Whoever takes pages gives the same number back.

import { PAGE_BYTES } from "./options.ts";

/** Pages that all files, symlinks' attributes and lists of one filesystem share. */
export class Budget {
  readonly limit: number;
  used = 0;

  /** `sizeLimit` in bytes; what is less than a page does not count. */
  constructor(sizeLimit: number) {
    this.limit = Math.floor(sizeLimit / PAGE_BYTES);
  }

  get free(): number {
    return this.limit - this.used;
  }

  /** True when `pages` were there to take; false takes none. Hot. */
  take(pages: number): boolean {
    if (this.used + pages > this.limit) return false;
    this.used += pages;
    return true;
  }

  /** Gives pages back. Hot. */
  give(pages: number): void {
    this.used -= pages;
  }
}
