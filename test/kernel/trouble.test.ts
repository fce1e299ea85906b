/** What goes wrong around an actor and must stay there: stores that do not answer, functions of kinds that throw, texts that no database takes. */
import test from 'ava';
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { actorIdOf } from '../../actors/ids.ts';
import { command, defineActor, effect, effectRef, kernel, query } from '../../actors/define.ts';
import type { EffectFunction } from '../../actors/effects.ts';
import { StoreError } from '../../actors/store/store.ts';
import { FakeClock, settle } from '../support/clock.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 7 }) } };

interface Note {
  text: string;
  found: string;
}
type NoteEvent = { type: 'note.set'; text: string } | { type: 'note.look' };

const machine = setup({
  types: { context: {} as Note, events: {} as NoteEvent, input: {} as { id: string } },
  actions: { ...kernel.actions },
  actors: { look: effectRef<object, unknown>('look') },
}).createMachine({
  id: 'note',
  context: { text: '', found: '' },
  initial: 'idle',
  states: {
    idle: {
      on: {
        // As machines do to keep a text short.
        'note.set': { actions: assign({ text: ({ event }) => event.text.slice(0, 4) }) },
        'note.look': 'looking',
      },
    },
    looking: {
      invoke: {
        src: 'look',
        id: 'look',
        input: {},
        onDone: { target: 'idle', actions: assign({ found: ({ event }) => JSON.stringify(event.output) }) },
        onError: { target: 'idle', actions: assign({ found: ({ event }) => (event.error as { message: string }).message }) },
      },
    },
  },
});

/** called within turns */
let during = (): void => undefined;

const note = defineActor<Note>({
  kind: 'note',
  version: 1,
  machine,
  context: z.strictObject({ text: z.string(), found: z.string() }),
  visible: (_p, _ref, s) => {
    during();
    if (s.context.text === 'gone') throw new Error('visible threw');
    return true;
  },
  commands: {
    'note.set': command({ input: z.strictObject({ text: z.string() }), reply: z.null() }),
    'note.look': command({ input: z.strictObject({}), reply: z.null() }),
  },
  queries: {
    text: query({
      input: z.strictObject({}),
      output: z.string(),
      run: (s: { context: Note }) => {
        if (s.context.text === 'boom') throw new Error('the query threw');
        return s.context.text;
      },
    }),
  },
  effects: { look: effect({ input: z.object({}), output: z.unknown(), retry: { attempts: 2, base: 10, factor: 2, max: 20 } }) },
});

const notes = (look: EffectFunction = async () => null) => testKernel({ kinds: [note], effects: { note: { look } } });
type Notes = Awaited<ReturnType<typeof notes>>;
const set = (k: Notes, id: string, text: string) => k.system.ask(`note:${id}`, { type: 'note.set', text }, as(alice));
const text = (k: Notes, id: string) => k.system.read(`note:${id}`, 'text', {}, { from: alice });
const foundOf = async (k: Notes, id: string) => ((await k.system.inspect.one(`note:${id}`)).state.context as unknown as Note).found;

test('a query that throws is the fault of its kind, and everybody else is served on', async (t) => {
  const k = await notes();
  await set(k, 'a', 'boom');
  await set(k, 'b', 'fine');
  await t.throwsAsync(text(k, 'a'), { message: /ACTOR_FAULT/ });
  t.deepEqual(await text(k, 'b'), { seq: 2, value: 'fine' });
  t.like(await set(k, 'a', 'well'), { ok: true });
  t.deepEqual(await text(k, 'a'), { seq: 3, value: 'well' });
});

test('a `visible` that throws is the fault of its kind, for commands and for reads', async (t) => {
  const k = await notes();
  await set(k, 'a', 'gone');
  await t.throwsAsync(text(k, 'a'), { message: /ACTOR_FAULT/ });
  t.like(await set(k, 'a', 'x'), { ok: false, error: { code: 'ACTOR_FAULT' } });
  t.like(await set(k, 'b', 'x'), { ok: true });
});

