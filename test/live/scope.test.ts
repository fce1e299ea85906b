/** Narrowed tokens (realtime R2): what a display or a page of another site may do. */
import anyTest from 'ava';
import type { TestFn } from 'ava';
import { user as userKind } from '../../machines/user/kind.ts';
import { mayFollow, maySend, Scope, scopeText } from '../../server/identity/scope.ts';
import { counter } from '../support/kinds.ts';
import { system } from '../support/kernel.ts';
import type { Live, Person, World } from '../support/world.ts';
import { liveWorld } from './setup.ts';
import type { Refusal, Slice } from './setup.ts';

const test = anyTest as TestFn<{ w: World; p: Person }>;
const effects = { counter: { work: async () => ({ done: 1 }) }, user: { computeScores: async () => ({ results: [], changed: 0 }) } };

test.before(async (t) => {
  const w = await liveWorld({ kinds: [counter, userKind], effects });
  t.context = { w, p: await w.person() };
  await w.app.actors.ask('counter:log', { type: 'counter.emit', items: 2 }, { key: 'emit', from: system });
});
test.after.always((t) => t.context.w.close());

async function narrowed(w: World, p: Person, scope: object): Promise<string> {
  const reply = await w.inject({ method: 'POST', url: '/v1/realtime/token', token: p.token, payload: scope });
  return reply.json<{ token: string }>().token;
}

const sub = async (live: Live, t: string): Promise<Slice & { error?: { code: string } }> =>
  (await live.send<{ l: [Slice & { error?: { code: string } }] }>('sub', { l: [{ t }] })).l[0];
const send = (live: Live, type: string) => live.send<Refusal>('cmd', { id: `scope-${type}-1`, to: 'counter:log', type, d: {} });

test.serial('a narrowed token follows and sends what it names on the socket, and nothing else', async (t) => {
  const { w, p } = t.context;
  const live = await w.live({ token: await narrowed(w, p, { topics: ['counter:log/*', 'user:me/profile'], commands: ['counter.add'] }) });
  t.is(live.hello['user'], p.id);
  t.like(await sub(live, 'counter:log/value'), { ok: true });
  t.like(await sub(live, 'user:me/profile'), { ok: true });
  t.like(await sub(live, 'user:me/energy'), { ok: false, error: { code: 'FORBIDDEN' } });
  t.is((await live.send<Refusal>('seen', { t: 'user:me/alerts', s: 1, how: 'rendered' })).error.code, 'FORBIDDEN');
  t.not((await send(live, 'counter.add')).error?.code, 'FORBIDDEN');
  t.is((await send(live, 'counter.reset')).error.code, 'FORBIDDEN');
});

test.serial('over HTTP it is worth nothing, so it cannot make another one', async (t) => {
  const { w, p } = t.context;
  const token = await narrowed(w, p, { topics: ['user:me/profile'] });
  for (const [method, url, payload] of [
    ['GET', '/v1/me', undefined],
    ['POST', '/v1/realtime/token', { topics: ['user:me/*'] }],
  ] as const) {
    const reply = await w.inject({ method, url, token, ...(payload === undefined ? {} : { payload }) });
    t.deepEqual([reply.statusCode, reply.json<{ code: string }>().code], [401, 'UNAUTHENTICATED']);
  }
});

test.serial('a connection whose token is narrowed loses the topics that it does not name', async (t) => {
  const { w, p } = t.context;
  const live = await w.live({ token: p.token });
  await sub(live, 'counter:log/value');
  await sub(live, 'user:me/profile');
  await live.send('auth', { token: await narrowed(w, p, { topics: ['user:me/profile'] }) });
  t.like(await live.next('unsub'), { t: 'counter:log/value', code: 'FORBIDDEN' });
  t.is(live.seen.filter((m) => m.event === 'unsub').length, 1);
});

test.serial('it ends with the session that it comes from', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  const live = await w.live({ token: await narrowed(w, p, { topics: ['user:me/profile'] }) });
  await w.app.identity.sessions.revokeAll(p.id, 'test');
  t.like(await live.next('bye'), { code: 'REVOKED' });
});

test('a scope names topics and commands, with a star at the end only', (t) => {
  for (const bad of [
    {},
    { topics: ['*'] },
    { topics: ['user:me/en*'] },
    { commands: ['*'] },
    { commands: ['booking'] },
    { topics: ['a b/c'] },
  ]) {
    t.false(Scope.safeParse(bad).success, JSON.stringify(bad));
  }
  const scope = scopeText(Scope.parse({ topics: ['user:me/*', 'system/status'], commands: ['booking.*'] }), '42').split(' ');
  t.deepEqual(scope, ['user:42/*', 'system/status', 'booking.*']);
  t.true(mayFollow(scope, 'user:42/energy'));
  t.true(mayFollow(scope, 'system/status'));
  t.false(mayFollow(scope, 'user:420/energy'));
  t.true(mayFollow(['resource:a/availability'], 'resource:a/availability?days=3'));
  t.true(maySend(scope, 'booking.cancel'));
  t.false(maySend(scope, 'bookings.cancel'));
  t.false(mayFollow([], 'system/status'));
  t.true(mayFollow(undefined, 'anything/at-all') && maySend(undefined, 'any.thing'));
});
