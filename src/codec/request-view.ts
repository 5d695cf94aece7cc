// Owns: the typed face of a request that a handler receives: fields of its in-struct, its names and data, and the
// reply structs to fill, all derived from the opcode's row. One class per opcode, one object per tag and opcode.
// Must not: copy; whatever a view shows lives in the tag's memory until the handler's result is there.

import type { Struct } from "../../ffi/struct.ts";
import { OPCODES, type OpcodeName, type OutData, type Tail } from "../abi/fuse-opcodes.ts";
import { DirentWriter } from "./dirents.ts";
import { addName, type NameForms } from "./names.ts";
import type { Request } from "./request.ts";
import { addFields, type ViewOf, viewClass } from "./struct-view.ts";

/** What every request has. */
export interface RequestHeader {
  /** The cursor, for code that works on offsets and addresses. */
  readonly request: Request;
  readonly unique: bigint;
  readonly nodeid: number;
  /** Filesystem user and group of the caller; 4294967295 when an idmapped mount cannot map them. */
  readonly uid: number;
  readonly gid: number;
  /** Thread id of the caller in the daemon's pid namespace; 0 when it has none there. */
  readonly pid: number;
  /** Aborted when the caller was interrupted, the time-out passed or the mount ended. Made on first use. */
  readonly signal: AbortSignal;
}

interface DataIn {
  /** Bytes sent with the request, in place: copy them if you keep them. */
  readonly data: Uint8Array;
  readonly dataAddress: number;
  readonly dataSize: number;
}
interface BytesOut {
  /** Where the reply's bytes go; return how many you wrote. */
  readonly buffer: Uint8Array;
  readonly bufferAddress: number;
  /** Most bytes that the reply may hold. */
  readonly capacity: number;
}
interface DirentsOut extends BytesOut {
  /** Adds entries to the reply; return `req.entries.length`. */
  readonly entries: DirentWriter;
}

type TailViews = {
  none: unknown;
  name: NameForms<"name">;
  names: NameForms<"name"> & NameForms<"newname">;
  "name+extensions": NameForms<"name">;
  "name+target": NameForms<"name"> & NameForms<"target">;
  "name+value": NameForms<"name"> & DataIn;
  data: DataIn;
  forgets: DataIn;
  extensions: unknown;
};
type OutDataViews = { none: unknown; bytes: BytesOut; string: BytesOut; dirents: DirentsOut; direntplus: DirentsOut };

/** Fields of op structs whose names the header has too: the new owner in SETATTR, the one interrupted in INTERRUPT. */
const RENAMED = { uid: "newuid", gid: "newgid", unique: "interrupted" } as const;
type Renamed = typeof RENAMED;
type OpFields<Fields> = {
  readonly [Key in keyof Fields as Key extends keyof Renamed ? Renamed[Key] : Key]: Fields[Key];
};

/** Property under which a reply struct appears, by the struct's C name. */
const REPLY_PROPERTY = { fuse_entry_out: "entry", fuse_attr_out: "attrOut", fuse_open_out: "open" } as const;
type ReplyProperty = typeof REPLY_PROPERTY;

type Row<Name extends OpcodeName> = (typeof OPCODES)[Name];
type Has<Table, Field extends string> = Table extends { at: { readonly [Key in Field]: number } } ? true : false;
type ReplyView<Table> =
  Has<Table, "entry_valid"> extends true
    ? { readonly entry: ViewOf<Table> }
    : Has<Table, "backing_id"> extends true
      ? { readonly open: ViewOf<Table> }
      : Has<Table, "attr"> extends true
        ? { readonly attrOut: ViewOf<Table> }
        : { readonly out: ViewOf<Table> };
type ReplyViews<Tables> = Tables extends readonly [infer First, ...infer Rest]
  ? ReplyView<First> & ReplyViews<Rest>
  : unknown;

/** The request that the handler of opcode `Name` receives. */
export type RequestView<Name extends OpcodeName> = RequestHeader &
  OpFields<ViewOf<Row<Name>["in"]>> &
  TailViews[Row<Name>["tail"]] &
  ReplyViews<Row<Name>["out"]> &
  OutDataViews[Row<Name>["outData"]];

