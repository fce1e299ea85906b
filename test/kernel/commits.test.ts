import test from 'ava';
import { actorIdOf } from '../../actors/ids.ts';
import type { Fate } from '../../actors/store/mem.ts';
import type { Batch } from '../../actors/store/store.ts';
import { settle } from '../support/clock.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 7 }) } };
const samePlace = {
  test_places: {
    conflicts: (a: Record<string, unknown>, b: Record<string, unknown>) =>
      a['place'] === b['place'] && a['state'] === 'held' && b['state'] === 'held',
  },
};

/** A kernel whose commits meet the fates given, in order; then all go well. Batches are kept. */
async function withFates(...fates: (Fate | ((b: Batch) => Fate))[]) {
  const batches: Batch[] = [];
  let held: (() => void) | undefined;
  let hold = false;
  const k = await testKernel({
    kinds: [counter],
    effects,
    tables: samePlace,
    fault: async ({ batch }) => {
      batches.push(batch);
      if (hold) await new Promise<void>((resolve) => (held = resolve));
      const fate = fates.shift() ?? 'ok';
      return typeof fate === 'function' ? fate(batch) : fate;
    },
  });
  return {
    ...k,
    batches,
    /** the next commit waits until `release` */
    hold: () => (hold = true),
    release: async () => {
      hold = false;
      held?.();
      await settle();
    },
  };
}

const rowsOf = (k: Awaited<ReturnType<typeof withFates>>, id: string) => k.store.journal(actorIdOf(`counter:${id}`));

test('K6 one actor in a batch of 300 conflicts: the others commit after a split, the loser is read anew and runs again', async (t) => {
  const k = await withFates();
  const add = (i: number) => k.system.ask(`counter:${i}`, { type: 'counter.add', by: 1 }, as(alice));
  await Promise.all(Array.from({ length: 300 }, (_, i) => add(i)));
  // Another node extends the history of one actor behind our back.
  const stranger = await testKernel({ kinds: [counter], effects, store: k.store, clock: k.clock });
  await stranger.system.ask('counter:7', { type: 'counter.add', by: 100 }, as(user('other')));
  const replies = await Promise.all(Array.from({ length: 300 }, (_, i) => add(i)));
  t.true(replies.every((r) => r.ok));
  t.deepEqual(replies[7], { ok: true, seq: 4, reply: { n: 102 } });
  t.deepEqual(replies[8], { ok: true, seq: 3, reply: { n: 2 } });
  t.is(await k.metric('fence_conflicts_total'), 1);
  t.deepEqual(
    rowsOf(k, '7').map((r) => r.seq),
    [1, 2, 3, 4],
  );
});

test('K7 a connection cut after the commit: the resend meets its own commit id and the callers get success', async (t) => {
  const k = await withFates('lost-applied');
  const asked = Promise.all([1, 2, 3].map((i) => k.system.ask(`counter:${i}`, { type: 'counter.note', text: 'x' }, as(alice))));
  await k.clock.advance(100);
  t.true((await asked).every((r) => r.ok && r.seq === 2));
  t.is(k.store.rows('test_notes').length, 3);
  t.is(await k.metric('indoubt_total'), 1);
});

test('K8 a connection cut before the commit: the resend commits once', async (t) => {
  const k = await withFates('lost-unapplied');
  const asked = k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  await k.clock.advance(100);
  t.like(await asked, { ok: true, seq: 2 });
  t.is(rowsOf(k, 'a').length, 2);
  t.is(k.batches[0]!.cid, k.batches[1]!.cid);
});

test('K18 while the database is away commands are UNAVAILABLE and committed state is read; afterwards nothing acknowledged is lost', async (t) => {
  const away = Array.from({ length: 40 }, () => 'lost-unapplied' as const);
  const k = await withFates('ok', ...away);
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  const inDoubt = k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, { key: 'doubt', deadline: 5_000 }));
  await k.clock.advance(2_000);
  t.like(await k.system.ask('counter:b', { type: 'counter.add', by: 1 }, as(alice)), { ok: false, error: { code: 'UNAVAILABLE' } });
  t.deepEqual(await k.system.read('counter:a', 'n', {}, { from: alice, level: 'eventual' }), { seq: 2, value: 1 });
  await k.clock.advance(4_000);
  t.like(await inDoubt, { ok: false, error: { code: 'COMMIT_UNKNOWN' } });
  await k.clock.advance(60_000);
  t.deepEqual(await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, { key: 'doubt' })), {
    ok: true,
    seq: 3,
    reply: { n: 2 },
    dup: true,
  });
});