test('actors that could not be read do not stay in memory for good', async (t) => {
  const k = await testKernel({ kinds: [counter], effects, limits: { activations: 20 } });
  const load = k.store.load.bind(k.store);
  k.store.load = () => Promise.reject(new StoreError('in-doubt', 'away'));
  for (let i = 0; i < 20; i += 1) {
    const asked = k.system.ask(`counter:${i}`, { type: 'counter.add', by: 1 }, as(alice));
    await k.clock.advance(5_000);
    t.like(await asked, { ok: false, error: { code: 'UNAVAILABLE' } });
  }
  k.store.load = load;
  t.like(await k.system.ask('counter:late', { type: 'counter.add', by: 1 }, as(alice)), { ok: true });
  await k.clock.advance(600_000);
  t.is(await k.metric('activations'), 0);
});

test('commands that are refused while commits fail leave no actor in memory', async (t) => {
  let away = false;
  const k = await testKernel({
    kinds: [counter],
    effects,
    limits: { activations: 20 },
    fault: async () => (away ? 'lost-unapplied' : 'ok'),
  });
  const add = (id: string) => k.system.ask(`counter:${id}`, { type: 'counter.add', by: 1 }, as(alice));
  await add('a');
  away = true;
  void add('a');
  await k.clock.advance(3_000);
  for (let i = 0; i < 30; i += 1) t.like(await add(`b${i}`), { ok: false });
  away = false;
  await k.clock.advance(5_000);
  t.like(await add('late'), { ok: true });
});

test('a repeated command is not refused because the journal could not be asked for it', async (t) => {
  const k = await testKernel({ kinds: [counter], effects });
  const end = () => k.system.ask('counter:a', { type: 'counter.end' }, as(alice, { key: 'end' }));
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  t.like(await end(), { ok: true, seq: 3 });
  await k.system.operate.passivate('counter:a', { id: 'o', roles: [], reason: 'test' });
  const byIdem = k.store.byIdem.bind(k.store);
  k.store.byIdem = () => Promise.reject(new StoreError('in-doubt', 'away'));
  // It was carried out: that it is not allowed now must not be the answer.
  t.like(await end(), { ok: false, error: { code: 'UNAVAILABLE' } });
  k.store.byIdem = byIdem;
  t.like(await end(), { ok: true, seq: 3, dup: true });
});

test('a text that a machine cuts in the middle of a character is a fault of the command, not the end of the actor', async (t) => {
  const k = await notes();
  await set(k, 'a', 'fine');
  t.like(await set(k, 'a', 'abc\u{1f600}'), { ok: false, error: { code: 'ACTOR_FAULT' } });
  t.like(await set(k, 'a', 'next'), { ok: true });
  t.like(await set(k, 'born', 'abc\u{1f600}'), { ok: false, error: { code: 'ACTOR_FAULT' } });
  t.like(await set(k, 'born', 'next'), { ok: true });
});

for (const [what, output, found] of [
  ['a character that no database takes', 'a\0b', '"a\ufffdb"'],
  ['half of a character', '\ud83d', '"\ufffd"'],
  ['a number that is no JSON', 10n, /BigInt/],
  ['more than an event may hold', 'x'.repeat(300_000), /bytes/],
] as const) {
  test(`the result of an effect with ${what} reaches its actor in a form that can be kept`, async (t) => {
    const k = await notes(async () => output);
    await k.system.ask('note:a', { type: 'note.look' }, as(alice));
    await settle();
    const told = await foundOf(k, 'a');
    if (typeof found === 'string') t.is(told, found);
    else t.regex(told, found);
    t.is(k.store.outbox().length, 0);
    t.like(await set(k, 'a', 'next'), { ok: true });
  });
}

test('the failure of an effect is told in a text that can be kept, and is not longer than it need be', async (t) => {
  const k = await notes(async () => {
    throw new Error(`\0${'x'.repeat(300_000)}`);
  });
  await k.system.ask('note:a', { type: 'note.look' }, as(alice));
  await k.clock.advance(1_000);
  const told = await foundOf(k, 'a');
  t.true(told.startsWith('\ufffdxx') && told.length <= 2_000, told.slice(0, 100));
});

