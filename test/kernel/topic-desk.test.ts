import test from 'ava';
import type { Activation } from '../../actors/activation.ts';
import { TopicDesk } from '../../actors/topic-desk.ts';
import type { Reads } from '../../actors/reads.ts';

/** A desk at which the actor has `seq` events, and whose state is given up `times` times right after it has answered. */
function desk(seq: number, times: number) {
  const a: { committed: object | undefined } = { committed: undefined };
  let asked = 0;
  const reads = {
    ask: async () => {
      asked += 1;
      a.committed = asked > times && seq > 0 ? {} : undefined;
      return { ok: true, seq, reply: null };
    },
  } as unknown as Reads;
  const made = new TopicDesk({} as never, reads, () => ({ rt: {} as never, a: a as unknown as Activation }));
  return { made, asked: () => asked };
}

test('a state that is given up between its answer and its use is asked for again, not taken for absent', async (t) => {
  const { made, asked } = desk(3, 2);
  t.truthy((await made.active('room:1')).committed);
  t.is(asked(), 3);
  const never = desk(3, 99);
  await t.throwsAsync(never.made.active('room:1'), { message: /read anew/ });
  t.true(never.asked() < 10);
});

test('an actor without history is absent at the first answer', async (t) => {
  const { made, asked } = desk(0, 0);
  t.is((await made.active('room:1')).committed, undefined);
  t.is(asked(), 1);
});
