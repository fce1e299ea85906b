import test from 'ava';
import { device } from '../../machines/biosync/kind.ts';
import type { FetchInput, FetchResult, SyncView } from '../../machines/biosync/schema.ts';
import { noCounts } from '../../machines/biosync/schema.ts';
import { retryDelayMs } from '../../machines/biosync/timing.ts';
import { user as userKind } from '../../machines/user/kind.ts';
import { as, system, testKernel, user } from '../support/kernel.ts';
import type { TestKernel } from '../support/kernel.ts';
import { settle } from '../support/clock.ts';

const USER = '01a1fc02-8a54-7f98-bfe2-e7aa91051f01';
const DEVICE = '01a1fc02-8a54-7f98-bfe2-e7aa91051f02';
const REF = `device:${DEVICE}`;
const RAW = '01a1fc02-8a54-4f98-bfe2-e7aa91051f03';

const good = (more = false): FetchResult => ({ ok: true, counts: { ...noCounts, inserted: 2 }, more, ...(more ? { cursor: 'next' } : {}) });
const bad = (c: 'transient' | 'rate_limited' | 'auth' | 'permanent_object', retryAfterS?: number): FetchResult => ({
  ok: false,
  class: c,
  code: c.toUpperCase(),
  ...(retryAfterS === undefined ? {} : { retryAfterS }),
});

interface Rig {
  readonly k: TestKernel;
  readonly fetched: FetchInput[];
  /** what the provider answers next; the last stays */
  readonly answers: (FetchResult | 'hang' | Error)[];
  ask(
    type: string,
    payload?: object,
    from?: ReturnType<typeof user>,
  ): Promise<{ ok: boolean; reply?: unknown; error?: { code: string; details?: unknown } }>;
  view(): Promise<SyncView>;
  state(): Promise<string>;
  connect(): Promise<void>;
}

async function rig(): Promise<Rig> {
  const fetched: FetchInput[] = [];
  const answers: (FetchResult | 'hang' | Error)[] = [good()];
  const k = await testKernel({
    kinds: [device, userKind],
    effects: {
      device: {
        fetchPage: async ({ input }) => {
          fetched.push(input as FetchInput);
          const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
          if (answer === 'hang') return new Promise(() => undefined);
          if (answer instanceof Error) throw answer;
          return answer;
        },
        deregister: async () => null,
      },
      user: { computeScores: async () => ({ results: [], changed: 0 }) },
    },
  });
  const owner = user(USER);
  const view = async (): Promise<SyncView> => (await k.system.read(REF, 'status', {}, { from: system })).value as unknown as SyncView;
  const rigged: Rig = {
    k,
    fetched,
    answers,
    ask: async (type, payload = {}, from = type.startsWith('device.') ? owner : system) =>
      k.system.ask(REF, { type, ...payload }, as(from)),
    view,
    state: async () => (await view()).state,
    async connect() {
      await k.system.ask(`user:${USER}`, { type: 'user.register', displayName: 'Mia', timeZone: 'Europe/Berlin' }, as(system));
      await rigged.ask('device.connect', { userId: USER, provider: 'simulator', label: 'Ring', timeZone: 'Europe/Berlin' });
      await rigged.ask('connect.succeeded', { providerUserId: 'mia', scopes: ['sleep', 'heart'], missing: [] });
      for (let i = 0; i < 20; i += 1) await settle();
    },
  };
  return rigged;
}

const settled = async (): Promise<void> => {
  for (let i = 0; i < 10; i += 1) await settle();
};

test('a connection is authorized within ten minutes or falls back; missing scopes refuse it', async (t) => {
  const r = await rig();
  t.like(await r.ask('device.connect', { userId: USER, provider: 'simulator', label: 'Ring', timeZone: 'UTC' }), {
    ok: true,
    reply: { state: 'authorizing' },
  });
  t.is(await r.state(), 'authorizing');
  await r.k.clock.advance(600_001);
  t.is(await r.state(), 'disconnected');
  t.is((await r.view()).error, 'CONNECT_FAILED');
  t.like(await r.ask('device.sync'), { ok: false, error: { code: 'NOT_ALLOWED' } });
  await r.ask('device.connect', { userId: USER, provider: 'simulator', label: 'Ring', timeZone: 'UTC' });
  t.like(await r.ask('connect.succeeded', { providerUserId: 'mia', scopes: [], missing: ['sleep'] }), {
    ok: true,
    reply: { state: 'disconnected', error: 'SCOPES_MISSING' },
  });
  t.is((await r.view()).error, 'SCOPES_MISSING');
});

