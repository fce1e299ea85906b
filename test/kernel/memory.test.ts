import test from 'ava';
import * as fc from 'fast-check';
import type { Publication } from '../../actors/system.ts';
import { Warm } from '../../actors/warm.ts';
import { settle } from '../support/clock.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import type { TestKernelOptions } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');

/** A kernel whose reads of actors are counted. */
async function start(o: Partial<TestKernelOptions> = {}) {
  const k = await testKernel({ kinds: [counter], effects: { counter: { work: async () => ({ done: 7 }) } }, ...o });
  const read = k.store.load.bind(k.store);
  let loads = 0;
  k.store.load = (ids) => {
    loads += 1;
    return read(ids);
  };
  const add = (id = 'a', key?: string) =>
    k.system.ask(`counter:${id}`, { type: 'counter.add', by: 1 }, as(alice, key === undefined ? {} : { key }));
  return { ...k, add, loads: () => loads, held: (temperature: string) => k.metric('activations', { temperature }) };
}

test('an actor that has been idle for half a minute is warm and goes on without a read of the store', async (t) => {
  const k = await start();
  await k.add('a', 'first');
  await k.clock.advance(40_000);
  t.is(await k.held('hot'), 0);
  t.is(await k.held('warm'), 1);
  t.is((await k.system.inspect.one('counter:a')).standing?.temperature, 'warm');
  const before = k.loads();
  t.deepEqual(await k.add(), { ok: true, seq: 3, reply: { n: 2 } });
  t.is(k.loads(), before);
  t.is(await k.metric('activations_total', { from: 'warm' }), 1);
  t.is(await k.held('hot'), 1);
});

test('a warm actor remembers the keys of its commands, and refuses as before', async (t) => {
  const k = await start();
  await k.add('a', 'once');
  await k.clock.advance(40_000);
  t.deepEqual(await k.add('a', 'once'), { ok: true, seq: 2, reply: { n: 1 }, dup: true });
  t.is(await k.metric('duplicates_total', { source: 'ring' }), 1);
  t.like(await k.system.ask('counter:a', { type: 'counter.note', text: 'x' }, as(alice, { key: 'once' })), {
    ok: false,
    error: { code: 'IDEMPOTENCY_MISMATCH' },
  });
});

test('timers, deep history and companion rows go on from warm', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.deep' }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.sleep' }, as(alice));
  await k.system.ask('counter:t', { type: 'counter.arm', ms: 50_000 }, as(alice));
  await k.clock.advance(40_000);
  t.is(await k.held('warm'), 2);
  t.like(await k.system.ask('counter:a', { type: 'counter.back' }, as(alice)), { ok: true });
  t.deepEqual((await k.system.inspect.one('counter:a')).state.value, { nest: 'second' });
  await k.clock.advance(11_000);
  t.deepEqual(await k.system.read('counter:t', 'n', {}, { from: alice }), { seq: 3, value: 1_000 });
  t.is(k.store.timers().length, 0);
});

test('subscribers of a warm actor get the next change as a delta on what they have', async (t) => {
  const k = await start();
  await k.add();
  const first = await k.system.slice('counter:a/value');
  const e = first.kind === 'state' ? first.e : '';
  await k.add();
  await k.system.ask('counter:a', { type: 'counter.note', text: 'not shown' }, as(alice));
  await k.clock.advance(40_000);
  t.is(await k.held('warm'), 1);
  t.like(await k.system.slice('counter:a/value', { e, s: 3 }), { m: 'same' });
  await k.clock.advance(40_000);
  t.is(await k.held('warm'), 1);
  const seen: Publication[] = [];
  k.system.onPublish((p) => seen.push(p));
  t.deepEqual(await k.add(), { ok: true, seq: 5, reply: { n: 3 }, ch: ['value'] });
  t.like(seen, [{ t: 'counter:a/value', e, s: 5, p: 3, k: 'd', d: { n: 3 } }]);
});

test('a warm actor becomes cold in time and leaves a snapshot when its tail is long, heads included', async (t) => {
  const k = await start();
  await k.add('short');
  for (let i = 0; i < 20; i += 1) await k.add('long');
  await k.system.slice('counter:long/value');
  await k.clock.advance(40_000);
  t.is(await k.held('warm'), 2);
  await k.clock.advance(90_000);
  t.is(await k.held('warm'), 0);
  t.is(await k.metric('passivations_total', { reason: 'idle' }), 2);
  const { actorId } = await k.system.inspect.one('counter:long');
  t.like(k.store.snapshots(actorId), [{ seq: 21, heads: { 'value@1': 21 } }]);
  t.deepEqual(await k.add('long'), { ok: true, seq: 22, reply: { n: 21 } });
});

test('snapshots of very many actors are written page by page, each once, while their commands go on', async (t) => {
  const k = await start({ kinds: [{ ...counter, snapshot: { every: 8, bytes: 0 } }] });
  const ids = Array.from({ length: 300 }, (_, i) => `c${i}`);
  const all = (): Promise<unknown> => Promise.all(ids.map((id) => k.add(id)));
  const save = k.store.saveSnapshots.bind(k.store);
  const pages: number[] = [];
  k.store.saveSnapshots = async (rows) => {
    pages.push(rows.length);
    await all();
    await save(rows);
  };
  for (let i = 0; i < 7; i += 1) await all();
  t.deepEqual(pages, []);
  await k.clock.advance(1_000);
  t.deepEqual(pages, [256, 44]);
  t.like(await k.add('c0'), { ok: true, reply: { n: 10 } });
});

