/** The circuit of one dependency: readings 4.3 and machines/breaker/SPEC.md. */
import test from 'ava';
import { array, assert, boolean, constantFrom, integer, oneof, property, record } from 'fast-check';
import { z } from 'zod';
import { assign, setup } from 'xstate';
import { command, defineActor, kernel as actions } from '../../actors/define.ts';
import { breaker } from '../../machines/breaker/kind.ts';
import { breakerMachine } from '../../machines/breaker/machine.ts';
import { ruleSets } from '../../machines/breaker/rules.ts';
import type { BreakerContext, Standing } from '../../machines/breaker/schema.ts';
import { as, system, testKernel, user } from '../support/kernel.ts';
import { Statechart } from '../support/statechart.ts';
import { settle } from '../support/clock.ts';

const REF = 'breaker:0123456789abcdef0123';
const START = Date.UTC(2027, 2, 1, 8);
const batch = { name: 'push:fcm', rules: 'remote', calls: 1, failures: 0, slow: 0, streak: 0, broken: true, tripped: false };
const health = { of: null };
const failed = (n: number) => ({ ...batch, calls: n, failures: n, streak: n, broken: false });

const stateOf = (chart: Statechart<BreakerContext>): string => chart.value as unknown as string;

async function rig(rules = 'remote') {
  const k = await testKernel({ kinds: [breaker] });
  const send = async (type: string, payload: object = {}, from = system): Promise<Standing> => {
    const reply = await k.system.ask(REF, { type, ...payload }, as(from));
    if (!reply.ok) throw new Error(reply.error.code);
    return reply.reply as unknown as Standing;
  };
  await send('calls.reported', { ...batch, rules });
  const read = async (): Promise<Standing> => (await k.system.read(REF, 'standing', {}, { from: system })).value as unknown as Standing;
  return { k, send, read };
}

test('it opens on five failures in a row over several reports, and a success in between starts the count anew', async (t) => {
  const { send } = await rig();
  t.is((await send('calls.reported', failed(4))).state, 'closed');
  t.is((await send('calls.reported', { ...batch, calls: 3, failures: 2, streak: 2 })).state, 'closed');
  t.is((await send('calls.reported', failed(3))).state, 'open');
});

test('it opens when half of the calls of a minute fail, and forgets what is older', async (t) => {
  const { k, send } = await rig();
  const half = { ...batch, calls: 8, failures: 4 };
  t.is((await send('calls.reported', half)).state, 'closed');
  await k.clock.advance(70_000);
  t.is((await send('calls.reported', half)).state, 'closed');
  t.is((await send('calls.reported', { ...half, calls: 3, failures: 2 })).state, 'open');
});

test('it opens when a node says that it has opened its own', async (t) => {
  const { send } = await rig('provider');
  t.is((await send('calls.reported', { ...failed(1), rules: 'provider', tripped: true })).state, 'open');
});

test('it waits 15 s, lets three probes try, and closes when all succeed (C3)', async (t) => {
  const { k, send, read } = await rig();
  const { until } = await send('calls.reported', failed(5));
  t.true(until! - k.clock.wall() >= 12_000 && until! - k.clock.wall() <= 18_000);
  await k.clock.advance(until! - k.clock.wall());
  t.deepEqual(await read(), { state: 'half_open', openings: 1, rev: 2 });
  t.is((await send('probe.succeeded', health)).state, 'half_open');
  t.is((await send('probe.succeeded', health)).state, 'half_open');
  t.is((await send('probe.succeeded', health)).state, 'closed');
});

