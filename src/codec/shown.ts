// Owns: how a value that somebody else gave is shown in the text of an error.
// Invariant: showing never throws, whatever the value's own methods and getters do.

/** Longest text; what is longer ends in "...". */
const LONGEST = 200;

/** A value as it would be written in TypeScript, as far as that is short: strings in quotes, objects with their parts. */
export function shown(value: unknown): string {
  if (typeof value === "number") return String(value);
  const text = described(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
}

function described(value: unknown): string {
  try {
    if (typeof value === "string") return JSON.stringify(value.slice(0, LONGEST + 1));
    if (value instanceof Error) return `${textOf(value, "name") ?? "Error"}: ${textOf(value, "message") ?? ""}`;
    if (typeof value === "object" || typeof value === "function") {
      return Bun.inspect(value, { depth: 1 }).replace(/\s+/g, " ");
    }
    return typeof value === "bigint" ? `${value}n` : String(value);
  } catch {
    return `${typeof value} that cannot be shown`;
  }
}

/** What an error says, in one line; of anything else that was thrown, what it is. */
export function messageOf(thrown: unknown): string {
  return textOf(thrown, "message") ?? shown(thrown);
}

/** A property of an error, where it is a text; its getter may throw, and some give other things. */
export function textOf(thrown: unknown, key: "name" | "message" | "stack" | "code"): string | undefined {
  try {
    const value: unknown = thrown instanceof Error ? (thrown as unknown as Record<string, unknown>)[key] : undefined;
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}
