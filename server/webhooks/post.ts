import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { isPrivateAddress, PrivateAddressError, publicLookup } from './target.ts';

export interface Posted {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** first 1,024 bytes */
  readonly head: string;
}

const HEAD = 1_024;

/**
 * One POST, no redirects, no connection kept.
 *
 * @throws PrivateAddressError, or the error of the connection
 */
export function post(o: {
  url: string;
  headers: { readonly [name: string]: string };
  body: string | Buffer;
  timeoutMs: number;
  allowPrivate: boolean;
  signal: AbortSignal;
}): Promise<Posted> {
  const url = new URL(o.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // a literal address is never looked up
  if (!o.allowPrivate && isIP(host) !== 0 && isPrivateAddress(host)) {
    return Promise.reject(new PrivateAddressError('the target is not a public address'));
  }
  return new Promise((resolve, reject) => {
    const req = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      headers: { ...o.headers, 'content-length': String(Buffer.byteLength(o.body)) },
      agent: false,
      signal: AbortSignal.any([o.signal, AbortSignal.timeout(o.timeoutMs)]),
      ...(o.allowPrivate ? {} : { lookup: publicLookup }),
    });
    req.on('error', reject);
    req.on('response', (res) => {
      const parts: Buffer[] = [];
      let size = 0;
      const done = (): void => {
        const after = res.headers['retry-after'];
        resolve({ status: res.statusCode ?? 0, retryAfter: after, head: Buffer.concat(parts).subarray(0, HEAD).toString('utf8') });
      };
      res.on('data', (part: Buffer) => {
        size += part.length;
        parts.push(part);
        if (size <= HEAD) return;
        done();
        res.destroy();
      });
      res.on('end', done);
      res.on('error', reject);
    });
    req.end(o.body);
  });
}
