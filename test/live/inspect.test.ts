/** The live feed of the inspector over real sockets (kernel specification 13.2). */
import anyTest from 'ava';
import type { TestFn } from 'ava';
import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import { notices } from '../../server/inspector/messages.ts';
import type { Inspection } from '../../server/inspector/messages.ts';
import type { z } from 'zod';
import { FakeClock } from '../support/clock.ts';
import { patient } from '../support/patient.ts';
import { until } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';
import type { Person, World } from '../support/world.ts';
import { person } from './kinds.ts';

const test = anyTest as TestFn<{ w: World; clock: FakeClock; staff: Person; admin: Person; user: Person; sockets: Socket[] }>;
const effects = { patient: { measure: async () => ({ pulse: 777_000_000_001 }) } };

test.beforeEach(async (t) => {
  const clock = new FakeClock();
  const w = await makeWorld({
    kinds: [patient, person],
    effects,
    store: 'memory',
    clock,
    listen: true,
    env: { HTTP_REQUESTS_PER_MINUTE: '1000000' },
  });
  const [staff, admin, user] = [await w.person({ roles: ['staff'] }), await w.person({ roles: ['admin'] }), await w.person()];
  t.context = { w, clock, staff, admin, user, sockets: [] };
});
test.afterEach.always(async (t) => {
  for (const socket of t.context.sockets) socket.disconnect();
  await t.context.w.close();
});

type Sighted = { watches: string[]; l: Inspection[] };
type Ctx = { w: World; sockets: Socket[] };

/** A connection to the feed, with everything that came; every message is held against its schema. */
async function feedOf({ w, sockets }: Ctx, token?: string) {
  const socket = io(`${w.url}/inspect`, { transports: ['websocket'], reconnection: false, forceNew: true, auth: { proto: 1, token } });
  sockets.push(socket);
  const seen: { event: string; data: Record<string, unknown> }[] = [];
  socket.onAny((event: string, data: Record<string, unknown>) => {
    (notices as Record<string, z.ZodType>)[event]?.parse(data);
    seen.push({ event, data });
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('hello', () => resolve());
    socket.once('connect_error', (error: Error & { data?: { code: string } }) => reject(new Error(error.data?.code ?? error.message)));
  });
  const send = (event: string, payload: object) =>
    socket.timeout(30_000).emitWithAck(event, payload) as Promise<{ ok: boolean; error?: { code: string } }>;
  const sighted = () => seen.filter((m) => m.event === 'inspection').map((m) => m.data as unknown as Sighted);
  const hello = seen.find((m) => m.event === 'hello')?.data;
  return { socket, seen, send, sighted, hello };
}

const admit = (w: World, { token }: Person, id: string, ward = 'open-ward') =>
  w.inject({
    method: 'POST',
    url: `/v1/actors/patient/${id}/commands/patient.admit`,
    token,
    payload: { ward, name: '‡Ada', contact: { email: '‡a@b' } },
  });

test('only operators come in; who may see personal fields is told so', async (t) => {
  const { staff, admin, user } = t.context;
  await t.throwsAsync(feedOf(t.context), { message: 'UNAUTHENTICATED' });
  await t.throwsAsync(feedOf(t.context, user.token), { message: 'FORBIDDEN' });
  t.like((await feedOf(t.context, staff.token)).hello, { user: staff.id, pii: false, limits: { rate: 200 } });
  t.like((await feedOf(t.context, admin.token)).hello, { user: admin.id, pii: true });
});

