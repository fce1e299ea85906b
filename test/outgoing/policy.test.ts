/** How calls to other systems are made: readings 4.2. */
import test from 'ava';
import { ruleSets } from '../../machines/breaker/rules.ts';
import { Circuit } from '../../server/outgoing/circuit.ts';
import { createPolicy } from '../../server/outgoing/policy.ts';
import type { Call, Judgement } from '../../server/outgoing/policy.ts';
import { Problem } from '../../server/problems.ts';
import { FakeClock, settle } from '../support/clock.ts';

const ignore = (): void => undefined;
const again: Judgement = { failed: true, again: true };

function rig(o: { retries?: number; rules?: keyof typeof ruleSets } = {}) {
  const clock = new FakeClock();
  const report = { counted: ignore, tripped: ignore, probed: ignore };
  const circuit = new Circuit({ rules: ruleSets[o.rules ?? 'provider'], wall: () => clock.wall(), random: () => 0.5, report });
  const policy = createPolicy({ circuit, clock, random: () => 0.5, timeoutMs: 3_000, ...o });
  let calls = 0;
  const call = <T>(c: Partial<Call<T>> & Pick<Call<T>, 'run'>): Promise<T> =>
    policy.call({
      signal: new AbortController().signal,
      judge: () => 'ok',
      ...c,
      run: (signal) => {
        calls += 1;
        return c.run(signal);
      },
    });
  return { clock, circuit, call, calls: () => calls };
}

const codeOf = (error: unknown): string => (error instanceof Problem ? error.code : String(error));

test('a try that takes too long is given up though it does not heed its signal, and counts as a failure', async (t) => {
  const { clock, circuit, call } = rig();
  const result = call({ run: () => new Promise(() => undefined) }).catch(codeOf);
  await clock.advance(3_000);
  t.is(await result, 'Error: no answer within 3000 ms');
  t.is(circuit.counts.failures, 1);
  t.is(clock.pending, 0);
});

test('a failure is tried again twice, after 250 ms and 750 ms at half chance, and the last result is given', async (t) => {
  const { clock, call, calls } = rig({ retries: 2 });
  const result = call({ run: async () => 503, judge: () => again });
  await settle();
  t.is(calls(), 1);
  await clock.advance(249);
  t.is(calls(), 1);
  await clock.advance(1);
  t.is(calls(), 2);
  await clock.advance(750);
  t.is(await result, 503);
  t.is(calls(), 3);
});

test('what another try cannot help is not tried again', async (t) => {
  const { call, calls } = rig({ retries: 2 });
  t.is(await call({ run: async () => 400, judge: () => ({ failed: true, again: false }) }), 400);
  t.is(calls(), 1);
});

test('Retry-After is heeded up to two seconds; who asks for more is not called again', async (t) => {
  const { clock, call, calls } = rig({ retries: 2 });
  t.is(await call({ run: async () => 429, judge: () => ({ failed: true, again: true, afterMs: 2_001 }) }), 429);
  t.is(calls(), 1);
  const result = call({ run: async () => 429, judge: () => (calls() < 3 ? { failed: true, again: true, afterMs: 2_000 } : 'ok') });
  await clock.advance(1_999);
  t.is(calls(), 2);
  await clock.advance(1);
  t.is(await result, 429);
  t.is(calls(), 3);
});

test('of many requests that fail at most a fifth are tried again', async (t) => {
  const { clock, circuit, call, calls } = rig({ retries: 2 });
  circuit.hear({ state: 'forced_closed', until: clock.wall() + 3_600_000, openings: 0, rev: 1 });
  for (let i = 0; i < 100; i += 1) {
    const result = call({ run: async () => i, judge: () => (i % 3 === 0 ? again : 'ok') });
    await clock.advance(100);
    await clock.advance(2_000 * (i % 3 === 0 ? 1 : 0));
    await result;
  }
  t.true(calls() <= 125, `${calls()}`);
  t.true(calls() >= 110, `${calls()}`);
});

test('an open circuit refuses with CIRCUIT_OPEN and the time to wait, and calls nobody', async (t) => {
  const { call, calls } = rig({ rules: 'remote' });
  for (let i = 0; i < 5; i += 1) await call({ run: () => Promise.reject(new Error('reset')) }).catch(ignore);
  const error: unknown = await call({ run: async () => 1 }).catch((e: unknown) => e);
  t.true(error instanceof Problem && error.code === 'CIRCUIT_OPEN' && error.retryAfterMs === 15_000);
  t.is(calls(), 5);
});

test('twenty calls run at once, fifty wait in order, and the next is refused with REMOTE_SATURATED', async (t) => {
  const { call, calls, circuit } = rig();
  const ends: (() => void)[] = [];
  const results = Array.from({ length: 71 }, () => call({ run: () => new Promise<void>((end) => ends.push(end)) }).catch(codeOf));
  await settle();
  t.is(calls(), 20);
  t.is(await results[70], 'REMOTE_SATURATED');
  while (ends.length > 0) {
    ends.splice(0).forEach((end) => end());
    await settle();
  }
  await Promise.all(results.slice(0, 70));
  t.is(calls(), 70);
  t.is(circuit.counts.failures, 0);
});

test('a caller that goes away while it waits gives up its place, and is no failure while it is served', async (t) => {
  const { call, calls, circuit } = rig();
  const ends: (() => void)[] = [];
  for (let i = 0; i < 20; i += 1) void call({ run: () => new Promise<void>((end) => ends.push(end)) });
  const gone = new AbortController();
  const waiting = call({ signal: gone.signal, run: async () => 1 }).catch(String);
  gone.abort(new Error('gone'));
  t.is(await waiting, 'Error: gone');
  ends.forEach((end) => end());
  await settle();
  t.is(calls(), 20);
  const left = new AbortController();
  const served = call({ signal: left.signal, run: () => new Promise(() => undefined) }).catch(String);
  await settle();
  left.abort(new Error('left'));
  t.is(await served, 'Error: left');
  t.deepEqual([circuit.counts.calls, circuit.counts.failures], [20, 0]);
});

test('a dependency that hangs costs each caller its time-out until the circuit opens, then nothing', async (t) => {
  const { clock, call, calls } = rig({ rules: 'remote' });
  const hang = (): Promise<string> => call({ run: () => new Promise<string>(() => undefined) }).catch(codeOf);
  const all = Array.from({ length: 70 }, hang);
  for (let i = 0; i < 4; i += 1) await clock.advance(3_000);
  const codes = await Promise.all(all);
  // four of those that waited take the places of the first four that end, the fifth end opens it
  t.is(calls(), 24);
  t.is(codes.filter((code) => code === 'CIRCUIT_OPEN').length, 46);
});
