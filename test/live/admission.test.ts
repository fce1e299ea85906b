import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Registry } from 'prom-client';
import { readConfig } from '../../server/config.ts';
import { memoryLimiters } from '../../server/limits/limiter.ts';
import { createAdmission } from '../../server/live/admission.ts';
import { liveMetrics } from '../../server/observe/metrics.ts';
import { FakeClock } from '../support/clock.ts';

/** A door by itself, and newcomers to it: what became of each, in the order in which it was said. */
function door(t: ExecutionContext, env: Record<string, string> = {}) {
  const clock = new FakeClock();
  const loop = { p99: 0, start: () => undefined, stop: () => undefined };
  const registry = new Registry();
  const admission = createAdmission({
    config: readConfig({ RT_CONNECTS_PER_MINUTE: '1000000', ...env }),
    clock,
    random: () => 0.5,
    newId: () => 'r',
    loop: { ...loop, p99: () => loop.p99 },
    newLimiter: memoryLimiters(() => clock.mono()),
    metrics: liveMetrics(registry),
  });
  const admitted: number[] = [];
  const refused: string[] = [];
  let count = 0;
  const come = (n: number): void => {
    for (let i = 0; i < n; i += 1) {
      const me = (count += 1);
      const end = (text: string, then: () => void): void => {
        refused.push(text);
        then();
      };
      const socket = { remoteAddress: '10.0.0.1', on: () => undefined, end };
      admission.allowRequest({ headers: {}, socket } as never, (_, ok) => {
        if (ok) admitted.push(me);
      });
    }
  };
  const inOrder = (): boolean =>
    t.deepEqual(
      admitted,
      admitted.toSorted((a, b) => a - b),
    );
  const waiting = async (): Promise<number> => (await registry.getSingleMetric('thrum_rt_waiting')?.get())?.values[0]?.value ?? Number.NaN;
  return { clock, loop, admission, admitted, refused, come, inOrder, waiting };
}

test('newcomers over the rate of the node wait in a row and come in as it allows, 1,000 at most in a burst (R9)', async (t) => {
  const { clock, come, admitted, refused, inOrder, waiting } = door(t);
  come(4_000);
  t.is(admitted.length, 20, 'a turn of the event loop is not spent on newcomers alone');
  t.is(await waiting(), 3_980);
  await clock.advance(1_000);
  t.true(admitted.length >= 980 && admitted.length <= 1_020, `${admitted.length} after a second`);
  await clock.advance(2_000);
  t.true(admitted.length >= 2_400 && admitted.length <= 2_520, `${admitted.length} after three`);
  await clock.advance(4_000);
  t.is(admitted.length, 4_000);
  t.is(refused.length, 0);
  inOrder();
  t.is(await waiting(), 0);
  t.is(clock.pending, 0);
});

test('when more wait than can come in soon, others are refused and told when to come back (R9)', async (t) => {
  const { clock, come, admitted, refused } = door(t);
  come(20 + 5_000 + 7);
  t.is(refused.length, 7);
  t.regex(refused[0] ?? '', /^HTTP\/1\.1 503 [\s\S]*Retry-After: 3\r\n[\s\S]*"code":"OVERLOADED"/);
  await clock.advance(12_000);
  t.is(admitted.length, 5_020);
});

test('while the event loop is late a quarter as many come in at a turn, and who has waited for ten seconds is refused (R9)', async (t) => {
  const { clock, loop, come, admitted, refused } = door(t);
  loop.p99 = 500;
  come(5_000);
  t.is(admitted.length, 5);
  await clock.advance(1_000);
  t.is(admitted.length, 255);
  // turns of 200 ms
  for (let i = 0; i < 10; i += 1) {
    clock.sleep(200);
    await clock.advance(0);
  }
  t.is(admitted.length, 305, 'the slower the loop turns, the fewer come in');
  loop.p99 = 50;
  await clock.advance(200);
  t.true(admitted.length >= 485);
  loop.p99 = 500;
  await clock.advance(8_000);
  t.is(admitted.length + refused.length, 5_000);
  t.true(refused.length > 0);
});

test('those who wait are refused too when the node drains, and those whose address has too many by then (R9, R13)', async (t) => {
  const { admission, clock, come, admitted, refused } = door(t, { RT_CONNECTIONS_PER_ADDRESS: '30' });
  come(100);
  for (let i = 0; i < 30; i += 1) admission.opened('10.0.0.1');
  await clock.advance(20);
  t.is(admitted.length, 20);
  t.is(refused.length, 80);
  t.regex(refused[0] ?? '', /^HTTP\/1\.1 429 /);
  const other = door(t);
  other.come(100);
  other.admission.drain();
  t.is(other.refused.length, 80);
  t.regex(other.refused[0] ?? '', /"code":"DRAINING"/);
  t.is(other.clock.pending, 0);
});
