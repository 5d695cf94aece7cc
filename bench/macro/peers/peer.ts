// What a filesystem under comparison is: how it is started over a source directory, and what is running then.
// Types alone; servers.ts owns the processes.

/** Where a server runs: pinned to one CPU, or anywhere when undefined. */
export type Place = { cpu: number | undefined };

/**
 * A peer that serves. `directory` is what clients use; `pid` is the server's, undefined when there is none. `requests`:
 * how many requests it has served, where it can tell.
 */
export type Running = {
  pid: number | undefined;
  directory: string;
  requests?: () => Promise<number>;
  stop(): Promise<void>;
};

/** One filesystem under comparison. start() resolves once it is mounted; it rejects, leaving nothing, with the reason. */
export type Peer = {
  name: string;
  about: string;
  /** Its server registers FUSE-over-io_uring, so that the kernel's switch must be on while it starts. */
  uring: boolean;
  /** Its server ends when it does not get what it was asked for. */
  strict: boolean;
  /** Its server splices through pipes that are larger than the kernel's limit. */
  largePipes: boolean;
  /** Its server runs in a JavaScript engine, which compiles for a while whatever it is asked to do. */
  compiles?: boolean;
  start(source: string, mountpoint: string, place: Place): Promise<Running>;
};

/** Makes the command line of a server in the foreground. Errors: why it cannot be run here. */
export type Command = (source: string, mountpoint: string, place: Place) => Promise<readonly string[]>;
