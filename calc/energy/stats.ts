/** Mean of at least one finite number. */
export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('mean: no values');
  let sum = 0;
  for (const v of values) sum += v;
  return sum / values.length;
}

/** Standard deviation of a sample (n - 1); needs two values. */
export function sampleSd(values: readonly number[]): number {
  if (values.length < 2) throw new RangeError('sampleSd: fewer than two values');
  const m = mean(values);
  let sum = 0;
  for (const v of values) sum += (v - m) ** 2;
  return Math.sqrt(sum / (values.length - 1));
}

export const clamp01 = (x: number): number => Math.min(1, Math.max(0, x));

/** Rounds half away from zero to `digits` decimals. */
export function roundTo(x: number, digits: number): number {
  const f = 10 ** digits;
  const scaled = Math.abs(x) * f;
  return (Math.sign(x) * Math.round(scaled + Number.EPSILON * scaled)) / f || 0;
}
