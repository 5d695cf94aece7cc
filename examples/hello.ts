// The smallest filesystem: one file, served from the calling thread until Ctrl-C.
//   bun run examples/hello.ts MOUNTPOINT
import { mount, pathFilesystem } from "rfuse";

const text = "Hello from TypeScript\n";
const hello = pathFilesystem({
  getattr: (path) =>
    path === "/hello.txt" ? { type: "file", size: text.length } : path === "/" ? { type: "directory" } : null,
  readdir: () => ["hello.txt"],
  read: (_path, _fh, _buffer, offset) => text.slice(offset),
});

const mounted = await mount(process.argv[2] ?? "", hello);
process.once("SIGINT", () => mounted.unmount());
console.log(`cat ${mounted.mountpoint}/hello.txt`);
