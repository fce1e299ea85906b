export const clamp01 = (x: number): number => Math.min(1, Math.max(0, x));

/** Rounds half away from zero to `digits` decimals. */
export function roundTo(x: number, digits: number): number {
  const f = 10 ** digits;
  const scaled = Math.abs(x) * f;
  return (Math.sign(x) * Math.round(scaled + Number.EPSILON * scaled)) / f || 0;
}
