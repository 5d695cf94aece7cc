// Owns: the kernel's end of a queue without a kernel: a pair of SOCK_SEQPACKET sockets, which keep messages apart as
// /dev/fuse does. The real transport and the real dispatch serve one end; the test writes raw requests and reads raw
// replies at the other. The test turns the loop itself with `serve`; closing the test's end ends the queue (ENDED).

import { checked, orThrow } from "../../ffi/errno.ts";
import { close, F, fcntl, O, read, write } from "../../ffi/file.ts";
import { libc } from "../../ffi/libc.ts";
import { addressOf } from "../../ffi/memory.ts";
import type { InitFlag } from "../../src/abi/fuse-init-flags.ts";
import type { MetadataCache } from "../../src/bpf/cache/metadata-cache.ts";
import type { Connection } from "../../src/fs/connection.ts";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { createDispatch, type Dispatch, type RequestFault, type SlowRequest } from "../../src/server/dispatch.ts";
import { inputSizes } from "../../src/server/init.ts";
import { createStatistics, type Statistics, statisticsRow, sumStatistics } from "../../src/server/statistics.ts";
import { openDevTransport } from "../../src/transport/dev.ts";
import { NEXT, type Transport } from "../../src/transport/transport.ts";

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;

export interface FakeKernelOptions {
  readonly flags?: readonly InitFlag[];
  readonly maxPayload?: number;
  readonly maxInFlight?: number;
  readonly timeoutMs?: number;
  readonly slowMs?: number;
  readonly cache?: MetadataCache;
  /** Stands between dispatch and the real transport. */
  readonly wrap?: (transport: Transport) => Transport;
}

export interface FakeKernel extends Disposable {
  readonly transport: Transport;
  readonly dispatch: Dispatch;
  readonly errors: RequestFault[];
  readonly slow: SlowRequest[];
  readonly foreign: (readonly [low: number, high: number])[];
  readonly retrieved: (readonly [unique: bigint, offset: number, data: Uint8Array])[];
  /** Tags that came back from promises. */
  released(): number;
  /** Writes one request, as the kernel hands it to read(2). */
  send(bytes: Uint8Array): void;
  /** Serves what was sent until the transport has no more; the state it ended with (NEXT). */
  serve(): number;
  /** The next reply, if one came. */
  receive(): Uint8Array | undefined;
  /** Takes the next reply away without looking at it; false when none came. */
  discard(): boolean;
  /** send, serve, receive. */
  ask(bytes: Uint8Array): Uint8Array | undefined;
  /** Waits until `done` says so, turning the event loop. Errors: `Error` after 10 s. */
  until(done: () => boolean): Promise<void>;
  stats(): Statistics;
  /** Closes the test's end: the queue reads end of file. */
  hangUp(): void;
}

function packetPair(): readonly [number, number] {
  const fds = new Int32Array(2);
  orThrow(checked(libc.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, addressOf(fds))), "socketpair");
  return [fds[0] as number, fds[1] as number];
}

/** A connection as INIT would have agreed it. */
export function connectionWith(flags: readonly InitFlag[], maxWrite: number): Connection {
  return {
    minor: 46,
    kernelMinor: 46,
    flags,
    maxWrite,
    maxPages: Math.ceil(maxWrite / 4096),
    maxReadahead: 131_072,
    maxBackground: 64,
    timeGranularityNs: 1,
    maxStackDepth: 0,
  };
}

async function waitUntil(done: () => boolean): Promise<void> {
  const deadline = Bun.nanoseconds() + 10e9;
  while (!done()) {
    if (Bun.nanoseconds() > deadline) throw new Error(`not within 10 s: ${done.toString()}`);
    await new Promise(setImmediate);
  }
}

/** A queue over `filesystem` with a fake kernel at its other end. */
export function createFakeKernel(filesystem: Filesystem, options: FakeKernelOptions = {}): FakeKernel {
  const [ours, theirs] = packetPair();
  let open = true;
  let releases = 0;
  const { maxPayload = 65_536, maxInFlight = 64 } = options;
  const connection = connectionWith(options.flags ?? ["SETXATTR_EXT", "INIT_EXT"], maxPayload);
  const dev = openDevTransport({ fd: theirs, maxPayload, maxInFlight, inSizes: inputSizes(connection) });
  const transport = options.wrap?.(dev) ?? dev;
  dev.setBlocking(false);
  orThrow(fcntl(ours, F.SETFL, O.RDWR | O.NONBLOCK), "fcntl");
  const statistics = createStatistics(1);
  const errors: RequestFault[] = [];
  const slow: SlowRequest[] = [];
  const foreign: (readonly [number, number])[] = [];
  const retrieved: (readonly [bigint, number, Uint8Array])[] = [];
  const dispatch = createDispatch({
    filesystem,
    connection,
    transport,
    statistics: statisticsRow(statistics, 0),
    timeoutMs: options.timeoutMs ?? 0,
    slowMs: options.slowMs ?? 0,
    cache: options.cache,
    events: {
      error: (fault) => void errors.push(fault),
      slow: (report) => void slow.push(report),
      foreignInterrupt: (low, high) => void foreign.push([low, high]),
      retrieved: (unique, offset, data) => void retrieved.push([unique, offset, data]),
      released: () => void releases++,
    },
  });
  const buffer = new Uint8Array(1 << 20);
  const bufferAddress = addressOf(buffer);
  const kernel: FakeKernel = {
    transport,
    dispatch,
    errors,
    slow,
    foreign,
    retrieved,
    released: () => releases,
    send(bytes) {
      orThrow(write(ours, addressOf(bytes), bytes.length), "write");
    },
    serve() {
      for (;;) {
        const tag = transport.next();
        if (tag < 0) return tag;
        dispatch.serve(transport.request(tag));
      }
    },
    receive() {
      const size = read(ours, bufferAddress, buffer.length);
      return size > 0 ? buffer.slice(0, size) : undefined;
    },
    discard: () => read(ours, bufferAddress, buffer.length) > 0,
    ask(bytes) {
      kernel.send(bytes);
      kernel.serve();
      return kernel.receive();
    },
    until: waitUntil,
    stats: () => sumStatistics(statistics),
    hangUp() {
      while (open && kernel.receive() !== undefined); // unread replies would make the close a reset
      if (open) close(ours);
      open = false;
    },
    [Symbol.dispose]() {
      kernel.hangUp();
      if (kernel.serve() === NEXT.EMPTY) throw new Error("the queue did not end when its kernel did");
      dispatch.inFlight.end(new Error("the test is over"));
      transport.close();
      close(theirs);
    },
  };
  return kernel;
}
