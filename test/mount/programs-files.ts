// Owns: small programs on a mount: locks between shells, pipes, edits that save by renaming, times, and Python's
// own ways to files.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type ProgramTarget, program } from "./programs-ground.ts";

const PYTHON = `
import fcntl, mmap, os, shutil, sys, tempfile, zipfile
root, outside = sys.argv[1:]
os.chdir(root)
shutil.copytree(os.path.join(outside, "tree"), "tree", symlinks=True)
shutil.copytree("tree", "again", symlinks=True)
shutil.move("again/one", "moved")
shutil.make_archive("archive", "zip", "tree")
assert sorted(zipfile.ZipFile("archive.zip").namelist()) == ["one", "sub/", "sub/two"], "zip"
with tempfile.TemporaryFile(dir=root) as unnamed:
    unnamed.write(b"x" * 100000); unnamed.seek(0); assert len(unnamed.read()) == 100000
    assert os.fstat(unnamed.fileno()).st_nlink == 0, "nlink"
with tempfile.NamedTemporaryFile(dir=root, delete=False) as named:
    named.write(b"named")
os.replace(named.name, "saved")
with tempfile.TemporaryDirectory(dir=root) as directory:
    open(os.path.join(directory, "in"), "w").close()
with open("mapped", "w+b") as file:
    file.truncate(1 << 20)
    with mmap.mmap(file.fileno(), 0) as mapped:
        for at in range(0, 1 << 20, 4096): mapped[at:at + 4] = at.to_bytes(4, "big")
        mapped.flush()
    for at in range(0, 1 << 20, 4096):
        assert os.pread(file.fileno(), 4, at) == at.to_bytes(4, "big"), at
    os.pwrite(file.fileno(), b"late", 8192)
    with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[8192:8196] == b"late", "mapping after pwrite"
with open("mapped", "rb") as source, open("sent", "wb") as sink:
    assert os.sendfile(sink.fileno(), source.fileno(), 0, 1 << 20) == 1 << 20, "sendfile"
with open("locked", "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX, 10)
    child = os.fork()
    if child == 0:
        try: fcntl.lockf(open("locked", "w"), fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5)
        except BlockingIOError: os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7, "lock"
print(*sorted(os.listdir(".")), open("saved").read(), open("moved").read())
`;

/** Registers the tests of shells and editors. */
export function shellPrograms(target: ProgramTarget): void {
  program("flock: four shells count together", target, 60_000, async ({ shell }) => {
    await shell(`echo 0 > count
      add() { for ((i = 0; i < 50; i++)); do flock lock bash -c 'n=$(< count); echo $((n + 1)) > count'; done; }
      pids=(); for w in 1 2 3 4; do add & pids+=($!); done
      for pid in "\${pids[@]}"; do wait "$pid"; done`);
    expect(await shell("cat count; ! flock -n lock flock -n lock true")).toBe("200\n");
    await shell(
      "seq 1 20000 | tee copy | sort -rn | uniq | sort -n > sorted; cmp sorted copy; seq 1 20000 >> copy; wc -l < copy",
    );
  });

  program("mkfifo: carries data between two processes", target, 30_000, async ({ shell }) => {
    expect(await shell("mkfifo -m 600 pipe; stat -c '%F %a' pipe")).toBe("fifo 600\n");
    expect(await shell("seq 1 50000 > pipe & sha256sum < pipe; wait")).toBe(await shell("seq 1 50000 | sha256sum"));
  });

  program("install, ln, mv, cp: make what they are asked for", target, 30_000, async ({ shell }) => {
    await shell(
      "umask 027; install -d -m 2750 bin; install -m 0640 /bin/true bin/plain; install -m 4711 /bin/true bin/run",
    );
    expect(await shell("stat -c '%a %n' bin bin/plain bin/run; bin/run")).toBe(
      "2750 bin\n640 bin/plain\n4711 bin/run\n",
    );
    await shell(
      "cp bin/run text; echo one > text; ln text hard; ln -s text soft; ln -sfn hard soft; cp -a soft hard kept 2>/dev/null || mkdir kept; cp -a soft hard kept",
    );
    expect(await shell("readlink soft kept/soft; stat -c %h hard kept/hard; cat soft")).toBe("hard\nhard\n2\n1\none\n");
    await shell(
      "mkdir deep; mv bin deep/bin; mv -n text kept/hard; mv -T deep over; test -x over/bin/run -a ! -e deep",
    );
    expect(await shell("ls -R kept over; rm -rf kept over; ls")).toContain("kept:\nhard\nsoft\n");
  });

  program("editors: save by rename, by truncation and in place", target, 30_000, async ({ shell }) => {
    await shell(
      "seq 1 5000 > text; chmod 600 text; ln text other; before=$(stat -c %i text); sed -i.bak 's/^4999$/found/' text; test $(stat -c %i text) != $before; cmp text.bak other",
    );
    expect(await shell("grep -n found text; stat -c '%a %h' text text.bak")).toBe("4999:found\n600 1\n600 2\n");
    await shell("truncate -s 9 text; truncate -s +3 text; printf X | dd of=text bs=1 seek=4 conv=notrunc status=none");
    expect(await shell("od -An -c text")).toBe("   1  \\n   2  \\n   X  \\n   4  \\n   5  \\0  \\0  \\0\n");
    expect(await shell("exec 9<> text; rm text; echo late >&9; stat -L -c '%h %s' /dev/fd/9; ls")).toBe(
      "0 12\nother\ntext.bak\n",
    );
  });

  program("touch, find: see times to the nanosecond", target, 30_000, async ({ shell }) => {
    await shell(
      "touch -d 2001-02-03T04:05:06.123456789 old; touch -d 1960-01-01 ancient; touch -r old same; touch new; ln -s old link",
    );
    expect(await shell("stat -c '%y' old same ancient | cut -c1-29")).toBe(
      "2001-02-03 04:05:06.123456789\n2001-02-03 04:05:06.123456789\n1960-01-01 00:00:00.000000000\n",
    );
    expect(await shell("find . -type f -newer old; find . -type f ! -newermt 2001-01-01; find . -samefile old")).toBe(
      "./new\n./ancient\n./old\n",
    );
    expect(await shell("touch -c missing; touch -h -d @5 link; stat -c '%Y %F' link; ls")).toBe(
      "5 symbolic link\nancient\nlink\nnew\nold\nsame\n",
    );
  });
}

/** Registers the tests of shells, editors and Python. */
export function filePrograms(target: ProgramTarget): void {
  shellPrograms(target);

  program("python3: copies, archives, maps, locks and makes temporary files", target, 60_000, async (ground) => {
    writeFileSync(join(ground.scratch, "all.py"), PYTHON);
    await ground.shell('mkdir -p "$S/tree/sub"; echo 1 > "$S/tree/one"; seq 1 9999 > "$S/tree/sub/two"');
    const printed = await ground.shell(
      'python3 "$S/all.py" "$M" "$S"; cmp mapped sent; diff -r "$S/tree/sub" again/sub',
    );
    expect(printed).toBe("again archive.zip locked mapped moved saved sent tree named 1\n\n");
  });
}
