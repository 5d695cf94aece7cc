// Owns: finding, making and dropping nodes of the shared table.

import { NodeTable } from "../../src/fs/node-table.ts";
import { type MicroTask, repeat } from "./task.ts";

const CAPACITY = 1 << 16;
const NODES = 10_000;

function filledTable(): NodeTable {
  const buffer = new SharedArrayBuffer(NodeTable.byteLength(CAPACITY));
  NodeTable.format(buffer, 0, CAPACITY);
  const table = new NodeTable(buffer);
  for (let key = 0; key < NODES; key++) table.insert(0, key, 0, key + 1);
  return table;
}

export function nodeTableTasks(): MicroTask[] {
  const table = filledTable();
  return [
    repeat("node table: find among 10,000, and give back", 1000, (index) => {
      table.drop(table.find(0, (index * 7919) % NODES, 0), 1);
    }),
    repeat("node table: insert and drop", 1000, (index) => {
      table.drop(table.insert(2, index, 0, 1), 1);
    }),
    repeat("node table: descriptor of a node", 1000, (index) => void table.fdOf(2 + (index % NODES))),
  ];
}
