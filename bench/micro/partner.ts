// The other thread of the round trips and of the contended table: it does what its first message says until it is told
// to stop, and posts "ready" once it has begun.
import { parentPort } from "node:worker_threads";
import { poll, read } from "../../ffi/file.ts";
import { addressOf, createArena } from "../../ffi/memory.ts";
import { NodeTable } from "../../src/fs/node-table.ts";
import { contend } from "./node-table.ts";
import { addOften, type Job, WORD } from "./partner-job.ts";
import { pin } from "./pin.ts";

const POLLIN = 1;

function answer(words: Int32Array, ask: number): void {
  Atomics.store(words, WORD.ANSWER, ask);
  Atomics.notify(words, WORD.ANSWER);
}

function stopped(words: Int32Array): boolean {
  return Atomics.load(words, WORD.STOP) !== 0;
}

function spin(words: Int32Array): void {
  for (let seen = 0; !stopped(words); ) {
    const ask = Atomics.load(words, WORD.ASK);
    if (ask !== seen) Atomics.store(words, WORD.ANSWER, ask);
    seen = ask;
  }
}

function wait(words: Int32Array): void {
  for (let seen = 0; !stopped(words); ) {
    Atomics.wait(words, WORD.ASK, seen);
    seen = Atomics.load(words, WORD.ASK);
    answer(words, seen);
  }
}

async function waitAsync(words: Int32Array): Promise<void> {
  for (let seen = 0; !stopped(words); ) {
    const { async, value } = Atomics.waitAsync(words, WORD.ASK, seen);
    if (async) await value;
    seen = Atomics.load(words, WORD.ASK);
    answer(words, seen);
  }
}

// As the doorbell of a queue does: sleeps in the kernel on a descriptor, and notifies who waits in JavaScript.
function doorbell(words: Int32Array, eventFd: number): void {
  const pollfd = new Int32Array([eventFd, POLLIN]);
  const counter = createArena(4096);
  while (!stopped(words)) {
    poll(addressOf(pollfd), 1, -1);
    read(eventFd, counter.address, 8);
    answer(words, Atomics.load(words, WORD.ASK));
  }
}

async function serve(data: Job): Promise<void> {
  const { words, cpu } = data;
  pin([cpu]);
  parentPort?.postMessage("ready");
  switch (data.kind) {
    case "spin":
      spin(words);
      break;
    case "wait":
      wait(words);
      break;
    case "waitAsync":
      await waitAsync(words);
      break;
    case "add":
      while (!stopped(words)) addOften(words, 1000);
      break;
    case "doorbell":
      doorbell(words, data.eventFd);
      break;
    case "table":
      for (let round = data.seed; !stopped(words); round++) contend(new NodeTable(data.table), round);
  }
  parentPort?.postMessage("done");
}

parentPort?.on("message", (job: Job) => void serve(job));
