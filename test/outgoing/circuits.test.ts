/** Circuits of several nodes and their actor, over one kernel. */
import test from 'ava';
import { Registry } from 'prom-client';
import { breaker } from '../../machines/breaker/kind.ts';
import { circuitId, createCircuits } from '../../server/outgoing/circuits.ts';
import type { Circuits, CircuitsDeps, News } from '../../server/outgoing/circuits.ts';
import type { Circuit } from '../../server/outgoing/circuit.ts';
import { KeptLog, as, system, testKernel, user } from '../support/kernel.ts';

const NAME = 'push:fcm.googleapis.com';
const REF = `breaker:${circuitId(NAME)}`;

async function rig() {
  const k = await testKernel({ kinds: [breaker] });
  const listeners = new Set<(message: News) => void>();
  let ids = 0;
  const asked: string[] = [];
  const node = (more: Partial<CircuitsDeps> = {}): Circuits & { registry: Registry } => {
    const registry = new Registry();
    const circuits = createCircuits({
      actors: () => ({
        read: (...a) => k.system.read(...a),
        onPublish: (fn) => k.system.onPublish(fn),
        ask: (ref, command, o) => {
          asked.push(command.type);
          return k.system.ask(ref, command, o);
        },
      }),
      clock: k.clock,
      random: () => 0.5,
      newId: () => `id-${(ids += 1)}`,
      log: new KeptLog(),
      registry,
      news: {
        tell: (message) => listeners.forEach((fn) => fn(message)),
        onMessage: (fn) => (listeners.add(fn), () => void listeners.delete(fn)),
      },
      ...more,
    });
    circuits.start();
    return { ...circuits, registry };
  };
  return { k, node, asked };
}

const call = (circuit: Circuit, verdict: 'ok' | 'failed', n = 1): void => {
  for (let i = 0; i < n; i += 1) {
    const leave = circuit.admit();
    if (leave.ok) circuit.settle(leave, verdict, 10);
  }
};

test('a thousand calls of a second are one event of the actor', async (t) => {
  const { k, node, asked } = await rig();
  const circuit = node().of(NAME, 'remote');
  call(circuit, 'ok', 1_000);
  t.deepEqual(asked, []);
  await k.clock.advance(1_000);
  t.deepEqual(asked, ['calls.reported']);
  t.is((await k.system.read(REF, 'standing', {}, { from: system })).seq, 2, 'its birth and the report');
});

test('an opening is told at once, and every other node opens for the rest of the same wait', async (t) => {
  const { k, node } = await rig();
  const [a, b] = [node().of(NAME, 'remote'), node(blind(k)).of(NAME, 'remote')];
  call(a, 'failed', 5);
  await k.clock.advance(0);
  t.deepEqual([a.state, b.state], ['open', 'open']);
  t.is(a.until, b.until);
  await k.clock.advance(a.until! - k.clock.wall());
  call(a, 'ok', 3);
  await k.clock.advance(0);
  t.deepEqual([a.state, b.state], ['closed', 'closed']);
});

test('without messages between the nodes another one hears of the opening with its next report', async (t) => {
  const { k, node } = await rig();
  const alone = { news: silent };
  const [a, b] = [node(alone).of(NAME, 'remote'), node({ ...alone, ...blind(k) }).of(NAME, 'remote')];
  call(a, 'failed', 5);
  await k.clock.advance(0);
  t.is(b.state, 'closed');
  call(b, 'ok');
  await k.clock.advance(1_000);
  t.is(b.state, 'open');
});

const silent = { tell: () => undefined, onMessage: () => () => undefined };
/** Does not hear what the actor publishes. */
const blind = (k: Awaited<ReturnType<typeof testKernel>>): Partial<CircuitsDeps> => ({
  actors: () => ({ read: (...a) => k.system.read(...a), ask: (...a) => k.system.ask(...a), onPublish: () => () => undefined }),
});

test('what an operator has isolated is refused everywhere, by a node that starts later too, until it is reset', async (t) => {
  const { k, node } = await rig();
  const a = node().of(NAME, 'remote');
  call(a, 'ok');
  await k.clock.advance(1_000);
  const act = (type: string) => k.system.ask(REF, { type }, as(user('boss', 'admin')));
  await act('breaker.isolate');
  await k.clock.advance(0);
  const late = node();
  t.is(late.of(NAME, 'remote').state, 'closed', 'it has asked');
  await k.clock.advance(0);
  t.deepEqual([a.state, late.of(NAME, 'remote').state], ['isolated', 'isolated']);
  await act('breaker.reset');
  await k.clock.advance(0);
  t.deepEqual([a.state, late.of(NAME, 'remote').state], ['closed', 'closed']);
});

test('a node that missed the end of an isolation asks again when it is used', async (t) => {
  const { k, node } = await rig();
  const act = (type: string) => k.system.ask(REF, { type }, as(user('boss', 'admin')));
  call(node().of(NAME, 'remote'), 'ok');
  await k.clock.advance(1_000);
  await act('breaker.isolate');
  const b = node({ news: silent, ...blind(k) });
  b.of(NAME, 'remote');
  await k.clock.advance(0);
  t.is(b.of(NAME, 'remote').state, 'isolated');
  await act('breaker.reset');
  await k.clock.advance(5_000);
  b.of(NAME, 'remote');
  await k.clock.advance(0);
  t.is(b.of(NAME, 'remote').state, 'closed');
});

test('while it is open, a health check each 15 s ends the wait early', async (t) => {
  const { k, node } = await rig();
  let [asked, isWell] = [0, false];
  const circuit = node().of(NAME, 'remote', async () => {
    asked += 1;
    if (!isWell) throw new Error('not yet');
  });
  await k.clock.advance(60_000);
  t.is(asked, 0);
  call(circuit, 'failed', 5);
  await k.clock.advance(0);
  await k.clock.advance(circuit.until! - k.clock.wall());
  call(circuit, 'failed');
  await k.clock.advance(0);
  t.true(circuit.until! - k.clock.wall() > 20_000, 'the second opening waits 30 s');
  isWell = true;
  await k.clock.advance(15_000);
  t.is(circuit.state, 'half_open');
  const last = asked;
  await k.clock.advance(600_000);
  t.is(asked, last);
});

test('with the actor out of reach a node opens and closes its circuit by itself', async (t) => {
  const { k, node } = await rig();
  const actors = {
    ask: () => Promise.reject(new Error('no database')),
    read: () => Promise.reject(new Error('no database')),
    onPublish: () => () => undefined,
  };
  const circuit = node({ actors: () => actors }).of(NAME, 'remote');
  call(circuit, 'failed', 5);
  t.is(circuit.state, 'open');
  await k.clock.advance(15_000);
  call(circuit, 'ok', 3);
  t.is(circuit.state, 'closed');
});

test('the metric tells the state of every circuit by name', async (t) => {
  const { k, node } = await rig();
  const n = node();
  call(n.of(NAME, 'remote'), 'failed', 5);
  n.of('provider:x', 'provider');
  await k.clock.advance(0);
  const text = await n.registry.getSingleMetricAsString('thrum_breaker_state');
  t.true(text.includes(`thrum_breaker_state{name="${NAME}"} 2`), text);
  t.true(text.includes('thrum_breaker_state{name="provider:x"} 0'), text);
});
