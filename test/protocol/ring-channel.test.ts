// Proves what a channel does when its kernel changes a slot's state while a reply is given back.
import { describe, expect, it } from "vitest";
import { RFUSE_STATE, RfuseSlot } from "../../src/abi/ring.ts";
import { inputSizes } from "../../src/server/init.ts";
import { createRingChannel } from "../../src/transport/ring-channel.ts";
import { readLayout } from "../../src/transport/ring-layout.ts";
import { connectionWith } from "./fake-kernel.ts";
import { createRingKernel, honestFields } from "./ring-kernel.ts";
import { request, zeros } from "./wire.ts";

const { QUEUED, WAKE, ABANDONED, DONE } = RFUSE_STATE;

describe("commit", () => {
  it("tells of an abandoned reply once, though the state changes before it is given back", () => {
    const kernel = createRingKernel();
    const { slots_offset, slot_size } = honestFields();
    const memory = kernel.memories[0]?.memory as SharedArrayBuffer;
    const words = new Int32Array(memory);
    const told: number[] = [];
    const channel = createRingChannel({
      index: 0,
      memory,
      layout: readLayout(kernel.answer),
      firstTag: 0,
      inSizes: inputSizes(connectionWith([], 65_536)),
      abandoned({ tag }) {
        told.push(tag);
        Atomics.store(
          words,
          stateOf(tag),
          told.length < 5 ? QUEUED | (told.length % 2 === 1 ? 0 : WAKE) | ABANDONED : DONE,
        );
      },
    });
    const stateOf = (tag: number): number => (slots_offset + tag * slot_size + RfuseSlot.at.state) >> 2;
    const tag = kernel.submit(request({ code: 3 }, zeros(16)), "sleeps");
    channel.look();
    expect(channel.take()).toBe(tag);
    kernel.abandon(tag);
    channel.commit(channel.requests[tag] as (typeof channel.requests)[number]);
    expect(told).toEqual([tag]);
    expect(Atomics.load(words, stateOf(tag))).toBe(DONE);
  });
});
