// Owns: clients that keep a mount of the fixture `special` busy until they are told that it is dead.

import { type Client, startClient } from "./harness.ts";

/** What a client of a dead mount may be told. */
export const DEAD = /not connected|connection abort|Input\/output|No such file|No such device|Interrupted|canceled/i;

/** Shell loops over synchronous and asynchronous handlers, that end when a request of theirs fails. */
export function load(mountpoint: string, deadlineMs = 60_000): Client[] {
  const loops = [
    `while cat ${mountpoint}/plain ${mountpoint}/reads; do :; done`,
    `while cat ${mountpoint}/sleep; do :; done`,
    `while ls -l ${mountpoint}/. ${mountpoint}/plain; do :; done`,
    `while stat ${mountpoint}/plain; do :; done`,
    `exec 3< ${mountpoint}/plain; while stat -L /proc/self/fd/3; do :; done`,
  ];
  return loops.map((loop) => startClient(["sh", "-c", `{ ${loop}; } > /dev/null`], deadlineMs));
}
