// Owns: the order of renames against other operations by path, where handlers are asynchronous: a path must not become
// wrong between its making and the handler's use of it.
// Rules: a rename waits for operations on what it moves or replaces, and for earlier renames of that; whatever comes
// after the rename on these files waits for it. Nothing that has begun ever waits, so there is no deadlock.
// Operations whose result is a plain value are never noted, and wait only when a rename is under way.

import { type Awaitable, isThenable } from "./chain.ts";
import type { Node, Tree } from "./tree.ts";

interface Rename {
  readonly nodes: readonly Node[];
  readonly done: Promise<unknown>;
}

interface Shared {
  readonly node: Node;
  readonly done: Promise<unknown>;
}

export class RenameGate {
  private readonly tree: Tree;
  private readonly shared = new Set<Shared>();
  private readonly renames = new Set<Rename>();

  constructor(tree: Tree) {
    this.tree = tree;
  }

  /** Runs an operation by path on `node`. */
  share<T>(node: Node, run: () => Awaitable<T>): Awaitable<T> {
    const wait = this.renames.size > 0 ? this.renamesOver(node) : [];
    if (wait.length > 0) return Promise.all(wait).then(() => this.share(node, run));
    const result = run();
    if (isThenable(result)) this.note(this.shared, { node, done: settled(result) });
    return result;
  }

  /** Runs an operation that gives the `nodes`, and all beneath them, another path or none. */
  rename<T>(nodes: readonly Node[], run: () => Awaitable<T>): Awaitable<T> {
    const wait = [...this.earlierRenames(nodes), ...this.sharedUnder(nodes)];
    const result = wait.length > 0 ? Promise.all(wait).then(run) : run();
    if (isThenable(result)) this.note(this.renames, { nodes, done: settled(result) });
    return result;
  }

  private note<Item extends { readonly done: Promise<unknown> }>(set: Set<Item>, item: Item): void {
    set.add(item);
    item.done.then(() => set.delete(item));
  }

  private isUnderAny(node: Node, nodes: readonly Node[]): boolean {
    return nodes.some((above) => this.tree.isBeneath(node, above));
  }

  private renamesOver(node: Node): Promise<unknown>[] {
    return [...this.renames].filter(({ nodes }) => this.isUnderAny(node, nodes)).map(({ done }) => done);
  }

  private earlierRenames(nodes: readonly Node[]): Promise<unknown>[] {
    const overlaps = (other: Rename) =>
      nodes.some((node) => this.isUnderAny(node, other.nodes)) ||
      other.nodes.some((node) => this.isUnderAny(node, nodes));
    return [...this.renames].filter(overlaps).map(({ done }) => done);
  }

  private sharedUnder(nodes: readonly Node[]): Promise<unknown>[] {
    return [...this.shared].filter(({ node }) => this.isUnderAny(node, nodes)).map(({ done }) => done);
  }
}

function settled(promise: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(promise).then(
    () => undefined,
    () => undefined,
  );
}
