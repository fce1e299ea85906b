/** Versions of machines: migration at activation, the way back, and what cannot be migrated (kernel 12). */
import test from 'ava';
import * as fc from 'fast-check';
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, effect, effectRef, kernel } from '../../actors/define.ts';
import type { ActorKind, ActorState } from '../../actors/define.ts';
import { KernelProblem } from '../../actors/errors.ts';
import { actorIdOf } from '../../actors/ids.ts';
import { migrate } from '../../actors/migrate.ts';
import { apply, emptyState, fold } from '../../actors/patch.ts';
import type { Patch } from '../../actors/patch.ts';
import { rehearse } from '../../actors/rehearse.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import { settle } from '../support/clock.ts';
import { as, system, testKernel } from '../support/kernel.ts';
import type { TestKernel } from '../support/kernel.ts';

const ref = 'door:front';
const id = actorIdOf(ref);
const bare = { input: z.strictObject({}), reply: z.null() };
const reply = { type: 'reply' } as const;

/** Version 1: a door that falls shut after a minute, and a lock that asks somebody outside. */
const first = defineActor<{ opened: number }>({
  kind: 'door',
  version: 1,
  context: z.strictObject({ opened: z.number() }),
  machine: setup({
    types: { context: {} as { opened: number }, events: {} as { type: 'door.open' | 'door.close' | 'door.lock' } },
    actions: { ...kernel.actions },
    actors: { ask: effectRef<object, null>('ask') },
    delays: { fall: 60_000 },
  }).createMachine({
    id: 'door',
    context: { opened: 0 },
    initial: 'shut',
    states: {
      shut: {
        on: {
          'door.open': { target: 'open', actions: [assign({ opened: ({ context }) => context.opened + 1 }), reply] },
          'door.lock': { target: 'locking', actions: reply },
        },
      },
      open: { after: { fall: 'shut' }, on: { 'door.close': { target: 'shut', actions: reply } } },
      locking: { invoke: { id: 'ask', src: 'ask', input: {}, onDone: 'shut', onError: 'shut' } },
    },
  }),
  commands: { 'door.open': command(bare), 'door.close': command(bare), 'door.lock': command(bare) },
  effects: { ask: effect({ input: z.strictObject({}), output: z.null() }) },
});

type Both = { count: number; at: string };

/** Version 2: `open` is `ajar`, its delay `swing`; the count has another name and company. */
const later = (version: number, o: Partial<ActorKind>): ActorKind =>
  defineActor<Both>({
    ...first,
    version,
    context: z.strictObject({ count: z.number(), at: z.string() }),
    machine: setup({
      types: { context: {} as Both, events: {} as { type: 'door.open' | 'door.close' | 'door.lock' | 'door.read' } },
      actions: { ...kernel.actions },
      actors: { ask: effectRef<object, null>('ask') },
      delays: { swing: 60_000 },
    }).createMachine({
      id: 'door',
      context: { count: 0, at: 'new' },
      initial: 'shut',
      states: {
        shut: {
          on: {
            'door.open': { target: 'ajar', actions: [assign({ count: ({ context }) => context.count + 1 }), reply] },
            'door.lock': { target: 'locking', actions: reply },
          },
        },
        ajar: { after: { swing: 'shut' }, on: { 'door.close': { target: 'shut', actions: reply } } },
        locking: { invoke: { id: 'ask', src: 'ask', input: {}, onDone: 'shut', onError: 'shut' } },
      },
    }),
    queries: {
      count: { input: z.strictObject({}), output: z.number(), run: (s: { context: Both }) => s.context.count },
    },
    ...o,
  });

const OLD = 'xstate.after.fall.door.open';
const NEW = 'xstate.after.swing.door.ajar';
const renamed = (timers: ActorState['timers'], from: string, to: string): ActorState['timers'] =>
  Object.fromEntries(Object.entries(timers).map(([t, armed]) => (t === from ? [to, { ...armed, type: to }] : [t, armed])));

const up = (s: ActorState): ActorState => ({
  ...s,
  value: s.value === 'open' ? 'ajar' : s.value,
  context: { count: s.context['opened'] ?? 0, at: 'migrated' },
  timers: renamed(s.timers, OLD, NEW),
});
const down = (s: ActorState): ActorState => ({
  ...s,
  value: s.value === 'ajar' ? 'open' : s.value,
  context: { opened: s.context['count'] ?? 0 },
  timers: renamed(s.timers, NEW, OLD),
});

