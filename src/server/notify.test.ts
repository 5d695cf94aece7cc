// Proves notifications byte by byte, over a pipe in place of the device.
import { afterAll, describe, expect, it } from "vitest";
import { orThrow } from "../../ffi/errno.ts";
import { close, read } from "../../ffi/file.ts";
import { addressOf } from "../../ffi/memory.ts";
import { socketPair } from "../../ffi/mount.ts";
import {
  type Encoded,
  encodeDeleteEntry,
  encodeIncrementEpoch,
  encodeInvalidateEntry,
  encodeInvalidateInode,
  encodePollWakeup,
  encodePrune,
  encodeResend,
  encodeRetrieve,
  encodeStore,
  sendNotification,
} from "./notify.ts";

const pair = socketPair();
if (typeof pair === "number") throw new Error(`socketpair: ${pair}`);
const [ours, theirs] = pair;
const buffer = new Uint8Array(4096);

afterAll(() => {
  close(ours);
  close(theirs);
});

function sent(encoded: Encoded): string {
  expect(sendNotification(theirs, encoded)).toBe(0);
  const size = orThrow(read(ours, addressOf(buffer), buffer.length), "read");
  return Buffer.from(buffer.subarray(0, size)).toString("hex");
}

const bytes = (text: string) => text.replaceAll(" ", "");
const NOBODY = "0000000000000000";

describe("notifications", () => {
  it("POLL is 1: kh", () => {
    expect(sent(encodePollWakeup(0xfedcba9876543210n))).toBe(bytes(`18000000 01000000 ${NOBODY} 1032547698badcfe`));
  });

  it("INVAL_INODE is 2: ino, off, len", () => {
    const head = `28000000 02000000 ${NOBODY} 2100000000000000`;
    expect(sent(encodeInvalidateInode(0x21, 0, 0))).toBe(bytes(`${head} 0000000000000000 0000000000000000`));
    expect(sent(encodeInvalidateInode(0x21, -1, 0))).toBe(bytes(`${head} ffffffffffffffff 0000000000000000`));
    expect(sent(encodeInvalidateInode(0x21, 2 ** 40, 5))).toBe(bytes(`${head} 0000000000010000 0500000000000000`));
  });

  it("INVAL_ENTRY is 3: parent, namelen, flags, name, NUL", () => {
    expect(sent(encodeInvalidateEntry(0x21, "é", false))).toBe(
      bytes(`23000000 03000000 ${NOBODY} 2100000000000000 02000000 00000000 c3a900`),
    );
    expect(sent(encodeInvalidateEntry(0x21, new Uint8Array([255]), true))).toBe(
      bytes(`22000000 03000000 ${NOBODY} 2100000000000000 01000000 01000000 ff00`),
    );
  });

  it("STORE is 4: nodeid, offset, size, padding, data", () => {
    expect(sent(encodeStore(0x21, 2 ** 33, new Uint8Array([1, 2, 3])))).toBe(
      bytes(`2b000000 04000000 ${NOBODY} 2100000000000000 0000000002000000 03000000 00000000 010203`),
    );
  });

  it("RETRIEVE is 5: notify_unique, nodeid, offset, size, padding", () => {
    expect(sent(encodeRetrieve(0x8000000000000001n, 0x21, 4096, 7))).toBe(
      bytes(`30000000 05000000 ${NOBODY} 0100000000000080 2100000000000000 0010000000000000 07000000 00000000`),
    );
  });

  it("DELETE is 6: parent, child, namelen, padding, name, NUL", () => {
    expect(sent(encodeDeleteEntry(0x21, 0x22, "a"))).toBe(
      bytes(`2a000000 06000000 ${NOBODY} 2100000000000000 2200000000000000 01000000 00000000 6100`),
    );
  });

  it("RESEND is 7, INC_EPOCH is 8: a header alone", () => {
    expect(sent(encodeResend())).toBe(bytes(`10000000 07000000 ${NOBODY}`));
    expect(sent(encodeIncrementEpoch())).toBe(bytes(`10000000 08000000 ${NOBODY}`));
  });

  it("PRUNE is 9: count, padding, spare, nodeids", () => {
    expect(sent(encodePrune([0x21, 2 ** 40]))).toBe(
      bytes(`30000000 09000000 ${NOBODY} 02000000 00000000 0000000000000000 2100000000000000 0000000000010000`),
    );
  });

  it.each(["", "a/b", "a\0b", "n".repeat(1025)])("name %j: is EINVAL and nothing is sent", (name) => {
    expect([encodeInvalidateEntry(1, name, false), encodeDeleteEntry(1, 2, name)]).toEqual([-22, -22]);
    expect(sent(encodeResend())).toBe(bytes(`10000000 07000000 ${NOBODY}`));
  });

  it.each([-1, 1.5, 2 ** 53, NaN])("nodeid, offset or size of %d: is EINVAL", (bad) => {
    const data = new Uint8Array(1);
    const encoded = [
      encodeStore(1, bad, data),
      encodeStore(bad, 0, data),
      encodeRetrieve(1n, 1, bad, 1),
      encodeRetrieve(1n, 1, 0, bad),
      encodeRetrieve(1n, bad, 0, 1),
      encodeInvalidateInode(bad, 0, 0),
      encodeInvalidateInode(1, 0, bad),
      encodeInvalidateEntry(bad, "a", false),
      encodeDeleteEntry(bad, 1, "a"),
      encodeDeleteEntry(1, bad, "a"),
      encodePrune([1, bad]),
    ];
    expect(encoded).toEqual(encoded.map(() => -22));
    expect(encodeRetrieve(1n, 1, 0, 2 ** 32)).toBe(-22);
  });

  it("descriptor that is gone: is -EBADF", () => expect(sendNotification(-1, encodeResend())).toBe(-9));
});
