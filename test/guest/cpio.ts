// Owns: writing an archive in the format of an initramfs ("newc": a header of thirteen hexadecimal fields, the name,
// the data, each padded to 4 bytes). Everything in it belongs to root and is as old as the epoch.
// Must not: keep more than one file's data twice.
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

const TYPE = { directory: 0o040000, file: 0o100000, link: 0o120000 } as const;
const TRAILER = "TRAILER!!!";

const padding = (length: number) => Buffer.alloc((4 - (length % 4)) % 4);
const hex = (value: number) => value.toString(16).padStart(8, "0");

/** An archive that grows; names are relative to the guest's root, without a leading "/". */
export class Cpio {
  readonly #parts: Buffer[] = [];
  readonly #folders = new Set<string>();
  #serial = 0;

  #add(name: string, mode: number, data: Uint8Array): void {
    const path = Buffer.from(`${name}\0`);
    this.#serial += 1;
    const fields = [this.#serial, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, path.length, 0];
    const head = Buffer.concat([Buffer.from(`070701${fields.map(hex).join("")}`), path]);
    this.#parts.push(head, padding(head.length), Buffer.from(data), padding(data.length));
  }

  /** A folder and those above it; a folder that is there already is left alone. */
  folder(name: string): void {
    if (name === "" || name === "." || this.#folders.has(name)) return;
    this.folder(name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "");
    this.#folders.add(name);
    this.#add(name, TYPE.directory | 0o755, Buffer.alloc(0));
  }

  /** A file, with the folders above it. */
  file(name: string, data: Uint8Array | string, mode = 0o644): void {
    this.#above(name);
    this.#add(name, TYPE.file | mode, Buffer.from(data));
  }

  /** A symbolic link, with the folders above it. */
  link(name: string, target: string): void {
    this.#above(name);
    this.#add(name, TYPE.link | 0o777, Buffer.from(target));
  }

  /** What lies at `source` of the host, with all that is below it. */
  tree(name: string, source: string): void {
    const stat = lstatSync(source);
    if (stat.isSymbolicLink()) this.link(name, readlinkSync(source));
    else if (stat.isFile()) this.file(name, readFileSync(source), stat.mode & 0o7777);
    else if (stat.isDirectory()) {
      this.folder(name);
      for (const child of readdirSync(source).sort()) this.tree(`${name}/${child}`, join(source, child));
    }
  }

  #above(name: string): void {
    if (name.includes("/")) this.folder(name.slice(0, name.lastIndexOf("/")));
  }

  /** The whole archive. */
  bytes(): Buffer {
    this.#add(TRAILER, 0, Buffer.alloc(0));
    return Buffer.concat(this.#parts);
  }
}
