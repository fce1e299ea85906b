/** UUIDs by name, without a library: statecharts need them, and they may use neither `node:crypto` nor anything asynchronous. */

/** Name space for URLs (RFC 9562, 6.6). */
export const URL_NAMESPACE = '6ba7b811-9dad-11d1-80b4-00c04fd430c8';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/**
 * UUID version 5: the same name space and name give the same id for ever.
 *
 * @see RFC 9562, 5.5
 */
export function uuid5(namespace: string, name: string): string {
  const hash = sha1([...bytesOf(namespace), ...new TextEncoder().encode(name)]).slice(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  return format(hash);
}

/** 22 characters of base64url for a UUID, as used for keys inside states. */
export function shortId(uuid: string): string {
  const bytes = [...bytesOf(uuid), 0, 0];
  let out = '';
  for (let i = 0; i < 18; i += 3) {
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    for (const shift of [18, 12, 6, 0]) out += ALPHABET[(word >> shift) & 63];
  }
  return out.slice(0, 22);
}

/** Inverse of {@link shortId}. */
export function longId(short: string): string {
  const bytes: number[] = [];
  for (let i = 0; i < 24; i += 4) {
    const word = [0, 1, 2, 3].reduce((w, k) => (w << 6) | Math.max(0, ALPHABET.indexOf(short[i + k] ?? 'A')), 0);
    bytes.push((word >> 16) & 255, (word >> 8) & 255, word & 255);
  }
  return format(bytes.slice(0, 16));
}

function bytesOf(uuid: string): number[] {
  const hex = uuid.replaceAll('-', '');
  return Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16));
}

function format(bytes: readonly number[]): string {
  const hex = bytes.map((b) => b.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** 20 bytes. Not for secrets. @see FIPS 180-4, 6.1 */
function sha1(message: readonly number[]): number[] {
  const length = message.length;
  const padded = [...message, 0x80];
  while (padded.length % 64 !== 56) padded.push(0);
  for (let i = 7; i >= 0; i -= 1) padded.push(Math.floor((length * 8) / 2 ** (8 * i)) & 255);

  let h: [number, number, number, number, number] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  const w = new Uint32Array(80);
  const word = (i: number): number => w[i] ?? 0;
  for (let block = 0; block < padded.length; block += 64) {
    for (let i = 0; i < 16; i += 1) {
      w[i] = [0, 1, 2, 3].reduce((v, k) => (v << 8) | (padded[block + i * 4 + k] ?? 0), 0);
    }
    for (let i = 16; i < 80; i += 1) w[i] = left(word(i - 3) ^ word(i - 8) ^ word(i - 14) ^ word(i - 16), 1);
    let [a, b, c, d, e] = h;
    for (let i = 0; i < 80; i += 1) {
      const [f, k] = round(i, b, c, d);
      [a, b, c, d, e] = [(left(a, 5) + f + e + k + word(i)) | 0, a, left(b, 30), c, d];
    }
    h = [(h[0] + a) | 0, (h[1] + b) | 0, (h[2] + c) | 0, (h[3] + d) | 0, (h[4] + e) | 0];
  }
  return h.flatMap((x) => [24, 16, 8, 0].map((shift) => (x >>> shift) & 255));
}

const left = (x: number, n: number): number => (x << n) | (x >>> (32 - n));

function round(i: number, b: number, c: number, d: number): [f: number, k: number] {
  if (i < 20) return [(b & c) | (~b & d), 0x5a827999];
  if (i < 40) return [b ^ c ^ d, 0x6ed9eba1];
  if (i < 60) return [(b & c) | (b & d) | (c & d), 0x8f1bbcdc];
  return [b ^ c ^ d, 0xca62c1d6];
}
