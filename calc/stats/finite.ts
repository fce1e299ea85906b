/** A RangeError for input that would silently poison every later result. */
export class NonFiniteError extends RangeError {
  readonly code = 'NON_FINITE';
  readonly index: number;

  constructor(name: string, value: unknown, index: number) {
    super(`${name}: element ${index} must be a finite number, got ${String(value)}`);
    this.name = 'NonFiniteError';
    this.index = index;
  }
}

/** @throws NonFiniteError when `x` is NaN or infinite */
export function finite(name: string, x: number, index = 0): number {
  if (!Number.isFinite(x)) throw new NonFiniteError(name, x, index);
  return x;
}

/** @throws NonFiniteError naming the first element that is NaN or infinite */
export function allFinite(name: string, xs: readonly number[]): readonly number[] {
  for (let i = 0; i < xs.length; i += 1) finite(name, xs[i] ?? Number.NaN, i);
  return xs;
}

export const clamp = (x: number, lo: number, hi: number): number => Math.min(hi, Math.max(lo, x));
