// Owns: the descriptors of a session's notifier threads, in shared words, so that whoever outlives a thread can close its
// descriptor, and no thread writes to a number that is another's by then. Four words per asker (a thread that notifies).
// Ordering: a word is 0 (free), the descriptor (idle), or its negative while the thread writes. Each change is atomic; who
// takes the number out of the word closes the descriptor, and nobody else does. While its session lives a word stays its
// thread's until that is gone: a thread that failed may still send what it was given, and must find no other's number.

import { ERRNO } from "../../ffi/errno.ts";
import { close, dup } from "../../ffi/file.ts";
import { type Encoded, sendNotification } from "./notify.ts";

/** Most notifier threads of one asker. */
export const THREADS_PER_ASKER = 4;

export type NotifierFds = Int32Array<SharedArrayBuffer>;

const wordsOf = (asker: number): number[] =>
  Array.from({ length: THREADS_PER_ASKER }, (_, index) => asker * THREADS_PER_ASKER + index);

/** Room for `askers` threads that notify. */
export function createNotifierFds(askers: number): NotifierFds {
  return new Int32Array(new SharedArrayBuffer(askers * THREADS_PER_ASKER * 4));
}

/** Duplicates `fd` for a thread of `asker`. Result: the word that holds it, or -errno. */
export function lendFd(words: NotifierFds, asker: number, fd: number): number {
  const own = dup(fd);
  if (own < 0) return own;
  for (const word of wordsOf(asker)) {
    if (Atomics.compareExchange(words, word, 0, own) === 0) return word;
  }
  close(own);
  return -ERRNO.EMFILE;
}

/** Sends a message by the descriptor of `word`; -ENOTCONN when that has been taken back. */
export function sendBy(words: NotifierFds, word: number, message: Encoded): number {
  const fd = Atomics.load(words, word);
  if (fd <= 0 || Atomics.compareExchange(words, word, fd, -fd) !== fd) return -ERRNO.ENOTCONN;
  const result = sendNotification(fd, message);
  if (Atomics.compareExchange(words, word, -fd, fd) !== -fd) close(fd); // taken back meanwhile
  return result;
}

/** Closes the descriptor of `word`, unless its thread writes by it, and then closes it itself. */
export function takeBack(words: NotifierFds, word: number): void {
  const fd = Atomics.exchange(words, word, 0);
  if (fd > 0) close(fd);
}

/** The same for all words of an asker whose session has ended. */
export function takeBackAll(words: NotifierFds, asker: number): void {
  for (const word of wordsOf(asker)) takeBack(words, word);
}

/** Closes the descriptor of `word`, whose thread is gone; it may have ended in the middle of a write. */
export function reclaim(words: NotifierFds, word: number): void {
  const fd = Atomics.exchange(words, word, 0);
  if (fd !== 0) close(Math.abs(fd));
}

/** The same for all words of an asker that is gone, with its threads. */
export function reclaimAll(words: NotifierFds, asker: number): void {
  for (const word of wordsOf(asker)) reclaim(words, word);
}
