// Owns: mounting on one path one after the other: what was mounted is known by what lies on top there right afterwards.

const turns = new Map<string, Promise<unknown>>();

/** Calls `run` when whoever mounts on the same path has done so; settles as that does. */
export async function inTurn<Value>(path: string, run: () => Promise<Value>): Promise<Value> {
  const before = turns.get(path);
  const turn = (before ?? Promise.resolve()).then(run, run);
  turns.set(path, turn);
  try {
    return await turn;
  } finally {
    if (turns.get(path) === turn) turns.delete(path);
  }
}