test('each failed probe doubles the wait up to five minutes, and ten quiet minutes make the next opening the first (C4)', async (t) => {
  const { k, send } = await rig();
  let standing = await send('calls.reported', failed(5));
  for (const wait of [15_000, 30_000, 60_000, 120_000, 240_000, 300_000, 300_000]) {
    const left = standing.until! - k.clock.wall();
    t.true(left >= wait * 0.8 && left <= wait * 1.2, `${left} for ${wait}`);
    await k.clock.advance(left);
    standing = await send('probe.failed', { of: standing.rev });
  }
  await k.clock.advance(standing.until! - k.clock.wall());
  for (let n = 0; n < 3; n += 1) standing = await send('probe.succeeded', health);
  t.is(standing.openings, 8);
  t.is((await send('calls.reported', failed(5))).openings, 9);
  await send('breaker.reset', {}, user('boss', 'admin'));
  await k.clock.advance(600_000);
  t.is((await send('calls.reported', failed(5))).openings, 1);
});

test('a health check that succeeds ends the wait early', async (t) => {
  const { send } = await rig();
  await send('calls.reported', failed(5));
  t.is((await send('probe.failed', health)).state, 'open');
  t.deepEqual(await send('probe.succeeded', health), { state: 'half_open', openings: 1, rev: 2 });
});

test('probes of a node whose wait is over before the timer fires count, those that a former opening let through do not', async (t) => {
  const { send } = await rig('provider');
  const { rev } = await send('calls.reported', { ...failed(1), rules: 'provider', tripped: true });
  const again = await send('probe.failed', { of: rev });
  t.deepEqual([again.state, again.openings], ['open', 2]);
  t.is((await send('probe.failed', { of: rev })).openings, 2, 'of another node, after the same wait');
  t.is((await send('probe.succeeded', { of: rev })).state, 'open');
  t.is((await send('probe.succeeded', { of: again.rev })).state, 'closed');
});

test('half open, it closes when a node reports calls that work, and opens when a node opens', async (t) => {
  const { send } = await rig();
  await send('calls.reported', failed(5));
  await send('probe.succeeded', health);
  t.is((await send('calls.reported', { ...batch, calls: 0 })).state, 'half_open');
  t.is((await send('calls.reported', { ...failed(1), tripped: true })).state, 'open');
  await send('probe.succeeded', health);
  t.is((await send('calls.reported', batch)).state, 'closed');
});

test('what an operator has isolated stays so, whatever is reported, until an operator resets it (C2)', async (t) => {
  const { k, send } = await rig();
  const boss = user('boss', 'admin');
  await send('breaker.isolate', {}, boss);
  await k.clock.advance(86_400_000);
  for (const type of ['probe.succeeded', 'probe.failed']) t.is((await send(type, health)).state, 'isolated');
  t.is((await send('calls.reported', failed(50))).state, 'isolated');
  t.is((await send('breaker.reset', {}, boss)).state, 'closed');
});

test('forced closed lets everything pass for an hour and no longer', async (t) => {
  const { k, send, read } = await rig();
  const { until } = await send('breaker.force', {}, user('boss', 'admin'));
  t.is(until, k.clock.wall() + 3_600_000);
  t.is((await send('calls.reported', failed(50))).state, 'forced_closed');
  await k.clock.advance(3_600_000);
  t.is((await read()).state, 'closed');
});

test('staff may look, only operators may act, and only the platform reports', async (t) => {
  const { k } = await rig();
  const code = async (type: string, from: ReturnType<typeof user>, payload: object = {}) => {
    const reply = await k.system.ask(REF, { type, ...payload }, as(from));
    return reply.ok ? 'ok' : reply.error.code;
  };
  t.is(await code('breaker.isolate', user('mia')), 'NOT_FOUND');
  t.is(await code('breaker.isolate', user('coach', 'staff')), 'FORBIDDEN');
  t.is(await code('calls.reported', user('boss', 'admin'), batch), 'FORBIDDEN');
  t.is(await code('breaker.subscribe', user('boss', 'admin')), 'FORBIDDEN');
});