test('connecting fetches ninety days of history, newest first, page by page', async (t) => {
  const r = await rig();
  r.answers.splice(0, 1, good(true), good());
  await r.connect();
  const v = await r.view();
  t.is(v.state, 'connected.idle');
  t.deepEqual(v.backfill, { state: 'completed', done: 3, total: 3 });
  t.is(r.fetched.length, 4);
  t.is(r.fetched[1]?.cursor, 'next');
  t.deepEqual([r.fetched[0]?.to, r.fetched[1]?.to], ['2027-03-01', '2027-03-01']);
  t.deepEqual([r.fetched[3]?.from, r.fetched[3]?.to], ['2026-12-02', '2026-12-31']);
  t.is(v.freshness, 'fresh');
  t.is(v.totals.inserted, 8);
});

test('a second sync within a minute is too soon, one during a run is in progress (A25)', async (t) => {
  const r = await rig();
  await r.connect();
  r.answers.splice(0, 1, 'hang');
  const first = await r.ask('device.sync');
  t.true(first.ok);
  const { run } = await r.view();
  t.like(first, { ok: true, reply: { syncId: run!.id } });
  t.like(await r.ask('device.sync'), { ok: false, error: { code: 'SYNC_IN_PROGRESS', details: { runId: run!.id } } });
  await r.k.clock.advance(1_000_000); // the effect times out, the failure backs off
  r.answers.splice(0, 1, good());
  await r.k.clock.advance(3_600_000);
  t.is(await r.state(), 'connected.idle');
  t.true((await r.ask('device.sync')).ok);
  await settled();
  t.is(await r.state(), 'connected.idle');
  t.like(await r.ask('device.sync'), { ok: false, error: { code: 'SYNC_TOO_SOON' } });
  await r.k.clock.advance(60_000);
  t.true((await r.ask('device.sync')).ok);
});

test('waits after failures double from 30 s with a fifth of spread (A21, A22)', (t) => {
  t.deepEqual(
    [1, 2, 3, 4, 5, 6, 7, 8].map((n) => retryDelayMs(n, 0.5) / 1_000),
    [30, 60, 120, 240, 480, 960, 1_920, 3_600],
  );
  t.is(retryDelayMs(3, 0), 96_000);
  t.true(retryDelayMs(3, 0.999_999) < 144_000);
});

test('the eighth transient failure in a row stalls; one attempt that succeeds ends it (A21, D3)', async (t) => {
  const r = await rig();
  await r.connect();
  r.answers.splice(0, 1, bad('transient'));
  await r.ask('device.sync');
  for (let n = 1; n <= 7; n += 1) {
    await settled();
    t.is(await r.state(), 'connected.backing_off', `failure ${n}`);
    t.is((await r.view()).failures, n);
    await r.k.clock.advance(retryDelayMs(n, 1));
  }
  await settled();
  t.is(await r.state(), 'connected.stalled');
  t.is((await r.view()).failures, 8);
  r.answers.splice(0, 1, good());
  await r.k.clock.advance(21_600_001);
  await settled();
  t.is(await r.state(), 'connected.idle');
  t.is((await r.view()).failures, 0);
});

test('a rate limit waits as long as the provider asks and leaves the failures alone (A23, D4)', async (t) => {
  const r = await rig();
  await r.connect();
  r.answers.splice(0, 1, bad('rate_limited', 120), good());
  await r.ask('device.sync');
  await settled();
  t.is(await r.state(), 'connected.backing_off');
  t.is((await r.view()).failures, 0);
  await r.k.clock.advance(61_000);
  t.like(await r.ask('device.sync'), { ok: false, error: { code: 'SYNC_TOO_SOON' } });
  await r.k.clock.advance(59_100);
  await settled();
  t.is(await r.state(), 'connected.idle');
});

