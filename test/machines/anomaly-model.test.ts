import test from 'ava';
import * as fc from 'fast-check';
import { anomalyMachine } from '../../machines/anomaly/anomaly.machine.ts';
import type { AlertItem } from '../../machines/anomaly/schema.ts';
import type { MonitorContext } from '../../machines/anomaly/state.ts';
import { Statechart } from '../support/statechart.ts';
import { normals } from '../support/normal.ts';

const DAY = 86_400_000;
const T0 = Date.UTC(2026, 0, 1);
const REF = 'anomaly:resource:court-1:utilization';
const CLOSING = ['auto', 'manual', 'false_positive', 'adopted'];

/** One thing that may happen: a run of days at a level, or a command. */
type Move =
  | { readonly do: 'days'; readonly n: number; readonly level: number; readonly spread: number }
  | { readonly do: 'missing' | 'duplicate' | 'late' | 'ack' | 'resolve' | 'fp' | 'tp' | 'missed' | 'unmute' | 'reset' | 'adopt' }
  | { readonly do: 'mute' | 'wait'; readonly hours: number };

const days = fc.record({
  do: fc.constant('days' as const),
  n: fc.integer({ min: 1, max: 8 }),
  level: fc.constantFrom(0.5, 0.5, 0.5, 0.6, 0.75, 1.4, 0.1),
  spread: fc.constantFrom(0.03, 0.03, 0),
});
const command = fc.record({
  do: fc.constantFrom(
    'missing',
    'duplicate',
    'late',
    'ack',
    'resolve',
    'fp',
    'tp',
    'missed',
    'unmute',
    'reset',
    'adopt',
  ) as fc.Arbitrary<'ack'>,
});
const timed = fc.record({ do: fc.constantFrom('mute' as const, 'wait' as const), hours: fc.integer({ min: 1, max: 200 }) });
const moves = fc.array<Move>(fc.oneof({ weight: 6, arbitrary: days }, { weight: 4, arbitrary: command }, { weight: 1, arbitrary: timed }), {
  minLength: 5,
  maxLength: 40,
});

interface Sent {
  readonly at: number;
  readonly event: { readonly type: string; readonly [field: string]: unknown };
}

/** Walks a monitor and checks after every event what may never be otherwise. Timers fire as single events too. */
class Walk extends Statechart<MonitorContext> {
  readonly sent: Sent[] = [];
  readonly faults: string[] = [];
  readonly labels = new Map<string, string>();
  missedReports = 0;
  opened: AlertItem | undefined;
  readonly #last = new Map<string, AlertItem>();
  #t = T0;

  constructor() {
    super(anomalyMachine, REF, T0);
  }

  override send(event: Sent['event']) {
    this.sent?.push({ at: this.now, event });
    const outcome = super.send(event);
    for (const { payload } of outcome.told) this.#told(payload['item'] as AlertItem);
    this.#settled();
    return outcome;
  }

