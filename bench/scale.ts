/**
 * `npm run bench -- scale [--only 1000,10000]`: what a command costs as the number of actors in the database grows, ten journal rows each. Once for
 * five hundred of them that are at work all the time, once for actors that have to be read first.
 */
import { registryOf } from '../actors/companion.ts';
import { createPgStore } from '../actors/store/pg.ts';
import type { JournalRow } from '../actors/store/store.ts';
import type { ActorSystem } from '../actors/system.ts';
import { startPostgres } from '../scripts/private-postgres.ts';
import { openDatabase } from '../server/db/database.ts';
import type { Database } from '../server/db/database.ts';
import { DISK } from './databases.ts';
import { bounded, format } from './harness.ts';
import type { Plan, Row } from './harness.ts';
import { stepKind } from './kind.ts';
import { nullStore } from './null-store.ts';
import { parentOf, processorMs } from './processor.ts';
import type { Bench } from './run.ts';
import { benchLog, step, stepSystem } from './system.ts';

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const ROWS_EACH = 10;
const AT_WORK = 500;
const IN_FLIGHT = 200;
/** the curve is flat when nobody pays more than this times what the smallest size pays */
const FLAT = 1.2;

const nameOf = (i: number): string => `scale-${i}`;

/** The rows of an actor from its birth on, as the kernel writes them. */
async function history(): Promise<readonly JournalRow[]> {
  const journal: JournalRow[] = [];
  const system = stepSystem(nullStore((batch) => void journal.push(...batch.journal)));
  await system.start();
  for (let i = 1; i < ROWS_EACH; i += 1) await step(system, 'template', i);
  await system.drain(5_000);
  return journal;
}

/** Actors that differ in their names and keys only, written by the database itself in the order of their ids, as autovacuum would leave them. */
async function seed(db: Database, actors: number): Promise<void> {
  const journal = await history();
  await db.knex.raw(
    `insert into thrum_actor (actor_id, kind, id, slot, mver, state, last_seq, last_at)
     select a, 'step', id, thrum_slot_of(a), 1, 'idle', ?, now()
       from (select id, encode(substr(sha256(convert_to('step:' || id, 'UTF8')), 1, 16), 'hex')::uuid as a
               from (select 'scale-' || i as id from generate_series(0, ?::integer - 1) i) n) x order by a`,
    [ROWS_EACH, actors],
  );
  await db.knex.raw(
    'create temporary table template (seq bigint, at bigint, type text, event jsonb, patch jsonb, reply jsonb, meta jsonb, keyed boolean)',
  );
  for (const { seq, at, type, event, patch, reply, meta, idem } of journal)
    await db.knex.raw('insert into template values (?, ?, ?, ?, ?, ?, ?, ?)', [seq, at, type, event, patch, reply, meta, idem !== null]);
  await db.knex.raw(
    `insert into thrum_journal (actor_id, seq, at, type, event, patch, reply, idem, cid, mver, meta)
     select a.actor_id, t.seq, t.at, t.type, t.event, t.patch, t.reply,
            case when t.keyed then substr(sha256(convert_to(a.id || ' ' || t.seq, 'UTF8')), 1, 16) end, 1, 1, t.meta
       from (select actor_id, id from thrum_actor order by actor_id) a cross join template t`,
  );
  await db.knex.raw('vacuum (freeze, analyze) thrum_journal, thrum_actor');
}

interface Place {
  readonly actors: number;
  readonly db: Database;
  readonly hot: ActorSystem;
  readonly team: readonly string[];
  readonly close: () => Promise<void>;
}

/** Different actors of so many, by chance: even ones for the kernel that has them in memory, odd ones for those that read them first. */
function some(actors: number, odd: 0 | 1): string[] {
  const found = new Set<number>();
  while (found.size < AT_WORK) found.add(2 * Math.floor((Math.random() * actors) / 2) + odd);
  return [...found].map(nameOf);
}

async function place(db: Database, actors: number): Promise<Place> {
  const store = createPgStore(db, registryOf([stepKind]));
  const hot = stepSystem(store);
  await hot.start();
  const team = some(actors, 0);
  // as many commands as an actor remembers, so that none of them grows any more
  await turns(hot, team, AT_WORK * 40);
  const close = async (): Promise<void> => {
    await hot.drain(30_000);
    await store.stop();
    await db.close();
  };
  return { actors, db, hot, team, close };
}

/** Commands over the team, in turn. */
async function turns(system: ActorSystem, team: readonly string[], count: number): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await step(system, team[next % team.length] ?? '', next);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, client));
}

