// Owns: as whom this thread acts on the source. A daemon with privilege makes files as the caller (filesystem user and
// group, file mode mask) and drops CAP_FSETID for calls after which the source's kernel must clear set-id bits.
// All of it is state of the thread. A worker thread, which does nothing else, leaves group, mask and CAP_FSETID as they
// are until the next call needs them otherwise; the main thread takes everything back at once.
// The caller's permission was checked by the kernel (default_permissions), so the other capabilities stay in force.

import { isMainThread } from "node:worker_threads";
import {
  CAP,
  effectiveCapabilities,
  getegid,
  geteuid,
  setEffectiveCapabilities,
  setfsgid,
  setfsuid,
  umask,
  unshareFs,
} from "../../../ffi/thread.ts";
import type { Request } from "../../codec/request.ts";

const FSETID = 1 << CAP.FSETID;
/** uid and gid of a caller whom an idmapped mount cannot map. */
const UNMAPPED = 0xffffffff;

/** The credentials of one worker thread. */
export class Credentials {
  private readonly uid: number = geteuid();
  private readonly gid: number = getegid();
  private readonly all: number = effectiveCapabilities();
  /** Whether this thread may act as others. */
  readonly privileged: boolean = this.uid === 0 && (this.all & (1 << CAP.SETUID)) !== 0;
  private readonly mayDrop: boolean = (this.all & FSETID) !== 0;
  private fsetid = true;
  private fsuid: number = this.uid;
  private fsgid: number = this.gid;
  // A thread whose file mode mask is its own leaves it as it is until the next caller has another one.
  private readonly ownMask: boolean = !isMainThread && unshareFs() === 0;
  private mask = -1;

  /** From now on set-id bits stay, as for root. Hot. */
  keepSetId(): void {
    if (!this.fsetid) this.setFsetid(true);
  }

  /**
   * From now on what changes a file clears its set-id bits, as for the caller of the request: that a set-group-id bit
   * without group execute stays is a right of the file's group. To be followed by `settle`. Hot.
   */
  clearSetId(request: Request): void {
    if (!this.mayDrop) return;
    if (this.fsetid) this.setFsetid(false);
    if (this.privileged) this.useGroup(request.gid);
  }

  /**
   * As whom the kernel is to open, read and write a backing file from now on: the daemon, but without CAP_FSETID, so that
   * writes clear set-id bits. To be followed by `settle`.
   */
  enterBacking(): void {
    if (this.mayDrop && this.fsetid) this.setFsetid(false);
    if (this.privileged) this.useGroup(this.gid);
  }

  /** After calls that `clearSetId` or `enterBacking` was for. Hot. */
  settle(): void {
    if (!isMainThread) return;
    this.keepSetId();
    if (this.privileged) this.useGroup(this.gid);
  }

  /**
   * Acts as the caller of a request, with its mask, until `leave`. With `checked` the source checks permissions as for
   * the caller, who has no supplementary groups there.
   */
  enter(request: Request, mask: number, checked: boolean): void {
    this.useMask(mask & 0o777);
    if (!this.privileged) return;
    this.useGroup(request.gid);
    const { uid } = request;
    if (uid === this.uid || uid === UNMAPPED) return;
    setfsuid(uid); // this drops the capabilities on files
    this.fsuid = uid;
    if (!checked) setEffectiveCapabilities(this.all);
  }

  /** Takes back what `enter` did. */
  leave(): void {
    if (this.fsuid !== this.uid) {
      setfsuid(this.uid); // this gives the capabilities on files back, CAP_FSETID among them
      this.fsuid = this.uid;
      this.fsetid = true;
    }
    if (!this.ownMask) umask(this.mask);
    if (isMainThread && this.privileged) this.useGroup(this.gid);
  }

  private useMask(mask: number): void {
    if (!this.ownMask) {
      this.mask = umask(mask);
    } else if (mask !== this.mask) {
      umask(mask);
      this.mask = mask;
    }
  }

  private useGroup(gid: number): void {
    const wanted = gid === UNMAPPED ? this.gid : gid;
    if (this.fsgid === wanted) return;
    setfsgid(wanted);
    this.fsgid = wanted;
  }

  private setFsetid(wanted: boolean): void {
    if (setEffectiveCapabilities(wanted ? this.all : this.all & ~FSETID) === 0) this.fsetid = wanted;
  }
}
