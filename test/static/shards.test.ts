/** What would lie where if the tables were divided by actor or by slot (docs/explanation/scale.md): keys, statements and batches. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import test from 'ava';
import type { Client, QueryConfig } from 'pg';
import { registryOf } from '../../actors/companion.ts';
import { slotOf } from '../../actors/ids.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import { createPgStore } from '../../actors/store/pg.ts';
import type { PgSource } from '../../actors/store/pg-lane.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import { kinds } from '../../machines/kinds.ts';
import { openDatabase } from '../../server/db/database.ts';
import { as, system, testKernel } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';
import { embeddedDir } from '../support/embedded.ts';
import { quiet } from '../support/log.ts';

const HOT = ['thrum_journal', 'thrum_snapshot', 'thrum_topic_item', 'thrum_timer', 'thrum_outbox', 'thrum_actor'];
const COLUMN = /\b(actor_id|slot)\b/;

/** Keys without the column, and why they could stay in a database that is divided by actor; docs/explanation/scale.md says it at length. */
const WHOLE: { readonly [rule: string]: string } = {
  thrum_actor_kind_id_key: 'says the same as the primary key, which is a hash of both',
  booking_claims_pkey: 'a claim belongs to one resource, whose actor writes it',
  claims_no_overlap: 'compares rows of one resource',
  resources_pkey: 'the id of the actor',
  resources_resource_no_key: 'from a sequence: each database has its own numbers',
  utilization_buckets_pkey: 'begins with the number of the resource',
  bookings_pkey: 'the id of the actor',
  devices_pkey: 'the id of the actor',
  monitors_id: 'the id of the actor',
  alerts_pkey: 'a UUID made by the monitor',
  notifications_pkey: 'begins with the user',
  notifications_seq: 'a number for each user',
  sync_events_pkey: 'begins with the device',
  thrum_admin_audit_key: 'one chain, which stays in the first database',
  thrum_admin_audit_pkey: 'one chain, which stays in the first database',
  jobs_pkey: 'a UUID made by the actor',
  jobs_dedupe_key: 'jobs of an actor name it in the key; each database has a runner',
};

test('every unique rule of a hot table, and of a table that commits with it, holds within one actor, or is listed', async (t) => {
  const dir = await embeddedDir();
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const database = await openDatabase({ dataDir: dir }, quiet);
  const tables = [...HOT, ...new Set([...registryOf(kinds).values()].map((c) => c.table))];
  const { rows } = await database.knex.raw<{ rows: { table: string; name: string; columns: string }[] }>(
    `select t.relname as table, i.relname as name, string_agg(coalesce(a.attname, '(expression)'), ',' order by k.n) as columns
       from pg_index x join pg_class t on t.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
       cross join lateral unnest(x.indkey::smallint[]) with ordinality k(attnum, n)
       left join pg_attribute a on a.attrelid = t.oid and a.attnum = k.attnum and k.attnum > 0
      where (x.indisunique or x.indisexclusion) and t.relname = any(?) group by 1, 2`,
    [tables],
  );
  await database.close();
  t.deepEqual([...new Set(rows.map((r) => r.table))].toSorted(), [...new Set(tables)].toSorted(), 'every table has a key');
  const wide = rows.filter((r) => !r.columns.split(',').some((c) => c === 'actor_id' || c === 'slot')).map((r) => r.name);
  t.deepEqual(wide.toSorted(), Object.keys(WHOLE).toSorted());
  t.deepEqual(
    rows.filter((r) => HOT.includes(r.table) && wide.includes(r.name)).map((r) => r.name),
    ['thrum_actor_kind_id_key'],
  );
});

/** Statements of these read or walk over many actors; nothing waits for them in the life of a command. */
const WALKS = new Set(['recent', 'data_id']);

/** Each use of a hot table stands with the column by which it would be divided. */
const unbound = (sql: string): string[] => {
  const uses = [...sql.matchAll(new RegExp(`\\b(?:from|join|into|update|using)\\s+(${HOT.join('|')})\\b`, 'g'))];
  // what is joined shares the conditions of what it is joined to
  const end = (i: number): number | undefined => uses.slice(i + 1).find(([text]) => !text.startsWith('join'))?.index;
  return uses.filter((use, i) => !COLUMN.test(sql.slice(use.index, end(i)))).map(([text]) => text);
};

