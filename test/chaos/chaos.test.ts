/** The short form of `npm run chaos`, and the checkers on histories that are known to be wrong. */
import test from 'ava';
import { idemOf } from '../../actors/ids.ts';
import { checkHistory, checkReads } from './history.ts';
import type { Recorded } from './history.ts';
import type { Op, Wish } from './load.ts';
import { chaos, report } from './run.ts';
import { checkAlerts, checkBookings, checkJobs, checkResults, checkSums, checkTimers, checkWatchers, checkWrong } from './verdict.ts';
import type { Item, JobRow } from './verdict.ts';

const op = (n: number, o: Partial<Op> = {}): Op => ({
  client: 1,
  ref: 'list:a',
  type: 'list.append',
  key: `k${n}`,
  payload: { x: `x${n}` },
  began: n * 10,
  ended: n * 10 + 5,
  attempts: 1,
  outcome: 'done',
  code: undefined,
  seq: n,
  reply: { n },
  ...o,
});
const row = (seq: number, n = seq): Recorded => ({
  ref: 'list:a',
  seq,
  type: 'list.append',
  idem: idemOf({ kind: 'anonymous', id: 'anonymous', roles: [] }, `k${n}`),
});
const invariants = (faults: readonly { invariant: string }[]): string[] => faults.map((f) => f.invariant);

test('a history in order is sound, with refusals, and with commands that nobody answered', (t) => {
  const ops = [
    op(1),
    op(2, { outcome: 'refused', seq: undefined }),
    op(3, { seq: 2 }),
    op(4, { outcome: 'unknown', ended: Infinity, seq: undefined }),
  ];
  t.deepEqual(checkHistory(ops, [row(1), row(2, 3), row(3, 4)]), []);
  t.deepEqual(checkHistory(ops, [row(1), row(2, 3)]), []);
});

test('a lost acknowledgement, a doubled command, a gap and a wrong number are found', (t) => {
  t.deepEqual(invariants(checkHistory([op(1), op(2)], [row(1)])), ['I3']);
  t.deepEqual(invariants(checkHistory([op(1)], [row(1), row(2, 1)])), ['I3']);
  t.deepEqual(invariants(checkHistory([op(1), op(3)], [row(1), row(3)])), ['I1']);
  t.deepEqual(invariants(checkHistory([op(1, { seq: 2 })], [row(1)])), ['I3']);
});

test('an event that stands before one that was answered earlier is found, however many lie between', (t) => {
  const ops = [op(1, { seq: 3 }), op(2, { seq: 2, began: 0, ended: 100 }), op(4, { seq: 1 })];
  t.deepEqual(invariants(checkHistory(ops, [row(1, 4), row(2, 2), row(3, 1)])), ['I4']);
});

test('a read that misses what was acknowledged, and one that knows what was not sent yet, are found', (t) => {
  const ops = [op(1), op(2)];
  const read = (seq: number, began: number, ended: number) => ({ ref: 'list:a', seq, began, ended });
  t.deepEqual(checkReads([read(0, 0, 12), read(1, 16, 19), read(1, 20, 30), read(2, 20, 24), read(2, 26, 30)], ops), []);
  t.is(checkReads([read(1, 26, 30)], ops).length, 1);
  t.is(checkReads([read(2, 0, 9)], ops).length, 1);
});

test('a timer that fired twice, never, early, after its cancellation or for nobody is found', (t) => {
  const start = (n: number, o: Partial<Op> = {}): Op => op(n, { ref: 'errand:a', type: 'errand.start', payload: { name: `e${n}` }, ...o });
  const fired = (name: string, at = 100) => ({ topic: 'errand:a/done', n: 1, item: { name, due: 100, at } });
  t.deepEqual(checkTimers([start(1), start(2, { outcome: 'unknown' })], [fired('e1')]), []);
  t.is(checkTimers([start(1)], []).length, 1);
  t.is(checkTimers([start(1)], [fired('e1'), fired('e1')]).length, 1);
  t.is(checkTimers([start(1)], [fired('e1', 99)]).length, 1);
  t.is(checkTimers([start(1), op(2, { type: 'errand.drop', payload: { name: 'e1' } })], [fired('e1')]).length, 1);
  t.is(checkTimers([], [fired('e9')]).length, 1);
});

test('a refused command that was sent once may not be in the journal; one that was sent twice may', (t) => {
  const refused = { outcome: 'refused', seq: undefined } as const;
  t.deepEqual(invariants(checkHistory([op(1, { ...refused, attempts: 1 })], [row(1)])), ['I11']);
  t.deepEqual(checkHistory([op(1, { ...refused, attempts: 2 })], [row(1)]), []);
});

test('a job that is missing, doubled, unfinished, dead without a reason, or done by nobody is found', (t) => {
  const ended = (name: string): Item => ({ topic: 'errand:a/done', n: 1, item: { name } });
  const job = (name: string, o: Partial<JobRow> = {}): JobRow => ({
    id: name,
    name,
    status: 'done',
    reason: null,
    error: null,
    runs: 1,
    ...o,
  });
  const dead = { status: 'dead', reason: 'non_retryable', error: 'NEVER', runs: 0 };
  t.deepEqual(checkJobs([ended('a'), ended('b')], [job('a', { runs: 2 }), job('b', dead)]), []);
  t.is(checkJobs([ended('a')], []).length, 1);
  t.is(checkJobs([ended('a')], [job('a'), job('a', { id: 'other' })]).length, 1);
  t.is(checkJobs([ended('a')], [job('a', { status: 'active' })]).length, 1);
  t.is(checkJobs([ended('a')], [job('a', { ...dead, reason: null })]).length, 1);
  t.is(checkJobs([ended('a')], [job('a', { runs: 0 })]).length, 1);
  t.is(checkJobs([], [job('a')]).length, 1);
});

