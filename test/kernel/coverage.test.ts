/** Counters of the transitions that were taken (kernel specification 13.3). */
import test from 'ava';
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, kernel } from '../../actors/define.ts';
import { actorIdOf, slotOf } from '../../actors/ids.ts';
import type { Kernel } from '../../actors/kernel.ts';
import { sampleReplay } from '../../actors/replay.ts';
import { as, system, testKernel } from '../support/kernel.ts';

const context = z.strictObject({ n: z.number() });
type Context = z.infer<typeof context>;

const machine = setup({
  types: { context: {} as Context, events: {} as { type: 'lamp.press' } | { type: 'lamp.smash' } },
  actions: { ...kernel.actions, count: assign({ n: ({ context: c }) => c.n + 1 }) },
  guards: { isOld: ({ context: c }) => c.n >= 2 },
  delays: { REST: 1_000 },
}).createMachine({
  id: 'lamp',
  context: { n: 0 },
  initial: 'off',
  states: {
    off: {
      on: {
        'lamp.press': [
          { guard: 'isOld', actions: { type: 'reject', params: { code: 'WORN_OUT' } } },
          { target: 'warm', actions: 'count' },
        ],
      },
    },
    warm: { always: { target: 'on' } },
    on: { on: { 'lamp.press': 'off', 'lamp.smash': 'broken' }, after: { REST: 'off' } },
    broken: { type: 'final' },
  },
});

const lamp = (version: number) =>
  defineActor<Context>({
    kind: 'lamp',
    version,
    machine,
    context,
    commands: {
      'lamp.press': command({ input: z.strictObject({}), reply: z.null(), rejects: ['WORN_OUT'] }),
      'lamp.smash': command({ input: z.strictObject({}), reply: z.null() }),
    },
    ...(version > 1 ? { migrations: { 1: (s) => s } } : {}),
  });

const press = { type: 'lamp.press' };

test('every transition that a machine takes is counted, the refusing, the eventless and the delayed ones too; those never taken are listed', async (t) => {
  const k = await testKernel({ kinds: [lamp(1)] });
  const before = await k.system.inspect.coverage('lamp');
  t.is(before.transitions.length, 6);
  t.deepEqual(before.never, [0, 1, 2, 3, 4, 5]);

  await k.system.ask('lamp:a', press, as(system));
  await k.clock.advance(1_500);
  for (let i = 0; i < 2; i += 1) await k.system.ask('lamp:a', press, as(system));
  const refused = await k.system.ask('lamp:a', press, as(system));
  t.like(refused, { ok: false, error: { code: 'WORN_OUT' } });
  await k.clock.advance(10_000);

  const { transitions, never, version, versions } = await k.system.inspect.coverage('lamp');
  t.deepEqual(
    transitions.map((x) => [x.source, x.event, x.guard, x.targets, x.taken]),
    [
      ['lamp.off', 'lamp.press', 'isOld', [], 1],
      ['lamp.off', 'lamp.press', null, ['lamp.warm'], 2],
      ['lamp.warm', '', null, ['lamp.on'], 2],
      ['lamp.on', 'lamp.press', null, ['lamp.off'], 1],
      ['lamp.on', 'lamp.smash', null, ['lamp.broken'], 0],
      ['lamp.on', 'xstate.after.REST.lamp.on', null, ['lamp.off'], 1],
    ],
  );
  t.deepEqual([never, version, versions], [[4], 1, [1]]);
  t.is(await k.metric('coverage', { kind: 'lamp' }), 5 / 6);
});

test('nodes add their counts up, what was counted before a stop is kept, and a version that no build knows keeps its counts', async (t) => {
  const first = await testKernel({ kinds: [lamp(1)] });
  await first.system.ask('lamp:a', press, as(system));
  await first.system.drain(1_000);
  const second = await testKernel({ kinds: [lamp(1)], store: first.store, clock: first.clock });
  await second.system.ask('lamp:b', press, as(system));
  await second.system.drain(1_000);
  t.is((await second.system.inspect.coverage('lamp')).transitions[1]?.taken, 2);

  const third = await testKernel({ kinds: [lamp(2)], store: first.store, clock: first.clock });
  const now = await third.system.inspect.coverage('lamp');
  t.deepEqual([now.version, now.versions, now.never.length], [2, [2, 1], 6]);
  const old = await third.system.inspect.coverage('lamp', 1);
  t.deepEqual([old.version, old.transitions[1]?.taken, old.transitions.length, old.never], [1, 2, 6, [0, 3, 4, 5]]);
  await t.throwsAsync(third.system.inspect.coverage('lamp', 7), { message: /7/ });
});

test('counts that the store did not take are counted again later', async (t) => {
  const k = await testKernel({ kinds: [lamp(1)] });
  const counting = { ...k.store.admin };
  let failures = 0;
  Object.assign(k.store.admin, {
    countTaken: () => {
      failures += 1;
      return Promise.reject(new Error('away'));
    },
  });
  await k.system.ask('lamp:a', press, as(system));
  await k.clock.advance(10_000);
  t.is(failures, 1);
  Object.assign(k.store.admin, counting);
  await k.clock.advance(10_000);
  const { transitions } = await k.system.inspect.coverage('lamp');
  t.deepEqual([transitions.length, transitions[1]?.taken], [6, 1]);
});

test('explaining the past, asking what would be and the sampled replay check count nothing', async (t) => {
  const k = await testKernel({ kinds: [lamp(1)] });
  await k.system.ask('lamp:a', press, as(system));
  await k.system.inspect.microsteps('lamp:a', 2);
  await k.system.inspect.whatIf('lamp:a', press, { from: system, at: undefined, seq: undefined });
  const kernel = k.system as unknown as Kernel;
  const actorId = actorIdOf('lamp:a');
  await sampleReplay(kernel, kernel.kinds.get('lamp')!, { ref: 'lamp:a', id: 'a', actorId, slot: slotOf(actorId) });
  t.deepEqual(k.log.lines, []);
  await k.clock.advance(10_000);
  const { transitions } = await k.system.inspect.coverage('lamp');
  t.deepEqual(
    transitions.map((x) => x.taken),
    [0, 1, 1, 0, 0, 1],
    'the press and, later, the timer',
  );
});