test('every statement in the life of a command names the actor or the slot wherever it touches a hot table', async (t) => {
  const seen = new Map<string, string>();
  const query = async ({ name, text }: QueryConfig): Promise<{ rows: unknown[] }> => {
    seen.set(name ?? text, text);
    return { rows: [] };
  };
  const client = { on: () => undefined, query, end: async () => undefined } as unknown as Client;
  const source: PgSource = { engine: 'pglite', durability: 'process', connect: async () => client };
  const store = createPgStore(source, registryOf(kinds));
  const id = '00000000-0000-0000-0000-000000000001';
  await store.load([id]);
  await store.tails([id]);
  await store.cidAt(id, 1);
  await store.byIdem(id, '00');
  await store.refuse(id, { idem: '00', at: 0, type: 'x', error: { code: 'X' } });
  await store.saveSnapshots([]);
  await store.touch([]);
  await store.setStatus(id, 'active');
  await store.timersDue(0, 1);
  await store.takeTimers(0, 1, 1);
  await store.rearm({ actorId: id, timerId: 'x', rowSeq: 1, due: 0, armedSeq: 1 });
  await store.outboxDue(0, 1);
  await store.takeOutbox(0, 1, 1);
  await store.hold([], 1);
  await store.outboxOf([id]);
  await store.postpone([]);
  await store.bury({ actorId: id, kind: 'x', id: 'x', source: 'effect', event: {}, error: {}, attempts: 1 });
  await store.topicItems(id, 'x', { last: 1 });
  await store.topicItems(id, 'x', { after: 1, limit: 1 });
  await store.topicFloor(id, 'x');
  await store.entry(id);
  await store.history(id, { limit: 1 });
  await store.recent(0);
  await store.refs([id]);
  const lane = await store.openLane(0);
  const row = { actorId: id, seq: 1, at: 0, type: 'x', event: '{}', patch: '{}', reply: null, idem: null, mver: 1, meta: null };
  await lane.commit({
    cid: '1',
    journal: [row],
    born: [{ actorId: id, kind: 'x', id: 'x', slot: 0, mver: 1, at: 0 }],
    timersSet: [{ actorId: id, timerId: 'x', set: { slot: 0, due: 0, armedSeq: 1, type: 'x' } }],
    timersGone: [{ actorId: id, timerId: 'x' }],
    outbox: [{ actorId: id, seq: 1, n: 0, slot: 0, op: 'tell', target: 'x', payload: '{}', nextAt: 0 }],
    outboxDone: [{ actorId: id, seq: 1, n: 0 }],
    companions: [],
  } as never);
  t.true(seen.size >= 20, `only ${seen.size} statements were seen`);
  for (const [name, sql] of seen) if (!WALKS.has(name)) t.deepEqual(unbound(sql), [], `${name}: ${sql}`);
  t.deepEqual(unbound('select 1 from thrum_journal where at > 1'), ['from thrum_journal']);
});

test('no two statements of the store are prepared under one name, because a connection refuses the second', (t) => {
  const folder = new URL('../../../actors/store/', import.meta.url);
  const files = readdirSync(folder).filter((file) => /^pg.*\.ts$/.test(file));
  const names = files.flatMap((file) => {
    const text = readFileSync(new URL(file, folder), 'utf8');
    return [...text.matchAll(/\.query(?:<[^;]*?>)?\(\s*'(\w+)'/g)].map(([, name]) => name);
  });
  t.true(names.length > 40, `${names.length} names`);
  t.deepEqual(
    names.filter((name, i) => names.indexOf(name) !== i),
    [],
  );
});

test('a batch holds actors of one lane only, so that lanes may be given to databases by ranges of slots', async (t) => {
  const LANES = 4;
  const mixed: string[] = [];
  let rows = 0;
  const divided = (store: JournalStore): JournalStore => ({
    ...store,
    openLane: async (n, relaxed) => {
      const lane = await store.openLane(n, relaxed);
      return {
        ...lane,
        commit: async (batch) => {
          const ids = [...batch.journal, ...batch.born, ...batch.timersSet, ...batch.timersGone, ...batch.outbox, ...batch.outboxDone].map(
            (r) => r.actorId,
          );
          rows += ids.length;
          mixed.push(...ids.filter((actorId) => slotOf(actorId) % LANES !== n));
          return lane.commit(batch);
        },
      };
    },
  });
  const memory = createMemoryStore({ registry: registryOf([counter]) });
  const k = await testKernel({
    kinds: [counter],
    effects: { counter: { work: async () => ({ done: 1 }) } },
    store: divided(memory) as never,
    lanes: LANES,
  });
  await Promise.all(Array.from({ length: 64 }, (_, i) => k.system.ask(`counter:${i}`, { type: 'counter.add', by: 1 }, as(system))));
  t.true(rows >= 128);
  t.deepEqual(mixed, []);
});
