import test from 'ava';
import type { Publication } from '../../actors/system.ts';
import { registryOf } from '../../actors/companion.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { merge } from '../../calc/merge-patch.ts';
import { counter, counterFeed, counterValue } from '../support/kinds.ts';

const alice = user('alice');
const start = async () => {
  const k = await testKernel({ kinds: [counter], effects: { counter: { work: async () => ({ done: 1 }) } } });
  const seen: Publication[] = [];
  k.system.onPublish((p) => seen.push(p));
  const add = (by = 1) => k.system.ask('counter:a', { type: 'counter.add', by }, as(alice));
  return { ...k, seen, add };
};

test('a first subscription gets the snapshot, a cursor at the head gets same, and what follows is a delta on it', async (t) => {
  const k = await start();
  await k.add(5);
  const first = await k.system.slice('counter:a/value');
  t.like(first, { t: 'counter:a/value', kind: 'state', s: 2, m: 'snap', d: { n: 5 } });
  const e = first.kind === 'state' ? first.e : '';
  t.is(e.length, 8);
  t.like(await k.system.slice('counter:a/value', { e, s: 2 }), { m: 'same' });
  const reply = await k.add();
  t.deepEqual(reply, { ok: true, seq: 3, reply: { n: 6 }, ch: ['value'] });
  t.like(k.seen, [{ t: 'counter:a/value', e, s: 3, p: 2, k: 'd', d: { n: 6 } }]);
  t.like(await k.system.slice('counter:a/value', { e, s: 2 }), { m: 'delta', s: 3, d: [{ n: 6 }] });
  t.like(await k.system.slice('counter:a/value', { e: 'anothere', s: 2 }), { m: 'snap', s: 3 });
});

test('commits within the conflation time are one publication, and a new subscriber gets the published view, not the current one', async (t) => {
  const k = await start();
  await k.add();
  await k.system.slice('counter:a/value');
  await k.add();
  await k.add();
  await k.add();
  t.is(k.seen.length, 1);
  t.like(await k.system.slice('counter:a/value'), { m: 'snap', s: 3, d: { n: 2 } });
  await k.clock.advance(100);
  t.like(k.seen.slice(1), [{ s: 5, p: 3, k: 'd', d: { n: 4 } }]);
});

test('a change that is undone before it is published is still announced, because a reply has named it', async (t) => {
  const k = await start();
  await k.add(1);
  await k.system.slice('counter:a/value');
  await k.add(1);
  t.like(await k.add(5), { ch: ['value'] });
  t.like(await k.add(-5), { ch: ['value'] });
  await k.clock.advance(100);
  t.like(k.seen.at(-1), { s: 5, p: 3, d: {} });
});

test('a command that does not change a hot view names none', async (t) => {
  const k = await start();
  await k.add(1);
  await k.system.slice('counter:a/value');
  t.deepEqual(await k.system.ask('counter:a', { type: 'counter.note', text: 'x' }, as(alice)), { ok: true, seq: 3, reply: null });
  t.deepEqual(k.seen, []);
});

test('K58 items are numbered without gap over a restart, and a cursor is continued from the table', async (t) => {
  const k = await start();
  for (let i = 0; i < 40; i += 1) await k.system.ask('counter:a', { type: 'counter.emit', items: 1 }, as(alice));
  const next = await k.restart();
  const first = await next.system.slice('counter:a/feed');
  t.like(first, { s: 40, more: false, floor: 1 });
  const e = first.kind === 'log' ? first.e : '';
  const resumed = await next.system.slice('counter:a/feed', { e, s: 35 });
  t.deepEqual(
    resumed.kind === 'log' ? resumed.d : [],
    [36, 37, 38, 39, 40].map((no) => ({ no })),
  );
  const seen: Publication[] = [];
  next.system.onPublish((p) => seen.push(p));
  await next.system.ask('counter:a', { type: 'counter.emit', items: 2 }, as(alice));
  t.like(seen, [{ t: 'counter:a/feed', e, s: 42, p: 40, k: 'i', d: [{ no: 41 }, { no: 42 }] }]);
});

test('a long log is answered in pages', async (t) => {
  const k = await start();
  for (let i = 0; i < 13; i += 1) await k.system.ask('counter:a', { type: 'counter.emit', items: 100 }, as(alice));
  const latest = await k.system.slice('counter:a/feed');
  t.true(latest.kind === 'log' && latest.d.length === 20 && latest.s === 1_300);
  const e = latest.kind === 'log' ? latest.e : '';
  let s = 40;
  const pages: number[] = [];
  for (;;) {
    const page = await k.system.slice('counter:a/feed', { e, s });
    if (page.kind !== 'log') break;
    pages.push(page.d.length);
    t.deepEqual(page.d[0], { no: s + 1 });
    s = page.s;
    if (!page.more) break;
  }
  t.deepEqual(pages, [500, 500, 260]);
});

