/** In a page of the server itself: no token, the session cookie, and its renewal. The page's globals are stood in for. */
import test from 'ava';
import { bench, settle } from './bench.ts';

const page = globalThis as unknown as { location?: { origin: string }; fetch: typeof fetch };
page.location = { origin: 'http://server.test' };

const renewals: string[] = [];
let reply: { status: number; body: object } = { status: 200, body: { accessToken: 'fresh' } };
page.fetch = ((path: string, init: { method: string }) => {
  renewals.push(`${init.method} ${path}`);
  return Promise.resolve(new Response(JSON.stringify(reply.body), { status: reply.status }));
}) as unknown as typeof fetch;

test.serial('the cookie speaks for the user, so the handshake carries no token', async (t) => {
  const b = bench();
  b.client.connect();
  await b.hello();
  t.is(b.opened[0]?.token, undefined);
  t.is(b.client.user, 'u1');
});

test.serial(
  'a cookie that ran out during a sleep is renewed by the refresh cookie, once, and the page goes on as the same user',
  async (t) => {
    renewals.length = 0;
    const b = bench();
    const energy = b.client.topic('user:me/energy');
    energy.subscribe(() => undefined);
    await b.hello();
    b.wire.down();
    await b.timers.advance(1_000);
    await b.hello({ user: null });
    await b.timers.advance(0);
    t.deepEqual(renewals, ['POST /v1/auth/refresh']);
    t.is(b.opened.at(-1)?.token, 'fresh');
    await b.hello();
    t.is(b.client.connection.state, 'online');
    t.is(b.client.user, 'u1');
  },
);

test.serial('when the session itself is over, the connection is refused and nothing is shown any more', async (t) => {
  reply = { status: 401, body: { code: 'UNAUTHENTICATED', status: 401, title: 'Credentials are missing or wrong' } };
  const b = bench();
  const energy = b.client.topic('user:me/energy');
  energy.subscribe(() => undefined);
  await b.hello();
  b.wire.bye({ code: 'TOKEN_EXPIRED', retry: true });
  await b.timers.advance(0);
  await settle();
  t.is(b.client.connection.state, 'refused');
  t.is(b.client.connection.code, 'UNAUTHENTICATED');
  t.is(energy.status, 'denied');
});

test.serial('the token that a renewal gives is announced on the open connection', async (t) => {
  reply = { status: 200, body: { accessToken: 'fresh' } };
  const b = bench();
  b.client.connect();
  await b.hello({ exp: b.timers.now() + 900_000 });
  await b.timers.advance(676_000);
  t.is((b.take('auth').payload as { token: string }).token, 'fresh');
});
