// Proves the tree of known names: what is freed when, paths after moves, and names of hard-linked files.
import { describe, expect, it } from "vitest";
import { FORMAT } from "./stats.ts";
import { type Identity, type Node, Tree } from "./tree.ts";

const file: Identity = { format: FORMAT.file, key: undefined, nlink: 1 };
const directory: Identity = { format: FORMAT.directory, key: undefined, nlink: 1 };

function deep(tree: Tree, levels: number): Node[] {
  const nodes: Node[] = [];
  for (let at = tree.root; nodes.length < levels; ) {
    at = tree.acquire(at, `d${nodes.length}`, directory);
    nodes.push(at);
  }
  return nodes;
}

describe("Tree", () => {
  it("forget: frees a node and the directories above that waited for it", () => {
    const tree = new Tree();
    const nodes = deep(tree, 100);
    for (const node of nodes) tree.forget(node.id, 1); // parents first: the wrong way round
    expect(tree.size).toBe(1);
    expect(tree.root.children.size).toBe(0);
  });

  it("forget: keeps what is open, and an unlinked node until then", () => {
    const tree = new Tree();
    const node = tree.acquire(tree.root, "f", file);
    node.opens++;
    tree.detach(tree.root, "f");
    tree.forget(node.id, 1);
    expect([tree.size, tree.path(node)]).toEqual([2, undefined]);
    node.opens--;
    tree.reap(node);
    expect(tree.size).toBe(1);
    expect(() => tree.get(node.id)).toThrow("ESTALE");
  });

  it("forget: more than was given, twice, or of the root does no harm", () => {
    const tree = new Tree();
    const node = tree.acquire(tree.root, "f", file);
    tree.forget(node.id, 5);
    tree.forget(node.id, 5);
    tree.forget(1, 5);
    expect([tree.size, tree.path(tree.root)]).toEqual([1, "/"]);
  });

  it("move: changes the path of all beneath without visiting it, and unlinks what had the name", () => {
    const tree = new Tree();
    const nodes = deep(tree, 3);
    const old = tree.acquire(tree.root, "new", directory);
    const beneathOld = tree.acquire(old, "f", file);
    const clocks = nodes.map(({ changed }) => changed);
    tree.move(tree.root, "d0", tree.root, "new");
    expect(nodes.map((node) => tree.path(node))).toEqual(["/new", "/new/d1", "/new/d1/d2"]);
    expect(nodes.slice(1).map(({ changed }) => changed)).toEqual(clocks.slice(1));
    expect([tree.path(old), tree.path(beneathOld)]).toEqual([undefined, undefined]);
  });

  it("move: of a name onto another name of the same file changes nothing", () => {
    const tree = new Tree();
    const linked: Identity = { format: FORMAT.file, key: "1:7", nlink: 2 };
    const node = tree.acquire(tree.root, "a", linked);
    expect(tree.acquire(tree.root, "b", linked)).toBe(node);
    tree.move(tree.root, "a", tree.root, "b");
    expect([...tree.root.children.keys()]).toEqual(["a", "b"]);
  });

  it("detach: a hard-linked file goes by its other names, and its number is free again after the last", () => {
    const tree = new Tree();
    const linked: Identity = { format: FORMAT.file, key: "1:7", nlink: 3 };
    const node = tree.acquire(tree.root, "a", linked);
    const folder = tree.acquire(tree.root, "d", directory);
    tree.acquire(folder, "b", linked);
    tree.detach(tree.root, "a");
    expect(tree.path(node)).toBe("/d/b");
    tree.detach(folder, "b");
    expect(tree.path(node)).toBeUndefined();
    expect(tree.acquire(tree.root, "c", linked)).not.toBe(node);
  });

  it("exchange: swaps files, one of which need not be known", () => {
    const tree = new Tree();
    const [a, d] = [tree.acquire(tree.root, "a", file), tree.acquire(tree.root, "d", directory)];
    tree.exchange(tree.root, "a", d, "b");
    expect([tree.path(a), [...d.children.keys()]]).toEqual(["/d/b", ["b"]]);
    tree.exchange(tree.root, "d", tree.root, "e");
    expect(tree.path(a)).toBe("/e/b");
  });

  it("acquire: nodeids are never used twice", () => {
    const tree = new Tree();
    const seen = new Set<number>();
    for (let index = 0; index < 1000; index++) {
      const { id } = tree.acquire(tree.root, "f", file);
      seen.add(id);
      tree.forget(id, 1);
    }
    expect([seen.size, tree.size]).toEqual([1000, 1]);
  });
});
