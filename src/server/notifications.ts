// Owns: the `Notifier` of one thread, and the answers to its RETRIEVE, which any queue of the session may get: its unique
// names the asker, and a broadcast channel of the session carries it over. The channel is open while an answer is due.
// What cannot wait in the kernel is sent at once (spinlocks and atomics there: POLL, RESEND, INC_EPOCH, attributes).

import { ERRNO } from "../../ffi/errno.ts";
import { PAGE_SIZE } from "../../ffi/memory.ts";
import { type CacheSettings, MetadataCache } from "../bpf/cache/metadata-cache.ts";
import { FuseError, fuseErrorOf } from "../codec/fuse-error.ts";
import type { Connection } from "../fs/connection.ts";
import type { Notifier } from "../fs/notifier.ts";
import type { NotifierFds } from "./notifier-fds.ts";
import {
  type Encoded,
  encodeDeleteEntry,
  encodeIncrementEpoch,
  encodeInvalidateEntry,
  encodeInvalidateInode,
  encodePollWakeup,
  encodePrune,
  encodeResend,
  encodeRetrieve,
  encodeStore,
  sendNotification,
} from "./notify.ts";
import { type HeldRequests, type NotifierThread, NotifyQueue } from "./notify-queue.ts";

/** Time that an answer to RETRIEVE may take while a handler of the asking thread runs, which may be in its way. */
const RETRIEVE_MS = 5000;

/** Starts a notifier thread of `asker` over a duplicate of `fd`; given by the composition root. */
export type StartNotifier = (
  options: Pick<NotificationsOptions, "fd" | "fds" | "asker">,
  done: (result: number) => void,
) => NotifierThread;

export interface NotificationsOptions {
  /** A descriptor of the connection, open until `end`. */
  readonly fd: number;
  /** Name of the session within the process. */
  readonly session: string;
  /** Number of the thread within the session. */
  readonly asker: number;
  readonly connection: Connection;
  /** Of the session. */
  readonly fds: NotifierFds;
  readonly startNotifier: StartNotifier;
  /** What programs answer in the kernel is ended before the kernel is told to ask anew. */
  readonly cache: CacheSettings | undefined;
}

/** Most pages of one answer; one less than negotiated, since some kernels put a struct before the bytes. */
const RETRIEVE_PAGES = 16;
/** Protocol minor of the kernels that know PRUNE. */
const PRUNE_SINCE = 45;
const NOTHING = new Uint8Array(0);

/** Notifications of one thread of a session. */
export interface Notifications {
  readonly notifier: Notifier;
  /** Handlers run on this thread from now on. */
  watch(held: HeldRequests): void;
  /** An answer to a RETRIEVE of this session has come to this thread; `data` is the receiver's to keep. */
  retrieved(unique: bigint, data: Uint8Array): void;
  /** The session has ended: what waits fails, and so does what comes. */
  end(): void;
}

interface Answer {
  readonly unique: bigint;
  readonly data: Uint8Array;
}

