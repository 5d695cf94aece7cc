// Owns: INIT on the wire: the first request of a connection is read, the agreement made and written.

import { readFileSync } from "node:fs";
import { ERRNO, errnoName } from "../../ffi/errno.ts";
import { POLL, poll, read, write } from "../../ffi/file.ts";
import { Pollfd } from "../../ffi/kernel-structs.ts";
import { addressOf } from "../../ffi/memory.ts";
import { MIN_READ_BUFFER, PAGES } from "../abi/fuse-constants.ts";
import { OPCODES } from "../abi/fuse-opcodes.ts";
import { FuseInHeader } from "../abi/fuse-structs.ts";
import type { Connection, InitWishes } from "../fs/connection.ts";
import { encodeInitReply, type InitFacts, NegotiationError, negotiate, parseOffer } from "./init.ts";

const INIT_DEADLINE_MS = 5000;

/** The kernel's limit of pages per request. */
export function maxPagesLimit(): number {
  try {
    const limit = Number(readFileSync("/proc/sys/fs/fuse/max_pages_limit", "utf8"));
    return Number.isInteger(limit) && limit > 0 ? limit : PAGES.LIMIT;
  } catch {
    return PAGES.LIMIT; // before Linux 6.13
  }
}

function readInit(fd: number): Uint8Array {
  const pollfd = new Int32Array(Pollfd.size / 4);
  pollfd[0] = fd;
  pollfd[1] = POLL.IN;
  const buffer = new Uint8Array(MIN_READ_BUFFER);
  for (;;) {
    if (poll(addressOf(pollfd), 1, INIT_DEADLINE_MS) === 0) {
      throw new NegotiationError(`the kernel sent no INIT within ${INIT_DEADLINE_MS} ms`);
    }
    const size = read(fd, addressOf(buffer), buffer.length);
    if (size === -ERRNO.EINTR || size === -ERRNO.EAGAIN) continue;
    if (size < FuseInHeader.size)
      throw new NegotiationError(`reading INIT: ${size < 0 ? errnoName(size) : `${size} bytes`}`);
    return buffer.slice(0, size);
  }
}

/** Answers INIT. `fd` is freshly mounted. Errors: `NegotiationError`, `RangeError` for a wish out of range. */
export function handshake(fd: number, wishes: InitWishes, facts: Omit<InitFacts, "maxPagesLimit">): Connection {
  for (;;) {
    const request = readInit(fd);
    const header = new DataView(request.buffer);
    const opcode = header.getUint32(FuseInHeader.at.opcode, true);
    if (opcode !== OPCODES.INIT.code) throw new NegotiationError(`the first request is opcode ${opcode}, not INIT`);
    const offer = parseOffer(request.subarray(FuseInHeader.size));
    const negotiation = negotiate(offer, wishes, { ...facts, maxPagesLimit: maxPagesLimit() });
    const reply = encodeInitReply(header.getBigUint64(FuseInHeader.at.unique, true), negotiation);
    const written = write(fd, addressOf(reply), reply.length);
    if (written !== reply.length) throw new NegotiationError(`answering INIT: ${errnoName(written)}`);
    if (negotiation.kind === "agreed") return negotiation.connection;
  }
}
