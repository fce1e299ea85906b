/** The replay check: what was recorded, handled once more, gives the same (kernel 12.4). */
import test from 'ava';
import { assign, raise, setup } from 'xstate';
import { z } from 'zod';
import { registryOf } from '../../actors/companion.ts';
import { command, defineActor, effect, effectRef, kernel } from '../../actors/define.ts';
import type { ActorKind } from '../../actors/define.ts';
import { actorIdOf } from '../../actors/ids.ts';
import type { Kernel } from '../../actors/kernel.ts';
import { emptyState, fold } from '../../actors/patch.ts';
import type { Patch } from '../../actors/patch.ts';
import { replayActor, sampleReplay } from '../../actors/replay.ts';
import type { Replay } from '../../actors/replay.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import { from, now, rnd } from '../../actors/scope.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import { as, system, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

/** Checks every actor of a kind; `wrap` stands for a store that has been tampered with. */
async function replayAll(store: Pick<JournalStore, 'scan' | 'load' | 'admin'>, kind: ActorKind): Promise<Replay> {
  const rt = runtimeOf(kind);
  const found: Replay[] = [];
  for (const actor of await store.scan.actors({ kind: kind.kind, limit: 100 })) {
    found.push(await replayActor(store, rt, registryOf([kind]), actor));
  }
  return {
    checked: found.reduce((sum, r) => sum + r.checked, 0),
    folded: found.reduce((sum, r) => sum + r.folded, 0),
    state: found[0]!.state,
    mismatches: found.flatMap((r) => r.mismatches),
  };
}

type Seen = { at: number[]; drawn: number; by: string };
type Event = { type: 'clockwork.start' | 'clockwork.late' | 'tick' | 'tock' };
const bare = { input: z.strictObject({}), reply: z.null() };

/** The wall clock of these tests: what an impure machine would look at. */
let wall = 0;

/** Raised events and eventless transitions that ask for the time; `impure` asks the wall clock in a guard. */
const clockwork = (o: { impure?: boolean; version?: number } = {}) =>
  defineActor<Seen>({
    kind: 'clockwork',
    version: o.version ?? 1,
    context: z.strictObject({ at: z.array(z.number()), drawn: z.number(), by: z.string() }),
    machine: setup({
      types: { context: {} as Seen, events: {} as Event },
      actions: {
        ...kernel.actions,
        note: assign({ at: ({ context }) => [...context.at, now()], drawn: () => rnd(), by: () => from().id }),
      },
      guards: {
        isMorning: () => (o.impure === true ? wall : now()) % 86_400_000 < 43_200_000,
        isFull: ({ context }) => now() - (context.at[0] ?? 0) > 60_000,
      },
      actors: { ring: effectRef<object, { rung: number }>('ring') },
      delays: { soon: () => (now() % 7_000) + 1 },
    }).createMachine({
      id: 'clockwork',
      context: { at: [], drawn: 0, by: '' },
      initial: 'still',
      states: {
        still: { on: { 'clockwork.start': { target: 'ticking', actions: ['note', { type: 'reply' }, raise({ type: 'tick' })] } } },
        ticking: {
          on: {
            tick: { actions: ['note', raise({ type: 'tock' })] },
            tock: [{ guard: 'isMorning', target: 'ringing', actions: 'note' }, { actions: 'note' }],
            'clockwork.late': { actions: { type: 'reply' } },
          },
          always: { guard: 'isFull', target: 'ringing' },
          after: { soon: { target: 'still', actions: 'note' } },
        },
        ringing: { invoke: { id: 'bell', src: 'ring', input: () => ({ at: now() }), onDone: 'waiting', onError: 'waiting' } },
        waiting: { after: { soon: { target: 'still', actions: 'note' } } },
      },
    }),
    commands: { 'clockwork.start': command(bare), 'clockwork.late': command(bare) },
    effects: { ring: effect({ input: z.object({ at: z.number() }), output: z.strictObject({ rung: z.number() }) }) },
  });

const effects = { clockwork: { ring: async () => ({ rung: 1 }) } };

async function run(kind: ActorKind) {
  const k = await testKernel({ kinds: [kind], effects });
  wall = k.clock.wall();
  for (let i = 0; i < 6; i += 1) {
    await k.system.ask('clockwork:a', { type: 'clockwork.start' }, as(user(`u${i}`, 'staff')));
    await k.clock.advance(20_000);
  }
  return k;
}

test.serial('raised events, eventless transitions, delays and chance give the recorded result once more (K36)', async (t) => {
  const k = await run(clockwork());
  const { checked, mismatches, state } = await replayAll(k.store, clockwork());
  t.deepEqual(mismatches, []);
  t.is(checked, k.store.journal((await k.store.scan.actors({ limit: 1 }))[0]!.actorId).length);
  t.true(checked > 15);
  t.deepEqual(state, (await k.system.inspect.one('clockwork:a')).state);
});

test.serial('a guard that looks at the wall clock is reported (K24)', async (t) => {
  const k = await run(clockwork({ impure: true }));
  t.deepEqual((await replayAll(k.store, clockwork({ impure: true }))).mismatches, [], 'while the clock stands still nobody can tell');
  wall += 12 * 3_600_000;
  const { mismatches } = await replayAll(k.store, clockwork({ impure: true }));
  t.true(mismatches.length > 0);
  t.like(mismatches[0], { ref: 'clockwork:a', what: 'patch', type: 'clockwork.start', seq: 2 });
});

test.serial('a sample taken at an activation counts and reports what differs (K24)', async (t) => {
  const k = await run(clockwork({ impure: true }));
  const rt = runtimeOf(clockwork({ impure: true }));
  const [actor] = await k.store.scan.actors({ limit: 1 });
  const at = { ref: 'clockwork:a', id: 'a', actorId: actor!.actorId, slot: 0 };
  const node = k.system as unknown as Kernel;
  await sampleReplay(node, rt, at);
  t.is(await k.metric('replay_mismatch_total'), 0);
  wall += 12 * 3_600_000;
  await sampleReplay(node, rt, at);
  t.true((await k.metric('replay_mismatch_total')) > 0);
  t.like(k.log.lines.at(-1), { level: 'error', fields: { ref: 'clockwork:a', what: 'patch' } });
});

test('rows of another version are folded and not handled again', async (t) => {
  const k = await run(clockwork());
  const found = await replayAll(k.store, clockwork({ version: 2 }));
  t.is(found.checked, 0);
  t.deepEqual(found.state, (await k.system.inspect.one('clockwork:a')).state);
});

const alice = user('alice');

async function busyCounters() {
  const k = await testKernel({ kinds: [counter], effects: { counter: { work: async () => ({ done: 7 }) } } });
  const ask = (id: string, c: { type: string; [field: string]: unknown }) => k.system.ask(`counter:${id}`, c, as(alice));
  await ask('a', { type: 'counter.add', by: 1 });
  await ask('a', { type: 'counter.both' });
  await ask('a', { type: 'counter.draw' });
  await ask('a', { type: 'counter.day', day: 'mon', key: 'x', v: 1 });
  await ask('a', { type: 'counter.note', text: 'hello' });
  await ask('a', { type: 'counter.claim', claim: 'c', place: 'p' });
  await ask('a', { type: 'counter.emit', items: 3 });
  await ask('a', { type: 'counter.arm', ms: 1_000 });
  await k.clock.advance(5_000);
  await ask('a', { type: 'counter.start' });
  await k.clock.advance(1_000);
  await ask('a', { type: 'counter.send', to: 'counter:b', times: 3 });
  await k.clock.advance(1_000);
  await ask('a', { type: 'counter.sleep' });
  await k.clock.advance(1_200_000);
  return { k, ask };
}

test('replies, refusals that were journaled, messages, items and rows of every mode come out as they were recorded', async (t) => {
  const { k } = await busyCounters();
  const { checked, mismatches } = await replayAll(k.store, counter);
  t.deepEqual(mismatches, []);
  const rows = ['counter:a', 'counter:b'].map((ref) => k.store.journal(actorIdOf(ref)).length);
  t.is(checked, rows[0]! + rows[1]!);
});

test('a poison timer that ended without the machine is not asked of the machine by a replay', async (t) => {
  const { k, ask } = await busyCounters();
  await ask('c', { type: 'counter.grow', size: 0 });
  await ask('c', { type: 'counter.arm', ms: 1_000 });
  await k.clock.advance(120_000);
  const [, , , last] = k.store.journal((await k.system.inspect.one('counter:c')).actorId);
  t.like(last, { type: 'fired' });
  t.deepEqual((await replayAll(k.store, counter)).mismatches, []);
});

const changed: { readonly [what: string]: (row: { patch: object; reply: unknown; type: string }) => object } = {
  patch: (row) => (row.type === 'counter.draw' ? { ...row, patch: { c: { set: [['drawn', 0.5]] } } } : row),
  reply: (row) => (row.type === 'counter.add' ? { ...row, reply: { n: 99 } } : row),
  fault: (row) => (row.type === 'counter.day' ? { ...row, type: 'counter.throw' } : row),
};

for (const [what, change] of Object.entries(changed)) {
  test(`a recorded ${what} that the machine would not give is reported`, async (t) => {
    const { k } = await busyCounters();
    const rows: JournalStore['scan']['rows'] = async (id, q) =>
      (await k.store.scan.rows(id, q)).map((row) => change(row as never) as never);
    const { mismatches } = await replayAll({ ...k.store, scan: { ...k.store.scan, rows } }, counter);
    t.deepEqual([...new Set(mismatches.map((m) => m.what))], [what]);
  });
}

test('an outbox row and a companion row that hold something else are reported', async (t) => {
  const { k } = await busyCounters();
  await k.system.drain(0);
  const again = await testKernel({ kinds: [counter], effects: { counter: { work: () => new Promise(() => undefined) } }, store: k.store });
  await again.system.ask('counter:d', { type: 'counter.start' }, as(system));
  const outbox: JournalStore['scan']['outbox'] = async (id) =>
    (await k.store.scan.outbox(id)).map((row) => ({ ...row, payload: { src: 'other' } }));
  const found = await replayAll({ ...k.store, scan: { ...k.store.scan, outbox } }, counter);
  t.deepEqual(
    found.mismatches.map((m) => [m.ref, m.what]),
    [['counter:d', 'outbox']],
  );
  const note = k.store.rows('test_notes')[0] as { at: number };
  note.at += 1;
  const { mismatches } = await replayAll(k.store, counter);
  t.deepEqual(
    mismatches.map((m) => [m.type, m.what]),
    [['counter.note', 'row']],
  );
});

for (const at of [4, 6]) {
  test(`a history whose rows up to 4 are no longer kept is checked from its snapshot at ${at}`, async (t) => {
    const { k } = await busyCounters();
    const { actorId, seq, state } = await k.system.inspect.one('counter:a');
    const patches = (await k.store.scan.rows(actorId, { after: 0, limit: at })).map((row) => row.patch as Patch);
    await k.store.saveSnapshots([{ actorId, seq: at, at: 0, mver: 1, state: JSON.stringify(fold(emptyState, patches)), heads: {} }]);
    const scan: JournalStore['scan'] = {
      ...k.store.scan,
      actors: async () => (await k.store.scan.actors({ limit: 9 })).filter((a) => a.id === 'a'),
      rows: (id, q) => k.store.scan.rows(id, { ...q, after: Math.max(4, q.after) }),
    };
    const found = await replayAll({ ...k.store, scan }, counter);
    t.deepEqual(found.mismatches, []);
    t.is(found.checked, seq - at);
    t.deepEqual(found.state, state);
  });
}
