import { randomBytes } from 'node:crypto';

export type NewId = () => string;

/**
 * A source of UUID version 7 (RFC 9562): 48 bits of epoch ms, then random bits. Ids of one source never go back in order of time by more
 * than the clock does.
 *
 * @param wall    epoch ms
 * @param random  n random bytes
 */
export function newIds(wall: () => number, random: (n: number) => Uint8Array = randomBytes): NewId {
  return () => {
    const b = Buffer.from(random(16));
    b.writeUIntBE(wall(), 0, 6);
    b[6] = 0x70 | ((b[6] ?? 0) & 0x0f);
    b[8] = 0x80 | ((b[8] ?? 0) & 0x3f);
    const hex = b.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}
