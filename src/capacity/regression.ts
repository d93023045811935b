/** Ordinary least squares with confidence intervals, for service times measured at several rates. */

export interface Coefficient {
  readonly value: number;
  /** Half of the width of the 95 % confidence interval; infinite when no observation is left to tell it by. */
  readonly halfWidth: number;
}

/**
 * y ≈ Σ coefficientᵢ·xᵢ, without a constant of its own: give a column of ones for that. Solved by the normal equations
 * (Gauss–Jordan with pivoting); the interval is t(0.975, n − p)·√(σ²·(XᵀX)⁻¹ᵢᵢ). Null when the columns do not tell the
 * coefficients apart, or there are fewer rows than columns.
 */
export function leastSquares(
  rows: readonly (readonly number[])[],
  y: readonly number[],
): readonly Coefficient[] | null {
  const columns = rows[0]?.length ?? 0;
  if (columns === 0 || rows.length < columns) return null;
  const scale = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => Math.abs(row[i] ?? 0))));
  if (scale.some((largest) => largest === 0)) return null;
  const x = rows.map((row) => row.map((value, i) => value / (scale[i] as number)));
  const dot = (a: (row: number) => number, b: (row: number) => number) =>
    x.reduce((sum, _, row) => sum + a(row) * b(row), 0);
  const at = (i: number) => (row: number) => x[row]?.[i] ?? 0;
  const normal = Array.from({ length: columns }, (_, i) =>
    Array.from({ length: columns }, (_, j) => dot(at(i), at(j))),
  );
  const inverse = inverted(normal);
  if (inverse === null) return null;
  const right = Array.from({ length: columns }, (_, i) => dot(at(i), (row) => y[row] ?? 0));
  const scaled = inverse.map((line) => line.reduce((sum, value, j) => sum + value * (right[j] ?? 0), 0));
  const residual = x.reduce((sum, row, k) => {
    const fitted = row.reduce((total, value, i) => total + value * (scaled[i] ?? 0), 0);
    return sum + ((y[k] ?? 0) - fitted) ** 2;
  }, 0);
  const freedom = rows.length - columns;
  const variance = freedom > 0 ? residual / freedom : Number.POSITIVE_INFINITY;
  return scaled.map((value, i) => ({
    value: value / (scale[i] as number),
    halfWidth:
      freedom > 0
        ? (studentT975(freedom) * Math.sqrt(variance * Math.max(0, inverse[i]?.[i] ?? 0))) / (scale[i] as number)
        : Number.POSITIVE_INFINITY,
  }));
}

/** Below it, two columns are as good as the same. */
const smallestPivot = 1e-9;

function inverted(matrix: readonly (readonly number[])[]): readonly (readonly number[])[] | null {
  const size = matrix.length;
  const work = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column; row < size; row++) {
      if (Math.abs(work[row]?.[column] ?? 0) > Math.abs(work[pivot]?.[column] ?? 0)) pivot = row;
    }
    const found = work[pivot] as number[];
    const divisor = found[column] ?? 0;
    if (Math.abs(divisor) < smallestPivot) return null;
    work[pivot] = work[column] as number[];
    work[column] = found.map((value) => value / divisor);
    for (let row = 0; row < size; row++) {
      const factor = work[row]?.[column] ?? 0;
      if (row === column || factor === 0) continue;
      work[row] = (work[row] as number[]).map((value, k) => value - factor * (work[column]?.[k] ?? 0));
    }
  }
  return work.map((row) => row.slice(size));
}

/** Student's t at 0.975: from the table up to 10, then by Cornish and Fisher's expansion about the normal quantile. */
export function studentT975(freedom: number): number {
  const table = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
  const known = table[freedom - 1];
  if (known !== undefined) return known;
  const z = 1.959964;
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
}
