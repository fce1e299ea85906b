/**
 * Root of an increasing function in [lo, hi] by Newton steps, replaced by bisection whenever they leave the bracket or shrink it too slowly.
 *
 * @param f     increasing, f(lo) <= 0 <= f(hi)
 * @param slope its derivative
 * @returns x with |Δx| < 1e-13 relative, or after 200 steps
 */
export function invert(f: (x: number) => number, slope: (x: number) => number, lo: number, hi: number, start: number): number {
  let low = lo;
  let high = hi;
  let x = start > lo && start < hi ? start : (lo + hi) / 2;
  for (let i = 0; i < 200; i += 1) {
    const y = f(x);
    if (y === 0) return x;
    if (y < 0) low = x;
    else high = x;
    const newton = x - y / slope(x);
    const next = newton > low && newton < high && i % 8 !== 7 ? newton : (low + high) / 2;
    if (Math.abs(next - x) <= 1e-13 * Math.abs(next)) return next;
    x = next;
  }
  return x;
}