test('an event of which no statement can be made is the fault of its actor, and the lane goes on', async (t) => {
  const odd = actorIdOf('counter:odd');
  const k = await testKernel({
    kinds: [counter],
    effects,
    fault: async ({ batch }) => (batch.journal.some((row) => row.actorId === odd) ? Promise.reject(new TypeError('odd')) : 'ok'),
  });
  const add = (id: string) => k.system.ask(`counter:${id}`, { type: 'counter.add', by: 1 }, as(alice));
  const [a, b] = await Promise.all([add('a'), add('odd')]);
  t.like(a, { ok: true });
  t.like(b, { ok: false, error: { code: 'ACTOR_FAULT' } });
  t.like(await add('a'), { ok: true, seq: 3 });
});

test('what the server does with an answer cannot keep others from theirs', async (t) => {
  const k = await testKernel({ kinds: [counter], effects });
  k.system.follow({
    of: () => [],
    changed: (ref) => {
      if (ref === 'counter:a') throw new Error('the follower threw');
    },
    topics: () => [],
    announce: () => undefined,
  });
  const add = (id: string) => k.system.ask(`counter:${id}`, { type: 'counter.add', by: 1 }, as(alice));
  t.true((await Promise.all([add('a'), add('b')])).every((r) => r.ok));
  t.like(await add('a'), { ok: true, seq: 3 });
});

test('an effect that fails with any text, after any wait, is remembered as tried', async (t) => {
  const k = await notes(async () => {
    throw new Error('a\0b\ud83d');
  });
  await k.system.ask('note:a', { type: 'note.look' }, as(alice));
  await settle();
  t.like(k.store.outbox()[0], { attempts: 1 });
  t.false(k.log.lines.some(({ level }) => level === 'warn'));
});

const eve = { id: 'eve', roles: [], reason: 'test' };

test('a caller is answered at its deadline while a commit is under way that nobody answers', async (t) => {
  let hang = false;
  const k = await testKernel({ kinds: [counter], effects, fault: async () => (hang ? new Promise<never>(() => undefined) : 'ok') });
  const add = (deadline: number) => k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, { deadline }));
  await add(1_000);
  hang = true;
  const first = add(1_000);
  await settle();
  const read = k.system.read('counter:a', 'n', {}, { from: alice });
  await k.clock.advance(1_500);
  t.like(await first, { ok: false, error: { code: 'COMMIT_UNKNOWN' } });
  await k.clock.advance(10_000);
  await t.throwsAsync(read, { message: 'TIMEOUT' });
});

test('an actor is quarantined at once, however late the directory hears of it', async (t) => {
  const odd = actorIdOf('counter:odd');
  let refuse = false;
  const k = await testKernel({
    kinds: [counter],
    effects,
    fault: async ({ batch }) => (refuse && batch.journal.some((row) => row.actorId === odd) ? 'fail' : 'ok'),
  });
  const add = () => k.system.ask('counter:odd', { type: 'counter.add', by: 1 }, as(alice));
  await add();
  k.store.setStatus = () => new Promise(() => undefined);
  refuse = true;
  t.like(await add(), { ok: false, error: { code: 'ACTOR_FAULT' } });
  refuse = false;
  t.like(await add(), { ok: false, error: { code: 'ACTOR_QUARANTINED' } });
});

test('an actor that is read while a pause ends runs', async (t) => {
  const k = await testKernel({ kinds: [counter], effects });
  const add = () => k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  await add();
  await k.system.operate.passivate('counter:a', eve);
  await k.system.operate.pause('counter:a', eve);
  const load = k.store.load.bind(k.store);
  let go = (): void => undefined;
  k.store.load = async (ids) => {
    const found = await load(ids);
    await new Promise<void>((resolve) => (go = resolve));
    return found;
  };
  // It is read with the status that the directory has now.
  const early = add();
  await settle();
  const resumed = k.system.operate.resume('counter:a', eve);
  await settle();
  go();
  await Promise.all([early, resumed]);
  t.like(await add(), { ok: true });
});

