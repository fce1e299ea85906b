import { ThrumError } from '@thrum/client';
import type { Problem } from '@thrum/client';

let renewing: Promise<boolean> | undefined;

const send = (method: string, path: string, body: unknown, key: string | undefined): Promise<Response> =>
  fetch(path, {
    method,
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });

/** Renews the session cookie by its refresh cookie; callers that come together share one request. */
export function renew(): Promise<boolean> {
  renewing ??= send('POST', '/v1/auth/refresh', {}, undefined)
    .then((r) => r.ok)
    .finally(() => {
      renewing = undefined;
    });
  return renewing;
}

/**
 * One request to the REST API of this origin. An expired session is renewed once.
 *
 * @throws ThrumError with the problem document of the server, or `OFFLINE`
 */
export async function api<T>(method: string, path: string, body?: unknown, key?: string): Promise<T> {
  let reply: Response;
  try {
    reply = await send(method, path, body, key);
    if (reply.status === 401 && !path.startsWith('/v1/auth/') && (await renew())) reply = await send(method, path, body, key);
  } catch {
    throw new ThrumError({ code: 'OFFLINE', title: 'The server cannot be reached', retryable: true });
  }
  const text = await reply.text();
  const isJson = (reply.headers.get('content-type') ?? '').includes('json');
  const value: unknown = isJson && text !== '' ? JSON.parse(text) : undefined;
  if (!reply.ok)
    throw new ThrumError((value as Problem | undefined) ?? { code: `HTTP_${reply.status}`, status: reply.status, title: reply.statusText });
  return value as T;
}
