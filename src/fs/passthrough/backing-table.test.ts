// Proves the table of backing files: who is passed through with which id, and that every id is handed out to be closed
// exactly once, whatever the order in which workers open, register and close.
import { describe, expect, it } from "vitest";
import { BackingTable, ENTERED } from "./backing-table.ts";

const CAPACITY = 8;

/** Two workers' views of one table. */
function views(): readonly [BackingTable, BackingTable] {
  const buffer = new SharedArrayBuffer(BackingTable.byteLength(CAPACITY) + 64);
  return [new BackingTable(buffer, 64, CAPACITY), new BackingTable(buffer, 64, CAPACITY)];
}

const passed = (table: BackingTable, nodeid: number, keep = true) => table.leave(nodeid, true, false, keep);
const ordinary = (table: BackingTable, nodeid: number) => table.leave(nodeid, false, false, true);

describe("BackingTable", () => {
  it("enter: an id that one worker settled is every worker's, for that node alone", () => {
    const [one, other] = views();
    expect(one.enter(3)).toBe(ENTERED.unknown);
    expect(one.settle(3, 41)).toBe(41);
    expect([other.enter(3), other.enter(4), other.live]).toEqual([41, ENTERED.unknown, 1]);
  });

  it("settle: of two workers that registered the file, the slower one is given the faster one's id", () => {
    const [one, other] = views();
    expect([one.enter(1), other.enter(1)]).toEqual([ENTERED.unknown, ENTERED.unknown]);
    expect([other.settle(1, 7), one.settle(1, 8), one.live]).toEqual([7, 7, 1]);
  });

  it("settle: a refusal makes the open ordinary, and every later one while it lasts", () => {
    const [one, other] = views();
    one.enter(1);
    expect(one.settle(1, -40)).toBe(ENTERED.ordinary);
    expect(other.enter(1)).toBe(ENTERED.ordinary);
    expect([ordinary(one, 1), one.enter(1)]).toEqual([0, ENTERED.ordinary]);
    ordinary(one, 1);
    ordinary(other, 1);
    expect(one.enter(1)).toBe(ENTERED.unknown);
  });

  it("settle: an id made while another worker's open became ordinary is not used", () => {
    const [one, other] = views();
    one.enter(1);
    other.enter(1);
    expect(one.settle(1, -1)).toBe(ENTERED.ordinary);
    expect(other.settle(1, 9)).toBe(ENTERED.ordinary);
    expect(one.live).toBe(0);
  });

  it("settle: a refusal after another worker's success is passed through with its id", () => {
    const [one, other] = views();
    one.enter(1);
    other.enter(1);
    expect([one.settle(1, 9), other.settle(1, -1)]).toEqual([9, 9]);
  });

  it("enterOrdinary: is refused while the inode is passed through, and keeps others from it", () => {
    const [one, other] = views();
    one.enter(1);
    one.settle(1, 5);
    expect(other.enterOrdinary(1)).toBe(false);
    passed(one, 1);
    expect(other.enterOrdinary(1)).toBe(true);
    expect(one.enter(1)).toBe(ENTERED.ordinary);
  });

  it("leave: gives the id out with the last open passed through, once, unless it is kept", () => {
    const [one, other] = views();
    one.enter(1);
    one.settle(1, 5);
    other.enter(1);
    expect([passed(one, 1, false), passed(other, 1, true)]).toEqual([0, 0]);
    expect(one.enter(1)).toBe(5);
    expect([passed(one, 1, false), passed(one, 1, false), one.live]).toEqual([5, 0, 0]);
    expect(one.enter(1)).toBe(ENTERED.unknown);
  });

  it("forget: gives the id out once and leaves an empty node", () => {
    const [one, other] = views();
    one.enter(1);
    one.settle(1, 5);
    one.addMapped(1);
    expect([other.forget(1), other.forget(1), other.live]).toEqual([5, 0, 0]);
    expect([one.isMapped(1), one.enterOrdinary(1)]).toEqual([false, true]);
  });

  it("addMapped: is true for the first; isMapped until the last has left", () => {
    const [one] = views();
    one.enter(1);
    one.settle(1, 5);
    one.enter(1);
    expect([one.isMapped(1), one.addMapped(1), one.addMapped(1)]).toEqual([false, true, false]);
    one.leave(1, true, true, true);
    expect(one.isMapped(1)).toBe(true);
    one.leave(1, true, true, true);
    expect(one.isMapped(1)).toBe(false);
  });

  it.each([0, -1, CAPACITY + 1, 2 ** 40, Number.NaN])("node %d: is none, and its opens are ordinary", (nodeid) => {
    const [one] = views();
    expect([one.enter(nodeid), one.enterOrdinary(nodeid)]).toEqual([ENTERED.ordinary, true]);
    expect([one.leave(nodeid, true, true, false), one.forget(nodeid)]).toEqual([0, 0]);
    expect([one.addMapped(nodeid), one.isMapped(nodeid)]).toEqual([false, false]);
  });

  it("reset: empties the table", () => {
    const [one, other] = views();
    one.enter(2);
    one.settle(2, 5);
    other.reset();
    expect([one.live, one.enter(2)]).toEqual([0, ENTERED.unknown]);
  });
});
