// Owns: the way of a request through checks, handler, result and reply, without a kernel.

import type { Filesystem } from "../../src/fs/filesystem.ts";
import { createDispatch } from "../../src/server/dispatch.ts";
import { createStatistics, statisticsRow } from "../../src/server/statistics.ts";
import { CONNECTION, fakeRequest, fakeTransport } from "./fake.ts";
import { type MicroTask, repeat } from "./task.ts";

const filesystem: Filesystem = {
  lookup(req) {
    req.entry.nodeid = 2;
    req.entry.attr.mode = 0o100644;
    return 0;
  },
  getattr(req) {
    req.attrOut.attr.mode = 0o100644;
    return 0;
  },
  read: (req) => req.size,
  write: (req) => req.dataSize,
};

const REQUESTS = {
  LOOKUP: fakeRequest("LOOKUP", 1, {}, "hello.txt\0"),
  GETATTR: fakeRequest("GETATTR", 2, {}),
  READ: fakeRequest("READ", 2, { 16: 4096 }),
  WRITE: fakeRequest("WRITE", 2, { 16: 5 }, "12345"),
  UNLINK: fakeRequest("UNLINK", 1, {}, "missing handler\0"),
} as const;

export function dispatchTasks(): MicroTask[] {
  return Object.entries(REQUESTS).map(([name, request]) => {
    const dispatch = createDispatch({
      filesystem,
      connection: CONNECTION,
      transport: fakeTransport(request),
      statistics: statisticsRow(createStatistics(1), 0),
      timeoutMs: 0,
      slowMs: 0,
      events: { error() {}, slow() {}, foreignInterrupt() {}, retrieved() {}, released() {} },
    });
    return repeat(`dispatch: ${name}`, 1000, () => dispatch.serve(request));
  });
}
