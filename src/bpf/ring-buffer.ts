// Owns: a ring buffer from programs to this process: the map and its mapped pages, read without system calls.
// The kernel's positions and lengths are hints: what lies beyond the buffer is refused.
// One reader. Programs write with `ringbuf_output`, or `ringbuf_reserve` and `ringbuf_submit`.

import { BPF_MAP_TYPE } from "../../ffi/bpf-structs.ts";
import { close } from "../../ffi/file.ts";
import { type Mapping, mapDescriptor, mapReadOnly, PAGE_SIZE } from "../../ffi/memory.ts";
import { BpfError } from "./errors.ts";
import { openMap } from "./map.ts";

const BUSY = 1 << 31;
const DISCARDED = 1 << 30;
const HEADER_BYTES = 8;

export class BpfRingBuffer implements Disposable {
  readonly fd: number;
  readonly bytes: number;
  private readonly consumer: Mapping;
  private readonly producer: Mapping;
  private open = true;

  /** Makes one of `bytes`, a power of two of whole pages. Errors: `BpfError`, `SyscallError` of mmap. */
  constructor(bytes: number, name = "ring-buffer") {
    this.bytes = bytes;
    this.fd = openMap({ type: BPF_MAP_TYPE.RINGBUF, keySize: 0, valueSize: 0, maxEntries: bytes, flags: 0, name });
    let consumer: Mapping | undefined;
    try {
      consumer = mapDescriptor(this.fd, PAGE_SIZE, 0);
      this.producer = mapReadOnly(this.fd, PAGE_SIZE + 2 * bytes, PAGE_SIZE);
    } catch (thrown) {
      consumer?.unmap();
      close(this.fd);
      throw thrown;
    }
    this.consumer = consumer;
  }

  /** Gives every record that is complete to `take`, which must not keep the bytes. Result: how many there were. */
  read(take: (record: Uint8Array) => void): number {
    if (!this.open) throw new BpfError("ring buffer: read after close", "EBADF");
    const position = new BigInt64Array(this.consumer.buffer);
    let count = 0;
    for (let at = Atomics.load(position, 0); at !== this.produced(position); ) {
      const header = this.header(position, at);
      if ((header & BUSY) !== 0) break;
      const length = header & ~(BUSY | DISCARDED);
      if (length > this.bytes - HEADER_BYTES) throw new BpfError(`ring buffer: a record of ${length} bytes`, "EIO");
      const from = this.place(at) + HEADER_BYTES;
      if ((header & DISCARDED) === 0) take(new Uint8Array(this.producer.buffer, from, length));
      if ((header & DISCARDED) === 0) count++;
      at += BigInt(HEADER_BYTES + ((length + 7) & ~7));
      Atomics.store(position, 0, at);
    }
    return count;
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.consumer.unmap();
    this.producer.unmap();
    close(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private place(at: bigint): number {
    return PAGE_SIZE + (Number(at & 0xffff_ffffn) & (this.bytes - 1));
  }

  // Both are plain loads: compiled, Atomics.load writes its word back, which read-only memory does not take. The atomic
  // load of our own word behind them keeps what follows from being read earlier.
  private produced(position: BigInt64Array): bigint {
    const end = new BigInt64Array(this.producer.buffer, 0, 1)[0] as bigint;
    Atomics.load(position, 0);
    return end;
  }

  private header(position: BigInt64Array, at: bigint): number {
    const word = new Int32Array(this.producer.buffer, this.place(at), 1)[0] as number;
    Atomics.load(position, 0);
    return word;
  }
}
