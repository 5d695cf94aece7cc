// Owns: what the filesystem is told when a reply found its caller killed: the kernel throws such a reply away, so the
// lookups that it counted are forgotten and the handle that it opened is released, by requests made here. They go
// through dispatch like the kernel's own; their replies go nowhere. This is a slow path: it may allocate.

import { type Arena, createArena, PAGE_SIZE } from "../../ffi/memory.ts";
import { OPCODES } from "../abi/fuse-opcodes.ts";
import {
  FuseCreateIn,
  FuseDirentplus,
  FuseEntryOut,
  FuseForgetIn,
  FuseInHeader,
  FuseOpenIn,
  FuseOpenOut,
  FuseOutHeader,
  FuseReleaseIn,
} from "../abi/fuse-structs.ts";
import { Request } from "../codec/request.ts";

const { LOOKUP, SYMLINK, MKNOD, MKDIR, LINK, CREATE, TMPFILE, OPEN, OPENDIR, READDIRPLUS } = OPCODES;
const ENTRIES: ReadonlySet<number> = new Set([LOOKUP, SYMLINK, MKNOD, MKDIR, LINK].map(({ code }) => code));
const HEADER = FuseInHeader.at;
const DIRENT = FuseDirentplus.at.dirent;
const NAME_LENGTH = DIRENT + FuseDirentplus.spec.dirent.at.namelen;
const RELEASE = FuseReleaseIn.at;
const TAGS = 32;
/** `.` and `..` of READDIRPLUS are not counted as looked up. */
const DOT = 0x2e;

/** Fills a request; run when there is a tag for it. */
type Owed = (request: Request) => void;

export interface RingUndo {
  /** Tags that it may give out, from its first one on. */
  readonly tags: number;
  /** Notes what an abandoned reply, still in its memory, has made. */
  note(request: Request): void;
  /** Tag of the next request, -1: nothing is owed, or as many as may be are with handlers. */
  next(): number;
  request(tag: number): Request;
  release(request: Request): void;
}

function createTag(tag: number): Request {
  const arena: Arena = createArena(2 * PAGE_SIZE);
  const opOut = PAGE_SIZE + FuseOutHeader.size;
  const dataCapacity = PAGE_SIZE - FuseOutHeader.size;
  return new Request(tag, arena, { inHeader: 0, outHeader: PAGE_SIZE, opOut, dataOut: opOut, dataCapacity });
}

/** Names and flags do not matter to what is owed; caller and node are those of the request that was answered. */
function fillHeader(request: Request, header: Uint8Array, opcode: number, nodeid: number, opBytes: number): void {
  request.arena.bytes.fill(0, 0, PAGE_SIZE);
  request.arena.bytes.set(header, 0);
  request.setU32(HEADER.len, FuseInHeader.size + opBytes);
  request.setU32(HEADER.opcode, opcode);
  request.setU64(HEADER.unique, 0);
  request.setU64(HEADER.nodeid, nodeid);
  request.opIn = FuseInHeader.size;
  request.payload = request.opIn + opBytes;
  request.payloadLength = 0;
}

/** `firstTag`: number of the first of its tags. */
export function createRingUndo(firstTag: number): RingUndo {
  const requests: Request[] = [];
  const free: Request[] = [];
  /** At most one for each handle that the filesystem has open, and for each lookup of the replies of one round. */
  const owed: Owed[] = [];
  const afterwards = new Map<Request, Owed>();

  const headerOf = ({ arena, inHeader }: Request): Uint8Array =>
    arena.bytes.slice(inHeader, inHeader + FuseInHeader.size);

  function forgetting(header: Uint8Array, nodeid: number): Owed {
    return (request) => {
      fillHeader(request, header, OPCODES.FORGET.code, nodeid, FuseForgetIn.size);
      request.setU64(request.opIn + FuseForgetIn.at.nlookup, 1);
    };
  }

  function releasing(header: Uint8Array, nodeid: number, opcode: number, fh: number, flags: number, then?: Owed): Owed {
    return (request) => {
      fillHeader(request, header, opcode, nodeid, FuseReleaseIn.size);
      request.setU64(request.opIn + RELEASE.fh, fh);
      request.setU32(request.opIn + RELEASE.flags, flags);
      if (then !== undefined) afterwards.set(request, then);
    };
  }

  function noteEntry(request: Request): void {
    const nodeid = request.u64(request.opOut + FuseEntryOut.at.nodeid);
    if (nodeid !== 0) owed.push(forgetting(headerOf(request), nodeid));
  }

  function noteOpened(request: Request, nodeid: number, at: number, flags: number, then?: Owed): void {
    const opcode = request.opcode === OPENDIR.code ? OPCODES.RELEASEDIR.code : OPCODES.RELEASE.code;
    owed.push(releasing(headerOf(request), nodeid, opcode, request.u64(at + FuseOpenOut.at.fh), flags, then));
  }

  // The handle goes before the node that it is open on.
  function noteCreated(request: Request): void {
    const nodeid = request.u64(request.opOut + FuseEntryOut.at.nodeid);
    const flags = request.u32(request.opIn + FuseCreateIn.at.flags);
    noteOpened(request, nodeid, request.opOut + FuseEntryOut.size, flags, forgetting(headerOf(request), nodeid));
  }

  function noteDirectory(request: Request): void {
    const end = request.dataOut + request.u32(request.outHeader) - FuseOutHeader.size;
    for (let at = request.dataOut; at + FuseDirentplus.size <= end; ) {
      const length = request.u32(at + NAME_LENGTH);
      const nodeid = request.u64(at + FuseEntryOut.at.nodeid);
      if (nodeid !== 0 && !isDots(request.arena.bytes, at + FuseDirentplus.size, length)) {
        owed.push(forgetting(headerOf(request), nodeid));
      }
      at += (FuseDirentplus.size + length + 7) & ~7;
    }
  }

  return {
    tags: TAGS,
    note(request) {
      if (request.u32(request.outHeader + FuseOutHeader.at.error) !== 0) return;
      const { opcode } = request;
      if (ENTRIES.has(opcode)) noteEntry(request);
      else if (opcode === CREATE.code || opcode === TMPFILE.code) noteCreated(request);
      else if (opcode === OPEN.code || opcode === OPENDIR.code) {
        noteOpened(request, request.nodeid, request.opOut, request.u32(request.opIn + FuseOpenIn.at.flags));
      } else if (opcode === READDIRPLUS.code) noteDirectory(request);
    },
    next() {
      if (owed.length === 0) return -1;
      if (free.length === 0 && requests.length < TAGS) {
        const made = createTag(firstTag + requests.length);
        requests.push(made);
        free.push(made);
      }
      const request = free.pop();
      if (request === undefined) return -1;
      owed.shift()?.(request);
      return request.tag;
    },
    request: (tag) => requests[tag - firstTag] as Request,
    release(request) {
      const then = afterwards.get(request);
      afterwards.delete(request);
      if (then !== undefined) owed.push(then);
      free.push(request);
    },
  };
}

const isDots = (bytes: Uint8Array, at: number, length: number): boolean =>
  (length === 1 && bytes[at] === DOT) || (length === 2 && bytes[at] === DOT && bytes[at + 1] === DOT);
