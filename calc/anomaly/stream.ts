/**
 * A detector that sees one point at a time in constant time and space. Pure: `state` is a plain JSON-safe object of bounded size, and the score
 * of a point is computed with the state before it, so that a point never dilutes its own score.
 */
export interface StreamDetector<C, S, P> {
  init(cfg: C): S;
  /**
   * @param x finite value
   * @param t start of the bucket, epoch ms
   * @returns `score` in [0, 1]
   */
  step(s: S, x: number, t: number, cfg: C): { readonly state: S; readonly score: number; readonly parts: P };
}
