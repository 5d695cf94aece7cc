// Proves what mount refuses before it looks at anything outside: options and filesystems that are none.
import { describe, expect, it } from "vitest";
import { mount } from "./mount.ts";

const refused = (filesystem: unknown, options: unknown) => mount("/", filesystem as never, options as never);

describe("mount", () => {
  it.each<readonly [unknown, string]>([
    [null, "the options are null; they must be an object"],
    [[], "the options are []; they must be an object"],
    ["readOnly", 'the options are "readOnly"; they must be an object'],
    [7, "the options are 7; they must be an object"],
    [{ filesystemOptions: { a: 1 } }, "option filesystemOptions is { a: 1, }; it must be left out"],
  ])("refuses options %j", async (options, says) => {
    const code = "INVALID_OPTION";
    await expect(refused({}, options)).rejects.toMatchObject({ code, message: expect.stringContaining(says) });
  });

  it.each<readonly [string, unknown, string]>([
    ["the path of a module", "./hello.ts", 'not "./hello.ts"'],
    ["a promise of a filesystem", Promise.resolve({}), "not Promise {"],
    ["a list", [], "not []"],
    ["nothing", null, "not null"],
    ["a function", () => ({}), "not [Function]"],
  ])("refuses %s as a filesystem", async (_, filesystem, says) => {
    const code = "FILESYSTEM_FAILED";
    await expect(refused(filesystem, {})).rejects.toMatchObject({ code, message: expect.stringContaining(says) });
  });
});
