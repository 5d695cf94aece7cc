// Owns: trees and large files that are copied onto a mount and compared: tar, diff, rsync, cp, dd, mke2fs, fio.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { BULK_MIB, TREE_FILES } from "../behaviour/pace.ts";
import { TMPFS } from "../behaviour/tmpfs.ts";
import { type ProgramTarget, program } from "./programs-ground.ts";

const MIB = 2 ** 20;
const PER_DIRECTORY = 25;
/** In a guest everything outside of the mount is tmpfs, which has no attributes of users on older kernels. */
const ATTRIBUTE = TMPFS.xattr === true ? "setfattr -n user.color -v blue hard" : "true";

/** Writes a tree of small files, several levels deep. */
function writeTree(root: string, files: number): void {
  for (let n = 0; n < files; n++) {
    const group = Math.floor(n / PER_DIRECTORY);
    const dir = join(root, `a${group % 8}`, `b${Math.floor(group / 8) % 8}`, `c${Math.floor(group / 64)}`);
    if (n % PER_DIRECTORY === 0) mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, `file-${n}`), `${n} `.repeat(n % 300));
  }
}

/** Name, size, mode, times and target of everything below the working directory. Directories have sizes of their own. */
const LISTING =
  "{ find . ! -type d -printf '%P %s %m %y %n %T@ %l\\n'; find . -type d -printf '%P %m %y %T@\\n'; } | sort";

function treePrograms(target: ProgramTarget): void {
  program(
    `tar, diff, find, du, rm: a tree of ${target.treeFiles} files`,
    target,
    120_000,
    async ({ shell, scratch }) => {
      writeTree(join(scratch, "tree"), target.treeFiles);
      await shell('tar -C "$S" --format=posix -cf - tree | tar -xf -; diff -r "$S/tree" tree');
      expect(await shell("find tree -type f | wc -l")).toBe(`${target.treeFiles}\n`);
      expect(await shell(`cd tree; ${LISTING}`)).toBe(await shell(`cd "$S/tree"; ${LISTING}`));
      const [blocks, bytes] = (await shell("du -s -B1 tree; cat $(find tree -type f) | wc -c")).split(/\s+tree\s+/);
      expect(Number(blocks)).toBeGreaterThan(Number(bytes));
      await shell('tar -cf - tree | (cd "$S"; mkdir back; tar -C back -xf -); diff -r "$S/tree" "$S/back/tree"');
      await shell('rm -rf tree; test -z "$(ls -A)"');
    },
  );

  program("tar, mv, rm: four trees at once, removed by two each", target, 60_000, async ({ shell, scratch }) => {
    writeTree(join(scratch, "tree"), TREE_FILES);
    await shell(`tar -C "$S/tree" -cf "$S/tree.tar" .
      turn() {
        for ((i = 0; i < 3; i++)); do
          mkdir "t$1"; tar -C "t$1" -xf "$S/tree.tar"; mv "t$1" "moved$1"; diff -r "$S/tree" "moved$1"
          find "moved$1" > /dev/null 2>&1 & rm -rf "moved$1" & rm -rf "moved$1"; wait || :; test ! -e "moved$1"
        done
      }
      pids=(); for w in 1 2 3 4; do turn $w & pids+=($!); done
      for pid in "\${pids[@]}"; do wait "$pid"; done; test -z "$(ls -A)"`);
  });

  program("rsync: copies everything once, and then nothing", target, 60_000, async ({ shell, scratch }) => {
    writeTree(join(scratch, "tree"), 500);
    await shell(`cd "$S/tree"; ln a0/b0/c0/file-1 hard; ln -s a0/b0/c0/file-2 soft; ln -s nowhere dangling; mkfifo pipe
      ${ATTRIBUTE}; setfacl -m u:1:rw a0/b0/c0/file-3; setfacl -d -m g:1:rx a1
      truncate -s 10M sparse; echo end >> sparse; chmod 4755 a0/b0/c0/file-4; touch -d 1999-12-31T23:59:59.123456789 soft`);
    await shell('rsync -aHAXS --modify-window=-1 "$S/tree/" copy');
    expect(await shell('rsync -aHAXS --modify-window=-1 --itemize-changes "$S/tree/" copy')).toBe("");
    expect(await shell('rsync -aHAXS --modify-window=-1 --checksum --delete --itemize-changes "$S/tree/" copy')).toBe(
      "",
    );
    expect(await shell(`cd copy; ${LISTING}`)).toBe(await shell(`cd "$S/tree"; ${LISTING}`));
    const extras = "getfattr -d hard; getfacl -c a0/b0/c0/file-3 a1";
    expect(await shell(`cd copy; ${extras}`)).toBe(await shell(`cd "$S/tree"; ${extras}`));
    await shell('echo more >> "$S/tree/a0/b0/c0/file-5"; rm "$S/tree/soft"');
    const changed = await shell('rsync -aHAXS --modify-window=-1 --delete --out-format="%o %n" "$S/tree/" copy');
    expect(changed.trim().split("\n").sort()).toEqual(["del. soft", "send ./", "send a0/b0/c0/file-5"]);
  });
}

