import test from 'ava';
import type { TestKernel } from '../support/kernel.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 7 }) } };

/** Two nodes over one store; neither hears of what the other writes. */
async function pair() {
  const one = await testKernel({ kinds: [counter], effects });
  const two = await testKernel({ kinds: [counter], effects, store: one.store, clock: one.clock });
  const tails = one.store.tails.bind(one.store);
  const asked: (readonly string[])[] = [];
  one.store.tails = (ids) => {
    asked.push(ids);
    return tails(ids);
  };
  return { one, two, asked };
}

const add = (k: TestKernel, id = 'a') => k.system.ask(`counter:${id}`, { type: 'counter.add', by: 1 }, as(alice));
const read = (k: TestKernel, o: { level?: 'eventual' | 'session' | 'linearizable'; min?: number } = {}, id = 'a') =>
  k.system.read(`counter:${id}`, 'n', {}, { from: alice, ...o });

test('a linearizable read sees what another node has written, the other levels see what this node knows', async (t) => {
  const { one, two } = await pair();
  await add(one);
  await add(two);
  t.deepEqual(await read(one, { level: 'eventual' }), { seq: 2, value: 1 });
  t.deepEqual(await read(one), { seq: 2, value: 1 });
  const strict = read(one, { level: 'linearizable' });
  await one.clock.advance(10);
  t.deepEqual(await strict, { seq: 3, value: 2 });
  t.deepEqual(await read(one), { seq: 3, value: 2 });
});

test('linearizable reads of two milliseconds share one query, each actor once', async (t) => {
  const { one, asked } = await pair();
  for (const id of ['a', 'b', 'c']) await add(one, id);
  const reads = ['a', 'b', 'c', 'a', 'b'].map((id) => read(one, { level: 'linearizable' }, id));
  await one.clock.advance(10);
  t.deepEqual(
    (await Promise.all(reads)).map(({ value }) => value),
    [1, 1, 1, 1, 1],
  );
  t.deepEqual(
    asked.map((ids) => ids.length),
    [3],
  );
});

test('a linearizable read waits for the commands before it and includes them', async (t) => {
  const { one } = await pair();
  await add(one);
  const command = add(one);
  const strict = read(one, { level: 'linearizable' });
  await one.clock.advance(10);
  t.deepEqual(await strict, { seq: 3, value: 2 });
  t.like(await command, { seq: 3 });
});

test('a linearizable read of an actor that does not exist is NOT_FOUND, and UNAVAILABLE while the store cannot tell', async (t) => {
  const { one } = await pair();
  const missing = read(one, { level: 'linearizable' }, 'nobody');
  await one.clock.advance(10);
  await t.throwsAsync(missing, { message: 'NOT_FOUND' });
  one.store.tails = async () => Promise.reject(new Error('connection refused'));
  const unknown = t.throwsAsync(read(one, { level: 'linearizable' }), { message: 'UNAVAILABLE' });
  await one.clock.advance(10);
  await unknown;
});

test('a read with a token reflects at least that seq, at every level, and leaves the uncommitted alone', async (t) => {
  const { one, two } = await pair();
  await add(one);
  const { seq } = await add(two);
  t.is(seq, 3);
  t.deepEqual(await read(one, { min: 2 }), { seq: 2, value: 1 });
  t.deepEqual(await read(one, { min: 3, level: 'eventual' }), { seq: 3, value: 2 });
  await add(two);
  const mine = add(one);
  // This command runs on a state that is no longer the newest; read and command are both run again.
  t.deepEqual(await read(one, { min: 4 }), { seq: 5, value: 4 });
  t.deepEqual(await mine, { ok: true, seq: 5, reply: { n: 4 } });
});

test('a token that no state has reached is answered RETRY', async (t) => {
  const { one } = await pair();
  await add(one);
  const error = await t.throwsAsync(read(one, { min: 99 }));
  t.like(error, { code: 'RETRY' });
  t.deepEqual(await read(one), { seq: 2, value: 1 });
});
