import test from 'ava';
import { actorIdOf } from '../../actors/ids.ts';
import type { Fate } from '../../actors/store/mem.ts';
import type { Batch } from '../../actors/store/store.ts';
import { settle } from '../support/clock.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import type { TestKernel, TestKernelOptions } from '../support/kernel.ts';
import { peer } from '../support/peers.ts';

const alice = user('alice');
const sameplace = { test_places: { conflicts: (a: Record<string, unknown>, b: Record<string, unknown>) => a['place'] === b['place'] } };

/** Two peers in memory with fusing on; batches are kept, `hold` keeps the next one from being committed. */
async function start(o: Partial<TestKernelOptions> = {}) {
  const batches: Batch[] = [];
  const gates: (() => void)[] = [];
  const fates: Fate[] = [];
  let held = false;
  const k = await testKernel({
    kinds: [peer],
    tables: sameplace,
    fuse: () => true,
    fault: async ({ batch }) => {
      batches.push(batch);
      if (held) await new Promise<void>((resolve) => gates.push(resolve));
      return fates.shift() ?? 'ok';
    },
    ...o,
  });
  const ask = (ref: string, command: { type: string; [field: string]: unknown }) => k.system.ask(ref, command, as(alice));
  for (const ref of ['peer:a', 'peer:b']) await ask(ref, { type: 'peer.write', to: ref, times: 0 });
  batches.length = 0;
  return {
    ...k,
    ask,
    batches,
    fates,
    hold: () => (held = true),
    release: async () => {
      held = false;
      for (const open of gates.splice(0)) open();
      await settle();
    },
  };
}

const rows = (k: TestKernel, ref: string) => k.store.journal(actorIdOf(ref)).map((r) => r.type);
const heard = async (k: TestKernel, ref: string): Promise<unknown> => (await k.system.inspect.one(ref)).state.context['heard'];
const shape = (batch: Batch | undefined) => batch?.journal.map((r) => r.type);

/** A stale owner extends the history of an actor behind the kernel's back. */
async function stranger(k: TestKernel, ref: string): Promise<void> {
  const other = await testKernel({ kinds: [peer], tables: sameplace, store: k.store, clock: k.clock });
  await other.system.ask(ref, { type: 'peer.write', to: ref, times: 0 }, as(user('other')));
}

test('K52 a question and its answer between two actors at hand are one statement without outbox rows', async (t) => {
  const k = await start();
  k.hold();
  const replied: unknown[] = [];
  const asked = k.ask('peer:a', { type: 'peer.ask', to: 'peer:b' }).then((r) => replied.push(r));
  await settle();
  t.deepEqual([replied, k.batches.length], [[], 1]);
  await k.release();
  await asked;
  t.like(replied[0], { ok: true, seq: 3 });
  t.deepEqual(shape(k.batches[0]), ['peer.ask', 'peer.question', 'peer.answer']);
  t.deepEqual([k.batches.length, k.batches[0]!.outbox, k.store.outbox()], [1, [], []]);
  t.deepEqual([await heard(k, 'peer:a'), await heard(k, 'peer:b')], [['answer of peer:b'], ['question of peer:a']]);
  t.deepEqual([await k.metric('fused_total'), await k.metric('fuse_skipped_total')], [2, 0]);
});

test('K52 the journal of a fused message is that of a delivered one: sender, cause, key and payload', async (t) => {
  const plain = await start({ fuse: undefined as never });
  const fused = await start();
  for (const k of [plain, fused]) {
    await k.ask('peer:a', { type: 'peer.ask', to: 'peer:b' });
    await k.clock.advance(1_000);
  }
  const of = (k: TestKernel) =>
    ['peer:a', 'peer:b'].map((ref) =>
      k.store.journal(actorIdOf(ref)).map(({ cid: _cid, at: _at, idem, ...r }) => ({
        ...r,
        idem: r.type.includes('answer') || r.type.includes('question') ? idem : '',
      })),
    );
  t.deepEqual(of(fused), of(plain));
  t.is(await plain.metric('fused_total'), 0);
});

