/** The suites of the kernel once more, with fused delivery: what they promise must not depend on how a message travels (kernel.md 15.4). */
import '../support/fused.ts';
import test from 'ava';
import { as, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';
import './commands.test.ts';
import './commits.test.ts';
import './memory.test.ts';
import './outbox.test.ts';
import './timers.test.ts';
import './topics.test.ts';

test('messages are fused in the kernels of these suites', async (t) => {
  const k = await testKernel({ kinds: [counter], effects: { counter: { work: async () => ({ done: 0 }) } } });
  for (const id of ['b', 'a']) await k.system.ask(`counter:${id}`, { type: 'counter.add', by: 1 }, as(user('alice')));
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 2 }, as(user('alice')));
  t.is(await k.metric('fused_total'), 2);
});
