import anyTest from 'ava';
import type { TestFn } from 'ava';
import { FakeClock } from '../support/clock.ts';
import { until } from '../support/until.ts';
import type { Live, Person, World } from '../support/world.ts';
import { liveWorld } from './setup.ts';
import type { Refusal, Slice } from './setup.ts';

const test = anyTest as TestFn<{ w: World; clock: FakeClock; watched: Person; staff: Live; topic: string }>;

test.beforeEach(async (t) => {
  const clock = new FakeClock(Date.now());
  const w = await liveWorld({ clock });
  const watched = await w.person();
  const staff = await w.live({ token: (await w.person({ roles: ['staff'] })).token });
  t.context = { w, clock, watched, staff, topic: `user:${watched.id}/presence` };
});
test.afterEach.always((t) => t.context.w.close());

const sub = async (live: Live, t: string): Promise<Slice> => (await live.send<{ l: [Slice] }>('sub', { l: [{ t }] })).l[0];
const stateOf = (p: Record<string, unknown>): string => (p['d'] as { state: string }).state;

test.serial('somebody is away, idle when connected, active when he looks and moves, and idle again after five minutes (R12)', async (t) => {
  const { w, clock, watched, staff, topic } = t.context;
  t.like((await sub(staff, topic)).d, { online: false, state: 'away', clients: { web: 0, mobile: 0 } });
  const page = await w.live({ token: watched.token });
  await until(async () => (await clock.advance(0), staff.seen.some((m) => m.event === 'pub')), 'he is connected');
  t.like((await staff.next('pub', (p) => stateOf(p) === 'idle'))['d'], { online: true, clients: { web: 1, mobile: 0 } });
  t.deepEqual(await page.send('vis', { visible: true }), { ok: true });
  await clock.advance(1_000);
  await staff.next('pub', (p) => stateOf(p) === 'active');
  await clock.advance(300_000);
  await until(() => staff.seen.filter((m) => m.event === 'pub').length === 3, 'idle again');
  t.is(stateOf(staff.seen.filter((m) => m.event === 'pub').at(-1)!.data), 'idle');
});

test.serial('a departure counts after 15 s without a connection, so a reconnect is invisible (R12)', async (t) => {
  const { w, clock, watched, staff, topic } = t.context;
  const app = await w.live({ token: watched.token, device: 'phone' });
  await until(async () => (await clock.advance(0), stateOf((await sub(staff, topic)) as never) === 'idle'), 'he is connected');
  const first = await sub(staff, topic);
  t.like(first.d, { state: 'idle', clients: { mobile: 1 } });
  app.socket.disconnect();
  await until(() => w.app.gateway.connections === 1);
  await clock.advance(14_000);
  const again = await w.live({ token: watched.token, device: 'phone' });
  await clock.advance(20_000);
  t.false(staff.seen.some((m) => m.event === 'pub' && stateOf(m.data) === 'away'));
  again.socket.disconnect();
  await until(() => w.app.gateway.connections === 1);
  await clock.advance(15_000);
  const gone = await staff.next('pub', (p) => stateOf(p) === 'away');
  t.true((gone['s'] as number) > first.s);
  const { e, s } = await sub(staff, topic);
  t.true(s >= (gone['s'] as number), 'the number of somebody forgotten does not fall');
  t.is((await staff.send<{ l: [Slice] }>('sub', { l: [{ t: topic, e, s }] })).l[0].m, 'same');
});

test.serial('who leaves while his token is read was never there (R12)', async (t) => {
  const { w, clock, watched, staff, topic } = t.context;
  const page = await w.live();
  page.socket.emit('auth', { token: watched.token });
  page.socket.disconnect();
  await until(() => w.app.gateway.connections === 1);
  // the server has read it, too
  await w.app.identity.verify(watched.token);
  await clock.advance(1_000);
  t.is(stateOf((await sub(staff, topic)) as never), 'away');
  await clock.advance(60_000);
  t.is(stateOf((await sub(staff, topic)) as never), 'away');
});

test.serial('presence is for those who may see the person (R12)', async (t) => {
  const { w, topic } = t.context;
  const stranger = await w.live({ token: (await w.person()).token });
  const nobody = await w.live();
  const code = async (live: Live): Promise<string> => (await live.send<{ l: [Refusal] }>('sub', { l: [{ t: topic }] })).l[0].error.code;
  t.is(await code(stranger), 'NOT_FOUND');
  t.is(await code(nobody), 'UNAUTHENTICATED');
});

