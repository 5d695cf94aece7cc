// Owns: a thread that ends while it holds locks of a metadata cache, as a worker that is terminated there does.

import { Coherence } from "../../src/bpf/cache/coherence.ts";
import type { CacheSettings } from "../../src/bpf/cache/metadata-cache.ts";

const scope = globalThis as unknown as { onmessage: ((event: MessageEvent<CacheSettings>) => void) | null };
scope.onmessage = ({ data: { memory, geometry } }) => {
  const { nodeBuckets, nameBuckets, valueBuckets } = geometry;
  const buckets = new Coherence(memory.state, 0);
  for (let bucket = 0; bucket < nodeBuckets + nameBuckets + valueBuckets; bucket++) buckets.lock(bucket);
  process.exit(0);
};