export function createNotifications(options: NotificationsOptions): Notifications {
  const { fd, session, asker, connection, startNotifier } = options;
  const piecePages = Math.max(1, Math.min(RETRIEVE_PAGES, connection.maxPages - 1));
  const cache = options.cache === undefined ? undefined : new MetadataCache(options.cache);
  const queue = new NotifyQueue((done) => startNotifier(options, done));
  const retrievals = new Map<bigint, PromiseWithResolvers<Uint8Array>>();
  // With the writeback cache the kernel keeps its own size of a file until it has dropped the inode.
  const writeback = connection.flags.includes("WRITEBACK_CACHE");
  const dropsInode = writeback && connection.kernelMinor >= PRUNE_SINCE;
  // Begins anywhere: a worker that takes the place of another must not take its answers.
  let serial = Math.floor(Math.random() * 2 ** 31);
  let channel: BroadcastChannel | undefined;
  let ended = false;

  function send(targets: readonly number[], encoded: Encoded): Promise<number> {
    return typeof encoded === "number" ? Promise.resolve(encoded) : queue.send(targets, encoded);
  }
  // Gives the message back; one that cannot be sent changes nothing.
  function ending(encoded: Encoded, end: (cache: MetadataCache) => void): Encoded {
    if (cache !== undefined && typeof encoded !== "number") end(cache);
    return encoded;
  }
  const sendNow = (encoded: Encoded): number => (ended ? -ERRNO.ENOTCONN : sendNotification(fd, encoded));

  function listen(): void {
    channel ??= new BroadcastChannel(session);
    channel.onmessage = ({ data }: { readonly data: Answer }) => retrievals.get(data.unique)?.resolve(data.data);
  }

  async function retrieve(nodeid: number, offset: number, size: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for (let got = 0; ; ) {
      const at = offset + got;
      const wanted = Math.min(size - got, piecePages * PAGE_SIZE - (at % PAGE_SIZE));
      const piece = await ask(nodeid, at, wanted);
      pieces.push(piece);
      got += piece.length;
      if (piece.length < wanted || got >= size)
        return pieces.length === 1 ? piece : new Uint8Array(Buffer.concat(pieces));
    }
  }

  async function ask(nodeid: number, offset: number, size: number): Promise<Uint8Array> {
    serial = (serial + 1) >>> 0;
    const unique = (BigInt(asker) << 32n) | BigInt(serial);
    const waiter = Promise.withResolvers<Uint8Array>();
    waiter.promise.catch(() => {}); // it may be rejected before anybody waits for it
    queue.keep(waiter.promise);
    const patience = setInterval(() => {
      if (queue.handling) waiter.reject(new FuseError("ETIMEDOUT"));
    }, RETRIEVE_MS);
    retrievals.set(unique, waiter);
    listen();
    try {
      const result = await send([nodeid], encodeRetrieve(unique, nodeid, offset, size));
      if (result < 0) throw fuseErrorOf(result, `RETRIEVE of nodeid ${nodeid}`);
      return await waiter.promise;
    } finally {
      waiter.resolve(NOTHING); // whoever keeps it waits no more
      clearInterval(patience);
      retrievals.delete(unique);
      if (retrievals.size === 0) closeChannel();
    }
  }

  function closeChannel(): void {
    channel?.close();
    channel = undefined;
  }

  const notifier: Notifier = {
    async invalidateInode(nodeid, offset = 0, length = 0) {
      // Attributes alone wait for nothing but the end of an inode, and that waits for us with the writeback cache alone.
      const message = ending(encodeInvalidateInode(nodeid, offset, length), (known) => known.changedNode(nodeid));
      if (offset < 0 && !writeback) return sendNow(message);
      const dropped = send([nodeid], message);
      if (!dropsInode || offset < 0) return dropped;
      const [result, pruned] = await Promise.all([dropped, send([nodeid], encodePrune([nodeid]))]);
      return result < 0 ? result : Math.max(result, pruned);
    },
    invalidateEntry: (parent, name, options) =>
      send(
        [parent],
        ending(encodeInvalidateEntry(parent, name, options?.expireOnly === true), (known) =>
          known.changedName(parent, name),
        ),
      ),
    deleteEntry: (parent, child, name) =>
      send(
        [parent, child],
        ending(encodeDeleteEntry(parent, child, name), (known) => known.changedName(parent, name, child)),
      ),
    store: (nodeid, offset, data) =>
      send(
        [nodeid],
        ending(encodeStore(nodeid, offset, data), (known) => known.changedNode(nodeid)),
      ),
    retrieve,
    prune: (nodeids) => send(nodeids, encodePrune(nodeids)),
    incrementEpoch: () => sendNow(ending(encodeIncrementEpoch(), (known) => known.changedAll())),
    resend: () => sendNow(encodeResend()),
    pollWakeup: (kh) => sendNow(encodePollWakeup(kh)),
  };

  return {
    notifier,
    watch: (held) => queue.watch(held),
    retrieved(unique, data) {
      if (Number(unique >> 32n) === asker) return retrievals.get(unique)?.resolve(data);
      const other = new BroadcastChannel(session);
      other.postMessage({ unique, data } satisfies Answer);
      other.close();
    },
    end() {
      ended = true;
      queue.end();
      for (const waiter of retrievals.values()) waiter.reject(new FuseError("ENOTCONN"));
      closeChannel();
    },
  };
}