test('a lost grant asks for a new one and keeps the device; a skipped object does not end the run', async (t) => {
  const r = await rig();
  await r.connect();
  r.answers.splice(0, 1, bad('permanent_object'), bad('auth'));
  await r.ask('device.sync');
  await settled();
  t.is(await r.state(), 'connected.idle');
  await r.k.clock.advance(60_001);
  await r.ask('device.sync');
  await settled();
  t.is(await r.state(), 'reauth_required');
  t.true((await r.ask('webhook.received', { rawIds: [RAW] })).ok, 'data that arrives is kept (D5)');
  t.like(await r.ask('device.connect', { userId: USER, provider: 'simulator', label: 'Ring', timeZone: 'UTC' }), { ok: true });
  t.is((await r.view()).id, DEVICE);
  t.is(await r.state(), 'authorizing');
});

test('without automatic sync nothing is fetched in a day, and deliveries are kept (A26, A74)', async (t) => {
  const r = await rig();
  await r.connect();
  const before = r.fetched.length;
  t.like(await r.ask('device.autosync', { on: false }), { ok: true, reply: { autoSync: false } });
  t.is((await r.view()).nextAt, undefined);
  await r.k.clock.advance(86_400_000);
  t.is(r.fetched.length, before);
  t.true((await r.ask('webhook.received', { rawIds: [RAW] })).ok);
  t.is((await r.view()).deliveries, 1);
  const { commands } = await r.k.system.allowed(REF, user(USER));
  t.true(commands.includes('device.sync'));
  await r.ask('device.autosync', { on: true });
  await r.k.clock.advance(7 * 3_600_000);
  t.true(r.fetched.length > before);
});

test('a pause by an administrator is not lifted by the owner, its run is closed, its data kept', async (t) => {
  const r = await rig();
  await r.connect();
  r.answers.splice(0, 1, 'hang');
  await r.ask('device.sync');
  t.like(await r.ask('device.pause', {}, user('01a1fc02-8a54-7f98-bfe2-e7aa91051fff', 'admin')), { ok: true });
  t.is(await r.state(), 'paused');
  t.is((await r.view()).run, undefined);
  t.like(await r.ask('device.resume'), { ok: false, error: { code: 'FORBIDDEN' } });
  t.true((await r.ask('webhook.received', { rawIds: [RAW] })).ok);
  t.true((await r.ask('device.resume', {}, user('01a1fc02-8a54-7f98-bfe2-e7aa91051fff', 'admin'))).ok);
  t.is(await r.state(), 'connected.idle');
});

test('a device falls quiet after two days without data', async (t) => {
  const r = await rig();
  await r.connect();
  await r.ask('device.autosync', { on: false });
  await r.k.clock.advance(48 * 3_600_000 + 1);
  t.is((await r.view()).freshness, 'quiet');
  const fact = { id: 'x.1', receivedAt: r.k.clock.wall(), from: '2027-03-03', to: '2027-03-03', counts: { ...noCounts, inserted: 1 } };
  t.true((await r.ask('data.ingested', fact)).ok);
  t.is((await r.view()).freshness, 'fresh');
});

test('after disconnecting deliveries are refused; strangers and facts from people are turned away', async (t) => {
  const r = await rig();
  await r.connect();
  const stranger = user('01a1fc02-8a54-7f98-bfe2-e7aa91051faa');
  t.like(await r.ask('device.sync', {}, stranger), { ok: false, error: { code: 'NOT_FOUND' } });
  t.like(await r.ask('webhook.received', { rawIds: [RAW] }, user(USER)), { ok: false, error: { code: 'FORBIDDEN' } });
  t.true((await r.ask('device.disconnect')).ok);
  await settled();
  t.is(await r.state(), 'disconnected');
  t.like(await r.ask('webhook.received', { rawIds: [RAW] }), { ok: false, error: { code: 'NOT_ALLOWED' } });
  const { value } = await r.k.system.read(`user:${USER}`, 'devices', {}, { from: system });
  t.like((value as { devices: Record<string, unknown> }).devices[DEVICE], { state: 'disconnected', provider: 'simulator' });
});

test('a restart in the middle of a run goes on with it', async (t) => {
  const r = await rig();
  await r.connect();
  r.answers.splice(0, 1, 'hang', good());
  await r.ask('device.sync');
  await settled();
  t.is(await r.state(), 'connected.syncing');
  const again = await r.k.restart();
  for (let i = 0; i < 40; i += 1) await again.clock.advance(1_000);
  const v = (await again.system.read(REF, 'status', {}, { from: system })).value as unknown as SyncView;
  t.is(v.state, 'connected.idle');
});
