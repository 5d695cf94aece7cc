// Owns: requests about directories as lists: OPENDIR, READDIR, READDIRPLUS, RELEASEDIR. A reader's cookie is that of
// the entry it saw last; entries that stay are seen exactly once whatever else is added or removed meanwhile. What is
// added after the reader began is not shown, so that a directory that grows as fast as it is read comes to an end.

import { FuseDirent } from "../../abi/fuse-structs.ts";
import type { DirentWriter } from "../../codec/dirents.ts";
import { direntType } from "../../codec/dirents.ts";
import type { Request } from "../../codec/request.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { DOT_COOKIE, DOTDOT_COOKIE } from "./directory.ts";
import { release } from "./file-operations.ts";
import { type Inode, putEntry } from "./inode.ts";
import { touchAtime } from "./times.ts";
import type { DirectoryInode, Volume } from "./volume.ts";

type ListRequest = RequestView<"READDIR"> | RequestView<"READDIRPLUS">;

export function opendir(volume: Volume, req: RequestView<"OPENDIR">): number {
  const inode = volume.directory(req.nodeid);
  inode.opens++;
  const fh = volume.newFh();
  volume.listings.set(fh, inode.directory.lastCookie);
  req.open.fh = fh;
  return 0;
}

export function releasedir(volume: Volume, req: RequestView<"RELEASEDIR">): number {
  volume.listings.delete(req.fh);
  return release(volume, req.nodeid);
}

// hot: false when the entry does not fit
function put(request: Request, entries: DirentWriter, name: string, inode: Inode, cookie: number): boolean {
  const at = entries.claim(name.length);
  if (at < 0) return false;
  request.setU64(at + FuseDirent.at.ino, inode.nodeid);
  request.setU64(at + FuseDirent.at.off, cookie);
  request.setU32(at + FuseDirent.at.type, direntType(inode.mode));
  request.arena.text.write(name, at + FuseDirent.size, "latin1");
  return true;
}

function putDots(req: ListRequest, directory: DirectoryInode): boolean {
  const { request, entries, offset } = req;
  if (offset < DOT_COOKIE && !put(request, entries, ".", directory, DOT_COOKIE)) return false;
  const parent = directory.directory.parent ?? directory;
  return offset >= DOTDOT_COOKIE || put(request, entries, "..", parent, DOTDOT_COOKIE);
}

/** READDIR, and with `plus` READDIRPLUS, whose entries each count as one lookup. Hot. */
export function readdir(volume: Volume, req: ListRequest, plus: boolean): number {
  const inode = volume.directory(req.nodeid);
  const { request, entries, offset } = req;
  const { directory } = inode;
  touchAtime(inode, volume.clock);
  if (offset === 0 && volume.listings.has(req.fh)) volume.listings.set(req.fh, directory.lastCookie);
  const last = volume.listings.get(req.fh) ?? directory.lastCookie;
  if (!putDots(req, inode)) return entries.length;
  for (let position = directory.positionAfter(offset); ; position++) {
    const entry = directory.at(position);
    if (entry === undefined || entry.cookie > last) break;
    if (entry.inode === null) continue;
    if (!put(request, entries, entry.name, entry.inode, entry.cookie)) break;
    if (plus) putEntry(request, entries.entryOut, entry.inode, volume.entryTimeout, volume.attrTimeout);
  }
  return entries.length;
}
