// Owns: a thread that ends while it holds a lock, the one at word 1 of what it is sent.

import { lock } from "../../src/fs/spin-lock.ts";

const scope = globalThis as unknown as { onmessage: ((event: MessageEvent<Int32Array>) => void) | null };
scope.onmessage = ({ data }) => {
  lock(data, 1);
  process.exit(0);
};
