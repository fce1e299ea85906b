import { finite } from '../stats/finite.ts';
import type { StreamDetector } from './stream.ts';

export interface FlatState {
  readonly last: number | null;
  readonly run: number;
}

/** A sensor that repeats one value: score = equal values in a row / `flatAfter`, at most 1. */
export const flat: StreamDetector<{ readonly flatAfter: number }, FlatState, { readonly run: number }> = {
  init: () => ({ last: null, run: 0 }),
  step(s, x, _t, cfg) {
    const run = finite('flat', x) === s.last ? s.run + 1 : 0;
    return { state: { last: x, run }, score: Math.min(1, run / cfg.flatAfter), parts: { run } };
  },
};
