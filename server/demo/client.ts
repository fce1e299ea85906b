/** The demo speaks to the server as everybody does: over HTTP, signed in, with idempotency keys. */
import type { Clock } from '../../actors/types.ts';
import type { DemoPerson } from './people.ts';

export class DemoError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(method: string, path: string, status: number, code: string) {
    super(`${method} ${path} was answered ${status} ${code}`);
    this.name = 'DemoError';
    this.status = status;
    this.code = code;
  }
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  /** bytes as they are, with their own headers (webhooks) */
  readonly raw?: { readonly body: string; readonly headers: { readonly [name: string]: string } };
  readonly key?: string;
  readonly redirect?: 'follow' | 'manual';
}

export interface DemoClient {
  /** Answer as JSON. @throws DemoError for every status from 400 on */
  call(path: string, o?: Call): Promise<{ readonly status: number; readonly body: unknown; readonly location: string | undefined }>;
  /** The same server, signed in; the login is repeated before its token expires. */
  as(person: Pick<DemoPerson, 'email' | 'password'>): DemoClient;
}

const RENEW_BEFORE = 60_000;

export function createDemoClient(o: { readonly url: string; readonly clock: Clock; readonly signal: AbortSignal }): DemoClient {
  const send = async (path: string, call: Call, token: string | undefined): ReturnType<DemoClient['call']> => {
    const { method = call.body === undefined && call.raw === undefined ? 'GET' : 'POST' } = call;
    const response = await fetch(new URL(path, o.url), {
      method,
      redirect: call.redirect ?? 'follow',
      signal: o.signal,
      headers: {
        ...(call.raw?.headers ?? (call.body === undefined ? {} : { 'content-type': 'application/json' })),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(call.key === undefined ? {} : { 'idempotency-key': call.key }),
      },
      ...(call.raw !== undefined ? { body: call.raw.body } : call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
    const text = await response.text();
    const body: unknown = text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text;
    if (response.status >= 400) throw new DemoError(method, path, response.status, codeOf(body));
    return { status: response.status, body, location: response.headers.get('location') ?? undefined };
  };
  return {
    call: (path, call = {}) => send(path, call, undefined),
    as({ email, password }) {
      let session: Promise<{ token: string; until: number }> | undefined;
      const login = async (): Promise<{ token: string; until: number }> => {
        const { body } = await send('/v1/auth/login', { body: { email, password } }, undefined);
        const { accessToken, expiresIn } = body as { accessToken: string; expiresIn: number };
        return { token: accessToken, until: o.clock.wall() + expiresIn * 1_000 - RENEW_BEFORE };
      };
      const token = async (): Promise<string> => {
        if (session !== undefined && (await session).until < o.clock.wall()) session = undefined;
        session ??= login();
        try {
          return (await session).token;
        } catch (error) {
          session = undefined;
          throw error;
        }
      };
      const own: DemoClient = {
        call: async (path, call = {}) => send(path, call, await token()),
        as: (person) => createDemoClient(o).as(person),
      };
      return own;
    },
  };
}

const codeOf = (body: unknown): string =>
  typeof body === 'object' && body !== null && 'code' in body && typeof body.code === 'string' ? body.code : '';
