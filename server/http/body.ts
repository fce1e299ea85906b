import type { IncomingMessage } from 'node:http';
import type { Config } from '../config.ts';
import { invalid, Problem } from '../problems.ts';

const DRAIN_BYTES = 4_194_304;
/** How deep any incoming JSON may be, and how many keys an object of it may have (realtime R9). */
export type JsonLimits = Pick<Config, 'jsonDepth' | 'jsonKeys'>;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The whole body.
 *
 * @throws Problem PAYLOAD_TOO_LARGE beyond `limit` bytes; VALIDATION when the client stopped in the middle
 */
export async function readBody(req: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = (): Problem => new Problem('PAYLOAD_TOO_LARGE', `the body may have ${limit} bytes`, { limit });
  if (req.headers['content-encoding'] !== undefined && req.headers['content-encoding'] !== 'identity') {
    throw new Problem('UNSUPPORTED_MEDIA_TYPE', 'compressed bodies are not accepted');
  }
  if (Number(req.headers['content-length'] ?? 0) > limit) {
    discard(req);
    throw tooLarge();
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= limit) {
        chunks.push(chunk);
        return;
      }
      req.off('data', onData);
      discard(req);
      reject(tooLarge());
    };
    req.on('data', onData);
    req.on('end', () => resolve(chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks)));
    req.on('error', () => reject(new Problem('VALIDATION', 'the body ended early')));
  });
}

/** Reads on for a while, so that the client sees the answer and not a broken connection. */
function discard(req: IncomingMessage): void {
  let left = DRAIN_BYTES;
  req.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) req.destroy();
  });
  req.on('error', () => undefined);
  req.resume();
}

/**
 * The JSON value of a body; an empty body is `{}`.
 *
 * @throws Problem UNSUPPORTED_MEDIA_TYPE unless JSON in UTF-8; VALIDATION when malformed, too deep or with too many keys
 */
export function parseJson(raw: Buffer, contentType: string | undefined, limits: JsonLimits): unknown {
  if (raw.length === 0) return {};
  if (contentType !== 'application/json' && !isJson(contentType ?? '')) throw new Problem('UNSUPPORTED_MEDIA_TYPE');
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(raw));
  } catch (cause) {
    throw new Problem('VALIDATION', 'the body is not JSON', { issues: [{ path: '', message: 'not JSON in UTF-8' }] }, { cause });
  }
  const fault = jsonFault(value, limits);
  if (fault !== undefined) throw invalid([{ path: '', message: fault }]);
  return value;
}

function isJson(contentType: string): boolean {
  const [media = '', ...params] = contentType.toLowerCase().split(';');
  const charset = params.map((p) => /^\s*charset\s*=\s*"?([^"\s]+)"?\s*$/.exec(p)?.[1]).find((c) => c !== undefined) ?? 'utf-8';
  return /^application\/(?:json|[\w.+-]+\+json)$/.test(media.trim()) && (charset === 'utf-8' || charset === 'utf8');
}

/** Whether text holds what the database cannot store: the character U+0000 or half of a surrogate pair. */
export const unfit = (text: string): boolean => /\0|\p{Surrogate}/u.test(text);
const UNFIT = 'text must not contain the character U+0000 or half of a surrogate pair';

/** What is wrong with the shape of any incoming JSON value (realtime R9), or nothing. */
export function jsonFault(value: unknown, limits: JsonLimits, depth = 0): string | undefined {
  if (typeof value === 'string') return unfit(value) ? UNFIT : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth >= limits.jsonDepth) return `nested deeper than ${limits.jsonDepth}`;
  if (Array.isArray(value)) {
    for (const item of value) {
      const fault = jsonFault(item, limits, depth + 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  const keys = Object.keys(value);
  if (keys.length > limits.jsonKeys) return `more than ${limits.jsonKeys} keys in one object`;
  for (const key of keys) {
    if (key === '__proto__') return 'the key __proto__ is not accepted';
    if (unfit(key)) return UNFIT;
    const fault = jsonFault((value as Record<string, unknown>)[key], limits, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