  #told(item: AlertItem): void {
    if (item.type === 'alert.opened') {
      if (this.opened !== undefined) this.faults.push(`1: ${item.key} opened while ${this.opened.key} is open`);
      const before = this.#last.get(item.key);
      if (before !== undefined && item.at - before.openedAt < this.context.cfg.cooldownMs && item.level <= before.level)
        this.faults.push(`2: ${item.key} opened again after ${item.at - before.openedAt} ms`);
      if (this.matches({ condition: 'learning' }) || this.matches({ muting: 'muted' }))
        this.faults.push('3: opened while learning or muted');
      this.opened = item;
      this.#last.set(item.key, item);
    }
    if (item.type !== 'alert.opened' && item.id !== this.opened?.id && item.reason !== 'labelled')
      this.faults.push(`5: ${item.type} of no open alert`);
    if (item.type === 'alert.closed') {
      if (!CLOSING.includes(item.reason)) this.faults.push(`5: closed by ${item.reason}`);
      this.opened = undefined;
    }
    if (item.level > (this.opened?.level ?? 0) && this.opened !== undefined)
      this.#last.set(item.key, { ...this.opened, level: item.level });
  }

  #settled(): void {
    const c = this.context;
    const { tune } = c;
    if (tune.fp + tune.tp + tune.missed !== tune.base.k + Object.keys(c.labels).length) this.faults.push('6: counts and log differ');
    if (tune.fp + tune.tp + tune.missed !== this.labels.size + this.missedReports) this.faults.push('6: counts and labels given differ');
    const size = JSON.stringify(c).length;
    if (size > 12_288) this.faults.push(`7: ${size} bytes`);
    const shows = this.matches({ alerting: 'open' }) || this.matches({ alerting: 'acknowledged' });
    if (shows !== (this.opened !== undefined)) this.faults.push('the region and what was told differ');
    const runs = this.matches({ condition: 'anomalous' }) || this.matches({ condition: 'recovering' });
    if (runs !== (c.episode !== null)) this.faults.push('the condition and the episode differ');
  }

  move(m: Move, draw: () => number): void {
    const alertId = this.context.alert?.id;
    switch (m.do) {
      case 'days':
        for (let i = 0; i < m.n; i += 1) this.#day(m.level + m.spread * draw());
        return;
      case 'missing':
        this.#day(null);
        return;
      case 'duplicate':
        if (this.context.lastT !== null) this.send({ type: 'anomaly.observe', t: this.context.lastT, v: this.context.lastValue });
        return;
      case 'late':
        this.send({ type: 'anomaly.observe', t: T0, v: 0.3 });
        return;
      case 'ack':
        if (alertId !== undefined) this.send({ type: 'anomaly.acknowledge', alertId });
        return;
      case 'resolve':
        if (alertId !== undefined) this.send({ type: 'anomaly.resolve', alertId });
        return;
      case 'fp':
      case 'tp':
        if (alertId === undefined) return;
        this.labels.set(alertId, m.do);
        this.send({ type: 'anomaly.feedback', alertId, label: m.do === 'fp' ? 'false_positive' : 'true_positive' });
        return;
      case 'missed':
        this.missedReports += 1;
        this.send({ type: 'anomaly.missed', at: this.now });
        return;
      case 'mute':
        this.send({ type: 'anomaly.mute', forMs: m.hours * 3_600_000, reason: 'test' });
        return;
      case 'wait':
        this.advance(m.hours * 3_600_000);
        return;
      default:
        this.send({ type: `anomaly.${m.do}` });
    }
  }

  #day(v: number | null): void {
    const earliest = Math.floor((this.now - T0) / DAY) * DAY + T0;
    this.#t = Math.max(this.#t + DAY, earliest);
    if (this.now < this.#t + DAY) this.advance(this.#t + DAY - this.now);
    this.send({ type: 'anomaly.observe', t: this.#t, v });
  }
}

test('whatever happens to a monitor, its invariants 1 to 7 hold', (t) => {
  let alerts = 0;
  fc.assert(
    fc.property(moves, fc.integer({ min: 1, max: 1_000 }), (path, seed) => {
      const walk = new Walk();
      const draw = normals(seed);
      walk.move({ do: 'days', n: 20, level: 0.5, spread: 0.03 }, draw);
      if (seed % 2 === 0) walk.send({ type: 'anomaly.configure', patch: { cooldownMs: 6 * DAY } });
      for (const m of path) walk.move(m, draw);
      alerts += walk.context.alertNo;
      if (walk.faults.length > 0) throw new Error(walk.faults.join('; '));

      const again = new Statechart<MonitorContext>(anomalyMachine, REF, T0); // invariant 4
      for (const { at, event } of walk.sent) {
        again.now = at;
        again.send(event);
      }
      return JSON.stringify(again.context) === JSON.stringify(walk.context);
    }),
    { numRuns: 150 },
  );
  t.true(alerts > 150, `the walks open alerts: ${alerts}`);
});
