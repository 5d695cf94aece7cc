// Proves where the io_uring lane's tags and pools lie, and that a request follows the payload that the kernel chose.

import { expect, it } from "vitest";
import { PAGE_SIZE } from "../../ffi/memory.ts";
import { FuseUringEntInOut, FuseUringReqHeader } from "../abi/fuse-structs.ts";
import { createTags, describeTags, placePayload } from "./io-uring-tags.ts";

const OFFSET = FuseUringReqHeader.at.ring_ent_in_out + FuseUringEntInOut.at.offset;
const ROOM = 3 * PAGE_SIZE;

it("describeTags: gives each tag a header and a payload of its own, on pages", () => {
  const requests = createTags(4, ROOM - 1);
  const rows = describeTags(requests, false);
  const spans = requests.flatMap((_, tag) => [
    { from: Number(rows[tag * 4]), bytes: Number(rows[tag * 4 + 1]) },
    { from: Number(rows[tag * 4 + 2]), bytes: Number(rows[tag * 4 + 3]) },
  ]);
  expect(spans.filter(({ bytes }) => bytes === ROOM)).toHaveLength(4);
  const sorted = spans.toSorted((one, other) => one.from - other.from);
  for (const [at, { from }] of sorted.entries()) {
    expect(from % PAGE_SIZE).toBe(0);
    const before = sorted[at - 1];
    if (before !== undefined) expect(before.from + before.bytes).toBeLessThanOrEqual(from);
  }
});

it("describeTags: of a pool has no payloads", () => {
  const rows = describeTags(createTags(2, ROOM), true);
  expect([rows[2], rows[3], rows[6], rows[7]]).toEqual([0n, 0n, 0n, 0n]);
});

it("createTags: payloads follow one another, so that a CPU's are one region", () => {
  const requests = createTags(6, ROOM);
  const firsts = requests.map(({ payload }) => payload - (requests[0]?.payload ?? 0));
  expect(firsts).toEqual([0, 1, 2, 3, 4, 5].map((tag) => tag * ROOM));
});

it("placePayload: puts data in and out at the offset from the CPU's pool", () => {
  const requests = createTags(4, ROOM);
  const pool = requests[2]?.payload ?? 0;
  const request = requests[3];
  if (request === undefined) throw new Error("there are four");
  request.setU32(request.inHeader + OFFSET, ROOM);
  placePayload(request, pool);
  expect([request.payload, request.dataOut]).toEqual([pool + ROOM, pool + ROOM]);
  request.setU32(request.inHeader + OFFSET, 0);
  placePayload(request, pool);
  expect([request.payload, request.dataOut]).toEqual([pool, pool]);
});
