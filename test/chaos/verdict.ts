/** Whether every promise was kept: clients' logs, what subscribers saw, the journal and the tables, when all is quiet. */
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { registryOf } from '../../actors/companion.ts';
import { fsck } from '../../actors/fsck.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import { createPgStore } from '../../actors/store/pg.ts';
import { openDatabase } from '../../server/db/database.ts';
import { quiet } from '../support/log.ts';
import type { AccountContext } from '../support/sim-kinds.ts';
import { until } from '../support/until.ts';
import { checkHistory, checkReads } from './history.ts';
import type { Fault, Recorded } from './history.ts';
import { chaosKinds } from './kinds.ts';
import type { ErrandContext } from './kinds.ts';
import { ACCOUNTS, ERRANDS, HOLDS, OPENED } from './load.ts';
import type { Load, Op, Wish } from './load.ts';
import type { Stage } from './stage.ts';
import type { Watchers } from './watchers.ts';

export interface Check {
  readonly what: string;
  readonly looked: number;
  readonly faults: readonly string[];
}

const QUIET_MS = 180_000;

export interface Item {
  readonly topic: string;
  readonly n: number;
  readonly item: Record<string, unknown>;
}

async function withClient<T>(stage: Stage, run: (query: <R>(sql: string) => Promise<R[]>) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: stage.databaseUrl });
  await client.connect();
  try {
    await client.query('set search_path to thrum, public');
    return await run(async <R>(sql: string) => (await client.query(sql)).rows as R[]);
  } finally {
    await client.end();
  }
}

/** Waits until nothing is on its way any more and every subscriber has what there is, at most three minutes. */
export async function untilQuiet(stage: Stage, watchers: Watchers): Promise<Check> {
  const end = performance.now() + QUIET_MS;
  for (;;) {
    const left = await withClient(stage, async (query) => {
      const [row] = await query<{ outbox: number; timers: number; jobs: number }>(
        `select (select count(*)::int from thrum_outbox where state = 'pending') as outbox,
                (select count(*)::int from jobs where queue = 'chaos' and status in ('waiting', 'delayed', 'active')) as jobs,
                (select count(*)::int from thrum_timer t join thrum_actor a using (actor_id) where a.kind = 'errand') as timers`,
      );
      const tails = await query<{ topic: string; n: number }>(
        `select a.kind || ':' || a.id || '/' || i.view as topic, max(i.n)::int as n from thrum_topic_item i join thrum_actor a using (actor_id) group by 1`,
      );
      const tail = new Map(tails.map(({ topic, n }) => [topic, n]));
      const behind = watchers.logs.filter((w) => (w.numbers.at(-1) ?? 0) < (tail.get(w.topic) ?? 0));
      const late = watchers.views.filter((w) => w.count < (tail.get(w.topic.replace('/head', '/entries')) ?? 0));
      return { ...row, behind: behind.map((w) => `${w.topic} ${w.faults.join()}`), late: late.map((w) => w.topic) };
    });
    const faults = [
      ...(left.outbox === 0 ? [] : [`${left.outbox} messages and effects are still on their way`]),
      ...(left.timers === 0 ? [] : [`${left.timers} timers did not fire`]),
      ...(left.jobs === 0 ? [] : [`${left.jobs} jobs are not finished`]),
      ...left.behind.map((topic) => `a subscriber of ${topic} waits for items`),
      ...left.late.map((topic) => `a subscriber of ${topic} waits for the newest view`),
    ];
    if (faults.length === 0 || performance.now() > end)
      return { what: 'everything comes to rest', looked: watchers.logs.length + watchers.views.length, faults };
    await pause(250);
  }
}

/** Final states as the owner tells them, and the bookings as their owner sees them. */
export async function finalStates(stage: Stage, load: Load): Promise<{ peeked: Map<string, unknown>; bookings: Map<string, string> }> {
  const door = stage.nodes[0]?.door;
  const refs = [...names('account', ACCOUNTS), ...names('errand', ERRANDS), ...names('hold', HOLDS)];
  const peeked = new Map<string, unknown>();
  for (const ref of refs) {
    await until(async () => {
      const response = await fetch(`http://127.0.0.1:${door}/${ref}?level=linearizable`);
      if (response.ok) peeked.set(ref, ((await response.json()) as { value: unknown }).value);
      return response.ok || response.status === 404;
    }, `the state of ${ref}`);
  }
  const bookings = new Map<string, string>();
  for (const { bookingId: id } of load.wishes) if (id !== undefined && !bookings.has(id)) bookings.set(id, await load.booking(id));
  return { peeked, bookings };
}

