const units = { h: 3_600_000, d: 86_400_000 } as const;

/** ms of a span such as `'36h'` or `'30d'`; undefined when the text is none. */
export function durationMs(text: string): number | undefined {
  const [, n, unit] = /^([1-9]\d{0,5})([hd])$/.exec(text) ?? [];
  return n === undefined ? undefined : Number(n) * units[unit as 'h' | 'd'];
}
