/** Questions on their way to the node that serves their slot. */
import test from 'ava';
import { createMemoryBus } from '../../actors/bus/mem.ts';
import type { Question } from '../../actors/bus/bus.ts';
import type { Kernel } from '../../actors/kernel.ts';
import type { Placement } from '../../actors/placement.ts';
import { Router } from '../../actors/routing.ts';
import type { Serving } from '../../actors/routing.ts';
import { FakeClock } from '../support/clock.ts';

const question: Question = {
  f: 'ask',
  rid: 1,
  slot: 7,
  epoch: 1,
  left: 1_000,
  question: { method: 'workload', args: [] },
};

test('a question that has waited for its slot has so much less time left', async (t) => {
  const clock = new FakeClock();
  const newBus = createMemoryBus({ later: (fn) => fn() });
  const at = { home: false };
  const lefts: number[] = [];
  const placement = { me: 'b', serves: () => at.home, expects: () => true, owner: () => undefined } as unknown as Placement;
  const serving = { ask: async ({ left }: Question) => (lefts.push(left), null) } as unknown as Serving;
  const router = new Router({ clock } as unknown as Kernel, placement, newBus(), serving);
  await router.start();
  const asker = newBus();
  await asker.open('a', () => undefined);
  await asker.send('b', question);
  await clock.advance(600);
  t.deepEqual(lefts, []);
  at.home = true;
  router.unpark([question.slot]);
  t.deepEqual(lefts, [400]);
});
