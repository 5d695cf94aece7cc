// Owns: the entries of one open directory, drained from the filesystem's iterable as far as the kernel has read.
// A cookie is the position after its entry. Entries stay until rewind or close, so every cookie given stays good;
// one beyond the end (stale, from before a rewind) reads as end of directory.
// "." and ".." come first, from here; the filesystem's own are dropped.

import { shown } from "../../codec/shown.ts";
import { type Awaitable, chain, isThenable } from "./chain.ts";
import type { DirectoryEntries, DirentLike } from "./types.ts";

type Start = () => Awaitable<DirectoryEntries>;
type Source = Iterator<unknown> | AsyncIterator<unknown>;
/** Takes an entry into a reply; false when that is full. */
type Take = (entry: DirentLike, cookie: number) => boolean;

const DOTS: readonly DirentLike[] = [
  { name: ".", type: "directory" },
  { name: "..", type: "directory" },
];

function iteratorOf(entries: DirectoryEntries): Source {
  if (Array.isArray(entries)) return [...entries].values(); // the filesystem may go on changing its array
  if (typeof entries === "object" && entries !== null) {
    if (Symbol.asyncIterator in entries) return entries[Symbol.asyncIterator]();
    if (Symbol.iterator in entries) return entries[Symbol.iterator]();
  }
  throw new TypeError(`readdir returned ${shown(entries)}, not an array or iterable of entries`);
}

function direntOf(item: unknown): DirentLike {
  if (typeof item === "string") return { name: item };
  const name = typeof item === "object" && item !== null ? (item as DirentLike).name : undefined;
  if (typeof name === "string" || name instanceof Uint8Array) return item as DirentLike;
  throw new TypeError(`readdir gave the entry ${shown(item)}, neither a name nor an object with a name`);
}

export class DirectoryStream {
  /** The tree's clock before the filesystem was asked: what changed later may not be in the entries. */
  startedAt = 0;
  private readonly clock: () => number;
  private entries: DirentLike[] = [...DOTS];
  private source: Source | undefined;
  private ended = false;
  private cursor = 0;
  /** The kernel reads an open directory by one request at a time; this is for whoever does not. */
  private turn: Promise<void> | undefined;

  constructor(clock: () => number) {
    this.clock = clock;
  }

  /**
   * Hands entries from cookie `from` (0: the start, read anew) to `take` until it says false or there are no more.
   * `start` asks the filesystem for the entries.
   */
  read(from: number, start: Start, take: Take): undefined | Promise<void> {
    if (this.turn !== undefined) return this.turn.then(() => this.read(from, start, take));
    if (from === 0) this.rewind();
    this.cursor = from;
    const pulled = this.advance(start, take);
    if (pulled === undefined) return undefined;
    const turn = this.advanceLater(pulled, start, take).finally(() => {
      this.turn = undefined;
    });
    this.turn = turn.catch(() => {});
    return turn;
  }

  /** Lets the filesystem's iterator end early. */
  close(): void {
    const { source } = this;
    this.source = undefined;
    if (this.ended || source?.return === undefined) return;
    const returned = source.return();
    if (isThenable(returned)) Promise.resolve(returned).catch(() => {}); // nobody waits for it any more
  }

  private rewind(): void {
    this.close();
    this.entries = [...DOTS];
    this.ended = false;
  }

  private async advanceLater(pulled: Promise<void>, start: Start, take: Take): Promise<void> {
    for (let waiting: Promise<void> | undefined = pulled; waiting !== undefined; waiting = this.advance(start, take)) {
      await waiting;
    }
  }

  // Goes on as far as it can without waiting; the promise is what it has to wait for.
  private advance(start: Start, take: Take): undefined | Promise<void> {
    for (;;) {
      const entry = this.entries[this.cursor];
      if (entry !== undefined) {
        if (!take(entry, this.cursor + 1)) return undefined;
        this.cursor++;
      } else {
        if (this.ended) return undefined;
        const pulled = this.pull(start);
        if (pulled !== undefined) return pulled;
      }
    }
  }

  // Fetches the iterator, then one entry at each call.
  private pull(start: Start): undefined | Promise<void> {
    if (this.source !== undefined) {
      return settle(chain(this.source.next() as Awaitable<IteratorResult<unknown>>, (result) => this.keep(result)));
    }
    this.startedAt = this.clock();
    const opened = chain(start(), (entries) => {
      this.source = iteratorOf(entries);
    });
    return settle(opened);
  }

  private keep(result: IteratorResult<unknown>): void {
    if (result.done === true) {
      this.ended = true;
      return;
    }
    const dirent = direntOf(result.value);
    if (dirent.name !== "." && dirent.name !== "..") this.entries.push(dirent);
  }
}

function settle(value: void | Promise<void>): undefined | Promise<void> {
  return isThenable(value) ? (value as Promise<void>) : undefined;
}
