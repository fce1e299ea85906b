import test from 'ava';
import { z } from 'zod';
import { actorIdOf } from '../../actors/ids.ts';
import { command, platformOnly } from '../../actors/define.ts';
import { anomaly } from '../../machines/anomaly/kind.ts';
import type { AlertItem } from '../../machines/anomaly/schema.ts';
import { alertFacts } from '../../machines/anomaly/schema.ts';
import { countAlerts } from '../../server/observe/alerts.ts';
import { as, system, testKernel, user } from '../support/kernel.ts';
import type { TestKernel } from '../support/kernel.ts';
import { owner } from '../support/owner.ts';

const DAY = 86_400_000;
const QUIET = [62, 64, 60, 63, 61, 60, 64];
const REF = 'anomaly:user:u1:resting_heart_rate';

const started = () => testKernel({ kinds: [anomaly, owner] });

/** Tells the points of `values`, one a day and the last of them yesterday's, all at once as a first synchronisation does. */
async function feed(k: TestKernel, values: readonly number[]): Promise<void> {
  const first = Math.floor(k.clock.wall() / DAY) * DAY - values.length * DAY;
  for (const [i, v] of values.entries()) await k.system.ask(REF, { type: 'anomaly.observe', t: first + i * DAY, v }, as(system));
  await k.clock.advance(300);
}

const quiet = Array.from({ length: 30 }, (_, i) => QUIET[i % 7]!);
const items = async (k: TestKernel, topic: string): Promise<AlertItem[]> => {
  const slice = await k.system.slice(topic, { n: 100 });
  return slice.kind === 'log' ? (slice.d as unknown as AlertItem[]).filter((i) => i.type.startsWith('alert.')) : [];
};

test('an alert reaches the log of the monitor, the log of its owner and the table, each once', async (t) => {
  const k = await started();
  await feed(k, [...quiet, 78]);
  const [item] = await items(k, 'user:u1/alerts');
  t.is(item!.type, 'alert.opened');
  t.is(item!.title, 'Resting heart rate is unusually high');
  t.deepEqual(await items(k, `${REF}/alerts`), [item!]);
  t.is((await items(k, 'user:u1/alerts')).length, 1);
  const rows = k.store.rows('alerts');
  t.is(rows.length, 1);
  t.like(rows[0], { alert_id: item!.id, owner_id: 'u1', status: 'open', severity: item!.level });
});

test('the user and staff may act on the alert; a stranger does not learn that there is one', async (t) => {
  const k = await started();
  await feed(k, [...quiet, 78]);
  const [item] = await items(k, 'user:u1/alerts');
  const ack = { type: 'anomaly.acknowledge', alertId: item!.id };
  t.like(await k.system.ask(REF, ack, as(user('stranger'))), { ok: false, error: { code: 'NOT_FOUND' } });
  t.like(await k.system.ask(REF, ack, as(user('u1'))), { ok: true, reply: { repeated: false } });
  t.like(await k.system.ask(REF, ack, as(user('coach', 'staff'))), { ok: true, reply: { repeated: true } });
  t.like(await k.system.ask(REF, { type: 'anomaly.reset' }, as(user('u1'))), { ok: false, error: { code: 'FORBIDDEN' } });
  t.like(await k.system.ask(REF, { type: 'anomaly.observe', t: 0, v: 1 }, as(user('u1'))), { ok: false, error: { code: 'FORBIDDEN' } });
  const [stranger, u1] = [user('stranger'), user('u1')];
  t.deepEqual([...(await k.system.refused(`${REF}/scores`, [stranger, u1])).keys()], [stranger]);
});

test('the scores show the latest point and what each role may do now', async (t) => {
  const k = await started();
  await feed(k, [...quiet, 78]);
  const slice = await k.system.slice(`${REF}/scores`);
  const view = (slice as { d: { [key: string]: unknown } }).d;
  t.like(view, { condition: 'anomalous', alerting: 'open', muting: 'unmuted', feed: 'live', latest: { value: 78, direction: 'high' } });
  const can = view['can'] as { self: string[]; staff: string[] };
  t.true(can.self.includes('anomaly.acknowledge') && !can.self.includes('anomaly.reset') && !can.self.includes('anomaly.unmute'));
  t.true(can.staff.includes('anomaly.reset') && can.staff.includes('anomaly.adopt'));
  const { value } = await k.system.read(REF, 'monitor', {}, { from: user('coach', 'staff') });
  t.like(value, { cfgVersion: 1, falsePositives: { share: null } });
});

test('a cool-down that ends while the process is down ends once, at the next start (case 20)', async (t) => {
  const k = await started();
  await feed(k, [...quiet, 78]);
  const [item] = await items(k, 'user:u1/alerts');
  await k.system.ask(REF, { type: 'anomaly.resolve', alertId: item!.id }, as(user('u1')));
  k.clock.setWall(k.clock.wall() + DAY + 3 * 3_600_000);
  const again = await k.restart();
  await again.clock.advance(60_000);
  const told = await items(again, 'user:u1/alerts');
  t.deepEqual(
    told.map((i) => [i.type, i.reason]),
    [
      ['alert.opened', 'new'],
      ['alert.closed', 'manual'],
      ['alert.opened', 'reopened'],
    ],
  );
  t.is(told[2]!.linkedTo, item!.id);
});

test('a restart folds the journal to the same state, and a point costs little of it (invariant 4)', async (t) => {
  const k = await started();
  await feed(k, [...quiet, 78, 62, 63, 61]);
  const before = await k.system.read(REF, 'monitor', {}, { from: system });
  const again = await k.restart();
  t.deepEqual(await again.system.read(REF, 'monitor', {}, { from: system }), before);
  const patches = k.store.journal(actorIdOf(REF)).map((r) => r.patch.length);
  t.true(Math.max(...patches.slice(5, 25)) < 1_200, String(Math.max(...patches.slice(5, 25))));
});

test('alerts are counted by severity and reason, and the time to their acknowledgement', async (t) => {
  const k = await started();
  const stop = countAlerts(k.system, k.metrics);
  await feed(k, [...quiet, 78]);
  const [item] = await items(k, 'user:u1/alerts');
  await k.clock.advance(90_000);
  await k.system.ask(REF, { type: 'anomaly.acknowledge', alertId: item!.id }, as(user('u1')));
  const text = await k.metrics.metrics();
  t.regex(text, new RegExp(`resource_anomaly_severity{level="${item!.severity}",kind="metric",module="biosync"} 1`));
  t.regex(text, /thrum_anomaly_time_to_ack_seconds_sum 90/);
  stop();
});

test('only the platform may say that there is an alert', async (t) => {
  t.is(alertFacts['alert.opened'].allow, platformOnly);
  t.is(command({ input: z.null(), reply: z.null() }).allow, undefined);
  const k = await started();
  t.like(await k.system.ask('user:u1', { type: 'alert.opened', item: {} }, as(user('u1'))), { ok: false });
});
