// Owns: one name of one request, between its beginning and its reply. Data alone.

/** Nothing is known about a name. */
export const UNKNOWN = -1;

const NO_BYTES = new Uint8Array(0);

/** One name of one request: where it is and what was known; kept by the request's visit and used again. */
export class NameVisit {
  parent = 0;
  /** Bytes of the name, in the request's arena. */
  bytes: Uint8Array = NO_BYTES;
  at = 0;
  length = 0;
  hash = 0;
  bucket = 0;
  /** Epochs when the request began. */
  epoch = 0;
  all = 0;
  /** Stamp of the change, 0: none. */
  own = 0;
  /** KIND, or UNKNOWN. */
  kind: number = UNKNOWN;
  nodeid = 0;
  expiresLow = 0;
  expiresHigh = 0;
}