test('K53 a receiver that refuses decides by plain delivery, and the sender hears of it once', async (t) => {
  const k = await start();
  await k.ask('peer:b', { type: 'peer.close' });
  t.like(await k.ask('peer:a', { type: 'peer.ask', to: 'peer:b' }), { ok: true });
  t.is(k.batches.at(-1)!.outbox.length, 1);
  await k.clock.advance(1_000);
  t.deepEqual(await heard(k, 'peer:a'), ['undelivered peer:b PEER_CLOSED']);
  t.deepEqual(k.store.outbox(), []);
  t.is(await k.metric('fuse_skipped_total', { reason: 'outcome' }), 1);
});

test('K53 a receiver that has changed its mind by then takes the message', async (t) => {
  const k = await start();
  await k.ask('peer:b', { type: 'peer.close' });
  k.hold();
  const asked = k.ask('peer:a', { type: 'peer.ask', to: 'peer:b' });
  const reopened = k.ask('peer:b', { type: 'peer.reopen' });
  await settle();
  await k.release();
  await Promise.all([asked, reopened]);
  await k.clock.advance(1_000);
  t.deepEqual([await heard(k, 'peer:a'), await heard(k, 'peer:b')], [['answer of peer:b'], ['question of peer:a']]);
});

test('K54 a stale owner wrote the next row of the receiver: neither row stands, the command runs again and the message is applied once', async (t) => {
  const k = await start();
  await stranger(k, 'peer:b');
  t.like(await k.ask('peer:a', { type: 'peer.ask', to: 'peer:b' }), { ok: true, seq: 3 });
  await k.clock.advance(1_000);
  t.deepEqual(rows(k, 'peer:a'), ['thrum.init', 'peer.write', 'peer.ask', 'peer.answer']);
  t.deepEqual(rows(k, 'peer:b'), ['thrum.init', 'peer.write', 'peer.write', 'peer.question']);
  t.is(await k.metric('fence_conflicts_total'), 1);
  t.is(await k.metric('fuse_skipped_total', { reason: 'again' }), 1);
});

test('K54 a stale owner wrote the next row of the sender: the same', async (t) => {
  const k = await start();
  await stranger(k, 'peer:a');
  t.like(await k.ask('peer:a', { type: 'peer.ask', to: 'peer:b' }), { ok: true, seq: 4 });
  await k.clock.advance(1_000);
  t.deepEqual(rows(k, 'peer:a'), ['thrum.init', 'peer.write', 'peer.write', 'peer.ask', 'peer.answer']);
  t.deepEqual(rows(k, 'peer:b'), ['thrum.init', 'peer.write', 'peer.question']);
});

test('K55 a companion row of the sender is refused: neither row stands, its caller gets the code, the receiver is as it was', async (t) => {
  const k = await start();
  await k.ask('peer:owner', { type: 'peer.claim', place: 'court', to: 'peer:owner' });
  await k.clock.advance(1_000);
  t.like(await k.ask('peer:a', { type: 'peer.claim', place: 'court', to: 'peer:b' }), { ok: false, error: { code: 'PLACE_TAKEN' } });
  await k.clock.advance(1_000);
  t.deepEqual([rows(k, 'peer:a').length, rows(k, 'peer:b').length, await heard(k, 'peer:b')], [2, 2, []]);
  t.like(await k.ask('peer:a', { type: 'peer.claim', place: 'hall', to: 'peer:b' }), { ok: true, seq: 3 });
  t.deepEqual(await heard(k, 'peer:b'), ['peer:a#0']);
  t.is(await k.metric('companion_conflicts_total'), 1);
});

test('K55 a companion row of the receiver is refused: the sender commits, and hears of it by plain delivery', async (t) => {
  const k = await start();
  await k.ask('peer:owner', { type: 'peer.claim', place: 'court', to: 'peer:owner' });
  await k.clock.advance(1_000);
  t.like(await k.ask('peer:a', { type: 'peer.order', place: 'court', to: 'peer:b' }), { ok: true, seq: 3 });
  await k.clock.advance(1_000);
  t.deepEqual([await heard(k, 'peer:a'), await heard(k, 'peer:b')], [['undelivered peer:b PLACE_TAKEN'], []]);
  t.deepEqual(rows(k, 'peer:b'), ['thrum.init', 'peer.write']);
  t.like(await k.ask('peer:a', { type: 'peer.order', place: 'hall', to: 'peer:b' }), { ok: true });
  t.deepEqual(await heard(k, 'peer:b'), ['took hall']);
});

