// Owns: git on a mount: clones, history, hard links, repacking. What git reads back must be what was cloned.

import { expect } from "vitest";
import { COMMITS } from "../behaviour/pace.ts";
import { type ProgramTarget, program } from "./programs-ground.ts";

/** A repository of ten files and a tenth of a link for each commit, at $S/origin. */
const ORIGIN = `
git init -q -b main "$S/origin"; cd "$S/origin"
for ((c = 0; c < ${COMMITS}; c++)); do
  mkdir -p "d$((c % 5))/e$((c % 3))"
  for ((f = 0; f < 10; f++)); do seq "$c" "$((c * 40 + f))" > "d$((c % 5))/e$((c % 3))/f$c-$f"; done
  (( c % 10 )) || ln -s f$c-1 "d$((c % 5))/e$((c % 3))/link$c"
  chmod +x "d$((c % 5))/e$((c % 3))/f$c-0"
  git add -A; git commit -q -m "commit $c"
done
cd "$M"
`;

const CLEAN = 'test -z "$(git status --porcelain)"; git fsck --full --strict --no-dangling';

/** Registers the tests of git. */
export function gitPrograms(target: ProgramTarget): void {
  program("git: clones, checks, commits, rebases, merges and collects garbage", target, 60_000, async ({ shell }) => {
    await shell(`${ORIGIN} git clone -q "file://$S/origin" clone; cd clone; ${CLEAN}`);
    await shell('diff -r --no-dereference --exclude=.git "$S/origin" clone');
    expect(await shell("cd clone; git rev-list --count HEAD; git ls-files | wc -l")).toBe(
      `${COMMITS}\n${COMMITS * 10 + COMMITS / 10}\n`,
    );
    // Without a refresh of the index: sizes, times and inode numbers must still be those that clone saw.
    expect(await shell("cd clone; git diff-files --name-only")).toBe("");
    await shell(`cd clone
      git checkout -q -b topic HEAD~5
      for i in 1 2 3; do echo "topic $i" >> topic; git add topic; git commit -q -m "topic $i"; done
      git rebase -q main
      git checkout -q main; echo change >> d0/e0/f0-1; git commit -q -a -m change
      git merge -q --no-ff -m merge topic
      git mv d1/e1/f1-1 d1/renamed; git rm -q d2/e2/f2-2; git commit -q -m "move and remove"
      ${CLEAN}`);
    expect(await shell("cd clone; git rev-list --count HEAD; cat topic")).toBe(
      `${COMMITS + 6}\ntopic 1\ntopic 2\ntopic 3\n`,
    );
    await shell(`cd clone; echo draft > d0/draft; git add d0/draft; git stash -q; ${CLEAN}; git stash pop -q
      git reset -q --hard; git gc -q --prune=now; ${CLEAN}`);
    expect(await shell("cd clone; git count-objects -v | grep ^count; ls .git/objects/pack/*.pack | wc -l")).toBe(
      "count: 0\n1\n",
    );
  });

  program("git: clones by hard links and keeps worktrees", target, 60_000, async ({ shell }) => {
    await shell(`${ORIGIN} git clone -q --bare "file://$S/origin" bare.git; git clone -q --local bare.git second`);
    expect(await shell("find second/.git/objects -type f -links 2 -name '*.pack' | wc -l")).toBe("1\n");
    await shell(`cd second; git worktree add -q ../tree -b side; cd ../tree; ${CLEAN}
      echo side > side; git add side; git commit -q -m side; git push -q origin side`);
    expect(await shell("git -C bare.git log -1 --format=%s side; git -C second show side:side")).toBe("side\nside\n");
    await shell('cd second; git worktree remove ../tree; rm -rf "$M/second" "$M/bare.git"; test -z "$(ls -A "$M")"');
  });
}
