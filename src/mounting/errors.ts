// Owns: the errors of mounting and unmounting, with codes that stay stable for programs.

/** What went wrong; stable. */
export type MountErrorCode =
  | "INVALID_OPTION"
  | "MOUNTPOINT_MISSING"
  | "MOUNTPOINT_NOT_DIRECTORY"
  | "MOUNTPOINT_NOT_EMPTY"
  | "MOUNTPOINT_BUSY"
  | "MOUNTPOINT_STALE"
  | "MOUNTPOINT_UNREADABLE"
  | "NO_DEVICE"
  | "NO_PERMISSION"
  | "NO_FUSERMOUNT"
  | "MOUNT_REFUSED"
  | "FILESYSTEM_FAILED"
  | "INIT_FAILED"
  | "LANE_UNAVAILABLE"
  | "NOTIFICATION_FAILED"
  | "UNMOUNT_BUSY"
  | "UNMOUNT_FAILED";

/** A mount or unmount that did not happen. The message says what to do about it where that is known. */
export class MountError extends Error {
  override readonly name = "MountError";
  readonly code: MountErrorCode;

  constructor(code: MountErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
