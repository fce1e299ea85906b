/** What an observer of a node is told of its events (kernel specification 13.2). */
import test from 'ava';
import type { Observer, Sighting } from '../../actors/feed.ts';
import { counter } from '../support/kinds.ts';
import { as, system, testKernel } from '../support/kernel.ts';
import type { TestKernel } from '../support/kernel.ts';

const effects = { counter: { work: async () => ({ done: 1 }) } };

/** Keeps what it is told of the events that `wants` lets through. */
function watching(k: TestKernel, wants: (ref: string, type: string) => boolean = () => true) {
  const told: Sighting[] = [];
  const asked: string[] = [];
  const observer: Observer = {
    wants(at, _kind, type) {
      asked.push(`${at.ref} ${type}`);
      return wants(at.ref, type) ? 'me' : undefined;
    },
    tell: (sighting) => void told.push(sighting),
  };
  k.system.observe(observer);
  return { told, asked };
}
const short = (s: Sighting) => [s.at.ref, s.event.type, s.reply.ok ? 'ok' : s.reply.error.code, s.next?.seq ?? null];

test('an event is told after its commit, with the state after it and the transitions that it took', async (t) => {
  const k = await testKernel({ kinds: [counter], effects });
  const { told } = watching(k);
  const reply = await k.system.ask('counter:a', { type: 'counter.add', by: 2 }, as(system));
  t.deepEqual(told.map(short), [['counter:a', 'counter.add', 'ok', 2]]);
  const [seen] = told;
  t.is(seen?.next?.seq, reply.seq);
  t.like(seen?.next?.state.context, { n: 2 });
  t.deepEqual(seen?.event.payload, { by: 2 });
  t.is(seen?.event.from, system);
  const taken = seen?.transitions.map((i) => seen.rt.transitions.list[i]?.event);
  t.deepEqual(taken, ['counter.add']);
  t.true((seen?.durationUs ?? -1) >= 0 && (seen?.commitMs ?? -1) >= 0);
});

test('refusals and faults are told without a state; timers, results and messages like commands', async (t) => {
  const k = await testKernel({ kinds: [counter], effects });
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(system));
  const { told } = watching(k);
  await k.system.ask('counter:a', { type: 'counter.refuse' }, as(system));
  await k.system.ask('counter:a', { type: 'counter.throw' }, as(system));
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 1_000 }, as(system));
  await k.clock.advance(1_500);
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 1 }, as(system));
  await k.clock.advance(1_000);
  const seen = told.map(short);
  t.deepEqual(seen[0], ['counter:a', 'counter.refuse', 'COUNTER_SAYS_NO', null]);
  t.deepEqual(seen[1], ['counter:a', 'counter.throw', 'ACTOR_FAULT', null]);
  t.true(seen.some(([ref, type]) => ref === 'counter:a' && type === 'fired'));
  const message = told.find((s) => s.at.ref === 'counter:b');
  t.like(message?.event.from, { kind: 'actor', id: 'counter:a' });
  t.is(message?.next?.seq, 2);
});

test('what nobody wants is not told, and when nobody looks on nobody is asked', async (t) => {
  const k = await testKernel({ kinds: [counter], effects });
  const add = (ref: string) => k.system.ask(ref, { type: 'counter.add', by: 1 }, as(system));
  const { told, asked } = watching(k, (ref) => ref === 'counter:b');
  await add('counter:a');
  await add('counter:b');
  t.deepEqual([told.length, asked.length], [1, 2]);
  k.system.observe(undefined);
  await add('counter:b');
  t.deepEqual([told.length, asked.length], [1, 2]);
});

test('an event that meets the event of another node runs again, and is told once with the state that was committed', async (t) => {
  const k = await testKernel({ kinds: [counter], effects });
  const other = await testKernel({ kinds: [counter], effects, store: k.store, clock: k.clock });
  const add = (node: TestKernel) => node.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(system));
  await add(k);
  await add(other);
  const { told, asked } = watching(k);
  const pending = add(k);
  await k.clock.advance(5_000);
  t.true((await pending).ok);
  t.deepEqual(told.map(short), [['counter:a', 'counter.add', 'ok', 4]]);
  t.is(told[0]?.transitions.length, 1);
  t.is(asked.length, 1);
});

test('a message that is committed with the event that sends it is told like any other', async (t) => {
  const k = await testKernel({ kinds: [counter], effects, fuse: () => true });
  for (const ref of ['counter:a', 'counter:b']) await k.system.ask(ref, { type: 'counter.add', by: 1 }, as(system));
  const { told } = watching(k);
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 1 }, as(system));
  await k.clock.advance(1_000);
  t.deepEqual(
    told.filter((s) => s.at.ref === 'counter:b').map((s) => [s.event.type, s.next?.seq]),
    [['counter.take', 3]],
  );
});
