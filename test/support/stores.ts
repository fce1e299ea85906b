/** The three journal stores with the companion tables of the contract suite, each as a maker that the suite calls once. */
import { rmSync } from 'node:fs';
import { registryOf } from '../../actors/companion.ts';
import { companion, projection } from '../../actors/define.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import type { MemRow } from '../../actors/store/mem-tables.ts';
import { createPgStore } from '../../actors/store/pg.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import { openDatabase } from '../../server/db/database.ts';
import type { Database } from '../../server/db/database.ts';
import { embeddedDir } from './embedded.ts';
import { quiet } from './log.ts';
import { startPostgres } from './postgres.ts';

const claims = companion({
  table: 'test_claims',
  key: ['claim_id'],
  mode: 'guarded',
  columns: { claim_id: 'int', place: 'int', during: 'tstzrange?', state: 'text' },
  frozen: ['place', 'during'],
  stamp: { seq: 'actor_seq' },
  refuse: { code: 'CLAIM_CONFLICT', alarm: true },
});
const names = companion({
  table: 'test_names',
  key: ['name'],
  mode: 'guarded',
  columns: { name: 'text', note: 'text?' },
  refuse: { code: 'NAME_TAKEN', alarm: false },
  audit: {
    rows: (s) => Object.entries((s.context as { names?: Record<string, string> }).names ?? {}).map(([name, note]) => ({ name, note })),
    where: "note is distinct from 'gone'",
  },
});
const totals = companion({
  table: 'test_totals',
  key: ['day'],
  mode: 'upsert',
  columns: { day: 'date', minutes: 'int', share: 'float8', label: 'text', code: 'smallint?' },
  add: ['minutes', 'share'],
  refuse: { code: 'DAY_TAKEN', alarm: true },
});
const notes = companion({
  table: 'test_notes',
  key: ['actor_id', 'note_id'],
  mode: 'append',
  columns: { note_id: 'bigint', body: 'jsonb?', at: 'timestamptz', raw: 'bytea', ok: 'boolean', ref: 'uuid?' },
  refuse: { code: 'NOTE_TWICE', alarm: true },
  erase: 'delete',
});
const events = companion({ table: 'test_events', key: ['event_id'], mode: 'append', onDuplicate: 'skip', columns: { event_id: 'int' } });

const faces = projection({
  table: 'test_faces',
  columns: { name: 'text', n: 'int?', at: 'timestamptz', tags: 'jsonb?' },
  row: (s, { id, at }) => ({ name: id, n: (s.context as { n?: number }).n ?? null, at }),
});

const limits = { mailbox: 1, stateBytes: 1, rows: 256, timers: 1, calls: 1, eventBytes: 1, tells: 1, hotTopics: 1 };
export const roomKind = { kind: 'room', companions: { claims, names, totals, notes, events }, projections: { faces }, limits };
export const registry = registryOf([roomKind]);

/** `test_notes` skips the note 13 by a trigger; `test_totals.code` is unique without being the key. */
export const SCHEMA = `
  create extension if not exists btree_gist;
  create table test_claims (claim_id int primary key, place int not null, during tstzrange, state text not null, actor_id uuid, actor_seq bigint not null,
    exclude using gist (place with =) where (state in ('held', 'confirmed')));
  alter table test_claims drop column actor_id;
  create table test_names (name text primary key, note text, actor_id uuid not null, seq bigint not null);
  create table test_totals (day date primary key, minutes int not null, share float8 not null, label text not null, code smallint unique,
    actor_id uuid not null, seq bigint not null);
  create table test_notes (note_id bigint, body jsonb, at timestamptz not null, raw bytea not null, ok boolean not null, ref uuid,
    actor_id uuid not null, seq bigint not null, primary key (actor_id, note_id));
  create table test_events (event_id int primary key, actor_id uuid not null, seq bigint not null);
  create table test_faces (actor_id uuid primary key, seq bigint not null, name text not null, n int check (n < 100), at timestamptz not null, tags jsonb);
  create function test_skip() returns trigger language plpgsql as $$ begin return null; end $$;
  create trigger test_notes_skip before insert on test_notes for each row when (new.note_id = 13) execute function test_skip();`;

const taken = (row: MemRow): boolean => row['state'] === 'held' || row['state'] === 'confirmed';

const rules = {
  test_claims: { conflicts: (a: MemRow, b: MemRow) => taken(a) && taken(b) && a['place'] === b['place'] },
  test_names: { audited: (row: MemRow) => row['note'] !== 'gone' },
  test_totals: { conflicts: (a: MemRow, b: MemRow) => a['code'] !== null && a['code'] === b['code'] },
  test_notes: { skips: (row: MemRow) => row['note_id'] === 13 },
};

export interface StoreUnderTest {
  readonly name: string;
  /** an empty store */
  fresh(): Promise<JournalStore>;
  /** rows of a companion table as they were emitted, with the stamps */
  rows(table: string): Promise<readonly object[]>;
  readonly database?: Database;
  close(): Promise<void>;
}

export function memoryUnderTest(): StoreUnderTest {
  let store = createMemoryStore({ registry, tables: rules });
  return {
    name: 'memory',
    fresh: async () => (store = createMemoryStore({ registry, tables: rules })),
    rows: async (table) => store.rows(table),
    close: async () => undefined,
  };
}

const TABLES = `thrum_journal thrum_actor thrum_timer thrum_outbox thrum_dead thrum_snapshot thrum_topic_item jobs
  thrum_admin_audit thrum_pause thrum_coverage thrum_projection
  test_claims test_names test_totals test_notes test_events test_faces`.split(/\s+/);

async function databaseUnderTest(name: string, database: Database, close: () => Promise<void>): Promise<StoreUnderTest> {
  await database.knex.raw(SCHEMA);
  let store: JournalStore | undefined;
  return {
    name,
    database,
    fresh: async () => {
      await store?.stop();
      await database.knex.raw([...TABLES.map((table) => `delete from ${table}`), 'update thrum_slot set projected_at = 0'].join(';'));
      store = createPgStore(database, registry);
      await store.start();
      return store;
    },
    rows: async (table) => {
      const rows = (await database.knex(table).select()) as { [column: string]: unknown }[];
      return rows.map((row) => (Buffer.isBuffer(row['raw']) ? { ...row, raw: row['raw'].toString('hex') } : row));
    },
    close: async () => {
      await store?.stop();
      await close();
    },
  };
}

export async function embeddedUnderTest(): Promise<StoreUnderTest> {
  const dataDir = await embeddedDir();
  const database = await openDatabase({ dataDir }, quiet);
  return databaseUnderTest('PGlite', database, async () => {
    await database.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
}

export async function postgresUnderTest(): Promise<StoreUnderTest | { skip: string }> {
  const server = await startPostgres();
  if ('skip' in server) return server;
  const database = await openDatabase({ url: await server.database(), dataDir: '' }, quiet);
  return databaseUnderTest('Postgres', database, async () => {
    await database.close();
    await server.stop();
  });
}