test('K60 an actor passivated and activated without a commit continues at the published head; after a commit elsewhere there is a snapshot', async (t) => {
  const k = await start();
  await k.add(1);
  const first = await k.system.slice('counter:a/value');
  const e = first.kind === 'state' ? first.e : '';
  await k.add(1);
  await k.system.ask('counter:a', { type: 'counter.note', text: 'beside' }, as(alice));
  await k.clock.advance(130_000);
  t.is(await k.metric('activations'), 0);
  t.like(await k.system.slice('counter:a/value', { e, s: 3 }), { m: 'same', s: 3 });
  await k.clock.advance(130_000);
  const other = await k.restart();
  await other.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  t.like(await k.system.slice('counter:a/value', { e, s: 3 }), { m: 'snap', s: 5 });
});

test('topic names, rights and unknown views are answered by their codes', async (t) => {
  const k = await start();
  await k.add(1);
  const code = async (topic: string, p = alice) => {
    try {
      return (await k.system.refused(topic, [p])).get(p)?.code ?? 'may read';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  t.is(await code('counter:a/value'), 'may read');
  t.is(await code('counter:a/value?day=1'), 'VALIDATION');
  t.is(await code('Counter:a/value'), 'VALIDATION');
  t.is(await code(`counter:${'a'.repeat(300)}/value`), 'VALIDATION');
  t.is(await code('counter:a/nothing'), 'UNKNOWN_TOPIC');
  t.is(await code('counter:missing/value'), 'NOT_FOUND');
  t.is(await code('counter:a/value', user('stranger')), 'NOT_FOUND');
  t.is(await code('counter:a/value', user('bob', 'banned')), 'FORBIDDEN');
  t.is(await code('counter:missing/value', { kind: 'anonymous', id: '', roles: [] }), 'UNAUTHENTICATED');
});

test('K59 retention removes old items, numbers go on, and a cursor before the floor is told of the gap', async (t) => {
  const k = await start();
  for (let i = 0; i < 12; i += 1) await k.system.ask('counter:a', { type: 'counter.emit', items: 100 }, as(alice));
  const first = await k.system.slice('counter:a/feed');
  const e = first.kind === 'log' ? first.e : '';
  await k.clock.advance(3_600_000);
  const next = await k.restart();
  const cut = await next.system.slice('counter:a/feed', { e, s: 100 });
  t.like(cut, { floor: 201, gap: { from: 101, to: 200 } });
  t.deepEqual(cut.kind === 'log' ? cut.d[0] : undefined, { no: 201 });
  await next.clock.advance(25 * 3_600_000);
  t.like(await next.system.slice('counter:a/feed', { e, s: 1_200 }), { floor: 1_201, d: [] });
  await next.system.ask('counter:a', { type: 'counter.emit', items: 1 }, as(alice));
  t.like(await next.system.slice('counter:a/feed', { e, s: 1_200 }), { s: 1_201, d: [{ no: 1_201 }] });
});

test('a database that is replaced under the running node is noticed', async (t) => {
  let replaced = 0;
  const k = await testKernel({
    kinds: [counter],
    effects: { counter: { work: async () => ({ done: 1 }) } },
    onReplaced: () => (replaced += 1),
  });
  await k.clock.advance(31_000);
  t.is(replaced, 0);
  k.store.dataId = async () => 'f'.repeat(32);
  await k.clock.advance(31_000);
  t.is(replaced, 1);
});

/** A database whose history went another way after the third item: restored from a backup, then used again. */
async function restored(dataId: string) {
  const store = createMemoryStore({ registry: registryOf([counter]), dataId });
  const k = await testKernel({ kinds: [counter], effects: { counter: { work: async () => ({ done: 1 }) } }, store });
  for (const items of [3, 1, 1, 1]) await k.system.ask('counter:a', { type: 'counter.emit', items }, as(alice));
  return k;
}

test('K62 after a restore that replaces the data id no cursor is believed and no item is skipped; without it items are lost', async (t) => {
  const k = await start();
  for (const items of [3, 1, 1]) await k.system.ask('counter:a', { type: 'counter.emit', items }, as(alice));
  const seen = await k.system.slice('counter:a/feed');
  const e = seen.kind === 'log' ? seen.e : '';
  t.like(seen, { s: 5 });
  const same = await restored(await k.store.dataId());
  t.like(await same.system.slice('counter:a/feed', { e, s: 5 }), { e, s: 6, d: [{ no: 6 }] }, 'the new items 4 and 5 never arrive');
  const replaced = await restored('f'.repeat(32));
  const fresh = await replaced.system.slice('counter:a/feed', { e, s: 5 });
  t.like(fresh, { s: 6, d: [1, 2, 3, 4, 5, 6].map((no) => ({ no })) });
  t.not(fresh.kind === 'log' ? fresh.e : e, e);
});

test('K60 a followed view is compared after the actor has been out of memory, though nobody has read it since', async (t) => {
  const k = await start();
  k.system.follow({
    of: (ref) => (ref === 'counter:a' ? ['counter:a/value', 'counter:a/feed'] : []),
    changed: () => undefined,
    topics: () => [],
    announce: () => undefined,
  });
  await k.add(1);
  await k.system.slice('counter:a/value');
  await k.add(1);
  await k.clock.advance(130_000);
  t.is(await k.metric('activations'), 0);
  t.like(await k.add(1), { ch: ['value'] });
  t.like(k.seen.slice(1), [{ t: 'counter:a/value', p: 3, s: 4, k: 'd', d: { n: 3 } }]);
});

test('what is not followed is not projected after the actor has been out of memory', async (t) => {
  const k = await start();
  await k.add(1);
  await k.system.slice('counter:a/value');
  await k.clock.advance(130_000);
  t.deepEqual(await k.add(1), { ok: true, seq: 3, reply: { n: 2 } });
  t.deepEqual(k.seen, []);
});

test('a follower hears of every commit of an actor, whatever its views', async (t) => {
  const k = await start();
  const changed: string[] = [];
  k.system.follow({ of: () => [], changed: (ref) => changed.push(ref), topics: () => [], announce: () => undefined });
  await k.add(1);
  await k.system.ask('counter:a', { type: 'counter.note', text: 'x' }, as(alice));
  t.deepEqual([...new Set(changed)], ['counter:a']);
  t.is(changed.length, 2);
});

test('those who may not read a topic are told apart, and a public topic is for everybody', async (t) => {
  const open = { ...counter, topics: [{ ...counterValue, view: 'open', public: true as const }, counterValue, counterFeed] };
  const k = await testKernel({ kinds: [open], effects: { counter: { work: async () => ({ done: 1 }) } } });
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  const [stranger, banned] = [user('stranger'), user('bob', 'banned')];
  const refused = await k.system.refused('counter:a/value', [alice, stranger, banned]);
  t.deepEqual(
    [alice, stranger, banned].map((p) => refused.get(p)?.code),
    [undefined, 'NOT_FOUND', 'FORBIDDEN'],
  );
  t.is((await k.system.refused('counter:a/open', [alice, stranger, banned])).size, 0);
});

test('a view that becomes too large is replaced for everybody, and no delta is built on what nobody has seen', async (t) => {
  const small = { ...counter, topics: [{ ...counterValue, maxBytes: 66 }, counterFeed] };
  const k = await testKernel({ kinds: [small], effects: { counter: { work: async () => ({ done: 1 }) } } });
  const seen: Publication[] = [];
  k.system.onPublish((p) => seen.push(p));
  const add = (by: number) => k.system.ask('counter:a', { type: 'counter.add', by }, as(alice));
  await add(5);
  t.like(await k.system.slice('counter:a/value'), { m: 'snap', d: { n: 5 } });
  let shown: unknown = { n: 5, label: 'the value of this counter is a number that grows' };
  for (const by of [95, 1, -95]) {
    await add(by);
    await k.clock.advance(100);
  }
  for (const p of seen) shown = p.k === 'f' ? p.d : merge(shown, p.d);
  t.deepEqual(shown, { n: 6, label: 'the value of this counter is a number that grows' });
  t.like(seen[0], { k: 'f', d: { truncated: true, href: '/v1/topics/counter:a/value' } });
  t.like(await k.system.slice('counter:a/value'), { m: 'snap', d: shown as object });
});

test('the kernel says why it cannot carry out commands', async (t) => {
  const k = await start();
  t.is(k.system.trouble(), undefined);
  await k.system.drain(0);
  t.is(k.system.trouble(), 'the kernel is stopped');
});
