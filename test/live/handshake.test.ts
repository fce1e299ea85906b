import anyTest from 'ava';
import type { TestFn } from 'ava';
import { request } from 'node:http';
import { createTokens } from '../../server/identity/tokens.ts';
import { FakeClock } from '../support/clock.ts';
import { until } from '../support/until.ts';
import type { World } from '../support/world.ts';
import { liveWorld } from './setup.ts';
import type { Refusal, Slice } from './setup.ts';

const test = anyTest as TestFn<{ w: World; clock: FakeClock }>;

test.before(async (t) => {
  const clock = new FakeClock(Date.now());
  t.context = { clock, w: await liveWorld({ clock }) };
});
test.after.always((t) => t.context.w.close());

const refusedWith = async (connecting: Promise<unknown>): Promise<{ code: string; retryable: boolean; type: string }> => {
  try {
    await connecting;
  } catch (error) {
    return (error as { data: { code: string; retryable: boolean; type: string } }).data;
  }
  throw new Error('the connection was accepted');
};

/** The answer to an upgrade, which socket.io-client does not show. */
const upgrade = (w: World, headers: Record<string, string>): Promise<{ status: number; body: string; retryAfter: string | undefined }> =>
  new Promise((resolve, reject) => {
    const req = request(`${w.url}/socket.io/?EIO=4&transport=websocket`, {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        ...headers,
      },
    });
    req.on('response', (res) => {
      let body = '';
      res.on('data', (chunk: Buffer) => (body += chunk.toString()));
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body, retryAfter: res.headers['retry-after'] }));
    });
    req.on('upgrade', (_res, socket) => {
      socket.destroy();
      resolve({ status: 101, body: '', retryAfter: undefined });
    });
    req.on('error', reject);
    req.end();
  });

test.serial('hello comes first, with user, expiry and limits (1)', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  const { hello } = await w.live({ token: p.token });
  t.is(hello['event'], 'hello');
  t.is(hello['user'], p.id);
  t.is(hello['proto'], 1);
  t.true((hello['exp'] as number) > (hello['now'] as number));
  t.deepEqual(hello['limits'], { topics: 256, cmdPerSec: 20, bytes: 65_536 });
});

test.serial('without credentials only public topics are open (2)', async (t) => {
  const { w } = t.context;
  const nobody = await w.live();
  t.is(nobody.hello['user'], null);
  const { l } = await nobody.send<{ l: [Refusal, Slice, Refusal] }>('sub', {
    l: [{ t: 'user:1/mood' }, { t: 'system/status' }, { t: 'user:me/mood' }],
  });
  t.is(l[0].error.code, 'UNAUTHENTICATED');
  t.is(l[1].m, 'snap');
  t.is((l[1].d as { status: string }).status, 'ok');
  t.is(l[2].error.code, 'UNAUTHENTICATED');
});

test.serial('an expired token is refused as such, and a forged one is not a token (3)', async (t) => {
  const { w, clock } = t.context;
  const p = await w.person();
  const past = await createTokens({
    secrets: w.secrets,
    issuer: 'http://localhost:3000',
    ttlS: 60,
    clock: new FakeClock(clock.wall() - 3_600_000),
    newId: () => 'j',
  });
  const old = await past.sign({ userId: p.id, sid: 's', roles: ['user'], plan: 'free' });
  const expired = await refusedWith(w.live({ token: old.token }));
  t.is(expired.code, 'TOKEN_EXPIRED');
  t.true(expired.retryable);
  t.is(expired.type, 'urn:thrum:error:TOKEN_EXPIRED');
  const forged = await refusedWith(w.live({ token: `${p.token.slice(0, -8)}AAAAAAAA` }));
  t.is(forged.code, 'UNAUTHENTICATED');
  const other = await refusedWith(w.live({ token: p.token, proto: 2 }));
  t.is(other.code, 'UNSUPPORTED_VERSION');
});

test.serial('a session cookie is believed from our own pages and refused from others (4)', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  const cookie = `thrum_at=${p.token}`;
  const foreign = await upgrade(w, { cookie, origin: 'https://evil.example' });
  t.is(foreign.status, 403);
  t.is((JSON.parse(foreign.body) as { code: string }).code, 'ORIGIN_DENIED');
  const own = await w.live({}, { headers: { cookie, origin: 'http://localhost:3000' } });
  t.is(own.hello['user'], p.id);
  const without = await w.live({}, { headers: { cookie } });
  t.is(without.hello['user'], null, 'a cookie without an origin proves nothing');
});

test.serial('a token of another session ends the connection (6)', async (t) => {
  const { w } = t.context;
  const [a, b] = [await w.person(), await w.person()];
  const live = await w.live({ token: a.token });
  const gone = live.next('disconnect');
  live.socket.emit('auth', { token: b.token });
  t.like(await live.next('bye'), { code: 'IDENTITY_CHANGED', retry: false });
  await gone;
});

