// Proves the errno table against the C library's header, by gcc, and the shape of errors of system calls.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { checked, ERRNO, errno, errnoName, errnoNumber, orThrow, SyscallError } from "./errno.ts";
import { close, read } from "./file.ts";

/** Names and numbers of every errno macro that <errno.h> defines. */
function headerErrnos(): [string, number][] {
  const names = spawnSync("gcc", ["-E", "-dM", "-x", "c", "-"], { input: "#include <errno.h>\n", encoding: "utf8" })
    .stdout.split("\n")
    .flatMap((line) => /^#define (E[A-Z0-9]+) /.exec(line)?.[1] ?? []);
  const source = `#include <errno.h>\n${names.map((name) => `@ ${name}_ ${name}`).join("\n")}\n`;
  const { stdout } = spawnSync("gcc", ["-E", "-P", "-x", "c", "-"], { input: source, encoding: "utf8" });
  return [...stdout.matchAll(/@ (E[A-Z0-9]+)_ (\d+)/g)].map(([, name = "", number]) => [name, Number(number)]);
}

describe("ERRNO", () => {
  const header = headerErrnos();

  it("header: knows more than 130 names", () => expect(header.length).toBeGreaterThan(130));

  it("names: every one of the header has its number, and no other exists", () => {
    expect(header.filter(([name, number]) => errnoNumber(name) !== number)).toEqual([]);
    const known = new Set(header.map(([name]) => name));
    expect(Object.keys(ERRNO).filter((name) => !known.has(name))).toEqual([]);
  });

  it("numbers: are unique, so that each has one name", () => {
    const numbers = Object.values(ERRNO);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const [name, number] of Object.entries(ERRNO)) {
      expect([errnoName(number), errnoName(-number)]).toEqual([name, name]);
    }
  });
});

describe("errnoName, errnoNumber", () => {
  it("unknown: numbers are shown, names have none", () => {
    expect([errnoName(4095), errnoName(-41)]).toEqual(["E4095", "E41"]);
    expect([errnoNumber("EWHATEVER"), errnoNumber("enoent"), errnoNumber("")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("aliases: have the number of what they stand for", () => {
    expect([errnoNumber("EWOULDBLOCK"), errnoNumber("EDEADLOCK"), errnoNumber("ENOTSUP")]).toEqual([11, 35, 95]);
  });
});

describe("system calls", () => {
  it("failed: is -errno, and errno keeps it", () => {
    expect(close(-1)).toBe(-ERRNO.EBADF);
    expect(errno()).toBe(ERRNO.EBADF);
    expect(read(-1, 0, 0)).toBe(-ERRNO.EBADF);
  });

  it("checked: passes what is not negative", () => {
    expect([checked(0), checked(7), checked(2 ** 40)]).toEqual([0, 7, 2 ** 40]);
  });
});

describe("SyscallError", () => {
  it("shape: is that of node's system errors", () => {
    const error = new SyscallError("open", 2, "/a b");
    expect(error).toBeInstanceOf(Error);
    expect({ ...error, message: error.message, name: error.name }).toEqual({
      name: "SyscallError",
      message: "ENOENT: open '/a b'",
      code: "ENOENT",
      errno: -2,
      syscall: "open",
      path: "/a b",
    });
  });

  it("message: has path and detail only if given; the sign of errno does not matter", () => {
    expect(new SyscallError("read", -5).message).toBe("EIO: read");
    expect(new SyscallError("read", 71, "/dev/fuse", "why").message).toBe("EPROTO: read '/dev/fuse': why");
    expect(new SyscallError("read", 5)).toMatchObject({ errno: -5, path: undefined });
  });

  it("message: matches what node says of the same failure in code, errno, syscall and path", () => {
    let thrown: unknown;
    try {
      readFileSync("/nowhere/at/all");
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: "ENOENT", errno: -2, syscall: "open", path: "/nowhere/at/all" });
    expect(new SyscallError("open", 2, "/nowhere/at/all")).toMatchObject(
      Object.fromEntries(
        ["code", "errno", "syscall", "path"].map((key) => [key, (thrown as Record<string, unknown>)[key]]),
      ),
    );
  });

  it("orThrow: throws for a negative result and returns any other", () => {
    expect(orThrow(3, "read")).toBe(3);
    expect(() => orThrow(-13, "open", "/x")).toThrow("EACCES: open '/x'");
  });
});
