import test from 'ava';
import * as fc from 'fast-check';
import { createMachine } from 'xstate';
import { getShortestPaths } from 'xstate/graph';
import { backoff, idle, step } from '#sdk/connection';
import type { Connection, ConnectionEvent } from '#sdk/connection';

const world = { now: 1_000, random: 0.5, network: true };

/** The table once more, as a statechart that is easy to read; every path through it must give the same states. */
const model = createMachine({
  initial: 'idle',
  states: {
    idle: { on: { open: 'connecting', close: 'closed' } },
    connecting: { on: { hello: 'online', down: 'waiting', refuse: 'refused', rest: 'idle', close: 'closed' } },
    online: { on: { down: 'waiting', refuse: 'refused', rest: 'idle', close: 'closed' } },
    waiting: { on: { timer: 'connecting', wake: 'connecting', rest: 'idle', close: 'closed' } },
    refused: { on: { open: 'connecting', close: 'closed' } },
    closed: {},
  },
});
const names = ['open', 'hello', 'down', 'refuse', 'rest', 'timer', 'wake', 'close'] as const;
const eventOf = (type: (typeof names)[number]): ConnectionEvent => (type === 'refuse' ? { type, code: 'X' } : { type });

test('the table agrees with its statechart on every path and every further event', (t) => {
  const paths = getShortestPaths(model, { events: names.map((type) => ({ type })) });
  t.true(paths.length >= 6);
  for (const path of paths) {
    let c = idle(0);
    for (const { event } of path.steps) if (event.type !== 'xstate.init') c = step(c, eventOf(event.type as (typeof names)[number]), world);
    t.is(c.state, path.state.value as Connection['state']);
    for (const type of names) {
      const next = (model.states[c.state]?.config.on as Record<string, string> | undefined)?.[type] ?? c.state;
      t.is(step(c, eventOf(type), world).state, next as Connection['state'], `${c.state} on ${type}`);
    }
  }
});

test('the back-off is half to the whole of a doubling delay, at most 30 s (R11)', (t) => {
  t.is(backoff(0, 0), 250);
  t.is(backoff(0, 1), 500);
  t.is(backoff(3, 1), 4_000);
  t.is(backoff(20, 1), 30_000);
  fc.assert(fc.property(fc.nat(40), fc.double({ min: 0, max: 1, noNaN: true }), (n, r) => backoff(n, r) <= 30_000 && backoff(n, r) >= 250));
});

test('attempts grow the delay, 30 s online reset it, a shorter time does not', (t) => {
  const wild = { now: 0, random: 1, network: true };
  let c = step(idle(0), { type: 'open' }, wild);
  const delays: number[] = [];
  for (let i = 0; i < 4; i += 1) {
    c = step(c, { type: 'down' }, wild);
    delays.push(c.nextAttemptAt ?? 0);
    c = step(c, { type: 'timer' }, wild);
  }
  t.deepEqual(delays, [500, 1_000, 2_000, 4_000]);
  const online = step(c, { type: 'hello' }, wild);
  t.is(step(online, { type: 'down' }, { ...wild, now: 29_999 }).nextAttemptAt, 29_999 + 8_000);
  t.is(step(online, { type: 'down' }, { ...wild, now: 30_000 }).nextAttemptAt, 30_000 + 500);
});

test('the delay that the server asks for overrides the back-off', (t) => {
  const c = step(step(idle(0), { type: 'open' }, world), { type: 'down', code: 'DRAINING', retryAfterMs: 1_234 }, world);
  t.is(c.nextAttemptAt, 2_234);
  t.is(c.code, 'DRAINING');
});

test('without a network the connection is offline until the system reports one', (t) => {
  const off = step(step(idle(0), { type: 'open' }, world), { type: 'down' }, { ...world, network: false });
  t.is(off.state, 'offline');
  t.is(step(off, { type: 'wake' }, world).state, 'connecting');
});
