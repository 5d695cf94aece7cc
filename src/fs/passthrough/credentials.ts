// Owns: as whom this thread acts on the source. A daemon with privilege makes files as the caller (filesystem user and
// group, file mode mask) and drops CAP_FSETID for calls after which the source's kernel must clear set-id bits.
// All of it is state of the thread: one object per worker, and every change is taken back, CAP_FSETID lazily.
// The caller's permission was checked by the kernel (default_permissions), so the other capabilities stay in force.

import {
  CAP,
  effectiveCapabilities,
  getegid,
  geteuid,
  setEffectiveCapabilities,
  setfsgid,
  setfsuid,
  umask,
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
  private mask = 0;

  /** Makes the next calls clear set-id bits as for an unprivileged caller, or not. Hot. */
  clearSetId(clear: boolean): void {
    if (this.fsetid === clear && this.mayDrop) this.setFsetid(!clear);
  }

  /**
   * Acts as the caller of a request, with its mask, until `leave`. With `checked` the source checks permissions as for
   * the caller, who has no supplementary groups there.
   */
  enter(request: Request, mask: number, checked: boolean): void {
    this.mask = umask(mask & 0o777);
    if (!this.privileged) return;
    const { uid, gid } = request;
    if (gid !== this.gid && gid !== UNMAPPED) {
      setfsgid(gid);
      this.fsgid = gid;
    }
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
    if (this.fsgid !== this.gid) {
      setfsgid(this.gid);
      this.fsgid = this.gid;
    }
    umask(this.mask);
  }

  private setFsetid(wanted: boolean): void {
    if (setEffectiveCapabilities(wanted ? this.all : this.all & ~FSETID) === 0) this.fsetid = wanted;
  }
}
