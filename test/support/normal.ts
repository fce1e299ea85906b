import { sfc32 } from '../../calc/prng.ts';

/** Standard normal numbers by the polar method, reproducible from the seed. */
export function normals(seed: number): () => number {
  const uniform = sfc32([seed, 0x9e3779b9, 0x243f6a88, 1]);
  for (let i = 0; i < 15; i += 1) uniform();
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const z = spare;
      spare = undefined;
      return z;
    }
    for (;;) {
      const u = 2 * uniform() - 1;
      const v = 2 * uniform() - 1;
      const s = u * u + v * v;
      if (s > 0 && s < 1) {
        const r = Math.sqrt((-2 * Math.log(s)) / s);
        spare = v * r;
        return u * r;
      }
    }
  };
}