test('K27 an answer computed on an uncommitted state that is lost is computed anew', async (t) => {
  const k = await withFates('ok');
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  const stranger = await testKernel({ kinds: [counter], effects, store: k.store, clock: k.clock });
  await stranger.system.ask('counter:a', { type: 'counter.add', by: 100 }, as(user('other')));
  const add = k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  const no = k.system.ask('counter:a', { type: 'counter.refuse' }, as(alice));
  const read = k.system.read('counter:a', 'n', {}, { from: alice });
  t.deepEqual(await add, { ok: true, seq: 4, reply: { n: 102 } });
  t.like(await no, { ok: false, seq: 4, error: { details: { n: 102 } } });
  t.deepEqual(await read, { seq: 4, value: 102 });
});

test('K30 a wall clock that is set back does not make history go back', async (t) => {
  const k = await withFates();
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 60_000 }, as(alice));
  const [, , armed] = rowsOf(k, 'a');
  k.clock.setWall(k.clock.wall() - 3_600_000);
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  const rows = rowsOf(k, 'a');
  t.true(rows.every((r, i) => i === 0 || r.at >= rows[i - 1]!.at));
  await k.clock.advance(70_000);
  t.false(rowsOf(k, 'a').some((r) => r.type === 'fired'));
  await k.clock.advance(3_600_000);
  const fired = rowsOf(k, 'a').find((r) => r.type === 'fired');
  t.true(fired !== undefined && fired.at >= armed!.at + 60_000);
});

test('K34 a claim that the machine wrongly lets pass is refused by the database: the command is, its neighbours are not', async (t) => {
  const k = await withFates();
  t.like(await k.system.ask('counter:a', { type: 'counter.claim', claim: 'c1', place: 'court' }, as(alice)), { ok: true });
  const before = rowsOf(k, 'a').length;
  const [b, x, y] = await Promise.all([
    k.system.ask('counter:b', { type: 'counter.claim', claim: 'c2', place: 'court' }, as(alice, { key: 'again' })),
    k.system.ask('counter:x', { type: 'counter.claim', claim: 'c3', place: 'hall' }, as(alice)),
    k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice)),
  ]);
  t.like(b, { ok: false, error: { code: 'PLACE_TAKEN', details: { key: { claim: 'c2' } } } });
  t.like(x, { ok: true });
  t.like(y, { ok: true });
  t.is(rowsOf(k, 'b').length, 0);
  t.is(rowsOf(k, 'a').length, before + 1);
  t.is(await k.metric('companion_conflicts_total', { kind: 'counter', companion: 'places' }), 1);
  t.true(k.log.lines.some((l) => (l.fields as { alert?: string }).alert === 'critical'));
  await k.system.ask('counter:a', { type: 'counter.release', claim: 'c1' }, as(alice));
  t.like(await k.system.ask('counter:b', { type: 'counter.claim', claim: 'c2', place: 'court' }, as(alice, { key: 'again' })), {
    ok: true,
  });
});

test('K39 an event that writes into two tables writes all of it or nothing', async (t) => {
  const k = await withFates('lost-unapplied');
  const asked = k.system.ask('counter:a', { type: 'counter.note', text: 'x' }, as(alice));
  await settle();
  t.deepEqual([k.store.rows('test_notes').length, k.store.rows('test_totals').length, rowsOf(k, 'a').length], [0, 0, 0]);
  await k.clock.advance(100);
  await asked;
  t.deepEqual([k.store.rows('test_notes').length, k.store.rows('test_totals').length, rowsOf(k, 'a').length], [1, 1, 2]);
});

test('K40 K41 hold, release and hold of one place in one batch are one statement with net rows', async (t) => {
  const k = await withFates();
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  k.hold();
  const first = k.system.ask('counter:z', { type: 'counter.add', by: 1 }, as(alice));
  await settle();
  const ask = (type: string, claim: string) =>
    k.system.ask(
      'counter:a',
      type === 'claim' ? { type: 'counter.claim', claim, place: 'court' } : { type: 'counter.release', claim },
      as(alice),
    );
  const all = [ask('claim', 'c1'), ask('release', 'c1'), ask('claim', 'c2')];
  await k.release();
  t.true((await Promise.all([first, ...all])).every((r) => r.ok));
  t.is(k.batches.length, 3);
  t.deepEqual(
    k.batches[2]!.companions[0]!.rows.map((r) => [r.op, r.row['claim'], r.row['state']]),
    [
      ['insert', 'c1', 'released'],
      ['insert', 'c2', 'held'],
    ],
  );
});

