// Owns: running one program of the host to its end, with its output kept for the message of its failure.
// Must not: print anything; a caller that has something to say says it before.
import { spawn } from "node:child_process";

const TAIL_LINES = 25;

/** A program that did not exit with 0; the message holds its last lines. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** What a program may be given besides its arguments. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Bytes for its standard input. */
  readonly input?: Uint8Array | string;
}

const tail = (text: string) => text.trimEnd().split("\n").slice(-TAIL_LINES).join("\n");

/** Runs `argv` and resolves to its standard output. Errors: CommandError when it cannot start or fails. */
export function command(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const [program = "", ...args] = argv;
  const shown = argv.join(" ").slice(0, 300);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, LC_ALL: "C.UTF-8", ...options.env },
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  const out: Buffer[] = [];
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out.push(chunk);
    said = (said + chunk.toString()).slice(-65_536);
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-65_536);
  });
  child.on("error", (error) => reject(new CommandError(`${program} cannot be run: ${error.message}`)));
  child.on("close", (status, signal) => {
    if (status === 0) resolve(Buffer.concat(out).toString());
    else reject(new CommandError(`${shown}: ${signal ?? `exit status ${status}`}\n${tail(said)}`));
  });
  child.stdin?.on("error", () => undefined); // a program that ends early is judged by its status
  child.stdin?.end(options.input);
  return promise;
}
