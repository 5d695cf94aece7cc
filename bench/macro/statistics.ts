// Statistics of the macro benchmark: pure functions over plain numbers.
// It knows nothing of peers, files or formats. Empty input gives undefined, never NaN.

/** Median, smallest and largest of some values, in the unit of the values. */
export type Spread = { median: number; min: number; max: number };

/** The middle value, or the mean of the two middle values; undefined when there are none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  if (upper === undefined || sorted.length % 2 === 1) return upper;
  const lower = sorted[(sorted.length >> 1) - 1];
  return lower === undefined ? upper : (lower + upper) / 2;
}

/** Median with the smallest and the largest value; undefined when there are none. */
export function spread(values: readonly number[]): Spread | undefined {
  const middle = median(values);
  if (middle === undefined) return undefined;
  return { median: middle, min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Ratios of two series measured in the same rounds, as a spread.
 * Each ratio pairs values of one round, so that what disturbed the whole round cancels; a round that one side lacks,
 * or in which the baseline is 0, does not count.
 */
export function pairedRatio(
  series: ReadonlyMap<number, number>,
  baseline: ReadonlyMap<number, number>,
): Spread | undefined {
  const ratios: number[] = [];
  for (const [round, value] of series) {
    const base = baseline.get(round);
    if (base !== undefined && base > 0) ratios.push(value / base);
  }
  return spread(ratios);
}

/** The list turned left by `by` places: the order of peers in round `by`, so that none is always measured first. */
export function rotate<T>(list: readonly T[], by: number): T[] {
  const cut = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(cut), ...list.slice(0, cut)];
}