function largeFilePrograms(target: ProgramTarget): void {
  program("cp --sparse=always: keeps holes and content", target, 60_000, async ({ shell }) => {
    await shell(`truncate -s 64M "$S/sparse"
      for at in 0 20 63; do head -c 65536 /dev/urandom | dd of="$S/sparse" bs=1M seek=$at conv=notrunc status=none; done
      cp -a --sparse=always "$S/sparse" copy; cp -a --sparse=always copy second; cmp "$S/sparse" copy; cmp copy second`);
    const blocks = (await shell("stat -c %b copy second")).trim().split("\n").map(Number);
    for (const count of blocks) expect(count * 512).toBeLessThan(MIB);
  });

  program(`dd, sha256sum: ${BULK_MIB} MiB there and back`, target, 90_000, async ({ shell }) => {
    await shell(`head -c ${BULK_MIB}M /dev/urandom > "$S/data"; dd if="$S/data" of=data bs=1M conv=fsync status=none`);
    const expected = await shell('sha256sum < "$S/data"');
    expect(await shell("sha256sum < data")).toBe(expected);
    // The second reading comes from the daemon, not from the page cache of the mount.
    const pages = await shell("dd if=data iflag=nocache count=0 status=none; fincore --noheadings --output PAGES data");
    if (!target.passed) expect(Number(pages)).toBeLessThan(1000);
    await shell('dd if=data of="$S/back" bs=128K status=none');
    expect(await shell('sha256sum < "$S/back"')).toBe(expected);
    await shell('dd if="$S/data" of=data bs=1M seek=7 skip=40 count=9 conv=notrunc,fdatasync status=none');
    await shell('cmp -n 9437184 -i 41943040:7340032 "$S/data" data; cmp -n 7340032 "$S/data" data');
  });

  program("mke2fs, e2fsck, debugfs: a filesystem in a sparse file", target, 60_000, async ({ shell, scratch }) => {
    writeTree(join(scratch, "tree"), 500);
    await shell(`PATH=$PATH:/usr/sbin:/sbin; cp -a "$S/tree" tree; truncate -s 1G image
      mke2fs -q -t ext4 -d tree image; e2fsck -f -n image > "$S/log" 2>&1
      mkdir back; debugfs -R "rdump / back" image 2> "$S/log"; rmdir back/lost+found; diff -r "$S/tree" back`);
    const [size, blocks] = (await shell("stat -c '%s %b' image")).split(" ").map(Number);
    expect(size).toBe(1024 * MIB);
    expect((blocks ?? 0) * 512).toBeLessThan(128 * MIB);
  });

  const ENGINES: Record<string, string> = {
    buffered: "--ioengine=psync",
    direct: "--ioengine=psync --direct=1",
    mmap: "--ioengine=mmap",
  };
  for (const [name, engine] of Object.entries(ENGINES)) {
    program(`fio: verifies random writes and reads, ${name}`, target, 90_000, async ({ shell }) => {
      const common = `--directory="$M" --size=32M --numjobs=2 --bs=4k --verify=crc32c --verify_fatal=1 --randseed=7`;
      const report = await shell(`cd "$S"
        fio --name=v ${common} ${engine} --rw=randwrite --fsync=4096 --do_verify=1 --output-format=json
        fio --name=v ${common} ${engine} --rw=randread --verify_only=0 --minimal > /dev/null`);
      const { jobs } = JSON.parse(report) as {
        jobs: { error: number; write: { io_bytes: number }; read: { io_bytes: number } }[];
      };
      const done = jobs.map(({ error, write, read }) => [error, write.io_bytes, read.io_bytes]);
      expect(done).toEqual([
        [0, 32 * MIB, 32 * MIB],
        [0, 32 * MIB, 32 * MIB],
      ]);
    });
  }
}

/** Registers the tests of programs that copy. */
export function copyPrograms(target: ProgramTarget): void {
  treePrograms(target);
  largeFilePrograms(target);
}