test('subscribers are told when calls stop and when they flow again, once each (C5)', async (t) => {
  const Fact = z.strictObject({ name: z.string(), until: z.number().optional() });
  const nothing = { type: 'reply', params: null } as const;
  const listen = { type: 'tell', params: { to: REF, type: 'breaker.subscribe', payload: {} } } as const;
  const machine = setup({
    types: { context: {} as { heard: string[] } },
    actions: { ...actions.actions, heard: assign(({ context, event }) => ({ heard: [...context.heard, event.type] })) },
  }).createMachine({
    context: { heard: [] },
    on: {
      'ear.open': { actions: [listen, nothing] },
      'breaker.opened': { actions: ['heard', nothing] },
      'breaker.closed': { actions: ['heard', nothing] },
    },
  });
  const fact = command({ input: Fact, reply: z.null() });
  const ear = defineActor({
    kind: 'ear',
    version: 1,
    machine,
    context: z.object({ heard: z.array(z.string()) }),
    commands: {
      'ear.open': command({ input: z.strictObject({}), reply: z.null() }),
      'breaker.opened': fact,
      'breaker.closed': fact,
    },
    queries: { heard: { input: z.strictObject({}), output: z.array(z.string()), run: (s) => s.context.heard } },
  });
  const k = await testKernel({ kinds: [breaker, ear] });
  const send = async (ref: string, type: string, payload: object = {}) => {
    t.true((await k.system.ask(ref, { type, ...payload }, as(system))).ok, type);
    await settle();
    await k.clock.advance(100);
  };
  await send(REF, 'calls.reported', batch);
  await send('ear:one', 'ear.open');
  await send(REF, 'calls.reported', failed(5));
  await k.clock.advance(20_000);
  await send(REF, 'probe.failed', health);
  await k.clock.advance(60_000);
  for (let n = 0; n < 3; n += 1) await send(REF, 'probe.succeeded', health);
  const { value } = await k.system.read('ear:one', 'heard', {}, { from: system });
  t.deepEqual(value, ['breaker.opened', 'breaker.closed']);
});

test('any course of reports, probes, acts and time keeps the invariants', (t) => {
  const move = oneof(
    {
      weight: 6,
      arbitrary: record({ do: constantFrom('report' as const), ok: integer({ min: 0, max: 6 }), bad: integer({ min: 0, max: 6 }) }),
    },
    { weight: 4, arbitrary: record({ do: constantFrom('probe' as const), good: boolean(), of: integer({ min: -1, max: 2 }) }) },
    { weight: 4, arbitrary: record({ do: constantFrom('wait' as const), ms: constantFrom(500, 5_000, 20_000, 400_000, 700_000) }) },
    record({ do: constantFrom('act' as const), type: constantFrom('breaker.isolate', 'breaker.reset', 'breaker.force') }),
  );
  assert(
    property(array(move, { maxLength: 60 }), (moves) => {
      const chart = new Statechart<BreakerContext>(breakerMachine, REF, START);
      const { remote } = ruleSets;
      for (const m of moves) {
        const [before, was] = [stateOf(chart), chart.context];
        if (m.do === 'wait') chart.advance(m.ms);
        else if (m.do === 'act') chart.send({ type: m.type });
        else if (m.do === 'probe')
          chart.send({ type: m.good ? 'probe.succeeded' : 'probe.failed', of: m.of === -1 ? null : was.rev - m.of });
        else {
          const { ok, bad } = m;
          chart.send({ type: 'calls.reported', ...batch, calls: ok + bad, failures: bad, streak: bad, broken: ok > 0 });
        }
        const [state, c] = [stateOf(chart), chart.context];
        // C1
        if ((c.until !== undefined) !== (state === 'open' || state === 'forced_closed')) return false;
        // C2
        if (before === 'isolated' && state !== 'isolated' && m.do !== 'act') return false;
        // C3
        if (before === 'half_open' && m.do === 'probe' && state !== (m.good ? (was.probes === 2 ? 'closed' : 'half_open') : 'open'))
          return false;
        // C4
        if (state === 'open' && c.rev !== was.rev) {
          const wait = Math.min(remote.mostMs, remote.openMs * 2 ** (c.openings - 1));
          if (c.until! - chart.now < wait * 0.8 - 1 || c.until! - chart.now > wait * 1.2 + 1) return false;
        }
      }
      return true;
    }),
    { numRuns: 300 },
  );
  t.pass();
});
