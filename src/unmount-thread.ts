// Owns: umount2(2) on a thread of its own, since it can wait for requests that the calling thread has to serve.

import type { UnmountCall } from "./mounting/detach.ts";
import { startThread } from "./start-thread.ts";
import { type FromWorker, fromPlain } from "./worker-messages.ts";

export const unmountOnThread: UnmountCall = (path, flags) =>
  new Promise((resolve, reject) => {
    const thread = startThread({ type: "unmount", path, flags });
    thread.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === "unmounted") resolve(data.result);
      else if (data.type === "failed") reject(fromPlain(data.error));
    };
    thread.onerror = (event) => reject(new Error(event.message));
  });
