// Proves encodings against the bytes that the kernel's documentation gives, refusals, and, as root, what programs do.

import { describe, expect, it } from "vitest";
import { BpfAssembler, BpfAssemblyError } from "./assembler.ts";
import type { AluOperation, Condition, Size } from "./instructions.ts";
import { r0, r1, r2, r3, r6, r7, r10 } from "./instructions.ts";
import { BpfProgram } from "./program.ts";

const hex = (program: BpfAssembler): string => Buffer.from(program.assemble()).toString("hex");
const root = process.getuid?.() === 0;

/** Loads, runs and closes a program; its result and the context after it. */
function run(program: BpfAssembler, context = new Uint8Array(64)): number {
  using loaded = BpfProgram.load(program, { name: "test" });
  return loaded.run(context);
}

describe("BpfAssembler: encodes", () => {
  const cases: ReadonlyArray<readonly [what: string, program: BpfAssembler, bytes: string]> = [
    ["a move of a number", new BpfAssembler().mov(r6, -2), "b7060000feffffff"],
    ["a move of a register", new BpfAssembler().mov(r6, r1), "bf16000000000000"],
    ["32-bit arithmetic", new BpfAssembler().alu32("mul", r2, 0x85ebca6b), "240200006bcaeb85"],
    ["a load", new BpfAssembler().load("u16", r3, r10, -8), "69a3f8ff00000000"],
    ["a store of a number", new BpfAssembler().store("u64", r10, -16, 7), "7a0af0ff07000000"],
    ["a store of a register", new BpfAssembler().store("u8", r1, 5, r2), "7321050000000000"],
    ["a load of 64 bits", new BpfAssembler().load64(r1, 0x1122334455667788n), "18010000887766550000000044332211"],
    ["a map", new BpfAssembler().loadMap(r1, { fd: 9 }), "18110000090000000000000000000000"],
    ["memory of a map", new BpfAssembler().loadMapValue(r1, { fd: 9 }, 16), "18210000090000000000000010000000"],
    ["an atomic operation", new BpfAssembler().atomic("cmpxchg", "u64", r7, 8, r2), "db270800f1000000"],
    ["a jump backwards", new BpfAssembler().label("x").goto("x"), "0500ffff00000000"],
    [
      "a jump forwards",
      new BpfAssembler().jump("ne", r1, r2, "x").exit().label("x").exit(),
      `5d21010000000000${"9500000000000000".repeat(2)}`,
    ],
    ["a call", new BpfAssembler().call("ktime_get_ns"), "8500000005000000"],
  ];
  it.each(cases)("%s", (_what, program, bytes) => {
    expect(hex(program)).toBe(bytes);
  });
});

describe("BpfAssembler: refuses", () => {
  const far = () => {
    const program = new BpfAssembler().goto("end");
    for (let count = 0; count < 40_000; count++) program.mov(r0, 0);
    return program.label("end").exit();
  };
  const cases: ReadonlyArray<readonly [what: string, make: () => unknown, message: string]> = [
    ["an immediate beyond 32 bits", () => new BpfAssembler().mov(r0, 2 ** 32), "instruction 0: immediate 4294967296"],
    ["half a number", () => new BpfAssembler().exit().mov(r0, 1.5), "instruction 1: immediate 1.5"],
    ["an offset beyond 16 bits", () => new BpfAssembler().load("u8", r0, r1, 32_768), "offset 32768"],
    ["a value beyond 64 bits", () => new BpfAssembler().load64(r0, 2n ** 64n), "18446744073709551616"],
    ["a label twice", () => new BpfAssembler().label("a").label("a"), 'label "a" is there already'],
    ["a label that is nowhere", () => new BpfAssembler().goto("a").assemble(), 'there is no label "a"'],
    ["a jump too far", () => far().assemble(), '"end" is 40000 away'],
  ];
  it.each(cases)("%s", (_what, make, message) => {
    expect(make).toThrow(BpfAssemblyError);
    expect(make).toThrow(message);
  });
});

