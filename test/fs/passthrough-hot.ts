// Owns: requests of the hot operations, placed in memory by hand and given to the handlers directly: for the proof that
// they leave nothing on the heap, and for measuring what they cost without a kernel.

import { createArena } from "../../ffi/memory.ts";
import {
  FuseInHeader,
  FuseOpenIn,
  FuseOpenOut,
  FuseReadIn,
  FuseReleaseIn,
  FuseWriteIn,
} from "../../src/abi/fuse-structs.ts";
import { Request } from "../../src/codec/request.ts";
import { createRequestView } from "../../src/codec/request-view.ts";
import type { PassthroughFilesystem } from "../../src/fs/passthrough/passthrough-filesystem.ts";

const SLOT = 65_536;
const BYTES = 4096;

/** One call per operation on file `name` of the root, which is looked up and open already; each gives its result. */
export function hotOperations(filesystem: PassthroughFilesystem, name: string, nodeid: number, fh: number) {
  const arena = createArena(8 * SLOT);
  let slots = 0;
  const place = (node: number, opSize: number, payload: Uint8Array): Request => {
    const inHeader = slots * SLOT;
    const dataOut = inHeader + SLOT / 2;
    const opOut = inHeader + 2048;
    const request = new Request(slots++, arena, {
      inHeader,
      outHeader: opOut - 16,
      opOut,
      dataOut,
      dataCapacity: SLOT / 2,
    });
    request.setU64(inHeader + FuseInHeader.at.nodeid, node);
    request.opIn = inHeader + FuseInHeader.size;
    request.payload = request.opIn + opSize;
    request.payloadLength = payload.length;
    arena.bytes.set(payload, request.payload);
    return request;
  };
  const lookup = place(1, 0, Buffer.from(`${name}\0`));
  lookup.nameLength = name.length;
  const getattr = place(nodeid, 16, new Uint8Array(0));
  const read = place(nodeid, FuseReadIn.size, new Uint8Array(0));
  read.setU64(read.opIn + FuseReadIn.at.fh, fh);
  read.setU32(read.opIn + FuseReadIn.at.size, BYTES);
  const write = place(nodeid, FuseWriteIn.size, new Uint8Array(0));
  write.setU64(write.opIn + FuseWriteIn.at.fh, fh);
  write.setU32(write.opIn + FuseWriteIn.at.size, BYTES);
  const open = place(nodeid, FuseOpenIn.size, new Uint8Array(0));
  const release = place(nodeid, FuseReleaseIn.size, new Uint8Array(0));
  const views = {
    lookup: createRequestView("LOOKUP", lookup),
    getattr: createRequestView("GETATTR", getattr),
    read: createRequestView("READ", read),
    write: createRequestView("WRITE", write),
    open: createRequestView("OPEN", open),
    release: createRequestView("RELEASE", release),
  };
  return {
    lookup: () => filesystem.lookup(views.lookup),
    getattr: () => filesystem.getattr(views.getattr),
    read: () => filesystem.read(views.read) - BYTES,
    write: () => filesystem.write(views.write) - BYTES,
    "open and release": () => {
      const result = filesystem.open(views.open);
      release.setU64(release.opIn + FuseReleaseIn.at.fh, open.u64(open.opOut + FuseOpenOut.at.fh));
      return result < 0 ? result : filesystem.release(views.release);
    },
  };
}
