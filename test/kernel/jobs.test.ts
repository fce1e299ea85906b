import test from 'ava';
import { setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, kernel } from '../../actors/define.ts';
import { as, testKernel, user } from '../support/kernel.ts';

const alice = user('alice');
const machine = setup({
  types: { context: {}, events: {} as { type: 'order.place' } },
  actions: { ...kernel.actions },
}).createMachine({
  id: 'order',
  context: {},
  initial: 'open',
  states: {
    open: {
      on: {
        'order.place': { actions: [{ type: 'job', params: { queue: 'mail', name: 'receipt', data: { to: 'alice' } } }, { type: 'reply' }] },
      },
    },
  },
});
const order = defineActor({
  kind: 'order',
  version: 1,
  machine,
  context: z.strictObject({}),
  commands: { 'order.place': command({ input: z.strictObject({}), reply: z.null() }) },
});

test('K64 a job is in the table with its event, once, though the answer was lost and nobody was there to run it', async (t) => {
  const fates = ['lost-applied' as const];
  const woken: string[] = [];
  const k = await testKernel({ kinds: [order], fault: async () => fates.shift() ?? 'ok', onJob: (queue) => woken.push(queue) });
  const placed = k.system.ask('order:1', { type: 'order.place' }, as(alice, { key: 'once' }));
  await k.clock.advance(2_000);
  t.like(await placed, { ok: true });
  t.deepEqual(woken, ['mail']);
  const next = await k.restart();
  t.like(await next.system.ask('order:1', { type: 'order.place' }, as(alice, { key: 'once' })), { ok: true, dup: true });
  const jobs = k.store.rows('jobs');
  t.is(jobs.length, 1);
  t.like(jobs[0], { queue: 'mail', kind: 'receipt' });
});
