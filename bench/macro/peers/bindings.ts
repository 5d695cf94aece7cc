// Peers in JavaScript: the bindings to libfuse that npm has, each with the same small passthrough filesystem.
// They run in Node, because that is what their addons are built for.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { need, npmPackage } from "../packages.ts";
import type { Command, Peer } from "./peer.ts";
import { serverPeer } from "./server.ts";

const PROGRAM = join(import.meta.dirname, "bindings.mjs");
const FUSE_NATIVE = "2.2.6";
const FUSE_NAPI = "2.3.1";
/** The oldest major version of Node that fuse-napi has an addon for, and the release taken when the machine's is older. */
const NAPI_NODE = 22;
const NODE_RELEASE = "22.23.3";
const run = promisify(execFile);

const fuseNative: Command = async (source, mountpoint) => {
  const node = need("node", "nodejs");
  return [node, PROGRAM, await npmPackage("fuse-native", FUSE_NATIVE), source, mountpoint];
};

const fuseNapi: Command = async (source, mountpoint) => {
  const node = await recentNode();
  return [node, PROGRAM, await npmPackage("fuse-napi", FUSE_NAPI), source, mountpoint];
};

async function recentNode(): Promise<string> {
  const node = need("node", "nodejs");
  const { stdout } = await run(node, ["--version"]);
  if (Number(/^v(\d+)/.exec(stdout)?.[1]) >= NAPI_NODE) return node;
  return join(await npmPackage(`node-linux-${process.arch}`, NODE_RELEASE), "bin/node");
}

/** The bindings, in the order of the report. */
export const BINDING_PEERS: readonly Peer[] = [
  serverPeer("fuse-native", `fuse-native ${FUSE_NATIVE} in Node`, fuseNative, { compiles: true }),
  serverPeer("fuse-napi", `fuse-napi ${FUSE_NAPI} in Node`, fuseNapi, { compiles: true }),
];