test('K43 two refused actors in a batch of 100: one error names both, the rest commits in the next statement', async (t) => {
  const k = await withFates();
  await k.system.ask('counter:owner', { type: 'counter.claim', claim: 'mine', place: 'taken' }, as(alice));
  k.hold();
  const first = k.system.ask('counter:z', { type: 'counter.add', by: 1 }, as(alice));
  await settle();
  const asks = Array.from({ length: 50 }, (_, i) => {
    const bad = i === 10 || i === 20;
    const below = bad ? [k.system.ask(`counter:${i}`, { type: 'counter.add', by: 1 }, as(alice))] : [];
    return [...below, k.system.ask(`counter:${i}`, { type: 'counter.claim', claim: `c${i}`, place: bad ? 'taken' : `p${i}` }, as(alice))];
  }).flat();
  await k.release();
  const replies = await Promise.all(asks);
  await first;
  t.is(replies.filter((r) => !r.ok && r.error.code === 'PLACE_TAKEN').length, 2);
  t.is(replies.filter((r) => r.ok).length, 50);
  t.deepEqual(
    rowsOf(k, '10').map((r) => r.type),
    ['thrum.init', 'counter.add'],
  );
  const firstHalf = k.batches[2]!;
  const afterSplit = k.batches[3]!;
  t.is(new Set(afterSplit.journal.map((r) => r.actorId)).size, new Set(firstHalf.journal.map((r) => r.actorId)).size - 2);
  t.is(afterSplit.cid, firstHalf.cid);
});

test('K44 three commands of one actor in a batch, the second refused: the first commits, the third runs on the state after the first', async (t) => {
  const k = await withFates();
  await k.system.ask('counter:owner', { type: 'counter.claim', claim: 'mine', place: 'taken' }, as(alice));
  const [one, two, three] = await Promise.all([
    k.system.ask('counter:a', { type: 'counter.add', by: 10 }, as(alice)),
    k.system.ask('counter:a', { type: 'counter.claim', claim: 'c', place: 'taken' }, as(alice)),
    k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice)),
  ]);
  t.like(one, { ok: true, seq: 2 });
  t.like(two, { ok: false, error: { code: 'PLACE_TAKEN' } });
  t.deepEqual(three, { ok: true, seq: 3, reply: { n: 11 } });
});

test('G5 nothing leaves before its commit: neither reply, publication, message nor effect', async (t) => {
  let effects_ = 0;
  const batches: Batch[] = [];
  let open: (() => void) | undefined;
  let hold = false;
  const k = await testKernel({
    kinds: [counter],
    effects: { counter: { work: async () => ({ done: (effects_ += 1) }) } },
    fault: async ({ batch }) => {
      batches.push(batch);
      if (hold) await new Promise<void>((resolve) => (open = resolve));
      return 'ok';
    },
  });
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  await k.system.slice('counter:a/value');
  const seen: unknown[] = [];
  k.system.onPublish((p) => seen.push(p));
  hold = true;
  const replies: unknown[] = [];
  for (const command of [
    { type: 'counter.add', by: 1 },
    { type: 'counter.emit', items: 1 },
    { type: 'counter.send', to: 'counter:b', times: 1 },
    { type: 'counter.start' },
  ]) {
    void k.system.ask('counter:a', command, as(alice)).then((r) => replies.push(r));
  }
  await settle();
  t.deepEqual([seen.length, replies.length, effects_, k.store.journal(actorIdOf('counter:b')).length], [0, 0, 0, 0]);
  hold = false;
  open?.();
  await k.clock.advance(1_000);
  t.deepEqual([replies.length, effects_, k.store.journal(actorIdOf('counter:b')).length], [4, 1, 2]);
  t.true(seen.length >= 2);
});

test('the rule of one: while a commit is in flight no other statement of the lane is sent', async (t) => {
  const k = await withFates();
  k.hold();
  const first = k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  await settle();
  const second = k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  const other = k.system.ask('counter:b', { type: 'counter.add', by: 1 }, as(alice));
  await settle();
  t.is(k.batches.length, 1);
  await k.release();
  t.true((await Promise.all([first, second, other])).every(({ ok }) => ok));
  t.deepEqual(
    k.batches.map(({ journal }) => journal.length),
    [2, 3],
  );
});
