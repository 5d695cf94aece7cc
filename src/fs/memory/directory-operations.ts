// Owns: requests about directories as lists: OPENDIR, READDIR, READDIRPLUS. A reader's cookie is that of the entry it
// saw last; entries that stay are seen exactly once whatever else is added or removed meanwhile.

import { FuseDirent } from "../../abi/fuse-structs.ts";
import type { DirentWriter } from "../../codec/dirents.ts";
import { direntType } from "../../codec/dirents.ts";
import type { Request } from "../../codec/request.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { DOT_COOKIE, DOTDOT_COOKIE } from "./directory.ts";
import { type Inode, putEntry } from "./inode.ts";
import { touchAtime } from "./times.ts";
import type { DirectoryInode, Volume } from "./volume.ts";

type ListRequest = RequestView<"READDIR"> | RequestView<"READDIRPLUS">;

export function opendir(volume: Volume, req: RequestView<"OPENDIR">): number {
  volume.directory(req.nodeid).opens++;
  return 0;
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
  if (!putDots(req, inode)) return entries.length;
  for (let position = directory.positionAfter(offset); ; position++) {
    const entry = directory.at(position);
    if (entry === undefined) break;
    if (entry.inode === null) continue;
    if (!put(request, entries, entry.name, entry.inode, entry.cookie)) break;
    if (plus) putEntry(request, entries.entryOut, entry.inode, volume.entryTimeout, volume.attrTimeout);
  }
  return entries.length;
}