describe.runIf(root)("BpfAssembler: means", () => {
  const ALU: ReadonlyArray<readonly [AluOperation, number, number, number]> = [
    ["add", 7, 3, 10],
    ["sub", 7, 3, 4],
    ["mul", 7, 3, 21],
    ["div", 7, 3, 2],
    ["mod", 7, 3, 1],
    ["or", 5, 3, 7],
    ["and", 5, 3, 1],
    ["xor", 5, 3, 6],
    ["lsh", 5, 3, 40],
    ["rsh", 40, 3, 5],
    ["arsh", -16, 2, -4],
    ["mov", 7, 3, 3],
  ];
  it.each(ALU)("%s of %d and %d", (operation, left, right, result) => {
    expect(run(new BpfAssembler().mov(r0, left).alu(operation, r0, right).exit()) | 0).toBe(result);
    const byRegister = new BpfAssembler().mov(r0, left).mov(r1, right).alu32(operation, r0, r1);
    expect(run(byRegister.exit()) | 0).toBe(result);
  });

  const CONDITIONS: ReadonlyArray<readonly [Condition, number, number, boolean]> = [
    ["eq", 1, 1, true],
    ["ne", 1, 1, false],
    ["gt", -1, 1, true],
    ["ge", 1, 1, true],
    ["lt", -1, 1, false],
    ["le", 1, 1, true],
    ["sgt", -1, 1, false],
    ["sge", -1, -1, true],
    ["slt", -1, 1, true],
    ["sle", 2, 1, false],
    ["set", 6, 3, true],
  ];
  it.each(CONDITIONS)("%s of %d and %d", (condition, left, right, taken) => {
    const start = () => new BpfAssembler().mov(r1, left).mov(r2, right).mov(r0, 1);
    const end = (program: BpfAssembler) => run(program.mov(r0, 0).label("yes").exit());
    expect(end(start().jump(condition, r1, right, "yes")) === 1).toBe(taken);
    expect(end(start().jump(condition, r1, r2, "yes")) === 1).toBe(taken);
    expect(end(start().jump32(condition, r1, r2, "yes")) === 1).toBe(taken);
  });

  it.each<[Size, number]>([
    ["u8", 0x44],
    ["u16", 0x3344],
    ["u32", 0x11223344],
    ["u64", 0x11223344],
  ])("%s: is loaded and stored by its width", (size, low) => {
    const context = new Uint8Array(64).fill(0xff);
    const program = new BpfAssembler().load64(r2, 0x5566778811223344n).store(size, r1, 8, r2).load(size, r0, r1, 8);
    expect(run(program.exit(), context)).toBe(low);
    const width = { u8: 1, u16: 2, u32: 4, u64: 8 }[size];
    expect(context.subarray(8 + width, 17 + width)).toEqual(new Uint8Array(9).fill(0xff));
  });

  it("store: extends a number by its sign to 64 bits", () => {
    const context = new Uint8Array(64);
    run(new BpfAssembler().store("u64", r1, 0, -2).exit(0), context);
    expect(new DataView(context.buffer).getBigInt64(0, true)).toBe(-2n);
  });

  it("neg, bigEndian: do what they say", () => {
    expect(run(new BpfAssembler().mov(r0, 5).neg(r0).exit()) | 0).toBe(-5);
    expect(run(new BpfAssembler().mov(r0, 0x1122).bigEndian(r0, 16).exit())).toBe(0x2211);
  });

  it("atomic: leaves the old value where it says", () => {
    const word = () => new BpfAssembler().store("u64", r10, -8, 5).mov(r2, 3).mov(r0, 5);
    expect(run(word().atomic("add", "u64", r10, -8, r2).load("u64", r0, r10, -8).exit())).toBe(8);
    expect(run(word().atomic("fetch-add", "u64", r10, -8, r2).mov(r0, r2).exit())).toBe(5);
    expect(run(word().atomic("xchg", "u32", r10, -8, r2).load("u32", r0, r10, -8).exit())).toBe(3);
    expect(run(word().atomic("cmpxchg", "u64", r10, -8, r2).load("u64", r0, r10, -8).exit())).toBe(3);
    expect(run(word().mov(r0, 4).atomic("cmpxchg", "u64", r10, -8, r2).exit())).toBe(5);
  });

  it("call: reaches the helper", () => {
    const pid = new BpfAssembler().call("get_current_pid_tgid").alu("rsh", r0, 32).exit();
    expect(run(pid)).toBe(process.pid);
  });
});