test.serial('who has hidden himself is away for everybody, and what he does then is not told (R12)', async (t) => {
  const { w, clock, watched, staff, topic } = t.context;
  const page = await w.live({ token: watched.token });
  await page.send('vis', { visible: true });
  await until(async () => (await clock.advance(0), stateOf((await sub(staff, topic)) as never) === 'active'), 'his presence');
  const snap = (await sub(staff, topic)).d as object;
  const views = (): object[] => [snap, ...staff.seen.filter((m) => m.event === 'pub').map((m) => m.data['d'] as object)];
  t.like(views().at(-1), { online: true, state: 'active' });
  const hide = async (hidden: boolean): Promise<void> => {
    const before = views().length;
    t.like(await page.send('cmd', { id: `hide-him-${hidden}`, to: 'user:me', type: 'user.update', d: { hidden } }), { ok: true });
    await until(async () => (await clock.advance(1_000), views().length > before), 'the change');
  };
  await hide(true);
  const away = { online: false, state: 'away', clients: { web: 0, mobile: 0 } };
  t.deepEqual(views().at(-1), away);
  const told = views().length;
  await w.live({ token: watched.token, device: 'phone' });
  await clock.advance(2_000);
  t.is(views().length, told);
  t.deepEqual((await sub(staff, topic)).d, away);
  await hide(false);
  t.like(views().at(-1), { online: true, state: 'active', clients: { web: 1, mobile: 1 } });
});

test.serial('vis may be sent once in two seconds (R9)', async (t) => {
  const { staff, clock } = t.context;
  const vis = (): Promise<Refusal | { ok: true }> => staff.send('vis', { visible: true, input: 0 });
  await vis();
  await vis();
  const third = await vis();
  t.like(third, { ok: false, error: { code: 'RATE_LIMITED', retryAfterMs: 2_000 } });
  await clock.advance(2_000);
  t.true((await vis()).ok);
});

test.serial('the presence of an organisation is for those whose token names it, and for operators (R2, R3, R12)', async (t) => {
  const { w, clock, watched } = t.context;
  const tokenOf = async (email: string, org: string | undefined): Promise<string> => {
    const headers = { 'x-thrum-operator': w.secrets.operator };
    const reply = await w.inject({ method: 'POST', url: '/v1/auth/operator-token', headers, payload: { email, org } });
    return reply.json<{ accessToken: string }>().accessToken;
  };
  const colleague = await w.person();
  const acme = 'org:acme/presence';
  const page = await w.live({ token: await tokenOf(watched.email, 'acme') });
  const member = await w.live({ token: await tokenOf(colleague.email, 'acme') });
  await page.send('vis', { visible: true });
  const members = async (live: Live): Promise<object | undefined> => (await sub(live, acme)).d as object | undefined;
  await until(async () => (await clock.advance(100), ((await members(member)) as { count?: number }).count === 2), 'both are online');
  t.like(await members(member), { members: { [watched.id]: { state: 'active' }, [colleague.id]: { state: 'idle' } } });

  const admin = await w.live({ token: (await w.person({ roles: ['admin'] })).token });
  t.like(await members(admin), { count: 2 });
  const code = async (live: Live): Promise<string> => (await live.send<{ l: [Refusal] }>('sub', { l: [{ t: acme }] })).l[0].error.code;
  t.is(await code(await w.live({ token: await tokenOf(colleague.email, 'other') })), 'NOT_FOUND');
  t.is(await code(await w.live({ token: colleague.token })), 'NOT_FOUND');
  t.is(await code(await w.live()), 'UNAUTHENTICATED');

  const narrowed = await w.inject({
    method: 'POST',
    url: '/v1/realtime/token',
    token: await tokenOf(colleague.email, 'acme'),
    payload: { topics: [acme] },
  });
  t.like(await members(await w.live({ token: narrowed.json<{ token: string }>().token })), { count: 2 }, 'a narrowed token names it too');
});

test.serial('a token that names no organisation any more ends its presence (R2)', async (t) => {
  const { w, watched } = t.context;
  const session = await w.app.identity.impersonate(watched.email, 'acme');
  const page = await w.live({ token: session.accessToken });
  t.like(await sub(page, 'org:acme/presence'), { ok: true });
  const { accessToken } = await w.app.identity.refresh(session.refreshToken);
  t.like(await page.send('auth', { token: accessToken }), { ok: true });
  t.like(await page.next('unsub'), { t: 'org:acme/presence', code: 'NOT_FOUND' });
});
