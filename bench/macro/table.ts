// Plain tables for terminals: aligned columns, text left and numbers right.

/** Headings, a rule and rows as lines; the first `left` columns are aligned left, the others right. */
export function columns(headings: readonly string[], rows: ReadonlyArray<readonly string[]>, left: number): string {
  const lines = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const align = (text: string, column: number) =>
    column < left ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0);
  const text = lines.map((line) => line.map(align).join("  ").trimEnd());
  text.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return text.join("\n");
}
