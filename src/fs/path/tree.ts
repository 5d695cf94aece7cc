// Owns: the names that the kernel knows: nodeid to path by parent pointers, and the count of its references (nlookup).
// Invariants: a node lives while it has nlookup, open handles or children; nodeids are never used twice.
// A node without parent (other than the root) is unlinked: it and all beneath it have no path.

import { ROOT_ID } from "../../abi/fuse-constants.ts";
import { FuseError } from "../../codec/fuse-error.ts";
import type { Attributes } from "./stats.ts";

/** Tells inodes apart where the filesystem supplies stable numbers. */
export type InodeKey = string;

interface Link {
  parent: Node;
  name: string;
}

/** One file that the kernel knows. Written by `Tree` and, where said so, by its users. */
export interface Node {
  readonly id: number;
  /** First name; null parent: unlinked, or the root. */
  parent: Node | null;
  name: string;
  /** Further names of a hard-linked file. */
  others: Link[];
  children: Map<string, Node>;
  nlookup: number;
  /** Open handles; counted by the handle table. */
  opens: number;
  /** Type bits of the mode (S_IFMT). */
  readonly format: number;
  readonly key: InodeKey | undefined;
  /** Inode number as last shown to callers. */
  ino: number | bigint;
  /** Renamed out of the way by an unlink; set by src/fs/path/removal.ts. */
  hidden: boolean;
  /** A removed directory: as it was before. Somebody may still stand in it; set by src/fs/path/entries.ts. */
  removed: Attributes | undefined;
  /** `Tree.clock` when its attributes or entries last changed through this mount. */
  changed: number;
}

const S_IFDIR = 0o040000;

function createNode(id: number, format: number, key: InodeKey | undefined): Node {
  return {
    id,
    parent: null,
    name: "",
    others: [],
    children: new Map(),
    nlookup: 0,
    opens: 0,
    format,
    key,
    ino: id,
    hidden: false,
    removed: undefined,
    changed: 0,
  };
}

/** What `acquire` needs to know of a file. */
export interface Identity {
  readonly format: number;
  /** Set when the filesystem's inode numbers count. */
  readonly key: InodeKey | undefined;
  readonly nlink: number;
}

export class Tree {
  readonly root: Node = createNode(ROOT_ID, S_IFDIR, undefined);
  /** Counts changes; see `Node.changed`. */
  clock = 0;
  private readonly nodes = new Map<number, Node>([[ROOT_ID, this.root]]);
  private readonly byKey = new Map<InodeKey, Node>();
  private lastId = ROOT_ID;

  /** How many nodes are known, the root among them. */
  get size(): number {
    return this.nodes.size;
  }

  /** Errors: ESTALE for a nodeid that was never given or is forgotten. */
  get(nodeid: number): Node {
    const node = this.nodes.get(nodeid);
    if (node === undefined) throw new FuseError("ESTALE", `nodeid ${nodeid} is not known`);
    return node;
  }

  /** The path of a node; undefined when it or a directory above it is unlinked. */
  path(node: Node): string | undefined {
    if (node === this.root) return "/";
    let path = "";
    for (let at = node; at !== this.root; ) {
      if (at.parent === null) return undefined;
      path = `/${at.name}${path}`;
      at = at.parent;
    }
    return path;
  }

  /** The path of `name` in `parent`. */
  childPath(parent: Node, name: string): string | undefined {
    if (parent === this.root) return `/${name}`;
    const directory = this.path(parent);
    return directory === undefined ? undefined : `${directory}/${name}`;
  }

  /** True when `node` is `above` or lies beneath it. */
  isBeneath(node: Node, above: Node): boolean {
    for (let at: Node | null = node; at !== null; at = at.parent) if (at === above) return true;
    return false;
  }

  /** Notes that attributes or entries of a node changed. */
  touch(node: Node): void {
    node.changed = ++this.clock;
  }

