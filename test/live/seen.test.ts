import anyTest from 'ava';
import type { TestFn } from 'ava';
import { user as userKind } from '../../machines/user/kind.ts';
import { counter } from '../support/kinds.ts';
import { system } from '../support/kernel.ts';
import type { Live, Person, World } from '../support/world.ts';
import { liveWorld } from './setup.ts';
import type { Refusal, Slice } from './setup.ts';

const test = anyTest as TestFn<{ w: World; p: Person; live: Live }>;
const effects = { counter: { work: async () => ({ done: 1 }) }, user: { computeScores: async () => ({ results: [], changed: 0 }) } };

test.before(async (t) => {
  const w = await liveWorld({ kinds: [counter, userKind], effects });
  const p = await w.person();
  t.context = { w, p, live: await w.live({ token: p.token }) };
});
test.after.always((t) => t.context.w.close());

type LogSlice = Slice & { seen: number };
const sub = async (live: Live): Promise<LogSlice> => (await live.send<{ l: [LogSlice] }>('sub', { l: [{ t: 'counter:log/feed' }] })).l[0];

test.serial('how far a reader has seen a log is durable, per reader, and never goes back (R4)', async (t) => {
  const { w, p, live } = t.context;
  await w.app.actors.ask('counter:log', { type: 'counter.emit', items: 5 }, { key: 'emit', from: system });
  t.is((await sub(live)).seen, 0);
  t.deepEqual(await live.send('seen', { t: 'counter:log/feed', s: 3, how: 'rendered' }), { ok: true, s: 3 });
  t.deepEqual(await live.send('seen', { t: 'counter:log/feed', s: 2, how: 'opened' }), { ok: true, s: 3 });
  t.deepEqual(
    await live.send('seen', { t: 'counter:log/feed', s: 900, how: 'opened' }),
    { ok: true, s: 5 },
    'nothing is seen before it exists',
  );
  const other = await w.live({ token: p.token });
  t.is((await sub(other)).seen, 5, 'the same person on another connection');
  const somebody = await w.live({ token: (await w.person()).token });
  t.is((await sub(somebody)).seen, 0);
  const rows = await w.app.actors.inspect.journal(`user:${p.id}`, { limit: 50 });
  t.is(rows.filter((r) => r.type === 'notification.seen').length, 2, 'what is known already is not journaled');
});

test.serial('seen is for readers of a log who are signed in (R4)', async (t) => {
  const { w, live } = t.context;
  const code = async (l: Live, payload: object): Promise<string> => (await l.send<Refusal>('seen', payload)).error.code;
  t.is(await code(await w.live(), { t: 'counter:log/feed', s: 1, how: 'rendered' }), 'UNAUTHENTICATED');
  t.is(await code(live, { t: 'counter:log/value', s: 1, how: 'rendered' }), 'VALIDATION');
  t.is(await code(live, { t: 'counter:none/feed', s: 1, how: 'rendered' }), 'NOT_FOUND');
  t.is(await code(live, { t: 'counter:log/feed', s: 1, how: 'guessed' }), 'VALIDATION');
});