test('K56 a chain of nine events ends its group at eight; the rest goes by the outbox and arrives once', async (t) => {
  const k = await start();
  await k.ask('peer:a', { type: 'peer.serve', to: 'peer:b', left: 9 });
  t.is(k.batches[0]!.journal.length, 8);
  t.is(k.batches[0]!.outbox.length, 1);
  await k.clock.advance(1_000);
  t.deepEqual(
    [await heard(k, 'peer:a'), await heard(k, 'peer:b')],
    [[7, 5, 3, 1].map((n) => `ball ${n}`), [8, 6, 4, 2, 0].map((n) => `ball ${n}`)],
  );
  t.is(await k.metric('fuse_skipped_total', { reason: 'bounds' }), 1);
});

test('K56 a group has four actors at most', async (t) => {
  const k = await start();
  for (const ref of ['peer:c', 'peer:d', 'peer:e']) await k.ask(ref, { type: 'peer.write', to: ref, times: 0 });
  await Promise.all(['b', 'c', 'd', 'e'].map((id) => k.ask('peer:a', { type: 'peer.ask', to: `peer:${id}` })));
  await k.clock.advance(1_000);
  const actors = k.batches.map((b) => new Set(b.journal.map((r) => r.actorId)).size);
  t.deepEqual(
    await heard(k, 'peer:a'),
    ['b', 'c', 'd', 'e'].map((id) => `answer of peer:${id}`),
  );
  t.is(Math.max(...actors), 5);
  t.is(await k.metric('fused_total'), 8);
});

test('K56 33 messages to a busy actor: 32 are fused before its turn, the rest goes by the outbox, in order', async (t) => {
  const k = await start();
  await k.ask('peer:c', { type: 'peer.write', to: 'peer:c', times: 0 });
  const write = (ref: string, times: number) =>
    Array.from({ length: times }, () => k.ask(ref, { type: 'peer.write', to: 'peer:b', times: 1 }));
  const own = { type: 'peer.write', to: 'peer:b', times: 0 };
  // both senders have their turns before the receiver has its own
  t.true((await Promise.all([...write('peer:a', 17), ...write('peer:c', 17), k.ask('peer:b', own)])).every((r) => r.ok));
  await k.clock.advance(1_000);
  const all = (await heard(k, 'peer:b')) as string[];
  for (const ref of ['peer:a', 'peer:c'])
    t.deepEqual(
      all.filter((text) => text.startsWith(ref)),
      Array.from({ length: 17 }, (_, i) => `${ref}#${i}`),
    );
  t.is(await k.metric('fused_total'), 32);
  t.is(await k.metric('fuse_skipped_total', { reason: 'bounds' }), 1);
  t.is(await k.metric('fuse_skipped_total', { reason: 'order' }), 1);
});

test('messages of one event to one receiver are fused up to the bound, and the next event waits behind them', async (t) => {
  const k = await start();
  await Promise.all([
    k.ask('peer:a', { type: 'peer.write', to: 'peer:b', times: 20 }),
    k.ask('peer:a', { type: 'peer.write', to: 'peer:b', times: 3 }),
  ]);
  await k.clock.advance(1_000);
  t.deepEqual(
    await heard(k, 'peer:b'),
    Array.from({ length: 23 }, (_, i) => `peer:a#${i}`),
  );
  t.is(await k.metric('fused_total'), 7);
  t.is(await k.metric('fuse_skipped_total', { reason: 'order' }), 15);
});

test('a message behind one that may not be fused waits for it', async (t) => {
  const k = await start();
  await Promise.all([
    k.ask('peer:a', { type: 'peer.plain', to: 'peer:b' }),
    k.ask('peer:a', { type: 'peer.write', to: 'peer:b', times: 1 }),
  ]);
  await k.clock.advance(1_000);
  t.deepEqual(await heard(k, 'peer:b'), ['peer:a#0', 'peer:a#1']);
  t.is(await k.metric('fused_total'), 0);
  await k.ask('peer:a', { type: 'peer.write', to: 'peer:b', times: 1 });
  t.is(await k.metric('fused_total'), 1);
});

