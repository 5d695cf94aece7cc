// Owns: FORGET and INTERRUPT records of the ring as requests that dispatch knows: one tag with memory of its own, filled
// from the records when it is handed out. Nothing is answered for it, so it is free again when dispatch returns.
// Ordering: a record is copied before its place is given back.

import { createArena, PAGE_SIZE } from "../../ffi/memory.ts";
import { OPCODES } from "../abi/fuse-opcodes.ts";
import { FuseBatchForgetIn, FuseForgetOne, FuseInHeader, FuseInterruptIn } from "../abi/fuse-structs.ts";
import { RfuseInterrupt } from "../abi/ring.ts";
import { Request } from "../codec/request.ts";
import type { RingChannel } from "./ring-channel.ts";

const HEADER = FuseInHeader.at;
/** Most FORGET records of one request. */
const BATCH = 64;
const RECORD_WORDS = FuseForgetOne.size >> 2;

export interface RingRecords {
  readonly request: Request;
  /** Fills the request with a channel's forgets, if it has any. Hot. */
  takeForgets(channel: RingChannel): boolean;
  /** Fills the request with a channel's oldest interrupt, if it has one. */
  takeInterrupt(channel: RingChannel): boolean;
}

export function createRingRecords(tag: number): RingRecords {
  const arena = createArena(2 * PAGE_SIZE);
  const { words } = arena;
  const request = new Request(tag, arena, {
    inHeader: 0,
    outHeader: PAGE_SIZE,
    opOut: PAGE_SIZE,
    dataOut: PAGE_SIZE,
    dataCapacity: PAGE_SIZE,
  });
  const op = FuseInHeader.size;
  request.opIn = op;

  // hot
  function head(opcode: number, structBytes: number, tailBytes: number): void {
    words[HEADER.len >> 2] = op + structBytes + tailBytes;
    words[HEADER.opcode >> 2] = opcode;
    request.payload = op + structBytes;
    request.payloadLength = tailBytes;
  }

  return {
    request,
    // hot
    takeForgets(channel) {
      const count = channel.forgets < BATCH ? channel.forgets : BATCH;
      if (count === 0) return false;
      head(OPCODES.BATCH_FORGET.code, FuseBatchForgetIn.size, count * FuseForgetOne.size);
      words[(op + FuseBatchForgetIn.at.count) >> 2] = count;
      const from = channel.arena.words;
      for (let index = 0; index < count; index++) {
        const at = channel.oldestForget() >> 2;
        const to = (request.payload >> 2) + index * RECORD_WORDS;
        for (let word = 0; word < RECORD_WORDS; word++) words[to + word] = from[at + word] as number;
        channel.forgetTaken();
      }
      return true;
    },
    takeInterrupt(channel) {
      if (channel.interrupts === 0) return false;
      head(OPCODES.INTERRUPT.code, FuseInterruptIn.size, 0);
      const at = (channel.oldestInterrupt() + RfuseInterrupt.at.unique) >> 2;
      words[op >> 2] = channel.arena.words[at] as number;
      words[(op >> 2) + 1] = channel.arena.words[at + 1] as number;
      channel.interruptTaken();
      return true;
    },
  };
}
