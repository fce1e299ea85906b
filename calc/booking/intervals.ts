/** Half-open `[start, end)`; any unit. */
export type Interval = readonly [start: number, end: number];

/** Back to back is no overlap. */
export const overlaps = (a: Interval, b: Interval): boolean => a[0] < b[1] && b[0] < a[1];

export const lengthOf = (list: readonly Interval[]): number => list.reduce((sum, [s, e]) => sum + e - s, 0);

/** Merged form: ascending, disjoint, not touching. O(n log n) */
export function union(list: readonly Interval[]): Interval[] {
  const out: Interval[] = [];
  for (const [s, e] of [...list].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last !== undefined && s <= last[1]) out[out.length - 1] = [last[0], Math.max(last[1], e)];
    else out.push([s, e]);
  }
  return out;
}

/** Whether one interval of a merged list holds all of `x`. O(n) */
export const covers = (merged: readonly Interval[], x: Interval): boolean => merged.some(([s, e]) => s <= x[0] && x[1] <= e);

/** `a` without `b`, both merged. O(n + m) */
export function subtract(a: readonly Interval[], b: readonly Interval[]): Interval[] {
  const out: Interval[] = [];
  let i = 0;
  for (const [s, e] of a) {
    let from = s;
    while (i < b.length && at(b, i)[1] <= from) i += 1;
    for (let k = i; k < b.length && at(b, k)[0] < e; k += 1) {
      const [bs, be] = at(b, k);
      if (bs > from) out.push([from, bs]);
      from = Math.max(from, be);
    }
    if (from < e) out.push([from, e]);
  }
  return out;
}

/** What two merged lists have in common. O(n + m) */
export function intersect(a: readonly Interval[], b: readonly Interval[]): Interval[] {
  const out: Interval[] = [];
  for (let i = 0, k = 0; i < a.length && k < b.length;) {
    const [s, e] = [Math.max(at(a, i)[0], at(b, k)[0]), Math.min(at(a, i)[1], at(b, k)[1])];
    if (s < e) out.push([s, e]);
    if (at(a, i)[1] < at(b, k)[1]) i += 1;
    else k += 1;
  }
  return out;
}

/** A level that holds from `t` until the next breakpoint. */
export type Breakpoint = readonly [t: number, used: number];

/** Step function of the sum of weights; at equal times releases come before takes. O(n log n) */
export function levels(list: readonly (readonly [start: number, end: number, weight: number])[]): Breakpoint[] {
  const deltas: [number, number][] = [];
  for (const [s, e, w] of list) deltas.push([s, w], [e, -w]);
  deltas.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const out: Breakpoint[] = [];
  let used = 0;
  for (const [t, delta] of deltas) {
    used += delta;
    const last = out.at(-1);
    if (last !== undefined && last[0] === t) out[out.length - 1] = [t, used];
    else out.push([t, used]);
  }
  return out;
}

/** Greatest level in `[start, end)`. O(n) */
export function peak(steps: readonly Breakpoint[], [start, end]: Interval): number {
  let before = 0;
  let max = 0;
  for (const [t, used] of steps) {
    if (t <= start) before = used;
    else if (t < end) max = Math.max(max, used);
    else break;
  }
  return Math.max(before, max);
}

function at(list: readonly Interval[], i: number): Interval {
  const x = list[i];
  if (x === undefined) throw new RangeError(`no interval ${i}`);
  return x;
}