test('an actor that cannot be activated can be erased', async (t) => {
  const one = await notes();
  await set(one, 'a', 'mine');
  const two = await testKernel({
    kinds: [{ ...note, version: 2, migrations: { 1: () => ({}) as never } }],
    effects: { note: { look: async () => null } },
    store: one.store,
    clock: one.clock,
  });
  t.like(await set(two, 'a', 'next'), { ok: false, error: { code: 'MIGRATION_FAILED' } });
  t.like(await two.system.erase('note:a', { by: 'eve', reason: 'asked for' }), { fresh: true });
  t.false(JSON.stringify(two.store.journal(actorIdOf('note:a'))).includes('mine'));
  t.like(await set(two, 'a', 'next'), { ok: false, error: { code: 'ACTOR_ERASED' } });
});

test('a timer ends although its actor holds more than a new version allows', async (t) => {
  const one = await testKernel({ kinds: [counter], effects });
  const send = (k: typeof one, type: string, more: object = {}) => k.system.ask('counter:a', { type, ...more }, as(alice));
  await send(one, 'counter.grow', { size: 200 });
  await send(one, 'counter.arm', { ms: 1_000 });
  await Promise.all([one.system.drain(100), one.clock.advance(200)]);
  const two = await testKernel({
    kinds: [{ ...counter, limits: { ...counter.limits, stateBytes: 100 } }],
    effects,
    store: one.store,
    clock: one.clock,
  });
  await two.clock.advance(60_000);
  t.deepEqual(two.store.timers(), []);
  t.deepEqual(
    two.store.dead().map(({ source }) => source),
    ['timer'],
  );
  t.like(await send(two, 'counter.guarded'), { ok: false });
});

test('a dead letter whose command is no more is not the fault of its actor', async (t) => {
  const one = await testKernel({ kinds: [counter], effects });
  await one.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  await one.system.ask('counter:a', { type: 'counter.throw' }, as(alice));
  const { 'counter.throw': _gone, ...commands } = counter.commands;
  const two = await testKernel({ kinds: [{ ...counter, commands }], effects, store: one.store, clock: one.clock });
  const [letter] = await two.system.inspect.dead({ open: true, limit: 1 });
  t.like(await two.system.operate.retryDead(letter!.n, eve), { ok: false, error: { code: 'UNKNOWN_COMMAND' } });
});

for (const [what, computed, code] of [
  ['computes', 1_500, 'ACTOR_QUARANTINED'],
  ['stands still', 20, undefined],
] as const) {
  test.serial(`an actor in whose turn the process ${what} for one and a half seconds: ${code ?? 'it goes on'}`, async (t) => {
    let used = 0;
    const clock = Object.assign(new FakeClock(), { computed: () => used });
    const k = await testKernel({ kinds: [note], effects: { note: { look: async () => null } }, clock });
    await set(k, 'a', 'fine');
    during = () => {
      clock.sleep(1_500);
      used += computed;
      during = () => undefined;
    };
    t.like(await set(k, 'a', 'slow'), { ok: true });
    const reply = await set(k, 'a', 'next');
    t.is(reply.ok ? undefined : reply.error.code, code);
  });
}

for (const fuse of [false, true]) {
  test(`a schema that throws over a message is a fault of its kind, and the pair goes on (${fuse ? 'fused' : 'plain'})`, async (t) => {
    const i = z.number().refine((n) => {
      if (n === 0) throw new Error('the schema threw');
      return true;
    });
    const take = command({ input: z.strictObject({ i }), reply: z.null(), fuse: true });
    const kind = { ...counter, commands: { ...counter.commands, 'counter.take': take } };
    const k = await testKernel({ kinds: [kind], effects, fuse: () => fuse });
    await k.system.ask('counter:b', { type: 'counter.add', by: 1 }, as(alice));
    t.like(await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 2 }, as(alice)), { ok: true });
    await k.clock.advance(60_000);
    const heard = async (id: string) => (await k.system.inspect.one(`counter:${id}`)).state.context['heard'];
    t.deepEqual(await heard('a'), ['undelivered counter:b ACTOR_FAULT']);
    t.deepEqual(await heard('b'), ['counter:a#1']);
  });
}