test('who watches is told of each event in the shape of Stately inspection events: the actor and its machine once, then events and states', async (t) => {
  const { w, admin } = t.context;
  const feed = await feedOf(t.context, admin.token);
  t.true((await feed.send('watch', { id: 'all', filter: { kind: 'patient' }, rate: 200 })).ok);
  await admit(w, admin, 'p1');
  await admit(w, admin, 'p1', 'second');
  await admit(w, admin, 'p2');
  await until(() => feed.sighted().length === 3, 'three events');
  const types = feed.sighted().map(({ watches, l }) => [...watches, ...l.map((m) => m.type)]);
  t.deepEqual(types, [
    ['all', '@xstate.actor', '@xstate.event', '@xstate.snapshot'],
    ['all', '@xstate.event', '@xstate.snapshot'],
    ['all', '@xstate.actor', '@xstate.event', '@xstate.snapshot'],
  ]);
  const [first, second, third] = feed.sighted();
  const [actor, event, snapshot] = first!.l;
  t.like(actor, { sessionId: 'patient:p1', rootId: 'patient:p1', machine: 'patient@1', name: 'patient:p1' });
  t.is((JSON.parse(actor?.type === '@xstate.actor' ? (actor.definition ?? '') : '') as { id: string }).id, 'patient');
  t.false('definition' in third!.l[0]!, 'the definition comes once');
  t.like(event, { sourceId: `user:${admin.id}`, outcome: 'ok', seq: 2 });
  t.like(snapshot, { seq: 2, state: 'in', snapshot: { value: 'in', status: 'active', context: { name: '‡Ada' } } });
  t.like(second!.l[1], { type: '@xstate.snapshot', seq: 3, snapshot: { context: { ward: 'second' } } });
  const taken = snapshot?.type === '@xstate.snapshot' ? snapshot.transitions : [];
  t.like(taken, [{ source: 'patient.in', event: 'patient.admit' }]);
  const { transitions } = await w.app.actors.inspect.coverage('patient');
  t.like(transitions[taken[0]!.index], { source: 'patient.in', event: 'patient.admit' });
});

test('filters hold all together; a refused command is told without a state', async (t) => {
  const { w, admin } = t.context;
  const feed = await feedOf(t.context, admin.token);
  await admit(w, admin, 'p1');
  await feed.send('watch', { id: 'one', filter: { kind: 'patient', id: 'p1', type: 'patient.refuse' } });
  await feed.send('watch', { id: 'keys', filter: { keys: ['patient:p3', 'patient:p4'] } });
  await feed.send('watch', { id: 'elsewhere', filter: { node: 'another' } });
  const refuse = (id: string) =>
    w.inject({ method: 'POST', url: `/v1/actors/patient/${id}/commands/patient.refuse`, token: admin.token, payload: { text: '‡no' } });
  await admit(w, admin, 'p2');
  await refuse('p2');
  await admit(w, admin, 'p1');
  await refuse('p1');
  await admit(w, admin, 'p4');
  await until(() => feed.sighted().length === 2, 'two events');
  const [refused, other] = feed.sighted();
  t.deepEqual(refused?.watches, ['one']);
  t.like(refused?.l, [{ type: '@xstate.event', outcome: 'refused', code: 'NOT_WELL' }]);
  t.is(refused?.l.length, 1);
  t.deepEqual([other?.watches, other?.l[0]?.sessionId], [['keys'], 'patient:p4']);
});

test('no personal value reaches a connection without inspect:pii', async (t) => {
  const { w, staff, admin } = t.context;
  const [masked, whole] = [await feedOf(t.context, staff.token), await feedOf(t.context, admin.token)];
  for (const feed of [masked, whole]) await feed.send('watch', { id: 'all', rate: 200 });
  const send = (type: string, payload: object) =>
    w.inject({ method: 'POST', url: `/v1/actors/patient/p1/commands/${type}`, token: admin.token, payload });
  await admit(w, admin, 'p1');
  await send('patient.note', { text: '‡note', pulse: 777_000_000_002 });
  await send('patient.refuse', { text: '‡no' });
  await send('patient.crash', { text: '‡crash' });
  await until(
    () =>
      [masked, whole].every((f) =>
        f.sighted().some((s) => s.l.some((m) => m.type === '@xstate.event' && m.event.type.startsWith('xstate.done'))),
      ),
    'the effect',
  );
  await until(() => masked.sighted().length === whole.sighted().length && whole.sighted().length >= 6, 'both saw the same');
  const secret = /‡|777\d{9}/;
  t.true(secret.test(JSON.stringify(whole.seen)));
  t.false(secret.test(JSON.stringify(masked.seen)), JSON.stringify(masked.seen));
  t.true(JSON.stringify(masked.seen).includes('open-ward'));
});

