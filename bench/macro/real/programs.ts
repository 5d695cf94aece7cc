// The real programs: what each needs beforehand, what is timed, and what proves that it worked.
// Commands are run by sh in an empty directory, on the mount, with $TOOLS naming a directory outside of all mounts.
// It starts nothing.

/** `prepare` runs once, in $TOOLS; `before` is not timed and runs in the directory ahead of each timed `run`. */
export type Program = {
  name: string;
  about: string;
  prepare: string;
  before?: string;
  run: string;
  /** Prints the same for every filesystem when the program did its work. */
  proof: string;
};

/** What is installed: some forty packages, none of which has an optional one that a registry may lack. */
const PACKAGES = '{"@observablehq/plot":"0.6.17","linkedom":"0.18.12"}';
const SOURCES = 40;
const TRANSACTIONS = 2000;

// sh and awk write the files, so that they are the same for every peer.
const MAKE_PROJECT = `mkdir make && cd make
for i in $(seq ${SOURCES}); do
  printf '#include <stdio.h>\\n#include <stdlib.h>\\n#include <string.h>\\n#include "all.h"\\nint part_%s(const char *s) { return (int)strlen(s) + %s; }\\n' $i $i > part$i.c
  printf 'int part_%s(const char *s);\\n' $i >> all.h
done
printf '#include <stdio.h>\\n#include "all.h"\\nint main(void) { printf("%%d\\\\n", part_1("x")); return 0; }\\n' > main.c
printf 'objects := $(patsubst %%.c,%%.o,$(wildcard *.c))\\nprogram: $(objects)\\n\\t$(CC) -o $@ $^\\n%%.o: %%.c all.h\\n\\t$(CC) -O1 -c -o $@ $<\\n' > Makefile`;

const SQL = (journal: string) =>
  `{ echo "PRAGMA journal_mode=${journal}; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL); CREATE INDEX i ON t(name);"
for i in $(seq ${TRANSACTIONS}); do echo "BEGIN; INSERT INTO t(name, value) VALUES('name $i', $i * 1.5); UPDATE t SET value = value + 1 WHERE id = $i / 2; COMMIT;"; done; } > ${journal}.sql`;

const sqlite = (journal: string): Program => ({
  name: `sqlite-${journal}`,
  about: `${TRANSACTIONS} transactions of sqlite, journal_mode=${journal}`,
  prepare: SQL(journal),
  run: `sqlite3 db < $TOOLS/${journal}.sql > /dev/null`,
  proof: 'sqlite3 db "SELECT count(*), sum(value) FROM t; PRAGMA integrity_check"',
});

/** All programs, in the order of the report. */
export const PROGRAMS: readonly Program[] = [
  {
    name: "git",
    about: "git clone of this repository, then status",
    prepare: 'git clone --quiet --bare --no-hardlinks "$PROJECT" repository.git',
    run: "git clone --quiet --no-hardlinks $TOOLS/repository.git tree && git -C tree status --porcelain > status",
    proof: "cat status; git -C tree rev-parse HEAD; git -C tree fsck 2>&1 | grep -c error || true",
  },
  {
    name: "npm-ci",
    about: "npm ci from a local cache, a plotting library and what it needs",
    prepare: `mkdir npm && cd npm && printf '{"name":"x","version":"1.0.0","dependencies":${PACKAGES}}' > package.json
# The lock says where each package came from, or npm ci would ask for it.
npm install --omit-lockfile-registry-resolved=false --ignore-scripts --no-audit --no-fund --loglevel=error --cache ../npm-cache && rm -r node_modules`,
    before: "cp $TOOLS/npm/package*.json .",
    run: "npm ci --offline --ignore-scripts --no-audit --no-fund --loglevel=error --cache $TOOLS/npm-cache > /dev/null",
    proof: "find node_modules -type f | wc -l",
  },
  {
    name: "untar",
    about: "tar -x of the headers of Linux and C++",
    prepare: "tar -cf headers.tar -C /usr/include linux c++",
    run: "tar -xf $TOOLS/headers.tar",
    proof: "find . -type f | wc -l; cat linux/*.h | cksum",
  },
  {
    name: "make",
    about: `make -j of ${SOURCES} C files`,
    prepare: MAKE_PROJECT,
    before: "cp $TOOLS/make/* .",
    run: "make -s -j$(nproc)",
    proof: "./program; ls *.o | wc -l",
  },
  sqlite("delete"),
  sqlite("wal"),
  {
    name: "find-du",
    about: "find and du over those headers, names and attributes dropped from the kernel before",
    prepare: "test -f headers.tar || tar -cf headers.tar -C /usr/include linux c++",
    before: "tar -xf $TOOLS/headers.tar && sync -f . && echo 2 > /proc/sys/vm/drop_caches",
    run: "find . -type f -newermt 1990-01-01 > $TOOLS/found && du -s --apparent-size . > /dev/null",
    proof: "wc -l < $TOOLS/found",
  },
];
