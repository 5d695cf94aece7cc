// The Mann-Whitney test: whether two small samples could be of one distribution. Pure functions over plain numbers.

/**
 * Probability of a difference in ranks at least as large as that of the two samples, were they of one distribution; two
 * sided. Exact up to 20 values a side when no values are equal, else by the normal approximation. 1 when one is empty.
 */
export function rankTest(left: readonly number[], right: readonly number[]): number {
  const [n, m] = [left.length, right.length];
  if (n === 0 || m === 0) return 1;
  const all = [...left, ...right];
  let wins = 0;
  for (const a of left) for (const b of right) wins += a > b ? 1 : a === b ? 0.5 : 0;
  const tied = new Set(all).size < all.length;
  if (!tied && n <= 20 && m <= 20) return exact(wins, n, m);
  return normal(wins, n, m, all);
}

// counts[i][u] is the number of orders of i left and j right values in which u pairs are won, for j growing to m.
function exact(wins: number, n: number, m: number): number {
  let rows = Array.from({ length: n + 1 }, () => [1]);
  for (let j = 1; j <= m; j++) {
    const next: number[][] = [[1]];
    for (let i = 1; i <= n; i++) {
      const lastLeft = next[i - 1] ?? [];
      const lastRight = rows[i] ?? [];
      next[i] = Array.from({ length: i * j + 1 }, (_, u) => (lastLeft[u - j] ?? 0) + (lastRight[u] ?? 0));
    }
    rows = next;
  }
  const counts = rows[n] ?? [];
  const total = counts.reduce((sum, count) => sum + count, 0);
  const extreme = Math.min(wins, n * m - wins);
  const tail = counts.slice(0, extreme + 1).reduce((sum, count) => sum + count, 0);
  return Math.min(1, (2 * tail) / total);
}

function normal(wins: number, n: number, m: number, all: readonly number[]): number {
  const groups = new Map<number, number>();
  for (const value of all) groups.set(value, (groups.get(value) ?? 0) + 1);
  const size = n + m;
  const ties = [...groups.values()].reduce((sum, count) => sum + count ** 3 - count, 0);
  const variance = ((n * m) / 12) * (size + 1 - ties / (size * (size - 1)));
  if (!(variance > 0)) return 1;
  const distance = Math.max(0, Math.abs(wins - (n * m) / 2) - 0.5);
  return Math.min(1, 2 * upperTail(distance / Math.sqrt(variance)));
}

/** Probability that a standard normal value exceeds `z` >= 0; within 1e-7. Source: Abramowitz and Stegun 26.2.17. */
function upperTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const powers = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
  const series = powers.reduce((sum, factor, index) => sum + factor * t ** (index + 1), 0);
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series;
}