test('what the rate does not allow is dropped, counted and told with the true number; a sample of nothing sends nothing', async (t) => {
  const { w, clock, admin } = t.context;
  const feed = await feedOf(t.context, admin.token);
  await feed.send('watch', { id: 'slow', rate: 5 });
  await feed.send('watch', { id: 'none', sample: 0 });
  for (let i = 0; i < 12; i += 1) await admit(w, admin, `p${i}`);
  await clock.advance(1_000);
  await until(() => feed.seen.some((m) => m.event === 'watch.stats'), 'the counts');
  const stats = feed.seen.find((m) => m.event === 'watch.stats')?.data;
  t.deepEqual(stats, {
    node: feed.hello?.['node'],
    ms: 1_000,
    watches: [
      { id: 'slow', matched: 12, sent: 1, dropped: 11 },
      { id: 'none', matched: 12, sent: 0, dropped: 0 },
    ],
  });
  t.is(feed.sighted().length, 1);
});

test('a watch ends a minute after it was last asked for, and then nobody is asked; a closed connection watches nothing', async (t) => {
  const { w, clock, admin } = t.context;
  const feed = await feedOf(t.context, admin.token);
  const kernel = w.app.actors as unknown as { feed: { on: boolean } };
  t.false(kernel.feed.on);
  await feed.send('watch', { id: 'a' });
  t.true(kernel.feed.on);
  await clock.advance(40_000);
  await feed.send('watch', { id: 'a' });
  await clock.advance(40_000);
  t.true(kernel.feed.on);
  await clock.advance(30_000);
  t.false(kernel.feed.on);
  await until(() => feed.seen.some((m) => m.event === 'watch.ended'), 'the end is told');
  t.deepEqual(feed.seen.at(-1)?.data, { id: 'a', code: 'EXPIRED' });

  await feed.send('watch', { id: 'b' });
  t.true((await feed.send('unwatch', { id: 'b' })).ok);
  t.false(kernel.feed.on);
  await feed.send('watch', { id: 'c' });
  feed.socket.disconnect();
  await until(() => !kernel.feed.on, 'the connection is forgotten');
  t.pass();
});

test('malformed and excessive watches are refused; a revoked session is closed', async (t) => {
  const { w, admin } = t.context;
  const feed = await feedOf(t.context, admin.token);
  for (const payload of [
    {},
    { id: 'a b' },
    { id: 'a', rate: 201 },
    { id: 'a', sample: 2 },
    { id: 'a', filter: { slot: 1_024 } },
    { id: 'a', filter: { name: 'x' } },
  ])
    t.is((await feed.send('watch', payload)).error?.code, 'VALIDATION', JSON.stringify(payload));
  t.is((await feed.send('burn', {})).error?.code, 'VALIDATION');
  for (let i = 0; i < 16; i += 1) t.true((await feed.send('watch', { id: `w${i}` })).ok);
  t.is((await feed.send('watch', { id: 'w16' })).error?.code, 'LIMIT_EXCEEDED');
  t.true((await feed.send('watch', { id: 'w3', rate: 7 })).ok);
  const out = await w.inject({ method: 'POST', url: '/v1/auth/logout', token: admin.token, payload: {} });
  t.true(out.statusCode < 300, out.body);
  await until(() => feed.seen.some((m) => m.event === 'bye'), 'the end');
  t.like(feed.seen.find((m) => m.event === 'bye')?.data, { code: 'REVOKED', retry: false });
});
