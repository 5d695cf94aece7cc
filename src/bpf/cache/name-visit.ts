// Owns: one name of one request, between its beginning and its reply. Data alone.

import { Key } from "./keyed-slots.ts";

/** Nothing is known about a name. */
export const UNKNOWN = -1;

/** One name of one request: which it is and what was known; kept by the request's visit and used again. */
export class NameVisit extends Key {
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