test('an actor whose effect is running, or that was quarantined, does not become warm', async (t) => {
  let finish = (): void => undefined;
  const k = await start({ effects: { counter: { work: () => new Promise((resolve) => (finish = () => resolve({ done: 7 }))) } } });
  await k.system.ask('counter:busy', { type: 'counter.start' }, as(alice));
  await k.add('bad');
  for (let i = 0; i < 5; i += 1) await k.system.ask('counter:bad', { type: 'counter.throw' }, as(alice));
  // The effect is tried again after each time-out of a second.
  await k.clock.advance(500);
  t.is(await k.held('hot'), 2);
  finish();
  await settle();
  await k.clock.advance(40_000);
  t.is(await k.held('warm'), 1);
  t.like(await k.add('bad'), { ok: false, error: { code: 'ACTOR_QUARANTINED' } });
});

test('an idle actor without history is forgotten instead of kept warm', async (t) => {
  const k = await start();
  await t.throwsAsync(k.system.read('counter:nobody', 'n', {}, { from: alice }), { message: 'NOT_FOUND' });
  t.is(await k.held('hot'), 1);
  await k.clock.advance(40_000);
  t.is((await k.held('hot')) + (await k.held('warm')), 0);
});

test('with the number of actors at its bound the least recently used leave first, warm ones before hot ones (I10)', async (t) => {
  const k = await start({ limits: { activations: 20 } });
  for (let i = 0; i < 15; i += 1) await k.add(`old${i}`);
  await k.clock.advance(40_000);
  t.is(await k.held('warm'), 15);
  for (let i = 0; i < 10; i += 1) {
    await k.add(`new${i}`);
    await k.clock.advance(1);
    t.true((await k.held('hot')) + (await k.held('warm')) <= 20);
  }
  t.is(await k.held('hot'), 10);
  t.is((await k.system.inspect.one('counter:old0')).standing?.temperature, 'cold');
  t.is((await k.system.inspect.one('counter:old14')).standing?.temperature, 'warm');
  t.is(await k.metric('passivations_total', { reason: 'pressure' }), 6);
  t.deepEqual(await k.add('old0'), { ok: true, seq: 3, reply: { n: 2 } });
});

test('the estimated bytes of actors stay below their bound, growing actors included (I10)', async (t) => {
  const most = 600_000;
  const k = await start({ limits: { activationBytes: most } });
  for (let i = 0; i < 20; i += 1) {
    await k.system.ask(`counter:${i}`, { type: 'counter.grow', size: 50_000 }, as(alice));
    await k.clock.advance(1);
    t.true((await k.metric('activation_bytes')) <= most);
  }
  t.true((await k.metric('passivations_total', { reason: 'pressure' })) >= 15);
  t.deepEqual(await k.add('0'), { ok: true, seq: 3, reply: { n: 1 } });
});

test('what is put among the warm entries is given back once and unchanged, in any order of use; pages are freed', (t) => {
  const ref = fc.tuple(fc.constantFrom('user', 'device', 'booking'), fc.integer({ min: 0, max: 30 })).map(([kind, id]) => `${kind}:${id}`);
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.integer({ min: 0, max: 400_000 }).map((n) => 'é'.repeat(n)),
    fc.constant('x'.repeat(1_500_000)),
  );
  const op = fc.oneof(
    { weight: 6, arbitrary: fc.record({ op: fc.constant('put' as const), ref, text, keep: fc.boolean() }) },
    { weight: 4, arbitrary: fc.record({ op: fc.constant('take' as const), ref }) },
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constant('expire' as const),
        kind: fc.constantFrom('user', 'device'),
        age: fc.integer({ min: 0, max: 40 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('leaving' as const), most: fc.integer({ min: 0, max: 10 }) }) },
  );
  fc.assert(
    fc.property(fc.array(op, { maxLength: 120 }), (ops) => {
      const warm = new Warm();
      const model = new Map<string, { text: string; keep: boolean; since: number }>();
      const same = (entry: { ref: string; text: string; keep: boolean }): void => {
        const known = model.get(entry.ref);
        if (known?.text !== entry.text || known.keep !== entry.keep) throw new Error(`${entry.ref} came back changed`);
        model.delete(entry.ref);
      };
      for (const [now, o] of ops.entries()) {
        if (o.op === 'put') {
          warm.put(o, now);
          model.delete(o.ref);
          model.set(o.ref, { text: o.text, keep: o.keep, since: now });
        } else if (o.op === 'take') {
          t.is(warm.take(o.ref), model.get(o.ref)?.text);
          model.delete(o.ref);
        } else if (o.op === 'expire') {
          const due = [...model].filter(([r, { since }]) => r.startsWith(`${o.kind}:`) && since < now - o.age).map(([r]) => r);
          const gone = [...warm.expire(o.kind, now - o.age)];
          t.deepEqual(
            gone.map((entry) => entry.ref),
            due,
          );
          gone.forEach(same);
        } else {
          const oldest = [...model].sort(([, x], [, y]) => x.since - y.since).map(([r]) => r);
          for (const entry of warm.leaving()) {
            t.is(entry.ref, oldest.shift() ?? '');
            same(entry);
            if (model.size <= o.most) break;
          }
        }
        t.is(warm.size, model.size);
        // Never more than four times what is in use, beside the page that is being filled and one that is just sealed.
        const live = [...model].reduce((sum, [r, { text: x }]) => sum + 15 + r.length + Buffer.byteLength(x), 0);
        t.true(warm.bytes <= 4 * live + 2 * 1_600_000 + 1_048_576, `${warm.bytes} for ${live}`);
      }
      for (const [r, { text: x }] of model) t.is(warm.take(r), x);
      t.true(warm.bytes <= 1_600_000);
    }),
    { numRuns: 200 },
  );
});