const second = later(2, { migrations: { 1: up } });
const effects = { door: { ask: () => new Promise<null>(() => undefined) } };
const start = (kind: ActorKind) => testKernel({ kinds: [kind], effects });
/** Another build over the same store. */
const beside = (k: TestKernel, kind: ActorKind, o = {}) => testKernel({ kinds: [kind], effects, store: k.store, clock: k.clock, ...o });
/** The process ends and another build takes its place. */
async function deploy(k: TestKernel, kind: ActorKind, o = {}): Promise<TestKernel> {
  await k.system.drain(0);
  return beside(k, kind, o);
}
const send = (k: TestKernel, type: string) => k.system.ask(ref, { type }, as(system));
const types = (k: TestKernel) => k.store.journal(id).map((row) => `${row.type} ${row.mver}`);
const count = async (k: TestKernel) => (await k.system.read(ref, 'count', {}, { from: system })).value;

test('a version with a renamed state takes over by one row, and the timer goes on under its new name (K21)', async (t) => {
  const one = await start(first);
  await send(one, 'door.open');
  const armed = one.store.timers()[0]!;
  await one.clock.advance(20_000);

  const two = await deploy(one, second);
  const [a, b] = await Promise.all([count(two), send(two, 'door.lock')]);
  t.is(a, 1);
  t.like(b, { ok: false, error: { code: 'NOT_ALLOWED', details: { state: 'ajar' } } });
  await two.clock.advance(1_000);
  t.deepEqual(types(two), ['thrum.init 1', 'door.open 1', 'thrum.migrated 2']);
  t.is(await two.metric('migrations_total', { kind: 'door', outcome: 'ok' }), 1);
  t.deepEqual(
    two.store.timers().map(({ timerId, due, type }) => ({ timerId, due, type })),
    [{ timerId: NEW, due: armed.due, type: NEW }],
  );

  const again = await deploy(two, second);
  t.is(await count(again), 1);
  t.is(types(again).length, 3, 'the migration is a fact now');
  await again.clock.advance(39_500);
  t.deepEqual(types(again).slice(3), [`${NEW} 2`], 'at the deadline of the first version');
  t.like(await send(again, 'door.open'), { ok: true, seq: 5 });
});

test('what the migrated state answers leaves only when the migration is committed (K21)', async (t) => {
  const one = await start(first);
  await send(one, 'door.open');
  let open: (() => void) | undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const store = {
    ...one.store,
    openLane: async (n: number) => {
      const lane = await one.store.openLane(n);
      return { ...lane, commit: async (batch: never) => (await gate, lane.commit(batch)) };
    },
  };
  const two = await deploy(one, second, { store });
  const answers: string[] = [];
  const refused = send(two, 'door.lock').then(() => answers.push('refused'));
  const read = count(two).then(() => answers.push('read'));
  await settle();
  t.deepEqual(answers, []);
  open?.();
  await Promise.all([refused, read]);
  t.is(types(one).at(-1), 'thrum.migrated 2');
});

test('a migration that loses the race to another node is not repeated (K21, K4)', async (t) => {
  const one = await start(first);
  await send(one, 'door.open');
  const a = await beside(one, second);
  const b = await beside(one, second);
  const answers = await Promise.all([send(a, 'door.close'), send(b, 'door.close')]);
  t.deepEqual(types(one), ['thrum.init 1', 'door.open 1', 'thrum.migrated 2', 'door.close 2']);
  t.is(answers.filter((x) => x.ok).length, 1);
  const { state } = await a.system.inspect.one(ref);
  t.deepEqual(state.context, { count: 1, at: 'migrated' });
});

test('a build that is older than the state leaves it alone (K22)', async (t) => {
  const two = await start(second);
  await send(two, 'door.open');
  const one = await deploy(two, first);
  t.like(await send(one, 'door.close'), { ok: false, error: { code: 'VERSION_AHEAD', details: { version: 2 } } });
  await t.throwsAsync(one.system.allowed(ref, system), { instanceOf: KernelProblem, message: 'VERSION_AHEAD' });
  await one.clock.advance(120_000);
  t.deepEqual(types(one), ['thrum.init 2', 'door.open 2'], 'its timers wait too');
  t.is((await one.store.entry(id))?.status, 'active');
  const back = await deploy(one, second);
  await back.clock.advance(1_000);
  t.is(types(back).at(-1), `${NEW} 2`);
});