interface Holder {
  readonly request: Request;
}

const PLACE = Symbol("place");
interface BufferHolder extends Holder {
  [PLACE]?: Uint8Array;
}

function getter(target: object, key: string, get: (request: Request) => unknown): void {
  Object.defineProperty(target, key, {
    get(this: Holder) {
      return get(this.request);
    },
    enumerable: true,
  });
}

// Remembers an object that stays right for the life of the tag.
function lazy(target: object, key: string, make: (request: Request) => object): void {
  Object.defineProperty(target, key, {
    get(this: Holder) {
      const value = make(this.request);
      Object.defineProperty(this, key, { value, enumerable: true });
      return value;
    },
    configurable: true,
    enumerable: true,
  });
}

function addHeader(target: object): void {
  for (const key of ["unique", "nodeid", "uid", "gid", "pid", "signal"] as const) {
    getter(target, key, (request) => request[key]);
  }
}

function addDataIn(target: object): void {
  const start = (request: Request) => (request.secondName > 0 ? request.secondName : request.payload);
  const size = (request: Request) => (request.secondName > 0 ? request.secondNameLength : request.payloadLength);
  getter(target, "data", (request) => request.arena.bytes.subarray(start(request), start(request) + size(request)));
  getter(target, "dataAddress", (request) => request.address(start(request)));
  getter(target, "dataSize", size);
}

function addTail(target: object, tail: Tail): void {
  if (tail.startsWith("name")) addName(target, "name", "first");
  if (tail === "names") addName(target, "newname", "second");
  if (tail === "name+target") addName(target, "target", "second");
  if (tail === "name+value" || tail === "data" || tail === "forgets") addDataIn(target);
}

// Remembers the view of the place that the tag's last request had; most lanes never give another.
function addBuffer(target: object, start: (request: Request) => number): void {
  Object.defineProperty(target, "buffer", {
    get(this: BufferHolder) {
      const { request } = this;
      const from = start(request);
      const size = request.dataOut + request.dataCapacity - from;
      const known = this[PLACE];
      if (known !== undefined && known.byteOffset === from && known.length === size) return known;
      this[PLACE] = request.arena.bytes.subarray(from, from + size);
      return this[PLACE];
    },
    enumerable: true,
  });
}

function addOutData(target: object, outData: OutData, fixed: number): void {
  if (outData === "none") return;
  const start = (request: Request) => request.dataOut + fixed;
  addBuffer(target, start);
  getter(target, "bufferAddress", (request) => request.address(start(request)));
  getter(target, "capacity", (request) => request.dataCapacity - fixed);
  if (outData === "dirents" || outData === "direntplus") {
    lazy(target, "entries", (request) => new DirentWriter(request, outData === "direntplus"));
  }
}

type ViewClass = new (request: Request) => RequestHeader;

function requestViewClass(name: OpcodeName): ViewClass {
  const opcode = OPCODES[name];
  const made = class {
    readonly request: Request;
    constructor(request: Request) {
      this.request = request;
    }
  };
  const target = made.prototype;
  addHeader(target);
  if (opcode.in !== null) addFields(target, opcode.in, "opIn", 0, RENAMED);
  addTail(target, opcode.tail);
  let start = 0;
  for (const table of opcode.out) {
    const property = REPLY_PROPERTY[table.name as keyof ReplyProperty] ?? "out";
    const reply = viewClass(table as Struct, "opOut", start);
    lazy(target, property, (request) => new reply(request));
    start += table.size;
  }
  addOutData(target, opcode.outData, opcode.either ? 0 : start);
  return made as unknown as ViewClass;
}

const classes = new Map<OpcodeName, ViewClass>();

/** A view of the tag that `request` stands for, as opcode `name`; make it once per tag and opcode. */
export function createRequestView<Name extends OpcodeName>(name: Name, request: Request): RequestView<Name> {
  const known = classes.get(name) ?? requestViewClass(name);
  classes.set(name, known);
  return new known(request) as RequestView<Name>;
}
