import test from 'ava';
import { anomalyMachine } from '../../machines/anomaly/anomaly.machine.ts';
import { anomaly } from '../../machines/anomaly/kind.ts';
import type { AlertItem } from '../../machines/anomaly/schema.ts';
import { AlertItem as AlertItemSchema } from '../../machines/anomaly/schema.ts';
import { MonitorContext } from '../../machines/anomaly/state.ts';
import { LogItem, MonitorView, monitorView, ScoresView, scoresView } from '../../machines/anomaly/views.ts';
import { Statechart } from '../support/statechart.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const T0 = Date.UTC(2026, 0, 1);
const COACH = { kind: 'user', id: 'coach', roles: ['user', 'staff'] } as const;

/** Values with mean 0.5 and a steady deviation, in an order without trend or runs. */
const QUIET = [0.5, 0.55, 0.45, 0.52, 0.48, 0.47, 0.53];

/** A monitor with a day's clock: `day(v)` tells the point of a day and lets the day pass. */
class Monitor extends Statechart<MonitorContext> {
  #t = T0;
  constructor(ref = 'anomaly:resource:court-1:utilization') {
    super(anomalyMachine, ref, T0);
  }
  get t(): number {
    return this.#t;
  }
  day(v: number | null, more: object = {}) {
    this.#t += DAY;
    this.advance(this.#t + DAY - this.now); // a bucket is told when it has closed
    return this.send({ type: 'anomaly.observe', t: this.#t, v, ...more });
  }
  quiet(n: number): this {
    for (let i = 0; i < n; i += 1) this.day(QUIET[i % QUIET.length]!);
    return this;
  }
  /** what the owner was told, in order */
  get items(): AlertItem[] {
    return this.history.flatMap((o) => o.told.map((m) => m.payload['item'] as AlertItem));
  }
  get alertId(): string {
    return this.context.alert!.id;
  }
  get(region: string): unknown {
    const value = this.value[region];
    return typeof value === 'string' ? value : Object.keys(value as object)[0];
  }
}

const learnt = (): Monitor => new Monitor().quiet(28);
/** A shift of two deviations until the episode opens: by persistence, with a middle severity. */
const shifted = (m: Monitor): Monitor => {
  for (let i = 0; i < 8 && m.get('condition') !== 'anomalous'; i += 1) m.day(0.58);
  return m;
};
const alarmed = (): Monitor => {
  const m = learnt();
  m.day(0.95);
  return m;
};

test('the definition is accepted and the view, the items and the context fit their schemas', (t) => {
  t.is(anomaly.kind, 'anomaly');
  const m = alarmed();
  m.day(0.9);
  t.deepEqual(MonitorContext.parse(m.context), m.context);
  const snap = { value: m.value as never, context: m.context, status: 'active', matches: () => false, hasTag: () => false };
  t.notThrows(() => ScoresView.parse(scoresView(snap)));
  t.notThrows(() => MonitorView.parse(monitorView(snap)));
  t.true(m.items.length > 0);
  for (const item of m.items) t.notThrows(() => AlertItemSchema.parse(item));
  for (const o of m.history) for (const p of o.published) t.notThrows(() => LogItem.parse(p.item));
  t.deepEqual(JSON.parse(JSON.stringify(m.context)), m.context);
});

test('learning takes minLearn points, then publishes monitor.ready', (t) => {
  const m = new Monitor().quiet(13);
  t.is(m.get('condition'), 'learning');
  m.day(0.5);
  t.is(m.get('condition'), 'normal');
  t.is(m.last.published[0]!.item.type, 'monitor.ready');
});

test('no alert is opened while learning (invariant 3)', (t) => {
  const m = new Monitor().quiet(5);
  for (const v of [5, 0, 5, 0]) m.day(v);
  t.is(m.items.length, 0);
});

test('a point that exceeds makes the monitor suspect, a second opens the episode and the alert', (t) => {
  const m = learnt();
  m.day(0.615);
  t.is(m.get('condition'), 'suspect');
  t.is(m.items.length, 0);
  m.day(0.62);
  t.is(m.get('condition'), 'anomalous');
  t.is(m.get('alerting'), 'open');
  const [item] = m.items;
  t.is(item!.type, 'alert.opened');
  t.is(item!.owner, 'resource:court-1');
  t.is(item!.key, 'resource:court-1:utilization:high');
  t.is(m.last.told[0]!.to, 'resource:court-1');
  t.true(item!.explanation.startsWith('Utilization was 62 %; '));
  t.is(item!.points, 2);
});

test('a lone spike is a suspicion that clears, without an alert, unless it is critical (case 12)', (t) => {
  const m = learnt();
  m.day(0.615);
  t.is(m.get('condition'), 'suspect');
  for (let i = 0; i < 7; i += 1) m.day(QUIET[i]!);
  t.is(m.get('condition'), 'normal');
  t.true(m.history.some((o) => o.published.some((p) => p.item.type === 'monitor.suspicion_cleared')));
  t.is(m.items.length, 0);
  const critical = alarmed();
  t.is(critical.items[0]!.severity, 'critical');
  t.is(critical.get('condition'), 'anomalous');
});

test('an episode rises in severity and tells it, and closes after clear points', (t) => {
  const m = shifted(learnt());
  t.is(m.items.length, 1);
  t.is(m.items[0]!.kind, 'persistence');
  const { points } = m.context.episode!;
  const first = m.items[0]!.level;
  m.day(1.2);
  t.is(m.items.at(-1)!.reason, 'escalated');
  t.true(m.items.at(-1)!.level > first && m.items.at(-1)!.notify);
  for (let i = 0; i < 14 && m.get('condition') !== 'normal'; i += 1) m.day(QUIET[i % 7]!);
  t.is(m.get('condition'), 'normal');
  t.is(m.get('alerting'), 'cooling');
  t.is(m.items.at(-1)!.type, 'alert.closed');
  t.is(m.items.at(-1)!.reason, 'auto');
  t.is(m.items.at(-1)!.points, points + 1);
});

test('a recovering episode that exceeds again goes on', (t) => {
  const m = learnt();
  m.day(0.95);
  m.day(0.5);
  t.is(m.get('condition'), 'recovering');
  m.day(0.95);
  t.is(m.get('condition'), 'anomalous');
  t.is(m.context.episode!.points, 2);
  t.is(m.context.normalRun, 0);
});

test('a person acknowledges; a second one is told that it had been done (case 24)', (t) => {
  const m = alarmed();
  const done = m.send({ type: 'anomaly.acknowledge', alertId: m.alertId, note: 'on it' }, COACH);
  t.deepEqual(done.replies, [{ repeated: false }]);
  t.is(m.get('alerting'), 'acknowledged');
  t.is(m.items.at(-1)!.ackBy, 'coach');
  t.is(m.items.at(-1)!.note, 'on it');
  t.deepEqual(m.send({ type: 'anomaly.acknowledge', alertId: m.alertId }, COACH).replies, [{ repeated: true }]);
  t.is(m.items.filter((i) => i.reason === 'acknowledged').length, 1);
});

test('an unknown alert is refused, and so is an older one of the same monitor', (t) => {
  const m = alarmed();
  const first = m.alertId;
  for (const type of ['anomaly.acknowledge', 'anomaly.resolve']) {
    t.is(m.send({ type, alertId: '00000000-0000-4000-8000-000000000000' }).rejects[0]!.code, 'NOT_FOUND');
  }
  t.is(m.send({ type: 'anomaly.feedback', alertId: 'x', label: 'true_positive' }).rejects[0]!.code, 'NOT_FOUND');
  m.send({ type: 'anomaly.resolve', alertId: first }, COACH);
  m.day(0.95);
  t.is(m.get('alerting'), 'open');
  t.not(m.alertId, first);
  t.is(m.context.alert!.linkedTo, first);
  t.is(m.send({ type: 'anomaly.acknowledge', alertId: first }).rejects[0]!.code, 'ALERT_CLOSED');
  t.is(m.send({ type: 'anomaly.resolve', alertId: first }).rejects[0]!.code, 'ALERT_CLOSED');
});

test('an urgent alert that nobody acknowledges is told once more: critical after 15 min', (t) => {
  const m = alarmed();
  m.advance(15 * 60_000);
  t.is(m.items.at(-1)!.reason, 'unacknowledged');
  m.advance(12 * HOUR);
  t.is(m.items.filter((i) => i.reason === 'unacknowledged').length, 1);
  const calm = alarmed();
  calm.send({ type: 'anomaly.acknowledge', alertId: calm.alertId }, COACH);
  calm.advance(12 * HOUR);
  t.is(calm.items.filter((i) => i.reason === 'unacknowledged').length, 0);
});

test('resolving closes by hand; after the cool-down an episode that goes on is opened again, linked', (t) => {
  const m = alarmed();
  const first = m.alertId;
  t.deepEqual(m.send({ type: 'anomaly.resolve', alertId: first, note: 'known' }, COACH).replies, [{ repeated: false }]);
  t.is(m.items.at(-1)!.reason, 'manual');
  t.is(m.items.at(-1)!.closedBy, 'coach');
  t.is(m.get('alerting'), 'cooling');
  t.deepEqual(m.send({ type: 'anomaly.resolve', alertId: first }, COACH).replies, [{ repeated: true }]);
  m.advance(DAY);
  t.is(m.get('alerting'), 'open');
  t.is(m.items.at(-1)!.type, 'alert.opened');
  t.is(m.items.at(-1)!.linkedTo, first);
});

test('false positive: the alert closes, the pattern is forgiven, the cool-down doubles, the threshold rises (case 15)', (t) => {
  const m = alarmed();
  const before = m.context;
  m.send({ type: 'anomaly.feedback', alertId: m.alertId, label: 'false_positive' }, COACH);
  t.is(m.get('alerting'), 'cooling');
  t.is(m.items.at(-1)!.reason, 'false_positive');
  t.is(m.items.filter((i) => i.type === 'alert.closed').length, 1);
  t.true(m.context.det.ew.mean > before.det.ew.mean);
  t.true(Math.abs(Math.exp(m.context.tune.lnF) * 3 - 3.282523) < 1e-6);
  for (let i = 0; i < 3; i += 1) {
    m.advance(12 * HOUR);
    t.is(m.get('alerting'), 'cooling', `${(i + 1) * 12} h`);
  }
  m.advance(12 * HOUR);
  t.not(m.get('alerting'), 'cooling');
});

test('a second label replaces the first, and the same label again changes nothing (case 23)', (t) => {
  const m = alarmed();
  const say = (label: string) => m.send({ type: 'anomaly.feedback', alertId: m.alertId, label }, COACH);
  say('false_positive');
  t.deepEqual(say('false_positive').replies, [{ repeated: true }]);
  t.deepEqual(say('true_positive').replies, [{ repeated: false }]);
  t.deepEqual([m.context.tune.fp, m.context.tune.tp], [0, 1]);
  const once = alarmed();
  once.send({ type: 'anomaly.feedback', alertId: once.alertId, label: 'true_positive' }, COACH);
  t.is(m.context.tune.lnF, once.context.tune.lnF);
  t.is(once.get('alerting'), 'open');
  t.is(once.items.at(-1)!.label, 'true_positive');
});

test('an episode in the cool-down is suppressed at the same tier and told at a higher one (cases 16, 17)', (t) => {
  const m = learnt();
  m.send({ type: 'anomaly.configure', patch: { cooldownMs: 30 * DAY } });
  shifted(m);
  const first = m.context.alert!;
  m.send({ type: 'anomaly.resolve', alertId: first.id }, COACH);
  for (let i = 0; i < 14 && m.get('condition') !== 'normal'; i += 1) m.day(QUIET[i % 7]!);
  t.is(m.get('alerting'), 'cooling');
  shifted(m);
  t.is(m.get('condition'), 'anomalous');
  t.is(m.get('alerting'), 'cooling');
  const held = m.last.published.find((p) => p.item.type === 'alert.suppressed')!.item;
  t.is(held['reason'], 'cooldown');
  t.is(held['coveredBy'], first.id);
  m.day(1.3);
  t.is(m.get('alerting'), 'open');
  t.is(m.context.alert!.linkedTo, first.id);
  t.true(m.context.alert!.level > first.level);
});

test('a muted monitor tells nobody; what is still wrong at the end of the mute is told then (case 19)', (t) => {
  const m = learnt();
  const { replies } = m.send({ type: 'anomaly.mute', forMs: 3 * DAY, reason: 'fair' }, COACH);
  t.deepEqual(replies, [{ until: m.now + 3 * DAY }]);
  m.day(0.95);
  t.is(m.get('condition'), 'anomalous');
  t.is(m.items.length, 0);
  m.advance(3 * DAY);
  t.is(m.get('muting'), 'unmuted');
  t.is(m.items[0]!.type, 'alert.opened');
  t.is(m.items.filter((i) => i.type === 'alert.opened').length, 1);
});

test('unmuting by hand tells an open episode, and mutes have an end', (t) => {
  const m = learnt();
  t.is(m.send({ type: 'anomaly.mute', forMs: 91 * DAY, reason: 'x' }).rejects[0]!.code, 'INVALID_RANGE');
  t.is(m.send({ type: 'anomaly.mute', until: m.now - 1, reason: 'x' }).rejects[0]!.code, 'INVALID_RANGE');
  m.send({ type: 'anomaly.mute', forMs: 90 * DAY, reason: 'x' });
  m.send({ type: 'anomaly.mute', forMs: 80 * DAY, reason: 'shorter' });
  m.day(0.95);
  t.is(m.items.length, 0);
  m.send({ type: 'anomaly.unmute' });
  t.is(m.items.length, 1);
  const quiet = learnt();
  quiet.send({ type: 'anomaly.mute', forMs: HOUR, reason: 'x' });
  quiet.advance(HOUR);
  t.is(quiet.get('muting'), 'unmuted');
  t.is(quiet.items.length, 0);
});

test('a feed without points is stale after three days and live again with the next', (t) => {
  const m = learnt();
  m.advance(3 * DAY - 1);
  t.is(m.get('feed'), 'live');
  m.advance(1);
  t.is(m.get('feed'), 'stale');
  t.is(m.last.published[0]!.item.type, 'monitor.stale');
  m.day(null);
  t.is(m.get('feed'), 'live');
  t.is(m.last.published[0]!.item.type, 'monitor.live');
});

test('duplicates, late points, corrections, missing and implausible values are counted and not fed (case 21)', (t) => {
  const m = learnt();
  const { det } = m.context;
  const at = m.context.lastT!;
  const v = m.context.lastValue!;
  m.send({ type: 'anomaly.observe', t: at, v });
  m.send({ type: 'anomaly.observe', t: at, v: v + 0.1 });
  m.send({ type: 'anomaly.observe', t: at - DAY, v });
  t.deepEqual(m.context.counts, { late: 2, duplicates: 1, invalid: 0 });
  m.day(null);
  m.day(-1);
  m.day(0.5, { quality: 'partial' });
  t.deepEqual(m.context.counts, { late: 2, duplicates: 1, invalid: 2 });
  t.is(m.context.missing, 3);
  t.deepEqual(m.context.det, det);
  t.is(m.send({ type: 'anomaly.observe', t: m.now + 300_001, v: 1 }).rejects[0]!.code, 'POINT_IN_FUTURE');
});

test('after a long gap the baseline is learned anew, and an open alert is closed', (t) => {
  const m = alarmed();
  for (let i = 0; i < 15; i += 1) m.day(null);
  m.day(0.5);
  t.is(m.get('condition'), 'learning');
  t.is(m.context.det.ew.n, 1);
  t.is(m.items.at(-1)!.reason, 'auto');
  t.is(m.context.episode, null);
});

test('a level that stays is adopted after fourteen points; the alert closes as adopted and none follows (cases 13, 14)', (t) => {
  const m = learnt();
  for (let i = 0; i < 30; i += 1) m.day(0.7 + QUIET[i % 7]! - 0.5);
  t.is(m.items.filter((i) => i.type === 'alert.opened').length, 1);
  t.is(m.items.at(-1)!.reason, 'adopted');
  t.is(m.get('condition'), 'normal');
  t.true(Math.abs(m.context.det.ew.mean - 0.7) < 0.03);
  t.is(m.history.flatMap((o) => o.published).filter((p) => p.item.type === 'monitor.adopted').length, 1);
});

test('a level that a person confirmed as a fault is not adopted by itself, but by command', (t) => {
  const m = learnt();
  m.day(0.95);
  m.send({ type: 'anomaly.feedback', alertId: m.alertId, label: 'true_positive' }, COACH);
  for (let i = 0; i < 25; i += 1) m.day(0.9 + QUIET[i % 7]! - 0.5);
  t.is(m.get('condition'), 'anomalous');
  m.send({ type: 'anomaly.adopt' });
  t.is(m.get('condition'), 'normal');
  t.is(m.items.at(-1)!.reason, 'adopted');
});

test('reset learns anew, keeps the feedback and closes the alert', (t) => {
  const m = alarmed();
  m.send({ type: 'anomaly.feedback', alertId: m.alertId, label: 'true_positive' }, COACH);
  const { tune } = m.context;
  t.deepEqual(m.send({ type: 'anomaly.reset' }).replies, [null]);
  t.is(m.get('condition'), 'learning');
  t.deepEqual(m.context.tune, tune);
  t.is(m.items.at(-1)!.reason, 'auto');
  const normal = learnt();
  normal.send({ type: 'anomaly.reset' });
  t.is(normal.get('condition'), 'learning');
});

test('a report of a missed anomaly lowers the threshold', (t) => {
  const m = learnt();
  const { replies } = m.send({ type: 'anomaly.missed', at: m.now - DAY }, COACH);
  t.deepEqual(replies, [{ labels: { fp: 0, tp: 0, missed: 1 } }]);
  t.true(m.context.tune.lnF < 0);
});

test('the configuration changes under its version', (t) => {
  const m = learnt();
  t.is(m.send({ type: 'anomaly.configure', patch: { z0: 4 }, ifVersion: 7 }).rejects[0]!.code, 'SEQ_MISMATCH');
  t.deepEqual(m.send({ type: 'anomaly.configure', patch: { z0: 4 }, ifVersion: 1 }).replies, [{ cfgVersion: 2 }]);
  m.day(0.5);
  t.is(m.context.reading!.threshold, 4);
  m.send({ type: 'anomaly.missed', at: 0 });
  m.send({ type: 'anomaly.configure', patch: {}, tune: 'reset' });
  t.is(m.context.tune.missed, 0);
});

test('a backfill gives the detectors of an in-order run and opens no alert for old buckets (case 22)', (t) => {
  const points = Array.from({ length: 90 }, (_, i) => ({ t: T0 + (i - 89) * DAY, v: QUIET[i % 7]! + (i === 40 ? 0.6 : 0) }));
  const m = new Monitor().quiet(5);
  m.send({ type: 'anomaly.backfill', points });
  t.is(m.get('condition'), 'normal');
  t.is(m.items.length, 0);
  const fresh = new Monitor();
  fresh.send({
    type: 'anomaly.backfill',
    points: [...points, ...Array.from({ length: 5 }, (_, i) => ({ t: T0 + (i + 1) * DAY, v: QUIET[i]! }))],
  });
  t.deepEqual(m.context.det, fresh.context.det);
  t.deepEqual(m.context.recent, fresh.context.recent);
  const long = new Monitor().quiet(40);
  t.is(long.send({ type: 'anomaly.backfill', points: points.slice(0, 50) }).rejects[0]!.code, 'BACKFILL_GAP');
});

test('points that came before their history are judged once it has come, and an alert is opened for what is recent', (t) => {
  const m = new Monitor();
  for (const v of [0.5, 0.95, 0.95]) m.day(v);
  t.is(m.get('condition'), 'learning');
  const history = Array.from({ length: 60 }, (_, i) => ({ t: T0 + (i - 59) * DAY, v: QUIET[i % 7]! }));
  m.send({ type: 'anomaly.backfill', points: history });
  t.is(m.get('condition'), 'anomalous');
  t.is(m.items.length, 1);
  t.is(m.items[0]!.pointAt, T0 + 2 * DAY);
  t.is(m.context.episode!.points, 2);
  t.deepEqual(m.context.replay, []);
  t.is(m.context.lastT, m.t);
  const inOrder = new Monitor();
  inOrder.send({ type: 'anomaly.backfill', points: history });
  for (const v of [0.5, 0.95, 0.95]) inOrder.day(v);
  t.deepEqual(m.context.det, inOrder.context.det);
});

test('an episode in buckets older than two cool-downs is kept in the record and told to nobody, until it reaches the present', (t) => {
  const m = new Monitor();
  m.now = T0 + 40 * DAY; // the whole series arrives at once
  let day = 0;
  const feed = (v: number) => m.send({ type: 'anomaly.observe', t: T0 + (day += 1) * DAY, v });
  for (let i = 0; i < 28; i += 1) feed(QUIET[i % 7]!);
  feed(0.95);
  t.is(m.get('condition'), 'anomalous');
  t.is(m.last.published.find((p) => p.item.type === 'alert.suppressed')!.item['reason'], 'historical');
  for (let i = 0; i < 7; i += 1) feed(0.95);
  t.is(m.items.length, 0);
  feed(0.95);
  t.is(m.items.length, 1);
  t.is(m.items[0]!.type, 'alert.opened');
});

test('alerts of HRV are worded for a coach, open with one low night, and a high one is no matter', (t) => {
  const m = new Monitor('anomaly:user:u1:hrv_rmssd');
  for (let i = 0; i < 28; i += 1) m.day(50 + 100 * (QUIET[i % 7]! - 0.5));
  m.day(80);
  t.is(m.get('condition'), 'normal');
  m.day(34);
  t.is(m.get('alerting'), 'open');
  const item = m.items[0]!;
  t.is(item.owner, 'user:u1');
  t.is(item.title, 'Heart-rate variability (HRV) is unusually low');
  t.regex(item.explanation, /was 34 ms; 50 ms was expected, usually 4\d ms to 5\d ms\. Common after hard training/);
  t.is(item.direction, 'low');
  t.is(item.kind, 'metric');
});

test('severity below the least wanted is kept in the record; when it rises the alert opens', (t) => {
  const m = learnt();
  m.send({ type: 'anomaly.configure', patch: { minSeverity: 'critical' } });
  shifted(m);
  t.is(m.get('condition'), 'anomalous');
  t.is(m.last.published.find((p) => p.item.type === 'alert.suppressed')!.item['reason'], 'below_min');
  m.day(1.2);
  t.is(m.get('alerting'), 'open');
  t.is(m.items[0]!.severity, 'critical');
});
