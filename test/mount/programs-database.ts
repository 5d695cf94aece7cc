// Owns: SQLite on a mount: each journal mode (locks, shared memory, fsync, truncation), two writers, and a crash.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type Ground, type ProgramTarget, program } from "./programs-ground.ts";

const MODES = ["WAL", "DELETE", "TRUNCATE"] as const;
const ROWS = 2000;

const setup = (mode: string) => `PRAGMA journal_mode = ${mode};
  CREATE TABLE t (id INTEGER PRIMARY KEY, writer TEXT, n INTEGER, body BLOB);
  CREATE INDEX byN ON t (n);`;

/** Only WAL outlives its connection: every connection asks for its mode, and prints it. */
const modeOf = (mode: string) => `PRAGMA journal_mode = ${mode};`;

/** Transactions of 20 statements, most of them inserts, by one writer. */
function work(mode: string, writer: string, rows: number): string {
  const lines = ["PRAGMA busy_timeout = 30000;", modeOf(mode)];
  for (let n = 0; n < rows; n += 16) {
    lines.push("BEGIN IMMEDIATE;");
    for (let i = n; i < Math.min(rows, n + 16); i++)
      lines.push(`INSERT INTO t (writer, n, body) VALUES ('${writer}', ${i}, randomblob(${100 + (i % 400)}));`);
    for (let i = 0; i < 4; i++)
      lines.push(`UPDATE t SET body = randomblob(200) WHERE writer = '${writer}' AND n = ${(n * (i + 7)) % rows};`);
    lines.push("COMMIT;");
  }
  return lines.join("\n");
}

const CHECK = `sqlite3 db "PRAGMA integrity_check; SELECT writer, count(*), sum(n) FROM t GROUP BY writer ORDER BY 1;"`;
const sum = (rows: number) => (rows * (rows - 1)) / 2;

const scriptFile = ({ scratch }: Ground, name: string, sql: string): void => writeFileSync(join(scratch, name), sql);

/** Registers the tests of SQLite. */
export function databasePrograms(target: ProgramTarget): void {
  for (const mode of MODES) {
    program(`sqlite3: ${ROWS} rows in journal mode ${mode}`, target, 60_000, async (ground) => {
      const said = mode.toLowerCase();
      scriptFile(ground, "work.sql", work(mode, "one", ROWS));
      const answered = await ground.shell(`sqlite3 db "${setup(mode)}"; sqlite3 -bail db < "$S/work.sql"; ${CHECK}`);
      expect(answered).toBe(`${said}\n30000\n${said}\nok\none|${ROWS}|${sum(ROWS)}\n`);
      const less = `${modeOf(mode)} DELETE FROM t WHERE n % 2; VACUUM; PRAGMA integrity_check; SELECT count(*) FROM t`;
      expect(await ground.shell(`sqlite3 db "${less}"`)).toBe(`${said}\nok\n${ROWS / 2}\n`);
      expect(await ground.shell("ls")).toBe(mode === "TRUNCATE" ? "db\ndb-journal\n" : "db\n");
    });

    program(`sqlite3: two writers in journal mode ${mode}`, target, 60_000, async (ground) => {
      for (const writer of ["one", "two"]) scriptFile(ground, `${writer}.sql`, work(mode, writer, ROWS / 2));
      await ground.shell(`sqlite3 db "${setup(mode)}"
        sqlite3 -bail db < "$S/one.sql" & one=$!
        sqlite3 -bail db < "$S/two.sql" & two=$!
        wait $one; wait $two`);
      const each = `${ROWS / 2}|${sum(ROWS / 2)}`;
      expect(await ground.shell(CHECK)).toBe(`ok\none|${each}\ntwo|${each}\n`);
    });

    program(`sqlite3: recovers from kill -9 in journal mode ${mode}`, target, 60_000, async (ground) => {
      // A small cache makes the open transaction spill into the database file, or into the log.
      const statements = work(mode, "lost", ROWS)
        .split("\n")
        .filter((line) => /^(INSERT|UPDATE)/.test(line));
      scriptFile(ground, "half.sql", ["PRAGMA cache_size = 5;", modeOf(mode), "BEGIN;", ...statements].join("\n"));
      const log = mode === "WAL" ? "db-wal" : "db-journal";
      await ground.shell(`sqlite3 db "${setup(mode)} INSERT INTO t (writer, n) VALUES ('kept', 1);"
        before=$(stat -c %s db)
        coproc SQL { exec sqlite3 db; }
        pid=$SQL_PID
        { cat "$S/half.sql"; echo; echo '.system echo halfway'; } >&"\${SQL[1]}"
        while read -r word <&"\${SQL[0]}"; [ "$word" != halfway ]; do :; done
        kill -9 "$pid"; wait "$pid" || test $? = 137
        test -s ${log}; test ${mode} = WAL || test "$(stat -c %s db)" -gt "$before"`);
      expect(await ground.shell(CHECK)).toBe("ok\nkept|1|1\n");
      expect(await ground.shell(`sqlite3 db "INSERT INTO t (writer, n) VALUES ('kept', 2);"; ${CHECK}`)).toBe(
        "ok\nkept|2|3\n",
      );
    });
  }
}