const names = (kind: string, many: number): string[] => Array.from({ length: many }, (_, i) => `${kind}:${kind[0]}${i}`);
const said = (faults: readonly Fault[]): string[] => faults.map((f) => `${f.invariant}: ${f.what}`);

export function checkSums(peeked: ReadonlyMap<string, unknown>): string[] {
  const accounts = names('account', ACCOUNTS).map((ref) => peeked.get(ref) as AccountContext | undefined);
  const sum = accounts.reduce((s, a) => s + (a?.balance ?? 0), 0);
  const waiting = accounts.reduce((s, a) => s + Object.keys(a?.pending ?? {}).length, 0);
  return [
    ...(sum === ACCOUNTS * OPENED ? [] : [`the accounts hold ${sum}, ${ACCOUNTS * OPENED} were put in`]),
    ...(waiting === 0 ? [] : [`${waiting} transfers were never confirmed`]),
  ];
}

export const checkWrong = (peeked: ReadonlyMap<string, unknown>): string[] =>
  [...peeked].flatMap(([ref, state]) => {
    const { wrong = 0 } = state as Partial<ErrandContext>;
    return wrong === 0 ? [] : [`${ref} noticed ${wrong} events that it may not get`];
  });

/** Every timer that was armed fired once and not early; one that was cancelled never. */
export function checkTimers(ops: readonly Op[], items: readonly Item[]): string[] {
  const fired = new Map<string, Item[]>();
  for (const i of items.filter((x) => x.topic.endsWith('/done'))) {
    const name = String(i.item['name']);
    fired.set(name, [...(fired.get(name) ?? []), i]);
  }
  const drops = new Map(ops.filter((op) => op.type === 'errand.drop').map((op) => [String(op.payload['name']), op]));
  const known = new Set<string>();
  const faults: string[] = [];
  for (const op of ops.filter((x) => x.type === 'errand.start')) {
    const name = String(op.payload['name']);
    known.add(name);
    const times = fired.get(name) ?? [];
    const drop = drops.get(name);
    const may =
      op.outcome === 'unknown' || drop?.outcome === 'unknown' ? [0, 1] : op.outcome === 'refused' || drop?.outcome === 'done' ? [0] : [1];
    if (!may.includes(times.length))
      faults.push(`the timer ${name} fired ${times.length} times (start ${op.outcome}, drop ${drop?.outcome ?? 'none'})`);
    for (const { item } of times) if (Number(item['at']) < Number(item['due'])) faults.push(`the timer ${name} fired early`);
  }
  for (const name of fired.keys()) if (!known.has(name)) faults.push(`the timer ${name} fired, and nobody had armed it`);
  return faults;
}

/** A job as the table has it, with how often its work was done. */
export interface JobRow {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly reason: string | null;
  /** the last error that was noted */
  readonly error: string | null;
  readonly runs: number;
}

/** Every errand that ended has one job, which is done, and was carried out, or is dead, with a reason. */
export function checkJobs(items: readonly Item[], jobs: readonly JobRow[]): string[] {
  const byName = new Map<string, JobRow[]>();
  for (const job of jobs) byName.set(job.name, [...(byName.get(job.name) ?? []), job]);
  const ended = items.filter((i) => i.topic.endsWith('/done')).map((i) => String(i.item['name']));
  const known = new Set(ended);
  const faults: string[] = [];
  for (const name of ended) {
    const own = byName.get(name) ?? [];
    if (own.length !== 1) faults.push(`the errand ${name} has ${own.length} jobs`);
  }
  for (const { id, name, status, reason, error, runs } of jobs) {
    if (!known.has(name)) faults.push(`the job ${id} belongs to no errand that ended`);
    if (status === 'dead' ? reason === null || error === null : status !== 'done')
      faults.push(`the job ${id} is ${status} (${reason}, ${error})`);
    if (status === 'done' && runs === 0) faults.push(`the job ${id} is done, and nobody did it`);
  }
  return faults;
}

/** what a monitor tells its owner; what it keeps to itself, because it is muted or cooling down, stands in its own log only */
const TOLD = new Set(['alert.opened', 'alert.updated', 'alert.closed']);

