// Owns: the thread side of a doorbell: it sits in poll(2) on a queue's descriptor while the queue waits in its event
// loop, and rings the queue's bell when there is something to read.
// Ordering: the doorbell lowers ARM before it rings; the queue raises ARM after it read RUNG and found the device
// empty. So a request that arrives in between either rings, or is found by the poll of the next arming.

import { ERRNO } from "../../ffi/errno.ts";
import { POLL, poll } from "../../ffi/file.ts";
import { Pollfd } from "../../ffi/kernel-structs.ts";
import { addressOf } from "../../ffi/memory.ts";
import { ARM, BELL, type Board, bellIndex, ring } from "./board.ts";

/** Starts a doorbell thread for a queue; given by the composition root, which knows the thread's file. */
export type StartDoorbell = (fd: number, board: Board, queue: number) => void;

/** Watches `fd` whenever queue `queue` asks for it. Returns when the queue ended. */
export function runDoorbell(fd: number, board: Board, queue: number): void {
  const arm = bellIndex(queue) + BELL.ARM;
  const pollfd = new Int32Array(Pollfd.size / 4);
  pollfd[0] = fd;
  pollfd[1] = POLL.IN;
  for (;;) {
    Atomics.wait(board, arm, ARM.IDLE);
    if (Atomics.load(board, arm) === ARM.END) return;
    const ready = poll(addressOf(pollfd), 1, -1);
    if (ready === -ERRNO.EINTR) continue;
    Atomics.compareExchange(board, arm, ARM.WATCH, ARM.IDLE);
    ring(board, queue);
  }
}

/** Asks the doorbell thread to watch from now until it rings once. */
export function armDoorbell(board: Board, queue: number): void {
  const arm = bellIndex(queue) + BELL.ARM;
  if (Atomics.compareExchange(board, arm, ARM.IDLE, ARM.WATCH) === ARM.IDLE) Atomics.notify(board, arm);
}

/** Lets the doorbell thread return. */
export function endDoorbell(board: Board, queue: number): void {
  const arm = bellIndex(queue) + BELL.ARM;
  Atomics.store(board, arm, ARM.END);
  Atomics.notify(board, arm);
}