test('an alert that its owner was not told of, or twice, and a table that says something else are found', (t) => {
  const item = { type: 'alert.opened', id: 'i', status: 'open', at: 1 };
  const told = (topic: string, n = 1): Item => ({ topic, n, item });
  const [monitor, owner] = [told('anomaly:resource:r:utilization/alerts'), told('resource:r/anomalies')];
  const stored = [{ id: 'i', status: 'open' }];
  t.deepEqual(checkAlerts([monitor, owner], stored), []);
  t.is(checkAlerts([monitor], stored).length, 1);
  t.is(checkAlerts([monitor, owner, owner], stored).length, 1);
  t.is(checkAlerts([owner], []).length, 1);
  t.is(checkAlerts([monitor, owner], [{ id: 'i', status: 'closed' }]).length, 1);
  t.is(checkAlerts([monitor, owner], []).length, 1);
});

test('a result of an effect that did not run, and a second one, are found', (t) => {
  const result = (key: string, ran = 1) => ({ ref: 'hold:a', seq: 1, key, ran });
  t.deepEqual(checkResults([result('a'), result('b', 2)]), []);
  t.is(checkResults([result('a', 0)]).length, 1);
  t.is(checkResults([result('a'), result('a')]).length, 1);
});

test('a subscriber that missed an item, saw one twice, saw another one, or was told of a gap is found', (t) => {
  const stored: Item[] = [1, 2].map((n) => ({ topic: 'list:a/entries', n, item: { n } }));
  const seen = (numbers: number[], faults: string[] = [], items: unknown[] = numbers.map((n) => ({ n }))) => ({
    logs: [{ topic: 'list:a/entries', watcher: 0, numbers, items, faults }],
    views: [],
  });
  t.deepEqual(checkWatchers(seen([1, 2]), stored), []);
  t.is(checkWatchers(seen([1]), stored).length, 1);
  t.is(checkWatchers(seen([1, 2, 2]), stored).length, 1);
  t.is(checkWatchers(seen([1, 2], [], [{ n: 1 }, { n: 3 }]), stored).length, 1);
  t.is(checkWatchers(seen([1, 2], ['a gap was announced']), stored).length, 1);
  t.is(checkWatchers({ logs: [], views: [{ topic: 'list:a/head', count: 1, faults: ['the count went from 2 to 1'] }] }, []).length, 1);
});

test('money that is lost, a transfer that was never confirmed, and an actor that noticed something are found', (t) => {
  const accounts = (o: object = {}) =>
    new Map<string, unknown>(
      Array.from({ length: 12 }, (_, i) => [`account:a${i}`, { balance: 1_000, pending: {}, ...(i === 0 ? o : {}) }]),
    );
  t.deepEqual(checkSums(accounts()), []);
  t.is(checkSums(accounts({ balance: 999 })).length, 1);
  t.is(checkSums(accounts({ pending: { x: {} } })).length, 1);
  t.deepEqual(checkWrong(new Map([['hold:a', { wrong: 0 }]])), []);
  t.is(checkWrong(new Map([['hold:a', { wrong: 1 }]])).length, 1);
});

test('a room with two bookings at once, and a confirmed booking that does not stand, are found', (t) => {
  const wish = (id: string, start: string, o: Partial<Wish> = {}): Wish => ({
    key: id,
    resourceId: 'room',
    start,
    durationMin: 60,
    bookingId: id,
    status: 201,
    confirmed: true,
    cancelled: false,
    ...o,
  });
  const all = new Map(['a', 'b'].map((id) => [id, 'confirmed.upcoming']));
  const [a, b, later] = [wish('a', '2027-01-01T10:00:00Z'), wish('b', '2027-01-01T10:30:00Z'), wish('b', '2027-01-01T11:00:00Z')];
  t.deepEqual(checkBookings([a, later], all), []);
  t.is(checkBookings([a, b], all).length, 1);
  t.is(checkBookings([a], new Map([['a', 'expired']])).length, 1);
});

test('three nodes keep every promise through crashes, pauses, lost stores and cut lines', async (t) => {
  t.timeout(900_000);
  const outcome = await chaos({
    nodes: 3,
    clients: 12,
    watchers: 3,
    duration: 0,
    thinkMs: 300,
    seed: 'ci',
    scale: 0.2,
    only: [
      'kill -9',
      'SIGSTOP, then on',
      'Postgres restart',
      'connections to Postgres cut',
      'connections of clients cut',
      'Redis restart without data',
    ],
    say: (line) => t.log(line),
  });
  if (outcome === undefined) {
    t.log('skipped: PostgreSQL or redis-server is not installed');
    t.pass();
  } else {
    t.true(outcome.ok, report(outcome));
    t.true(Number(outcome.figures['acknowledged']) > 50);
  }
});
