// Driver of the probe: one child process that makes the system calls a test asks for, one at a time, in order.
// It owns the child's life (killed by pid on dispose) and the encoding of words. It never blocks this process, so a
// filesystem may be served from it. It knows nothing of what a call ought to return.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import { compiled, type ProgramSources } from "./compile.ts";
import { PATIENCE } from "./pace.ts";

const PROGRAM: ProgramSources = {
  name: "probe",
  folder: import.meta.dirname,
  sources: ["probe.c", "probe-paths.c", "probe-files.c", "probe-directories.c", "exerciser.c"],
  headers: ["probe.h"],
};

/** One argument of a command; bytes that are no text are given as a Uint8Array. */
export type Word = string | number | bigint | Uint8Array;

/** A call that failed: `code` is the errno's name, `detail` what the probe said besides. */
export type Failure = { code: string; detail: string };
type Reply = { value: string } | Failure;

/** Who the probe is. Without uid it stays what this process is. */
export type Identity = { uid?: number; gid?: number; groups?: readonly number[]; umask?: number };

/** statx of one file: times in nanoseconds since 1970, `btime` undefined when the filesystem has none. */
export type Stat = Record<"mode" | "nlink" | "uid" | "gid" | "blksize" | "major" | "minor" | "permissions", number> &
  Record<"ino" | "size" | "blocks" | "atime" | "mtime" | "ctime", bigint> & { btime: bigint | undefined; dev: string };

/** One directory entry; `type` is find(1)'s letter, or "?" when the filesystem says none. */
export type Entry = { ino: bigint; type: string; name: Buffer };

/** Compiles the probe once per state of its sources and resolves to the program's path. */
export const buildProbe = (): Promise<string> => compiled(PROGRAM);