test('K57 an event of the receiver in flight conflicts: the group behind it is dissolved, what stands below it commits, the message is applied once', async (t) => {
  const k = await start();
  await stranger(k, 'peer:b');
  k.hold();
  const first = k.ask('peer:b', { type: 'peer.write', to: 'peer:b', times: 0 });
  await settle();
  const below = k.ask('peer:a', { type: 'peer.write', to: 'peer:x', times: 0 });
  const grouped = k.ask('peer:a', { type: 'peer.ask', to: 'peer:b' });
  const above = k.ask('peer:a', { type: 'peer.write', to: 'peer:x', times: 0 });
  await settle();
  t.is(await k.metric('fused_total'), 2);
  await k.release();
  t.like(await below, { ok: true, seq: 3 });
  t.like(await grouped, { ok: true, seq: 4 });
  t.like(await above, { ok: true, seq: 5 });
  await first;
  await k.clock.advance(1_000);
  t.deepEqual(
    k.batches[1]!.journal.map((r) => [r.type, r.seq]),
    [['peer.write', 3]],
  );
  t.deepEqual(rows(k, 'peer:a'), ['thrum.init', 'peer.write', 'peer.write', 'peer.ask', 'peer.write', 'peer.answer']);
  t.deepEqual(rows(k, 'peer:b'), ['thrum.init', 'peer.write', 'peer.write', 'peer.write', 'peer.question']);
});

test('a group in doubt is resent as it was and recognised', async (t) => {
  const k = await start();
  k.fates.push('lost-applied');
  const asked = k.ask('peer:a', { type: 'peer.ask', to: 'peer:b' });
  await k.clock.advance(1_000);
  t.like(await asked, { ok: true, seq: 3 });
  t.deepEqual([await heard(k, 'peer:a'), await heard(k, 'peer:b')], [['answer of peer:b'], ['question of peer:a']]);
  t.is(new Set(k.batches.map((b) => b.cid)).size, 1);
});

test('a batch that is split keeps its groups together', async (t) => {
  const k = await start();
  for (const ref of ['peer:c', 'peer:d', 'peer:e']) await k.ask(ref, { type: 'peer.write', to: ref, times: 0 });
  await stranger(k, 'peer:e');
  k.batches.length = 0;
  const asked = await Promise.all([
    k.ask('peer:a', { type: 'peer.ask', to: 'peer:b' }),
    k.ask('peer:c', { type: 'peer.ask', to: 'peer:d' }),
    k.ask('peer:e', { type: 'peer.write', to: 'peer:e', times: 0 }),
  ]);
  t.true(asked.every((r) => r.ok));
  t.deepEqual(k.batches.slice(1, 3).map(shape), [
    ['peer.ask', 'peer.question', 'peer.answer'],
    ['peer.ask', 'peer.question', 'peer.answer'],
  ]);
});

test('nothing is fused across lanes or to actors that are not in memory', async (t) => {
  const k = await start({ lanes: 2 });
  const lane = (ref: string): number => Number.parseInt(actorIdOf(ref).replaceAll('-', '').slice(0, 3), 16) >> 2;
  const ids = Array.from({ length: 20 }, (_, i) => `peer:n${i}`);
  const other = ids.find((ref) => lane(ref) % 2 !== lane('peer:a') % 2)!;
  const same = ids.find((ref) => lane(ref) % 2 === lane('peer:a') % 2)!;
  await k.ask(other, { type: 'peer.write', to: other, times: 0 });
  await k.ask('peer:a', { type: 'peer.ask', to: other });
  await k.ask('peer:a', { type: 'peer.ask', to: same });
  await k.clock.advance(1_000);
  t.deepEqual(
    [await k.metric('fuse_skipped_total', { reason: 'elsewhere' }), await k.metric('fuse_skipped_total', { reason: 'absent' })],
    [2, 1],
  );
  t.deepEqual(((await heard(k, 'peer:a')) as string[]).toSorted(), [`answer of ${other}`, `answer of ${same}`].toSorted());
});
