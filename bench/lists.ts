/** The list of all actors: every order and filter over a directory of 100,000, the first page and one from the middle, 50 rows each. */
import { createPgStore } from '../actors/store/pg.ts';
import { placeOf } from '../actors/store/directory.ts';
import type { DirectoryQuery, DirectorySort } from '../actors/store/directory.ts';
import { registryOf } from '../actors/companion.ts';
import type { Database } from '../server/db/database.ts';
import { onEmbedded, onPostgres } from './databases.ts';
import { bounded, median } from './harness.ts';
import type { Plan, Row } from './harness.ts';
import type { Bench } from './run.ts';

const ACTORS = 100_000;
const LIMIT = 51;
const BOUND_MS = 100;
const FAR = 20_000;
/** of the slowest lists */
const SHOWN = 10;

/** Three of five are users, one in a hundred is a series; states, ages and lengths of histories as in a directory that has been in use. */
const FILL = `
  insert into thrum_actor (actor_id, kind, id, slot, status, mver, state, last_seq, last_at, created_at)
  select a, kind, kind || '-' || substr(md5(i::text), 1, 12) || case when i % 1000 = 7 then '.Zebra' else '' end, thrum_slot_of(a),
         case when i % 500 = 0 then 'quarantined' when i % 50 = 0 then 'done' else 'active' end, 1,
         case when i % 40 = 0 then 'held' else 'active.' || case when i % 3 = 0 then 'charging' else 'idle' end end,
         1 + (i * 7919) % 5000, to_timestamp(1700000000 + (i::bigint * 104729) % 30000000), now()
    from (select i, md5('actor ' || i)::uuid as a,
                 case when i % 100 = 0 then 'series' when i % 10 = 0 then 'booking' when i % 10 < 4 then 'device' else 'user' end as kind
            from generate_series(1, ${ACTORS}) i) x`;

const filters: { readonly [name: string]: Omit<DirectoryQuery, 'limit' | 'sort' | 'after'> } = {
  'no filter': {},
  'a common kind': { kind: 'user' },
  'a rare kind': { kind: 'series' },
  'a state': { state: 'held' },
  'a kind and a state': { kind: 'device', state: 'active.charging' },
  'a usual status': { status: 'active' },
  'a rare status': { status: 'quarantined' },
  'a slot': { slots: [17] },
  'a third of the slots': { slots: Array.from({ length: 341 }, (_, i) => i * 3) },
  'a part of the id': { q: 'zebra' },
  'a part of the id that is nowhere': { q: 'nowhere-at-all' },
  'a kind and a part of the id': { kind: 'user', q: 'zebra' },
  'a status and a part of the id': { status: 'done', q: 'zebra' },
};
const sorts: readonly DirectorySort[] = ['recent', 'oldest', 'events', 'name'];

interface Timed {
  readonly what: string;
  /** ms, one per round */
  readonly taken: readonly number[];
}

async function lists(db: Database, engine: string, { rounds }: Plan, say: (line: string) => void): Promise<readonly Row[]> {
  await db.knex.raw(FILL);
  await db.knex.raw('vacuum analyze thrum_actor');
  const store = createPgStore(db, registryOf([]));
  const found: Timed[] = [];
  for (const [name, filter] of Object.entries(filters)) {
    for (const sort of sorts) {
      const first = { ...filter, sort, limit: LIMIT };
      const far = (await store.directory({ ...filter, sort, limit: FAR })).at(-1);
      const pages = far === undefined ? [first] : [first, { ...first, after: placeOf(far, sort) }];
      for (const [at, page] of pages.entries()) {
        const taken: number[] = [];
        for (let round = 0; round < rounds; round += 1) {
          const began = performance.now();
          await store.directory(page);
          taken.push(performance.now() - began);
        }
        found.push({ what: `${sort}, ${name}${at === 0 ? '' : ', a later page'}`, taken });
      }
    }
  }
  await store.stop();
  found.sort((x, y) => median(y.taken) - median(x.taken));
  for (const { what, taken } of found.slice(0, SHOWN)) say(`  ${engine}: ${median(taken).toFixed(1)} ms, ${what}`);
  const [slowest] = found;
  const what = `slowest of ${found.length} lists of 100,000 actors, ${engine}: ${slowest?.what ?? ''}`;
  return [bounded({ id: `L ${engine}`, what, values: slowest?.taken ?? [], unit: 'ms', atMost: BOUND_MS })];
}

export const listsBench: Bench = async function* (plan, say) {
  yield await onPostgres((db) => lists(db, 'PostgreSQL', plan, say));
  yield await onEmbedded((db) => lists(db, 'PGlite', plan, say));
};