test.serial('a renewed token extends the connection, and one that is not renewed ends it (5)', async (t) => {
  const { w, clock } = t.context;
  const p = await w.person();
  const pair = await w.app.identity.login({ email: p.email, password: p.password, address: 'x', userAgent: undefined });
  const live = await w.live({ token: pair.accessToken });
  const left = await w.live({ token: pair.accessToken });
  await clock.advance(840_000);
  t.is((await live.next('auth.expiring'))['exp'], live.hello['exp']);
  const next = await w.app.identity.refresh(pair.refreshToken);
  const ack = await live.send<{ ok: boolean; exp: number }>('auth', { token: next.accessToken });
  t.true(ack.ok);
  t.true(ack.exp > (live.hello['exp'] as number));
  await clock.advance(91_000);
  t.like(await left.next('bye'), { code: 'TOKEN_EXPIRED', retry: true });
  t.true(live.socket.connected);
});

test.serial('the end of a session closes its sockets and no others (7)', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  const again = await w.app.identity.login({ email: p.email, password: p.password, address: 'x', userAgent: undefined });
  const [one, two, other] = [
    await w.live({ token: p.token }),
    await w.live({ token: p.token }),
    await w.live({ token: again.accessToken }),
  ];
  t.is((await w.inject({ method: 'POST', url: '/v1/auth/logout', token: p.token })).statusCode, 204);
  t.like(await one.next('bye'), { code: 'REVOKED', retry: false });
  t.like(await two.next('bye'), { code: 'REVOKED', retry: false });
  t.like(await refusedWith(w.live({ token: p.token })), { code: 'UNAUTHENTICATED' });
  t.true(other.socket.connected);
  t.is(typeof (await other.send<{ now: number }>('ping1', {})).now, 'number');
});

test.serial('too many new connections from one address are answered 429 (R9)', async (t) => {
  const w = await liveWorld({ env: { RT_CONNECTS_PER_MINUTE: '4' } });
  t.teardown(w.close);
  t.is((await upgrade(w, {})).status, 101);
  t.is((await upgrade(w, {})).status, 101);
  const refused = await upgrade(w, {});
  t.is(refused.status, 429);
  t.true(Number(refused.retryAfter) > 0);
});

test.serial('the 21st socket of a user sends the one that was idle longest away', async (t) => {
  const w = await liveWorld({ env: { RT_CONNECTIONS_PER_USER: '2' } });
  t.teardown(w.close);
  const p = await w.person();
  const first = await w.live({ token: p.token });
  const second = await w.live({ token: p.token });
  await first.send('ping1', {});
  const third = await w.live({ token: p.token });
  t.like(await second.next('bye'), { code: 'TOO_MANY_CONNECTIONS', retry: false });
  t.true(first.socket.connected);
  t.true(third.socket.connected);
});

test.serial('sockets leave in twenty batches over the time of the drain, each closed half a second after its goodbye (38)', async (t) => {
  const clock = new FakeClock(Date.now());
  const w = await liveWorld({ clock });
  t.teardown(w.close);
  const lives = await Promise.all(Array.from({ length: 40 }, () => w.live()));
  const told = (): number => lives.filter((l) => l.seen.some((m) => m.event === 'bye')).length;
  const drained = w.app.gateway.drain(20_000);
  await until(() => told() === 2, 'the first batch');
  t.is((await upgrade(w, {})).status, 503);
  await clock.advance(499);
  t.is(w.app.gateway.connections, 40);
  await clock.advance(1);
  t.is(w.app.gateway.connections, 38);
  await clock.advance(9_000);
  await until(() => told() === 20, 'half of them');
  t.is(w.app.gateway.connections, 20);
  await clock.advance(11_000);
  await drained;
  t.is(w.app.gateway.connections, 0);
  const waits = lives.map((l) => l.seen.find((m) => m.event === 'bye')?.data['retryAfterMs'] as number);
  t.true(waits.every((ms) => ms >= 0 && ms < 2_000));
  t.true(new Set(waits).size > 20, 'they do not come back at the same moment');
});

test.serial('a person who signs in on an open connection has his rights from then on (R2)', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  const live = await w.live();
  const { l } = await live.send<{ l: [Refusal] }>('sub', { l: [{ t: `user:${p.id}/mood` }] });
  t.is(l[0].error.code, 'UNAUTHENTICATED');
  t.true((await live.send<{ ok: boolean }>('auth', { token: p.token })).ok);
  const again = await live.send<{ l: [Slice] }>('sub', { l: [{ t: 'user:me/mood' }] });
  t.like(again.l[0], { ok: true, t: `user:${p.id}/mood`, a: 'user:me/mood' });
  t.is((await w.inject({ method: 'POST', url: '/v1/auth/logout', token: p.token })).statusCode, 204);
  t.like(await live.next('bye'), { code: 'REVOKED' });
});

test.serial('a server that stops says goodbye and refuses new sockets', async (t) => {
  const w = await liveWorld();
  const live = await w.live();
  const stopped = w.app.stop();
  const bye = await live.next('bye');
  t.like(bye, { code: 'DRAINING', retry: true });
  t.true((bye['retryAfterMs'] as number) <= 2_000);
  await stopped;
  await t.throwsAsync(upgrade(w, {}));
  await w.close();
});
