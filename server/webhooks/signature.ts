import { createHmac, timingSafeEqual } from 'node:crypto';

/** Standard Webhooks 1.0, the symmetric scheme: HMAC-SHA256 over `id.timestamp.body`, base64, header entries `v1,<base64>`. */
const PREFIX = 'whsec_';

/** Key bytes of a secret `whsec_<base64>`. @throws RangeError when it is none */
export function keyOf(secret: string): Buffer {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  const key = Buffer.from(text, 'base64');
  if (key.length < 16) throw new RangeError('the secret must be base64 of at least 16 bytes');
  return key;
}

export const secretOf = (key: Uint8Array): string => PREFIX + Buffer.from(key).toString('base64');

export const sign = (secret: string, id: string, timestampS: number, body: string | Buffer): string =>
  `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${timestampS}.`).update(body).digest('base64')}`;

export const equalText = (a: string, b: string): boolean => {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
};

/**
 * Which of the secrets signed the message. Every secret and every entry is compared, in constant time, so neither the time nor the answer
 * tells which came close.
 *
 * @returns position of the secret, or undefined
 */
export function slotOf(secrets: readonly string[], id: string, timestamp: string, body: Buffer, header: string): number | undefined {
  const given = header
    .split(' ')
    .filter((entry) => entry.startsWith('v1,'))
    .slice(0, 8);
  let found: number | undefined;
  secrets.forEach((secret, slot) => {
    const expected = `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.`).update(body).digest('base64')}`;
    for (const entry of given) if (equalText(entry, expected)) found ??= slot;
  });
  return found;
}