test('a build with a way back takes a newer state, and the next deploy goes up again (K22)', async (t) => {
  const one = await start(first);
  await send(one, 'door.open');
  const two = await deploy(one, second);
  t.is(await count(two), 1);
  const rolledBack = await deploy(two, { ...first, downgrades: { 2: down } });
  t.like(await send(rolledBack, 'door.close'), { ok: true });
  const again = await deploy(rolledBack, second);
  t.is(await count(again), 1);
  const rows = ['thrum.init 1', 'door.open 1', 'thrum.migrated 2', 'thrum.migrated 1', 'door.close 1', 'thrum.migrated 2'];
  t.deepEqual(types(again), rows);
});

test('history in a format of the future stops the activation (FORMAT_AHEAD)', async (t) => {
  const one = await start(first);
  await send(one, 'door.open');
  const store = {
    ...one.store,
    load: async (ids: readonly string[]) =>
      new Map(
        [...(await one.store.load(ids))].map(([actor, found]) => [
          actor,
          { ...found, tail: found.tail.map((row) => ({ ...row, patch: { zz: 1 } })) },
        ]),
      ),
  };
  const two = await deploy(one, second, { store });
  t.like(await send(two, 'door.close'), { ok: false, error: { code: 'FORMAT_AHEAD', details: { keys: ['zz'] } } });
  t.is(types(one).length, 2);
});

const broken: { readonly [name: string]: (s: ActorState) => ActorState } = {
  throws: () => {
    throw new Error('no idea');
  },
  'names an unknown state': (s) => ({ ...up(s), value: 'wide' }),
  'leaves the context as it was': (s) => ({ ...up(s), context: s.context }),
  'leaves a timer without a transition': (s) => ({ ...up(s), timers: s.timers }),
  'invents a call': (s) => ({ ...up(s), calls: { ask: 2 } }),
  'gives what JSON cannot hold': (s) => ({ ...up(s), context: { count: Number.NaN, at: 'x' } }),
  'gives nothing': () => undefined as never,
};

for (const [name, migration] of Object.entries(broken)) {
  test(`a migration that ${name} quarantines the actor and leaves its history untouched (K23)`, async (t) => {
    const one = await start(first);
    await send(one, 'door.open');
    const before = JSON.stringify(one.store.journal(id));
    const two = await deploy(one, later(2, { migrations: { 1: migration } }));
    t.like(await send(two, 'door.close'), { ok: false, error: { code: 'MIGRATION_FAILED' } });
    await t.throwsAsync(count(two), { instanceOf: KernelProblem });
    await two.clock.advance(120_000);
    t.is(JSON.stringify(two.store.journal(id)), before);
    t.like(await two.store.entry(id), { status: 'quarantined', mver: 2 });
    t.true((await two.metric('migrations_total', { outcome: 'failed' })) > 0);
    const restarted = await deploy(two, later(2, { migrations: { 1: up } }));
    t.like(await send(restarted, 'door.close'), { ok: false, error: { code: 'MIGRATION_FAILED' } }, 'the same version does not try again');

    const three = await deploy(restarted, later(3, { migrations: { 1: up, 2: (s) => s } }));
    await three.clock.advance(1_000);
    t.like(await send(three, 'door.close'), { ok: false, error: { code: 'NOT_ALLOWED' } }, 'its timer had waited, and has shut it');
    t.deepEqual(types(three), ['thrum.init 1', 'door.open 1', 'thrum.migrated 3', `${NEW} 3`]);
    t.is((await three.store.entry(id))?.status, 'active');
  });
}

test('the build that wrote the state runs it again after a failed migration of the next (K23)', async (t) => {
  const one = await start(first);
  await send(one, 'door.open');
  const two = await deploy(one, later(2, {}));
  t.like(await send(two, 'door.close'), { ok: false, error: { code: 'MIGRATION_FAILED', detail: 'no migration from version 1' } });
  const back = await deploy(two, first);
  t.like(await send(back, 'door.close'), { ok: true });
  t.is((await back.store.entry(id))?.status, 'active');
});