  /** The node of a name, with one more reference of the kernel. A name that means another file now gets a new node. */
  acquire(parent: Node, name: string, identity: Identity): Node {
    const known = parent.children.get(name);
    if (known !== undefined && known.format === identity.format && known.key === identity.key) {
      known.nlookup++;
      return known;
    }
    if (known !== undefined) this.detach(parent, name);
    const node = this.sameInode(identity) ?? this.add(identity);
    this.attach(node, parent, name);
    node.nlookup++;
    return node;
  }

  /** The kernel drops references. Unknown nodeids are ignored. */
  forget(nodeid: number, nlookup: number): void {
    const node = this.nodes.get(nodeid);
    if (node === undefined || node === this.root) return;
    node.nlookup = Math.max(0, node.nlookup - nlookup);
    this.reap(node);
  }

  /** The name is gone. The node stays as long as somebody uses it. */
  detach(parent: Node, name: string): void {
    this.touch(parent);
    const node = parent.children.get(name);
    if (node === undefined) return;
    this.removeName(node, parent, name);
    if (node.parent === null && node.key !== undefined) this.dropKey(node);
    this.touch(node);
    this.reap(node);
  }

  /** The name moved, with all that is beneath it; what had the new name is unlinked. */
  move(parent: Node, name: string, newParent: Node, newName: string): void {
    const node = parent.children.get(name);
    if (node !== undefined && newParent.children.get(newName) === node) return;
    this.detach(newParent, newName);
    this.touch(parent);
    if (node === undefined) return;
    this.removeName(node, parent, name);
    this.attach(node, newParent, newName);
    this.touch(node);
    this.reap(parent);
  }

  /** Two names swapped what they mean. */
  exchange(parent: Node, name: string, newParent: Node, newName: string): void {
    const one = parent.children.get(name);
    const other = newParent.children.get(newName);
    if (one === other) return;
    if (one !== undefined) this.removeName(one, parent, name);
    if (other !== undefined) this.removeName(other, newParent, newName);
    if (one !== undefined) this.attach(one, newParent, newName);
    if (other !== undefined) this.attach(other, parent, name);
    for (const changed of [parent, newParent, one, other]) if (changed !== undefined) this.touch(changed);
  }

  /** Frees a node that nobody uses, and then the directories above that waited for it. */
  reap(node: Node): void {
    if (node === this.root || node.nlookup > 0 || node.opens > 0 || node.children.size > 0) return;
    if (!this.nodes.delete(node.id)) return;
    this.dropKey(node);
    const above = [node.parent, ...node.others.map((link) => link.parent)];
    for (const link of node.others) link.parent.children.delete(link.name);
    node.parent?.children.delete(node.name);
    node.others = [];
    node.parent = null;
    for (const parent of above) if (parent !== null) this.reap(parent);
  }

  private sameInode({ key, format, nlink }: Identity): Node | undefined {
    if (key === undefined || nlink < 2 || format === S_IFDIR) return undefined;
    const node = this.byKey.get(key);
    return node?.format === format ? node : undefined;
  }

  private add({ format, key }: Identity): Node {
    const node = createNode(++this.lastId, format, key);
    this.nodes.set(node.id, node);
    if (key !== undefined && format !== S_IFDIR) this.byKey.set(key, node);
    return node;
  }

  private dropKey(node: Node): void {
    if (node.key !== undefined && this.byKey.get(node.key) === node) this.byKey.delete(node.key);
  }

  private attach(node: Node, parent: Node, name: string): void {
    if (node.parent === null) {
      node.parent = parent;
      node.name = name;
    } else {
      node.others.push({ parent, name });
    }
    parent.children.set(name, node);
  }

  private removeName(node: Node, parent: Node, name: string): void {
    parent.children.delete(name);
    if (node.parent !== parent || node.name !== name) {
      node.others = node.others.filter((link) => link.parent !== parent || link.name !== name);
      return;
    }
    const next = node.others.shift();
    node.parent = next?.parent ?? null;
    node.name = next?.name ?? "";
  }
}
