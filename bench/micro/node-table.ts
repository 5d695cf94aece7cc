// Owns: finding, making and dropping nodes of the shared table.

import { NodeTable } from "../../src/fs/node-table.ts";
import { type MicroTask, repeat } from "./task.ts";

const CAPACITY = 1 << 16;
const NODES = 10_000;

/** Operations of one call of contend(). */
export const OPERATIONS_PER_TURN = 1000;

/** The memory of a table that holds 10,000 nodes. */
export function filledTable(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(NodeTable.byteLength(CAPACITY));
  NodeTable.format(buffer, 0, CAPACITY);
  const table = new NodeTable(buffer);
  for (let key = 0; key < NODES; key++) table.insert(0, key, 0, key + 1);
  return buffer;
}

/** Finds nodes in an order that depends on `round`, and gives each back. */
export function contend(table: NodeTable, round: number): void {
  for (let index = 0; index < OPERATIONS_PER_TURN; index++) {
    table.drop(table.find(0, ((index + round) * 7919) % NODES, 0), 1);
  }
}

export function nodeTableTasks(): MicroTask[] {
  const table = new NodeTable(filledTable());
  return [
    { name: "node table: find among 10,000, and give back", batch: OPERATIONS_PER_TURN, run: () => contend(table, 0) },
    repeat("node table: insert and drop", 1000, (index) => {
      table.drop(table.insert(2, index, 0, 1), 1);
    }),
    repeat("node table: descriptor of a node", 1000, (index) => void table.fdOf(2 + (index % NODES))),
  ];
}