/** Every alert of a monitor is once in its owner's log, in the same words, and the table has its last state. */
export function checkAlerts(items: readonly Item[], rows: readonly { readonly id: string; readonly status: string }[]): string[] {
  const faults: string[] = [];
  const mine = items.filter((i) => i.topic.endsWith('/alerts') && TOLD.has(String(i.item['type'])));
  const theirs = new Map<string, number>();
  for (const i of items.filter((x) => x.topic.endsWith('/anomalies'))) theirs.set(sorted(i.item), (theirs.get(sorted(i.item)) ?? 0) + 1);
  const last = new Map<string, string>();
  for (const { topic, n, item } of mine.toSorted((a, b) => a.n - b.n)) {
    const told = theirs.get(sorted(item)) ?? 0;
    theirs.delete(sorted(item));
    if (told !== 1) faults.push(`item ${n} of ${topic} (${String(item['type'])}) reached its owner ${told} times`);
    last.set(String(item['id']), String(item['status']));
  }
  for (const text of theirs.keys()) faults.push(`an owner has an item that no monitor told: ${text.slice(0, 200)}`);
  const stored = new Map(rows.map((r) => [r.id, r.status]));
  for (const [id, status] of last)
    if (stored.get(id) !== status) faults.push(`the alert ${id} is ${status}, the table says ${stored.get(id)}`);
  for (const id of stored.keys()) if (!last.has(id)) faults.push(`the table has the alert ${id}, and no monitor told it`);
  return faults;
}

/** The end of an effect as the journal has it, with how often an effect of that key gave that token. */
export interface ResultRow {
  readonly ref: string;
  readonly seq: number;
  readonly key: string;
  readonly ran: number;
}

/** Every result is that of an effect that ran, and no effect has two. */
export function checkResults(results: readonly ResultRow[]): string[] {
  const seen = new Set<string>();
  return results.flatMap(({ ref, seq, key, ran }) => {
    const again = seen.has(key);
    seen.add(key);
    return [
      ...(ran === 0 ? [`${ref} event ${seq} is the result of an effect that did not run`] : []),
      ...(again ? [`${ref} event ${seq} is a second result of the effect ${key}`] : []),
    ];
  });
}

/** Every subscriber saw every item of its logs once, in order, as it is stored. */
export function checkWatchers(watchers: Pick<Watchers, 'logs' | 'views'>, items: readonly Item[]): string[] {
  const byTopic = new Map<string, Item[]>();
  for (const i of items) byTopic.set(i.topic, [...(byTopic.get(i.topic) ?? []), i]);
  const faults = watchers.logs.flatMap((w) => {
    const stored = (byTopic.get(w.topic) ?? []).toSorted((a, b) => a.n - b.n);
    const found = w.faults.map((f) => `subscriber ${w.watcher} of ${w.topic}: ${f}`);
    if (w.numbers.length !== stored.length)
      found.push(`subscriber ${w.watcher} of ${w.topic} saw ${w.numbers.length} of ${stored.length} items`);
    const other = w.items.length === stored.length ? stored.findIndex(({ item }, i) => sorted(item) !== sorted(w.items[i] as object)) : -1;
    if (other >= 0) found.push(`subscriber ${w.watcher} of ${w.topic} saw another item ${other + 1} than is stored`);
    return found;
  });
  return [...faults, ...watchers.views.flatMap((w) => w.faults.map((f) => `${w.topic}: ${f}`))];
}

const sorted = (o: object): string => JSON.stringify(Object.entries(o).toSorted(([a], [b]) => (a < b ? -1 : 1)));

/** No room is booked twice, and what was confirmed to a client stands. */
export function checkBookings(wishes: readonly Wish[], states: ReadonlyMap<string, string>): string[] {
  const faults: string[] = [];
  const standing: { room: string; from: number; to: number; id: string }[] = [];
  for (const w of wishes) {
    if (w.bookingId === undefined) continue;
    const state = states.get(w.bookingId) ?? 'absent';
    if (w.confirmed && !w.cancelled && !state.startsWith('confirmed')) faults.push(`booking ${w.bookingId} was confirmed and is ${state}`);
    if (!state.startsWith('confirmed')) continue;
    const from = Date.parse(w.start);
    standing.push({ room: w.resourceId, from, to: from + w.durationMin * 60_000, id: w.bookingId });
  }
  const last = new Map<string, { to: number; id: string }>();
  for (const b of standing.toSorted((x, y) => x.from - y.from)) {
    const before = last.get(b.room);
    if (before !== undefined && b.from < before.to && before.id !== b.id)
      faults.push(`${b.room} has the bookings ${before.id} and ${b.id} at once`);
    if (before === undefined || b.to > before.to) last.set(b.room, b);
  }
  return faults;
}

