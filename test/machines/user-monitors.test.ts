import test from 'ava';
import { monitorTells } from '../../machines/user/monitors.ts';

const at = (day: string): number => Date.parse(`${day}T00:00:00Z`);
const result = (day: string, hrvMs?: number) => ({ score: { day } as never, point: hrvMs === undefined ? {} : { hrvMs } });

test('new values are told in order of days, known ones are not told again', (t) => {
  const tells = monitorTells(
    { '2026-03-01': { hrvMs: 50 } },
    [result('2026-03-03', 52), result('2026-03-02', 51), result('2026-03-01', 50)],
    at,
  );
  t.deepEqual(tells, [
    { metric: 'hrv_rmssd', type: 'anomaly.observe', payload: { t: at('2026-03-02'), v: 51 } },
    { metric: 'hrv_rmssd', type: 'anomaly.observe', payload: { t: at('2026-03-03'), v: 52 } },
  ]);
});

test('history that comes after newer days goes as one series, and what is newer is told after it', (t) => {
  const known = { '2026-03-09': { hrvMs: 59 }, '2026-03-10': { hrvMs: 60 } };
  const history = Array.from({ length: 7 }, (_, i) => result(`2026-03-0${i + 1}`, 51 + i));
  const tells = monitorTells(known, [...history, result('2026-03-11', 61)], at);
  t.is(tells.length, 2);
  t.like(tells[0], { type: 'anomaly.backfill' });
  t.deepEqual(
    (tells[0]!.payload as { readonly points: readonly { readonly t: number }[] }).points.map((p) => p.t),
    history.map((h) => at((h.score as { day: string }).day)),
  );
  t.deepEqual(tells[1], { metric: 'hrv_rmssd', type: 'anomaly.observe', payload: { t: at('2026-03-11'), v: 61 } });
});

test('a corrected recent night is told as it is, and a day without the metric is not told', (t) => {
  const known = { '2026-03-10': { hrvMs: 60 } };
  t.deepEqual(monitorTells(known, [result('2026-03-10', 58), result('2026-03-11')], at), [
    { metric: 'hrv_rmssd', type: 'anomaly.observe', payload: { t: at('2026-03-10'), v: 58 } },
  ]);
});