test('a kind that holds its quarantine is let go by an operator only (K23)', async (t) => {
  const one = await start(first);
  await send(one, 'door.open');
  await one.store.setStatus(id, 'quarantined', 1);
  const two = await deploy(one, later(2, { migrations: { 1: up }, quarantine: 'hold' }));
  t.like(await send(two, 'door.close'), { ok: false, error: { code: 'ACTOR_QUARANTINED' } });
  await two.store.setStatus(id, 'active', 2);
  t.like(await send(await deploy(two, later(2, { migrations: { 1: up }, quarantine: 'hold' })), 'door.close'), { ok: true });
});

test('a running effect outlives the migration of its state', async (t) => {
  let done: ((v: null) => void) | undefined;
  const one = await testKernel({ kinds: [first], effects });
  await send(one, 'door.lock');
  const two = await deploy(one, second, { effects: { door: { ask: () => new Promise<null>((resolve) => (done = resolve)) } } });
  await two.clock.advance(6_000);
  done?.(null);
  await two.clock.advance(1_000);
  t.deepEqual(types(two), ['thrum.init 1', 'door.lock 1', 'thrum.migrated 2', 'xstate.done.actor.ask 2']);
});

const rt = runtimeOf(second);
const states = fc.record({
  value: fc.constantFrom('shut', 'open', 'locking', 'gone'),
  status: fc.constantFrom('active' as const, 'done' as const),
  context: fc.record({ opened: fc.oneof({ weight: 4, arbitrary: fc.nat() }, fc.constantFrom('many', null)) }, { requiredKeys: [] }),
  timers: fc.dictionary(
    fc.constantFrom(OLD, 'xstate.after.other.door.open', 'x'),
    fc.record({ seq: fc.nat(), due: fc.nat(), type: fc.constantFrom(OLD, 'door.open', 'nobody') }),
    { maxKeys: 1 },
  ),
  calls: fc.dictionary(fc.constantFrom('ask', 'other'), fc.nat(), { maxKeys: 1 }),
  logs: fc.constant({}),
});

test('every old state is migrated to one that validates, or refused as MIGRATION_FAILED', (t) => {
  const seen = { ok: 0, failed: 0 };
  fc.assert(
    fc.property(states, (old) => {
      try {
        const next = migrate(rt, old, 1);
        rt.runner.restore(next);
        second.context.parse(next.context);
        seen.ok += 1;
      } catch (error) {
        if (!(error instanceof KernelProblem) || error.code !== 'MIGRATION_FAILED') throw error;
        seen.failed += 1;
      }
    }),
    { numRuns: 1_000 },
  );
  t.true(seen.ok > 20 && seen.failed > 20, JSON.stringify(seen));
});

test('the fold of a migrated history equals the live state', async (t) => {
  const one = await start(first);
  await send(one, 'door.open');
  const two = await deploy(one, second);
  await send(two, 'door.close');
  const patches = two.store.journal(id).map((row) => JSON.parse(row.patch) as Patch);
  t.deepEqual(fold(emptyState, patches), (await two.system.inspect.one(ref)).state);
  t.deepEqual(apply(emptyState, patches[0]!).context, { opened: 0 });
});

test('a rehearsal finds who would not get through, by kind, version and state, and writes nothing', async (t) => {
  const one = await start(first);
  for (const name of ['a', 'b', 'c']) await one.system.ask(`door:${name}`, { type: 'door.open' }, as(system));
  await one.system.ask('door:c', { type: 'door.close' }, as(system));
  await one.system.drain(0);
  const before = JSON.stringify(one.store.journal(id));
  const at = (kind: ActorKind) => rehearse(one.store, new Map([['door', runtimeOf(kind)]]));
  t.deepEqual(await at(first), { current: 3, migrated: 0, failures: [] });
  t.deepEqual(await at(second), { current: 0, migrated: 3, failures: [] });
  const partly = await at(later(2, { migrations: { 1: (s) => (s.value === 'open' ? broken['names an unknown state']!(s) : up(s)) } }));
  t.is(partly.migrated, 1);
  t.is(partly.failures.length, 1);
  t.like(partly.failures[0], { kind: 'door', version: 1, state: 'open', code: 'MIGRATION_FAILED', actors: 2 });
  const forgotten = await at(later(1, {}));
  t.is(
    forgotten.failures.reduce((sum, f) => sum + f.actors, 0),
    3,
    'another schema under the same version',
  );
  t.deepEqual(await rehearse(one.store, new Map([['door', runtimeOf(second)]]), 'window'), { current: 0, migrated: 0, failures: [] });
  t.is(JSON.stringify(one.store.journal(id)), before);
});
