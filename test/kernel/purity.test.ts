/** The check of purity that every test system has (kernel 4.4). */
import test from 'ava';
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, kernel } from '../../actors/define.ts';
import { rnd } from '../../actors/scope.ts';
import { as, system, testKernel } from '../support/kernel.ts';

let calls = 0;
const asks: { readonly [name: string]: () => number } = {
  date: () => Date.now(),
  today: () => new Date().getTime(),
  chance: () => Math.random(),
  clock: () => performance.now(),
  timer: () => Number(setTimeout(() => undefined, 0)),
  uuid: () => crypto.randomUUID().length,
  memory: () => (calls += 1),
  given: () => new Date(1_803_888_000_000).getTime() + Date.UTC(2027, 0),
  stream: () => rnd(),
};

const probe = defineActor<{ n: number }>({
  kind: 'probe',
  version: 1,
  context: z.strictObject({ n: z.number() }),
  machine: setup({
    types: { context: {} as { n: number }, events: {} as { type: 'probe.ask'; what: string } },
    actions: { ...kernel.actions, ask: assign({ n: ({ event }) => asks[event.what]!() }) },
  }).createMachine({ id: 'probe', context: { n: 0 }, on: { 'probe.ask': { actions: ['ask', { type: 'reply' }] } } }),
  commands: { 'probe.ask': command({ input: z.strictObject({ what: z.string() }), reply: z.null() }) },
});

const causes: { readonly [name: string]: RegExp } = {
  date: /Date\.now\(\) in a macrostep/,
  today: /new Date\(\) in a macrostep/,
  chance: /Math\.random\(\) in a macrostep/,
  clock: /performance\.now\(\) in a macrostep/,
  timer: /setTimeout\(\) in a macrostep/,
  uuid: /crypto\.randomUUID\(\) in a macrostep/,
  memory: /gives something else the second time/,
};

for (const [what, message] of Object.entries(causes)) {
  test(`a machine that depends on its surroundings fails in every test: ${what}`, async (t) => {
    const k = await testKernel({ kinds: [probe] });
    t.like(await k.system.ask('probe:a', { type: 'probe.ask', what }, as(system)), { ok: false, error: { code: 'ACTOR_FAULT' } });
    const line = k.log.lines.find((l) => l.message === 'a machine failed')!;
    t.regex((line.fields as { err: Error }).err.message, message);
    t.true(Date.now() > 0 && Math.random() < 1, 'and the surroundings are as before');
  });
}

test('dates of given times and the stream of chance are free to use', async (t) => {
  const k = await testKernel({ kinds: [probe] });
  for (const what of ['given', 'stream']) t.true((await k.system.ask('probe:a', { type: 'probe.ask', what }, as(system))).ok, what);
});
