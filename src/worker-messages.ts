// Owns: the messages between a session and its threads. Plain data; errors travel as `PlainError`.

import { shown, textOf } from "./codec/shown.ts";
import type { InitWishes } from "./fs/connection.ts";
import type { RequestFault, SlowRequest } from "./server/dispatch.ts";
import type { NotifierFds } from "./server/notifier-fds.ts";
import type { QueueSettings } from "./server/open-queue.ts";

/** What a filesystem module's default export is called with. */
export interface FilesystemContext {
  /** `filesystemOptions` of `mount`. */
  readonly options: unknown;
  /** What the module's `createShared(options)` returned, the same in every worker; undefined without one. */
  readonly shared: unknown;
  readonly worker: { readonly index: number; readonly count: number };
}

/**
 * To a thread. `load`, then `serve` for a queue; `notifier`, then `notify` for each message, then `leave` for a notifier;
 * the others are a thread's only message.
 */
export type ToWorker =
  /** With `share` the shared state is made first, and told; else it is in the context. */
  | { readonly type: "load"; readonly url: string; readonly context: FilesystemContext; readonly share: boolean }
  | { readonly type: "serve"; readonly settings: QueueSettings }
  | { readonly type: "doorbell"; readonly fd: number; readonly board: SharedArrayBuffer; readonly queue: number }
  | { readonly type: "notifier"; readonly fds: NotifierFds; readonly word: number }
  | { readonly type: "notify"; readonly message: Uint8Array }
  | { readonly type: "leave" }
  | { readonly type: "unmount"; readonly path: string; readonly flags: number }
  | { readonly type: "dispose"; readonly url: string; readonly shared: unknown };

/** From a thread. */
export type FromWorker =
  | {
      readonly type: "loaded";
      readonly methods: readonly string[];
      readonly wishes: InitWishes;
      readonly parallel: boolean;
      readonly shared: unknown;
      /** The module has a `createShared`; and a `disposeShared`. */
      readonly sharing: boolean;
      readonly disposing: boolean;
    }
  /** Descriptors of the queue, to be closed if the thread dies. */
  | { readonly type: "opened"; readonly fds: readonly number[] }
  | { readonly type: "serving" }
  /** A doorbell thread has begun. */
  | { readonly type: "watching" }
  | { readonly type: "ended" }
  | { readonly type: "failed"; readonly error: PlainError }
  | { readonly type: "fault"; readonly fault: Omit<RequestFault, "error">; readonly error: PlainError }
  | { readonly type: "slow"; readonly request: SlowRequest }
  | { readonly type: "trace"; readonly line: string }
  | { readonly type: "notified"; readonly result: number }
  | { readonly type: "unmounted"; readonly result: number }
  | { readonly type: "disposed" };

/** An error's parts that survive between threads. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
  readonly cause?: PlainError | undefined;
}

/** Causes that travel with an error; an error may be its own. */
const CAUSES = 4;

/** Of an error its texts, of anything else what it is; never throws, and what it gives can be posted. */
export function toPlain(thrown: unknown, causes = CAUSES): PlainError {
  const message = textOf(thrown, "message");
  if (message === undefined) {
    return { name: "Error", message: `non-error thrown: ${shown(thrown)}`, stack: undefined, code: undefined };
  }
  return {
    name: textOf(thrown, "name") ?? "Error",
    message: `${message}${partsOf(thrown)}`,
    stack: textOf(thrown, "stack"),
    code: textOf(thrown, "code"),
    cause: causeOf(thrown, causes),
  };
}

function causeOf(thrown: unknown, causes: number): PlainError | undefined {
  try {
    const { cause } = thrown as Error;
    return cause === undefined || causes === 0 ? undefined : toPlain(cause, causes - 1);
  } catch {
    return undefined; // its getter throws
  }
}

// What a module's errors of syntax are is said by the parts of an AggregateError alone.
function partsOf(thrown: unknown): string {
  if (!(thrown instanceof AggregateError) || !Array.isArray(thrown.errors)) return "";
  return `: ${thrown.errors.map((part) => textOf(part, "message") ?? shown(part)).join("; ")}`;
}

export function fromPlain(plain: PlainError): Error {
  const { cause } = plain;
  const error: Error & { code?: string } = new Error(plain.message, cause && { cause: fromPlain(cause) });
  error.name = plain.name;
  if (plain.stack !== undefined) error.stack = plain.stack;
  if (plain.code !== undefined) error.code = plain.code;
  return error;
}