/** One command to each of five hundred actors that no kernel has in memory, until the time is over; gives their number. */
async function cold({ db, actors }: Place, ms: number, cost: (run: () => Promise<number>) => Promise<void>): Promise<void> {
  let spent = 0;
  while (spent < ms) {
    const store = createPgStore(db, registryOf([stepKind]));
    const system = stepSystem(store);
    await system.start();
    const team = some(actors, 1);
    const began = performance.now();
    await cost(async () => {
      await turns(system, team, AT_WORK);
      return AT_WORK;
    });
    spent += performance.now() - began;
    await system.drain(10_000);
    await store.stop();
  }
}

/** us of processor time for each command, of this process and of the database. */
function meter(postmaster: number): { cost: (run: () => Promise<number>) => Promise<void>; take: () => number } {
  let [us, done] = [0, 0];
  const cost = async (run: () => Promise<number>): Promise<void> => {
    const [own, theirs] = [process.cpuUsage(), processorMs(postmaster) ?? 0];
    done += await run();
    const { user, system } = process.cpuUsage(own);
    us += user + system + ((processorMs(postmaster) ?? 0) - theirs) * 1_000;
  };
  const take = (): number => {
    const each = us / done;
    [us, done] = [0, 0];
    return each;
  };
  return { cost, take };
}

async function rounds(
  places: readonly Place[],
  postmaster: number,
  plan: Plan,
  say: (line: string) => void,
): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  const { cost, take } = meter(postmaster);
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const [i] of places.entries()) {
      const p = places[(i + round) % places.length] as Place;
      const from = performance.now();
      let sent = 0;
      while (performance.now() - from < plan.ms) {
        await cost(async () => {
          await turns(p.hot, p.team, AT_WORK);
          return AT_WORK;
        });
        sent += AT_WORK;
      }
      const rate = sent / ((performance.now() - from) / 1_000);
      const hot = take();
      await cold(p, plan.ms, cost);
      const read = take();
      say(
        `  round ${round + 1}/${plan.rounds} ${format(p.actors)} actors: ${format(hot)} us at work (${format(rate)}/s), ${format(read)} us read first`,
      );
      for (const [name, us] of [
        ['hot', hot],
        ['cold', read],
      ] as const) {
        const key = `${name} ${p.actors}`;
        found.set(key, [...(found.get(key) ?? []), us]);
      }
    }
  }
  return found;
}

export const scaleBench: Bench = async function* (plan, say, wanted) {
  const server = await startPostgres({ shared_buffers: '1GB', max_wal_size: '8GB', checkpoint_timeout: '30min' }, DISK);
  if (server === undefined) {
    yield { rows: [], notes: ['PostgreSQL is not installed'] };
    return;
  }
  const places: Place[] = [];
  try {
    const root = await openDatabase({ url: server.url, dataDir: DISK }, benchLog);
    const { rows } = await root.knex.raw<{ rows: { pid: number }[] }>('select pg_backend_pid() as pid');
    const postmaster = parentOf(rows[0]?.pid ?? 0) ?? 0;
    for (const actors of SIZES.filter((n) => wanted(String(n)))) {
      await root.knex.raw(`create database scale_${actors}`);
      const db = await openDatabase({ url: server.url.replace('/postgres?', `/scale_${actors}?`), dataDir: DISK, pool: 1 }, benchLog);
      const began = performance.now();
      await seed(db, actors);
      say(`${format(actors)} actors with ${ROWS_EACH} rows each written in ${format((performance.now() - began) / 1_000)} s`);
      places.push(await place(db, actors));
    }
    const found = await rounds(places, postmaster, plan, say);
    const notes = [`PostgreSQL ${root.version}, shared_buffers 1 GB; ${AT_WORK} actors at work, ${IN_FLIGHT} commands in flight, one lane`];
    await root.close();
    const least = places[0]?.actors ?? 0;
    const row = (name: 'hot' | 'cold', actors: number): Row => {
      const values = found.get(`${name} ${actors}`) ?? [];
      const what = `processor time of a command to ${name === 'hot' ? 'an actor at work' : 'an actor that is read first'}, ${actors.toLocaleString('en-US')} actors`;
      const by = found.get(`${name} ${least}`) ?? [];
      return bounded({
        id: `${actors}${name === 'hot' ? 'h' : 'c'}`,
        what,
        values,
        by,
        unit: 'us',
        ...(actors === least ? {} : { atMost: FLAT }),
      });
    };
    yield { rows: (['hot', 'cold'] as const).flatMap((name) => places.map(({ actors }) => row(name, actors))), notes };
  } finally {
    for (const { close } of places) await close();
    await server.stop();
  }
};
