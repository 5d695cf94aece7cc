// Owns: an epoll set whose members report a change once (edge-triggered), so that nothing has to be read to rest. The
// set's own descriptor polls readable while a change has not been taken; polling it takes none.
// Must not: know what its members are.

import { checked, orThrow } from "./errno.ts";
import { close } from "./file.ts";
import { libc } from "./libc.ts";
import { addressOf } from "./memory.ts";

const CLOEXEC = 0o2000000;
const CTL_ADD = 1;
const IN = 1;
const EDGE_TRIGGERED = 1 << 31;
/** Words of struct epoll_event, which is packed on x86_64 alone; its data follow the events there. */
const WORDS = process.arch === "x64" ? 3 : 4;
const DATA = WORDS - 2;
const MOST = 4;

export interface Epoll {
  readonly fd: number;
  /** Adds a descriptor under a small number of the caller's. Errors: `SyscallError`. */
  add(fd: number, name: number): void;
  /** Takes changes, waiting for the first at most `timeoutMs` (-1: for ever). Result: how many, or -errno. Hot. */
  wait(timeoutMs: number): number;
  /** The name of change `index` of the last `wait`. Hot. */
  name(index: number): number;
  close(): void;
}

/** Makes a set. Errors: `SyscallError`. */
export function createEpoll(): Epoll {
  const fd = orThrow(checked(libc.epoll_create1(CLOEXEC)), "epoll_create1");
  const events = new Int32Array(WORDS * MOST);
  return {
    fd,
    add(member, name) {
      const event = new Int32Array(WORDS);
      event[0] = IN | EDGE_TRIGGERED;
      event[DATA] = name;
      orThrow(checked(libc.epoll_ctl(fd, CTL_ADD, member, addressOf(event))), "epoll_ctl");
    },
    wait: (timeoutMs) => checked(libc.epoll_wait(fd, addressOf(events), MOST, timeoutMs)),
    name: (index) => events[index * WORDS + DATA] as number,
    close() {
      close(fd);
    },
  };
}
