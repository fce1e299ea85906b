/** The server as its callers see it: HTTP with tokens, keys and signatures, and the patience of a good client. */
import { Webhook } from 'standardwebhooks';
import { pause } from '../server-process.ts';
import type { Delivery } from './deliveries.ts';

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export interface Person {
  readonly email: string;
  readonly password: string;
}

export interface Wish {
  readonly resourceId: string;
  readonly start: string;
  readonly durationMin: number;
}

const PATIENCE_MS = 60_000;
const LOGIN_MS = 300_000;

export interface Api {
  readonly url: string;
  /** An access token; one login serves for five minutes. */
  token(person: Person): Promise<string>;
  /** One request. @throws when the server cannot be reached */
  send(method: string, path: string, o?: { token?: string; key?: string; body?: unknown }): Promise<Answer>;
  /** The same, repeated with the same key until the server has answered for good. */
  insist(method: string, path: string, o: { token: () => Promise<string>; key: string; body: unknown }): Promise<Answer>;
  /** One delivery of the wearables' provider, signed now; repeated until it is accepted. Says whether it was known already. */
  deliver(delivery: Delivery, account: string): Promise<'fresh' | 'duplicate'>;
}

export function createApi(url: string, secret: string): Api {
  const webhook = new Webhook(secret);
  const logins = new Map<string, { readonly until: number; readonly token: Promise<string> }>();

  async function request(method: string, path: string, headers: Record<string, string>, body: string | undefined): Promise<Answer> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(15_000),
    });
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : { text } };
  }

  const send: Api['send'] = (method, path, { token, key, body } = {}) =>
    request(
      method,
      path,
      {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      body === undefined ? undefined : JSON.stringify(body),
    );

  /** Repeats while the server is away or asks for it. */
  async function patiently(what: string, attempt: () => Promise<Answer>): Promise<Answer> {
    const end = performance.now() + PATIENCE_MS;
    let last = '';
    while (performance.now() < end) {
      try {
        const answer = await attempt();
        if (answer.status < 500 && answer.status !== 429) return answer;
        last = `${answer.status} ${JSON.stringify(answer.body)}`;
      } catch (error) {
        last = String(error);
      }
      await pause(100);
    }
    throw new Error(`${what} was not answered for a minute: ${last}`);
  }

  return {
    url,
    send,
    token({ email, password }) {
      const known = logins.get(email);
      if (known !== undefined && known.until > performance.now()) return known.token;
      const token = (async () => {
        const { status, body } = await patiently(`login of ${email}`, () => send('POST', '/v1/auth/login', { body: { email, password } }));
        if (status !== 200) throw new Error(`login of ${email}: ${status} ${JSON.stringify(body)}`);
        return String(body['accessToken']);
      })();
      logins.set(email, { until: performance.now() + LOGIN_MS, token });
      return token;
    },
    insist: (method, path, { token, key, body }) =>
      patiently(`${method} ${path}`, async () => send(method, path, { token: await token(), key, body })),
    async deliver({ id, records }, account) {
      const body = JSON.stringify({ version: 1, user: account, source: { name: 'Story Ring', type: 'ring', brand: 'story' }, records });
      const { status, body: said } = await patiently(`delivery ${id}`, () => {
        const at = new Date();
        const headers = {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
          'webhook-signature': webhook.sign(id, at, body),
        };
        return request('POST', '/v1/webhooks/standard', headers, body);
      });
      if (status !== 200) throw new Error(`delivery ${id}: ${status} ${JSON.stringify(said)}`);
      return said['duplicate'] === true ? 'duplicate' : 'fresh';
    },
  };
}
