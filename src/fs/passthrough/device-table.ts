// Owns: small numbers for the devices below the source, shared by all workers, so that inode numbers of different
// devices do not collide: the first device (the root's) is 0 and its inode numbers stay as they are.

const MOST = 4095;
/** An inode number's high word is mixed with the device's number from this bit on. */
const SHIFT = 20;
const STATE = { empty: 0, written: 1, ready: 2 } as const;

/** A view of the devices. */
export class DeviceTable {
  static readonly byteLength: number = MOST * 8;
  private readonly states: Int32Array;
  private readonly devices: Int32Array;

  constructor(buffer: SharedArrayBuffer, byteOffset: number) {
    this.states = new Int32Array(buffer, byteOffset, MOST);
    this.devices = new Int32Array(buffer, byteOffset + MOST * 4, MOST);
  }

  /** What to XOR into the high word of inode numbers of a device. Hot. */
  mixOf(device: number): number {
    for (let index = 0; index < MOST; index++) {
      let state = Atomics.load(this.states, index);
      if (state === STATE.empty && this.claim(index, device)) return index << SHIFT;
      while (state !== STATE.ready) state = Atomics.load(this.states, index); // its owner's next instructions end this
      if (this.devices[index] === device) return index << SHIFT;
    }
    return MOST << SHIFT;
  }

  private claim(index: number, device: number): boolean {
    if (Atomics.compareExchange(this.states, index, STATE.empty, STATE.written) !== STATE.empty) return false;
    this.devices[index] = device;
    Atomics.store(this.states, index, STATE.ready);
    return true;
  }
}
