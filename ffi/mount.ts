// Owns: mount(2), umount2(2) and the receipt of a descriptor over a Unix socket; results are `n >= 0` or `-errno`.

import { checked } from "./errno.ts";
import { Iovec, Msghdr } from "./kernel-structs.ts";
import { libc } from "./libc.ts";
import { addressOf, cString } from "./memory.ts";

/** Mount flags of mount(2). */
export const MS = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, NOATIME: 1024 } as const;

/** Flags of umount2(2). */
export const UMOUNT = { FORCE: 1, DETACH: 2, NOFOLLOW: 8 } as const;

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SCM_RIGHTS = 1;

/** mount(2): attaches a filesystem. */
export function mount(source: string, target: string, type: string, flags: number, data: string): number {
  const [from, to, kind, options] = [source, target, type, data].map(cString) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  return checked(libc.mount(addressOf(from), addressOf(to), addressOf(kind), flags, addressOf(options)));
}

/** umount2(2). */
export function umount(target: string, flags: number): number {
  const path = cString(target);
  return checked(libc.umount2(addressOf(path), flags));
}

/** Two connected stream sockets, closed on exec; or -errno. */
export function socketPair(): readonly [number, number] | number {
  const fds = new Int32Array(2);
  const result = checked(libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, addressOf(fds)));
  return result < 0 ? result : [fds[0] as number, fds[1] as number];
}

/** The descriptor that a message waiting on `socket` carries; -EAGAIN when none waits, -EBADMSG when it has none. */
export function receiveDescriptor(socket: number): number {
  const byte = new Uint8Array(1);
  const iovec = new BigUint64Array(Iovec.size / 8);
  const control = new Int32Array(6); // cmsghdr (len u64, level, type), one descriptor, padding
  const header = new DataView(new ArrayBuffer(Msghdr.size));
  iovec.set([BigInt(addressOf(byte)), 1n]);
  header.setBigUint64(Msghdr.at.msg_iov, BigInt(addressOf(iovec)), true);
  header.setBigUint64(Msghdr.at.msg_iovlen, 1n, true);
  header.setBigUint64(Msghdr.at.msg_control, BigInt(addressOf(control)), true);
  header.setBigUint64(Msghdr.at.msg_controllen, BigInt(control.byteLength), true);
  const got = checked(libc.recvmsg(socket, addressOf(header), MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  if (got < 0) return got;
  const carries = Number(header.getBigUint64(Msghdr.at.msg_controllen, true)) >= 20 && control[3] === SCM_RIGHTS;
  return carries ? (control[4] as number) : -74; // EBADMSG
}
