// All filesystems that the macro benchmark can compare, in the order of the report.
import { BINDING_PEERS } from "./bindings.ts";
import { LIBFUSE_PEERS } from "./libfuse.ts";
import type { Peer } from "./peer.ts";
import { RFUSE_PEERS } from "./rfuse.ts";

const raw: Peer = {
  name: "raw",
  about: "the source directory itself, no FUSE",
  uring: false,
  strict: true,
  largePipes: false,
  start: async (source) => ({ pid: undefined, directory: source, stop: async () => {} }),
};

/** Every peer; names are unique. */
export const PEERS: readonly Peer[] = [raw, ...LIBFUSE_PEERS, ...RFUSE_PEERS, ...BINDING_PEERS];
