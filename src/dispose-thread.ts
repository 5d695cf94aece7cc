// Owns: a filesystem module's `disposeShared` on a thread of its own, since modules are loaded in threads alone.

import { startThread } from "./start-thread.ts";
import { type FromWorker, fromPlain } from "./worker-messages.ts";

/** Gives up what the workers of a session shared; none of them is left. Errors: whatever the module throws. */
export const disposeOnThread = (url: string, shared: unknown): Promise<void> =>
  new Promise((resolve, reject) => {
    const thread = startThread({ type: "dispose", url, shared });
    thread.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === "disposed") resolve();
      else if (data.type === "failed") reject(fromPlain(data.error));
      else return;
      thread.terminate();
    };
    thread.onerror = (event) => reject(new Error(event.message));
  });
