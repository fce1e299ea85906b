/** State of {@link sfc32}: three words of state and a counter, each an unsigned 32-bit integer. */
export type Sfc32 = readonly [a: number, b: number, c: number, counter: number];

/**
 * Small fast counting generator, 32-bit variant: 128 bits of state, period at least 2^32, passes PractRand.
 * The one pseudo-random generator of the project; everything that must be reproducible draws from it.
 *
 * @param seed four 32-bit words; equal seeds give equal streams
 * @returns a function that gives the next number in [0, 1), a multiple of 2^-32
 * @see Doty-Humphrey, PractRand (sfc32)
 */
export function sfc32(seed: Sfc32): () => number {
  let [a, b, c, counter] = seed;
  return () => {
    a |= 0;
    b |= 0;
    c |= 0;
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 4294967296;
  };
}

/**
 * Seed words from the first 16 bytes of a digest, with the first draws thrown away so that similar seeds part.
 *
 * @param hex at least 32 hexadecimal digits (dashes are ignored), such as a SHA-256 digest or a UUID
 * @param stream number of the stream; different streams of one digest are independent
 */
export function seeded(hex: string, stream = 0): () => number {
  const digits = hex.replaceAll('-', '');
  const word = (i: number): number => Number.parseInt(digits.slice(i * 8, i * 8 + 8), 16) >>> 0;
  const next = sfc32([word(0), word(1), (word(2) ^ stream) >>> 0, (word(3) + Math.floor(stream / 4294967296)) >>> 0]);
  for (let i = 0; i < 12; i += 1) next();
  return next;
}
