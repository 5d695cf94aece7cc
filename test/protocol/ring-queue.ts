// Owns: the real ring lane and the real dispatch over a ring kernel of the test, which turns the loop itself.

import type { InitFlag } from "../../src/abi/fuse-init-flags.ts";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { createDispatch, type RequestFault } from "../../src/server/dispatch.ts";
import { inputSizes } from "../../src/server/init.ts";
import { createStatistics, statisticsRow, sumStatistics } from "../../src/server/statistics.ts";
import { openRingTransport } from "../../src/transport/ring.ts";
import { readLayout } from "../../src/transport/ring-layout.ts";
import { NEXT, type Transport } from "../../src/transport/transport.ts";
import { connectionWith } from "./fake-kernel.ts";
import { createRingKernel, type RingKernel, type RingShape } from "./ring-kernel.ts";

export interface RingQueueOptions extends RingShape {
  readonly flags?: readonly InitFlag[];
  readonly kernel?: RingKernel;
  readonly openDev?: (firstTag: number) => Transport;
}

export type RingQueue = ReturnType<typeof createRingQueue>;

export function createRingQueue(filesystem: Filesystem, options: RingQueueOptions = {}) {
  const kernel = options.kernel ?? createRingKernel(options);
  const connection = connectionWith(options.flags ?? ["SETXATTR_EXT", "INIT_EXT"], 65_536);
  const transport = openRingTransport({
    layout: readLayout(kernel.answer),
    channels: kernel.memories,
    commands: kernel.commands,
    inSizes: inputSizes(connection),
    openDev: options.openDev,
  });
  const statistics = createStatistics(1);
  const errors: RequestFault[] = [];
  const foreign: (readonly [low: number, high: number])[] = [];
  const dispatch = createDispatch({
    filesystem,
    connection,
    transport,
    statistics: statisticsRow(statistics, 0),
    timeoutMs: 0,
    slowMs: 0,
    events: {
      error: (fault) => void errors.push(fault),
      slow() {},
      foreignInterrupt: (low, high) => void foreign.push([low, high]),
      retrieved() {},
      released() {},
    },
  });

  /** Serves until the lane has no more; what `next` said then. */
  function serve(): number {
    for (;;) {
      const tag = transport.next();
      if (tag < 0) return tag;
      dispatch.serve(transport.request(tag));
    }
  }

  return {
    kernel,
    transport,
    dispatch,
    errors,
    foreign,
    serve,
    stats: () => sumStatistics(statistics),
    /** Submits, serves, collects. */
    ask(request: Uint8Array): Uint8Array | undefined {
      const tag = kernel.submit(request);
      if (tag < 0) throw new Error("the request does not fit into a channel");
      serve();
      return kernel.collect(tag);
    },
    [Symbol.dispose]() {
      kernel.end();
      transport.setBlocking(false);
      if (serve() !== NEXT.ENDED) throw new Error("the queue did not end when its kernel did");
      dispatch.inFlight.end(new Error("the test is over"));
      transport.close();
    },
  };
}
