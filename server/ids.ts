import { randomFillSync } from 'node:crypto';

export type NewId = () => string;

/**
 * A source of UUID version 7 (RFC 9562): 48 bits of epoch ms, then random bits. Ids of one source never go back in order of time by more
 * than the clock does.
 *
 * @param wall    epoch ms
 * @param random  fills bytes with chance
 */
export function newIds(wall: () => number, random: (bytes: Uint8Array) => void = randomFillSync): NewId {
  const pool = Buffer.alloc(16 * 128);
  let used = pool.length;
  return () => {
    if (used === pool.length) {
      random(pool);
      used = 0;
    }
    const b = pool.subarray(used, used + 16);
    used += 16;
    b.writeUIntBE(wall(), 0, 6);
    b[6] = 0x70 | ((b[6] ?? 0) & 0x0f);
    b[8] = 0x80 | ((b[8] ?? 0) & 0x3f);
    const hex = b.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}
