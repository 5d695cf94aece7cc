// Owns: clients that keep a mount busy until they are told that it is dead.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, startClient } from "./harness.ts";

/** What a client of a dead mount may be told, by the C library and by the shell. */
export const DEAD =
  /not connected|connection abort|Input\/output|No such file|No such device|Interrupted|canceled|I\/O error|nonexistent/i;

const looping = (loops: readonly string[], deadlineMs: number): Client[] =>
  loops.map((loop) => startClient(["sh", "-c", `{ ${loop}; } > /dev/null`], deadlineMs));

/**
 * Shell loops over synchronous and asynchronous handlers of the fixture `special`, that end when a request of theirs
 * fails. The last one holds a file open.
 */
export function load(mountpoint: string, deadlineMs = 60_000): Client[] {
  const loops = [
    `while cat ${mountpoint}/plain ${mountpoint}/reads; do :; done`,
    `while cat ${mountpoint}/sleep; do :; done`,
    `while ls -l ${mountpoint}/. ${mountpoint}/plain; do :; done`,
    `while stat ${mountpoint}/plain; do :; done`,
    `exec 3< ${mountpoint}/plain; while stat -L /proc/self/fd/3; do :; done`,
  ];
  return looping(loops, deadlineMs);
}

/** What `loadFiles` needs in the source of the mount. */
export function prepareFiles(source: string): void {
  mkdirSync(join(source, "d"));
  for (const name of ["from", "to", "held"]) writeFileSync(join(source, "d", name), "x".repeat(300_000));
}

/**
 * Shell loops that read, write, make and remove files, that end when a call of theirs fails. The last one holds a file
 * open, and asks for its attributes.
 */
export function loadFiles(mountpoint: string, deadlineMs = 60_000): Client[] {
  const dir = `${mountpoint}/d`;
  const loops = [
    `while cat ${dir}/from; do :; done`,
    `while dd if=${dir}/from of=${dir}/to bs=4k conv=notrunc; do :; done`,
    `while echo x > ${dir}/new && mv ${dir}/new ${dir}/old && rm ${dir}/old; do :; done`,
    `while ls -l ${dir}; do :; done`,
    `exec 3<> ${dir}/held; while head -c 4096 <&3 && echo y >&3 && stat -L /proc/self/fd/3; do :; done`,
  ];
  return looping(loops, deadlineMs);
}
