import { components } from './model.ts';
import type { Component } from './model.ts';

/** What a published score looked like: its points by component, which add up to it. */
export interface Published {
  readonly score: number;
  readonly points: { readonly [c in Component]?: number };
}

export interface Change {
  /** difference of the scores; the parts add up to it */
  readonly score: number;
  readonly parts: { readonly [c in Component]?: { readonly points: number; readonly reweighted?: true } };
}

/** What moved the score since the previous published day. A component that appears or disappears counts with its full points, `reweighted`. */
export function changeOf(now: Published, before: Published): Change {
  const parts: { [c in Component]?: { points: number; reweighted?: true } } = {};
  for (const c of components) {
    const a = now.points[c];
    const b = before.points[c];
    if (a === undefined && b === undefined) continue;
    const points = (a ?? 0) - (b ?? 0);
    parts[c] = a === undefined || b === undefined ? { points, reweighted: true } : { points };
  }
  return { score: now.score - before.score, parts };
}
