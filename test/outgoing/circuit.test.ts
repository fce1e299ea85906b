/** The node's own copy of a circuit, alone and beside its actor. */
import test from 'ava';
import { array, assert, constantFrom, integer, oneof, property, record } from 'fast-check';
import { seeded } from '../../calc/prng.ts';
import { breakerMachine } from '../../machines/breaker/machine.ts';
import { ruleSets } from '../../machines/breaker/rules.ts';
import type { BreakerContext, Standing } from '../../machines/breaker/schema.ts';
import { Circuit } from '../../server/outgoing/circuit.ts';
import type { Leave, Reporter } from '../../server/outgoing/circuit.ts';
import { Statechart } from '../support/statechart.ts';

const START = Date.UTC(2027, 2, 1, 8);
const deaf: Reporter = { counted: () => undefined, tripped: () => undefined, probed: () => undefined };

function rig(rules: keyof typeof ruleSets = 'remote', report: Reporter = deaf) {
  const time = { now: START };
  const circuit = new Circuit({ rules: ruleSets[rules], wall: () => time.now, random: seeded('5eed'.repeat(8), 1), report });
  const leave = (): Leave => {
    const a = circuit.admit();
    if (!a.ok) throw new Error('refused');
    return a;
  };
  const call = (verdict: 'ok' | 'failed' | 'ignored', ms = 10): void => circuit.settle(leave(), verdict, ms);
  const fail = (n: number): void => {
    for (let i = 0; i < n; i += 1) call('failed');
  };
  return { circuit, time, call, fail, leave };
}

test('after five failures in a row the next call is refused at once with the time to wait', (t) => {
  const { circuit, fail } = rig();
  fail(5);
  const a = circuit.admit();
  t.true(!a.ok && a.retryAfterMs >= 12_000 && a.retryAfterMs <= 18_000);
});

test('a cancelled call is no failure', (t) => {
  const { circuit, call } = rig();
  for (let i = 0; i < 50; i += 1) call('ignored');
  t.is(circuit.state, 'closed');
});

test('eight of ten slow calls open it, though they succeed', (t) => {
  const { circuit, call } = rig();
  for (let i = 0; i < 10; i += 1) call('ok', i < 2 ? 10 : 2_001);
  t.is(circuit.state, 'open');
});

test('half open it lets exactly three calls out of two hundred through, and their success closes it (R-28)', (t) => {
  const { circuit, time, fail } = rig();
  fail(5);
  time.now += 18_000;
  const leaves = Array.from({ length: 200 }, () => circuit.admit()).filter((a) => a.ok);
  t.is(leaves.length, 3);
  for (const one of leaves) circuit.settle(one, 'ok', 10);
  t.is(circuit.state, 'closed');
});

test('a probe that is cancelled makes room for another one', (t) => {
  const { circuit, time, fail, leave } = rig('provider');
  fail(20);
  time.now += 30_000;
  const probe = leave();
  t.false(circuit.admit().ok);
  circuit.settle(probe, 'ignored', 10);
  t.true(circuit.admit().ok);
});

test('a failed probe doubles the wait up to five minutes (R-28)', (t) => {
  const { circuit, time, fail, call } = rig();
  fail(5);
  for (const wait of [30_000, 60_000, 120_000, 240_000, 300_000, 300_000]) {
    time.now = circuit.until!;
    call('failed');
    const left = circuit.until! - time.now;
    t.true(left >= wait * 0.8 && left <= wait * 1.2, `${left} for ${wait}`);
  }
});

test('calls that began before it opened do not count once it is half open', (t) => {
  const { circuit, time, fail, leave } = rig('provider');
  const old = leave();
  fail(20);
  time.now += 30_000;
  t.is(circuit.state, 'half_open');
  circuit.settle(old, 'failed', 10);
  t.is(circuit.state, 'half_open');
});

test('it follows the actor: opened elsewhere, isolated and let go by an operator; old news is none', (t) => {
  const { circuit, time } = rig();
  circuit.hear({ state: 'open', until: time.now + 9_000, openings: 3, rev: 4 });
  t.deepEqual([circuit.state, circuit.until], ['open', time.now + 9_000]);
  circuit.hear({ state: 'closed', openings: 3, rev: 3 });
  t.is(circuit.state, 'open');
  circuit.hear({ state: 'isolated', openings: 3, rev: 5 });
  time.now += 86_400_000;
  t.false(circuit.admit().ok);
  circuit.hear({ state: 'forced_closed', until: time.now + 3_600_000, openings: 3, rev: 6 });
  t.true(circuit.admit().ok);
  time.now += 3_600_000;
  t.is(circuit.state, 'closed');
});

test('forced closed, nothing opens it', (t) => {
  const { circuit, time, fail } = rig();
  circuit.hear({ state: 'forced_closed', until: time.now + 3_600_000, openings: 0, rev: 1 });
  fail(100);
  t.is(circuit.state, 'forced_closed');
});

test('one node and its actor agree after each exchange, whatever happens', (t) => {
  const move = oneof(
    { weight: 6, arbitrary: record({ do: constantFrom('ok' as const, 'failed' as const), n: integer({ min: 1, max: 12 }) }) },
    { weight: 3, arbitrary: record({ do: constantFrom('wait' as const), n: constantFrom(500, 4_000, 16_000, 70_000, 700_000) }) },
    record({ do: constantFrom('breaker.isolate' as const, 'breaker.reset' as const, 'breaker.force' as const), n: constantFrom(0) }),
  );
  assert(
    property(array(move, { maxLength: 60 }), (moves) => {
      const chart = new Statechart<BreakerContext>(breakerMachine, 'breaker:x', START);
      const base = { name: 'x', rules: 'remote' };
      const told: { readonly type: string; readonly [field: string]: unknown }[] = [];
      const { circuit, time } = rig('remote', {
        counted: (batch) => void told.push({ type: 'calls.reported', ...base, ...batch, tripped: false }),
        tripped: (batch) => void told.push({ type: 'calls.reported', ...base, ...batch, tripped: true }),
        probed: (ok, of) => void told.push({ type: ok ? 'probe.succeeded' : 'probe.failed', of }),
      });
      const hear = (replies: readonly unknown[]): void => replies.forEach((r) => circuit.hear(r as Standing));
      for (const { do: what, n } of moves) {
        if (what === 'wait') {
          chart.advance(n);
          time.now += n;
          const changes = chart.history.flatMap((o) => o.published);
          for (const { item } of changes) circuit.hear(item as unknown as Standing);
        } else if (what === 'ok' || what === 'failed') {
          for (let i = 0; i < n; i += 1) {
            const a = circuit.admit();
            if (a.ok) circuit.settle(a, what, 10);
            for (const event of told.splice(0)) hear(chart.send(event).replies);
          }
        } else hear(chart.send({ type: what }).replies);
        const actor = chart.value as unknown as string;
        if (circuit.state !== actor || circuit.until !== chart.context.until) return false;
      }
      return true;
    }),
    { numRuns: 300 },
  );
  t.pass();
});
