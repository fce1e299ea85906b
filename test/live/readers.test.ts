import test from 'ava';
import { refusal } from '../../actors/errors.ts';
import type { Principal, Refusal } from '../../actors/types.ts';
import { askedTogether } from '../../server/live/readers.ts';

const reader = (id: number): Principal => ({ kind: 'user', id: `u${id}`, roles: [] });

/** Questions that are answered by hand. */
function questions() {
  const asked: { topic: string; readers: readonly Principal[]; answer: (refused: readonly Principal[]) => void; fail: () => void }[] = [];
  const ask = askedTogether({
    refused: (topic, readers) =>
      new Promise<ReadonlyMap<Principal, Refusal>>((resolve, reject) => {
        asked.push({
          topic,
          readers,
          answer: (refused) => resolve(new Map(refused.map((p) => [p, refusal('FORBIDDEN')]))),
          fail: () => reject(new Error('no answer')),
        });
      }),
  });
  return { asked, ask };
}

test('a thousand readers of one topic are asked for with three questions, each after the one before it (R4)', async (t) => {
  const { asked, ask } = questions();
  const all = Array.from({ length: 1_000 }, (_, i) => reader(i));
  const answers = all.map((p) => ask('a:1/x', p));
  for (const [i, last] of [0, 500, 999].entries()) {
    t.is(asked.length, i + 1);
    asked[i]?.answer([]);
    await answers[last];
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(answers);
  t.deepEqual(
    asked.map((q) => q.readers.length),
    [1, 500, 499],
  );
  t.deepEqual(
    asked.flatMap((q) => q.readers),
    all,
  );
});

test('each reader has his own answer; who comes while a question is under way waits for the next one (R4)', async (t) => {
  const { asked, ask } = questions();
  const [early, late, other] = [reader(1), reader(2), reader(3)];
  const first = ask('a:1/x', early);
  const second = ask('a:1/x', late);
  const third = ask('a:1/x', early);
  const apart = ask('b:1/x', other);
  t.is(asked.length, 2, 'topics do not wait for each other');
  asked[0]?.answer([]);
  await first;
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(asked[2]?.readers, [late, early]);
  asked[2]?.answer([late]);
  await t.throwsAsync(second, { code: 'FORBIDDEN' });
  await third;
  asked[1]?.answer([]);
  await apart;
});

test('a question without an answer fails those it was asked for, and nobody after them', async (t) => {
  const { asked, ask } = questions();
  const first = ask('a:1/x', reader(1));
  const second = ask('a:1/x', reader(2));
  asked[0]?.fail();
  await t.throwsAsync(first);
  await new Promise((resolve) => setImmediate(resolve));
  asked[1]?.answer([]);
  await second;
  const third = ask('a:1/x', reader(3));
  t.is(asked.length, 3);
  asked[2]?.answer([]);
  await third;
});