/** All checks, after the nodes have stopped. */
export async function verdict(
  stage: Stage,
  load: Load,
  watchers: Watchers,
  { peeked, bookings }: Awaited<ReturnType<typeof finalStates>>,
): Promise<Check[]> {
  const checks: Check[] = [];
  const add = (what: string, looked: number, faults: readonly string[]): void => void checks.push({ what, looked, faults });
  await withClient(stage, async (query) => {
    const mine = `('account', 'errand', 'hold', 'list')`;
    const rows = await query<Recorded>(
      `select a.kind || ':' || a.id as ref, j.seq::int as seq, j.type, encode(j.idem, 'hex') as idem
         from thrum_journal j join thrum_actor a using (actor_id) where a.kind in ${mine}`,
    );
    const items = await query<Item>(
      `select a.kind || ':' || a.id || '/' || i.view as topic, i.n::int as n, i.item from thrum_topic_item i join thrum_actor a using (actor_id)
        where a.kind in ${mine} or i.view in ('alerts', 'anomalies')`,
    );
    const overlaps = await query<{ what: string }>(
      `select a.booking_id || ' and ' || b.booking_id as what from booking_claims a join booking_claims b
         on a.resource_no = b.resource_no and a.booking_id < b.booking_id and a.during && b.during
        where a.state in ('held', 'confirmed') and b.state in ('held', 'confirmed')`,
    );
    const results = await query<ResultRow>(
      `select a.kind || ':' || a.id as ref, j.seq::int as seq, j.meta->>'cause' as key,
              (select count(*)::int from chaos_effects e where e.key = j.meta->>'cause' and e.token = (j.event->'output'->>'token')::int) as ran
         from thrum_journal j join thrum_actor a using (actor_id) where j.type = 'xstate.done.actor.capture' order by j.at`,
    );
    const jobs = await query<JobRow>(
      `select j.job_id as id, j.payload->>'name' as name, j.status, j.dead_reason as reason, j.errors->-1->>'code' as error,
              (select count(*)::int from chaos_jobs c where c.job_id = j.job_id) as runs
         from jobs j where j.queue = 'chaos'`,
    );
    const alerts = await query<{ id: string; status: string }>('select alert_id as id, status from alerts');
    const directory = await query<{ id: string; state: string }>(`select id, state from thrum_actor where kind = 'booking'`);
    const stale = directory.filter(({ id, state }) => bookings.has(id) && !`${state}|`.startsWith(`life.${bookings.get(id)}|`));
    const dead = await query<{ what: string }>(
      `select kind || ':' || id_text || ' ' || source || ' ' || (error->>'code') as what from thrum_dead where resolved_at is null`,
    );
    add(
      'acknowledged commands are in the journal once and in order (I1, I3, I4, I11)',
      load.ops.length,
      said(checkHistory(load.ops, rows)),
    );
    add('linearizable reads are neither old nor early', load.reads.length, said(checkReads(load.reads, load.ops)));
    add(
      'sums of accounts are conserved, every message arrived once (I7)',
      rows.filter((r) => r.type.startsWith('account.')).length,
      checkSums(peeked),
    );
    add('no actor has noticed an event that it may not get', peeked.size, checkWrong(peeked));
    add('every timer fired once and not early (I6)', items.filter((i) => i.topic.endsWith('/done')).length, checkTimers(load.ops, items));
    add('every result belongs to an effect that ran, and is the only one (I8)', results.length, checkResults(results));
    add('every job is done, or dead with a reason', jobs.length, checkJobs(items, jobs));
    add('every alert of a series is told once and stored', alerts.length, checkAlerts(items, alerts));
    add(
      'subscribers saw every item once and in order',
      watchers.logs.reduce((s, w) => s + w.numbers.length, 0),
      checkWatchers(watchers, items),
    );
    add('no room is booked twice, confirmed bookings stand', load.wishes.length, [
      ...checkBookings(load.wishes, bookings),
      ...overlaps.map((o) => `claims of ${o.what} overlap`),
    ]);
    add(
      'the directory shows the states that the actors have (I13)',
      directory.length,
      stale.map(({ id, state }) => `booking:${id} is ${bookings.get(id)}, the directory says ${state}`),
    );
    add(
      'nothing is in the dead letters',
      dead.length,
      dead.map((d) => d.what),
    );
  });
  checks.push(await checkStore(stage));
  return checks;
}

/** `npm run fsck`, with the actors of the chaos. */
async function checkStore(stage: Stage): Promise<Check> {
  const database = await openDatabase({ dataDir: stage.dataDir, url: stage.databaseUrl, readOnly: true }, quiet);
  const store = createPgStore(database, registryOf(chaosKinds));
  const faults: string[] = [];
  try {
    const kinds = new Map(chaosKinds.map((k) => [k.kind, runtimeOf(k)]));
    const found = (v: { invariant: string; ref: string; what: string }): void => void faults.push(`${v.invariant} ${v.ref}: ${v.what}`);
    const { rows } = await fsck(store, kinds, { now: Date.now(), found });
    return { what: 'fsck finds nothing (I1 to I3, I6 to I8, I12 to I14)', looked: rows, faults };
  } finally {
    await store.stop();
    await database.close();
  }
}