function encode(word: Word): string {
  const bytes = typeof word === "object" ? word : Buffer.from(String(word));
  if (bytes.length === 0) return "%";
  let text = "";
  for (const byte of bytes) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x25;
    text += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** The bytes behind an escaped word of a reply. */
export function decode(text: string): Buffer {
  const latin = text.replace(/%([0-9A-F]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return Buffer.from(latin, "latin1");
}

function parseStat(line: string): Stat {
  const field = new Map(line.split(" ").map((pair) => pair.split("=", 2) as [string, string]));
  const num = (name: string) => Number(field.get(name));
  const big = (name: string) => BigInt(field.get(name) ?? -1);
  const born = field.get("btime");
  return {
    ...{ mode: num("mode"), permissions: num("mode") & 0o7777, nlink: num("nlink"), uid: num("uid"), gid: num("gid") },
    ...{ blksize: num("blksize"), major: num("major"), minor: num("minor"), dev: field.get("dev") ?? "" },
    ...{ ino: big("ino"), size: big("size"), blocks: big("blocks") },
    ...{ atime: big("atime"), mtime: big("mtime"), ctime: big("ctime"), btime: born ? BigInt(born) : undefined },
  };
}

function parseEntry(text: string): Entry {
  const first = text.indexOf(":");
  return { ino: BigInt(text.slice(0, first)), type: text.charAt(first + 1), name: decode(text.slice(first + 3)) };
}

/** A probe process; end it with `await using` or `close()`. */
export class Probe implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #waiting: ((reply: Reply) => void)[] = [];
  readonly #ended: Promise<void>;
  #said = "";
  #complaint = "";

  private constructor(program: string) {
    this.#child = spawn(program, [], { stdio: ["pipe", "pipe", "pipe"], cwd: "/" });
    this.#child.stdin.on("error", () => undefined);
    this.#child.stdout.setEncoding("latin1").on("data", (text: string) => this.#take(text));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#complaint += text;
    });
    this.#ended = new Promise((resolve) => {
      this.#child.on("close", () => {
        for (const answer of this.#waiting.splice(0)) answer({ code: "DEAD", detail: this.#complaint });
        resolve();
      });
    });
  }

  /** Starts a probe with the given identity; throws when this process may not become it. */
  static async start(identity: Identity = {}): Promise<Probe> {
    const probe = new Probe(await buildProbe());
    const { uid, gid = uid ?? 0, groups = [], umask } = identity;
    if (umask !== undefined) await probe.call("umask", umask);
    if (uid !== undefined) await probe.call("identity", uid, gid, groups.join(","));
    return probe;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  #take(text: string): void {
    const lines = (this.#said + text).split("\n");
    this.#said = lines.pop() ?? "";
    for (const line of lines) {
      const answer = this.#waiting.shift();
      if (line.startsWith("ok")) answer?.({ value: line.slice(3) });
      const [, , code = "", detail = ""] = line.split(" ");
      if (line.startsWith("err")) answer?.({ code, detail: decode(detail).toString() });
    }
  }

  #ask(command: string, words: readonly Word[]): Promise<Reply> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      return Promise.resolve({ code: "DEAD", detail: this.#complaint });
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#child.stdin.write(`${[command, ...words.map(encode)].join(" ")}\n`);
    });
  }

  /** Runs one command and resolves to its escaped value; rejects with the errno's name and the command. */
  async call(command: string, ...words: Word[]): Promise<string> {
    const reply = await this.#ask(command, words);
    if ("value" in reply) return reply.value;
    const said = words.map((word) => encode(word).slice(0, 200)).join(" ");
    throw Object.assign(new Error(`${reply.code}: ${command} ${said}\n${reply.detail}`), { code: reply.code });
  }

  /** "ok", or the errno's name. */
  async outcome(command: string, ...words: Word[]): Promise<string> {
    const reply = await this.#ask(command, words);
    if ("value" in reply) return "ok";
    if (reply.code === "DEAD") throw new Error(`the probe died at ${command}: ${reply.detail}`);
    return reply.code;
  }

  /** A call whose value is a number below 2^53, such as a descriptor or a length. */
  async number(command: string, ...words: Word[]): Promise<number> {
    return Number(await this.call(command, ...words));
  }

  /** A call whose value is bytes, such as pread or getxattr. */
  async bytes(command: string, ...words: Word[]): Promise<Buffer> {
    return decode(await this.call(command, ...words));
  }

  /** A call whose value is bytes, read as UTF-8. */
  async text(command: string, ...words: Word[]): Promise<string> {
    return (await this.bytes(command, ...words)).toString();
  }

  /** Opens a file and resolves to its descriptor in the probe. */
  open(path: Word, flags = "O_RDONLY", mode = 0o644): Promise<number> {
    return this.number("open", path, flags, mode);
  }

  async stat(path: Word): Promise<Stat> {
    return parseStat(await this.call("stat", path));
  }

  async lstat(path: Word): Promise<Stat> {
    return parseStat(await this.call("lstat", path));
  }

  async fstat(fd: number): Promise<Stat> {
    return parseStat(await this.call("fstat", fd));
  }

  /** At most `count` entries from an open directory; an empty list is the end. */
  async readdir(dir: number, count = 1_000_000): Promise<Entry[]> {
    const line = await this.call("readdir", dir, count);
    return line === "" ? [] : line.split(" ").map(parseEntry);
  }

  /** All entries of a directory, with "." and "..". */
  async list(path: Word): Promise<Entry[]> {
    const dir = await this.number("opendir", path);
    const entries = await this.readdir(dir);
    await this.call("closedir", dir);
    return entries;
  }

  /** Resolves when the probe sleeps in the named system call ("SYS_flock"); rejects after `deadlineMs`. */
  async blockedIn(
    call: "SYS_flock" | "SYS_fcntl" | "SYS_openat",
    asker: Probe,
    deadlineMs = 10_000 * PATIENCE,
  ): Promise<void> {
    const wanted = await asker.call("value", call);
    const end = performance.now() + deadlineMs;
    while (performance.now() < end) {
      const line = await readFile(`/proc/${this.pid}/syscall`, "utf8");
      if (line.startsWith(`${wanted} `)) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`the probe did not block in ${call} within ${deadlineMs} ms`);
  }

  signal(name: "SIGUSR1" | "SIGKILL"): void {
    process.kill(this.pid, name);
  }

  /** Kills the probe and resolves when the kernel has closed all its files. */
  async close(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
