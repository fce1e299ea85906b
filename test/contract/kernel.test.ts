/** The kernel over the real databases: the same story gives the same histories as over the memory store, and cut connections lose nothing. */
import { rmSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { Registry } from 'prom-client';
import { registryOf } from '../../actors/companion.ts';
import { actorIdOf } from '../../actors/ids.ts';
import { replayActor } from '../../actors/replay.ts';
import type { Mismatch } from '../../actors/replay.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import { createPgStore } from '../../actors/store/pg.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import { createActorSystem } from '../../actors/system.ts';
import type { ActorSystem } from '../../actors/system.ts';
import { systemClock } from '../../server/clock.ts';
import { openDatabase } from '../../server/db/database.ts';
import type { Database } from '../../server/db/database.ts';
import { embeddedDir } from '../support/embedded.ts';
import { as, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';
import { quiet } from '../support/log.ts';
import '../support/purity.ts';
import { startPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

const SCHEMA = `
  create table test_notes (text text not null, at bigint not null, actor_id uuid, seq bigint not null, primary key (actor_id, text));
  create table test_totals (name text, count int not null, actor_id uuid, seq bigint not null, primary key (actor_id, name));
  create extension if not exists btree_gist;
  create table test_places (claim text primary key, place text not null, state text not null, actor_id uuid not null, seq bigint not null,
    exclude using gist (place with =) where (state = 'held'));`;

const alice = user('alice');
const registry = registryOf([counter]);
const counterRuntime = runtimeOf(counter);

function start(store: JournalStore): ActorSystem {
  return createActorSystem({
    kinds: [counter],
    effects: { counter: { work: async ({ input }) => ({ done: (input as { n: number }).n + 1 }) } },
    store,
    clock: systemClock,
    random: Math.random,
    log: quiet,
    metrics: new Registry(),
    freeze: true,
  });
}

const dataDir = await embeddedDir();
const server = await startPostgres();
const databases: { name: string; db: Database }[] = [{ name: 'PGlite', db: await openDatabase({ dataDir }, quiet) }];
if ('skip' in server) test.skip(`the kernel over Postgres (${server.skip})`, () => undefined);
else databases.push({ name: 'Postgres', db: await openDatabase({ url: await server.database(), dataDir: '' }, quiet) });
for (const { db } of databases) await db.knex.raw(SCHEMA);
test.after.always(async () => {
  for (const { db } of databases) await db.close();
  rmSync(dataDir, { recursive: true, force: true });
  if (!('skip' in server)) await server.stop();
});

/** Births, refusals, messages, effects, timers, items, companion rows, a restart in the middle; gives every history without its times. */
async function story(
  open: () => JournalStore,
): Promise<{ readonly replays: readonly { checked: number; mismatches: readonly Mismatch[] }[] }> {
  let kernel = start(open());
  await kernel.start();
  const ask = async (id: string, command: { type: string; [field: string]: unknown }, key?: string) =>
    kernel.ask(`counter:${id}`, command, as(alice, key === undefined ? {} : { key }));
  const answers: unknown[] = [];
  const settled = (id: string, what: string) =>
    until(async () => (await kernel.inspect.one(`counter:${id}`)).stateText === what, `${id} is ${what}`);
  answers.push(await ask('a', { type: 'counter.add', by: 1 }, 'first'));
  answers.push(await ask('a', { type: 'counter.refuse' }));
  answers.push(await ask('a', { type: 'counter.note', text: `quotes ' " \\ \u{1F3B5} $1 ; -- {}` }));
  answers.push(await ask('a', { type: 'counter.claim', claim: 'c1', place: 'court' }));
  answers.push(await ask('b', { type: 'counter.claim', claim: 'c2', place: 'court' }));
  answers.push(await ask('b', { type: 'counter.add', by: 5 }));
  answers.push(await ask('a', { type: 'counter.release', claim: 'c1' }));
  answers.push(await ask('b', { type: 'counter.claim', claim: 'c2', place: 'court' }));
  answers.push(await ask('a', { type: 'counter.emit', items: 3 }));
  answers.push(await ask('a', { type: 'counter.send', to: 'counter:b', times: 5 }));
  await until(async () => (await kernel.inspect.one('counter:b')).seq === 8, 'the messages have arrived');
  answers.push(await ask('a', { type: 'counter.start' }));
  await settled('a', 'open');
  await kernel.drain(2_000);
  kernel = start(open());
  await kernel.start();
  answers.push(await ask('a', { type: 'counter.add', by: 1 }, 'first'));
  answers.push(await ask('a', { type: 'counter.arm', ms: 20 }));
  await until(async () => ((await kernel.inspect.one('counter:a')).state.context['n'] as number) > 1_000, 'the timer has fired');
  const slice = await kernel.slice('counter:a/feed');
  const histories = await Promise.all(
    ['a', 'b'].map(async (id) =>
      (await kernel.inspect.journal(`counter:${id}`, { limit: 500 })).map(({ at: _at, patch, meta: _meta, ...row }) => ({
        ...row,
        patch: JSON.parse(
          JSON.stringify(patch)
            .replaceAll(/\d{13}/g, '0')
            .replace(/,\["late",\d+\]/, ''),
        ) as unknown,
      })),
    ),
  );
  await kernel.drain(2_000);
  const store = open();
  const replays = [];
  for (const actor of await store.scan.actors({ kind: 'counter', limit: 100 })) {
    const { checked, mismatches } = await replayActor(store, counterRuntime, registry, actor);
    replays.push({ checked, mismatches });
  }
  await store.stop();
  return JSON.parse(JSON.stringify({ answers, replays, histories, items: slice.kind === 'log' ? slice.d : [] })) as never;
}

const places = {
  test_places: {
    conflicts: (a: { [c: string]: unknown }, b: { [c: string]: unknown }) =>
      a['place'] === b['place'] && a['state'] === 'held' && b['state'] === 'held',
  },
};
const expected = story(
  (() => {
    const store = createMemoryStore({ registry, tables: places });
    return () => store;
  })(),
);

for (const { name, db } of databases) {
  test.serial(`a story of every kind of event gives over ${name} the histories that it gives over memory`, async (t) => {
    const found = await story(() => createPgStore(db, registry));
    t.deepEqual(found, await expected);
    for (const { checked, mismatches } of found.replays) t.true(checked > 3 && mismatches.length === 0, JSON.stringify(mismatches));
  });

  test.serial(`K37 half of a surrogate pair is refused before it reaches ${name}`, async (t) => {
    const kernel = start(createPgStore(db, registry));
    await kernel.start();
    t.like(await kernel.ask('counter:hostile', { type: 'counter.note', text: '\ud83c' }, as(alice)), {
      ok: false,
      error: { code: 'VALIDATION' },
    });
    t.like(await kernel.ask('counter:hostile', { type: 'counter.note', text: '\\u0000 \\ud83c' }, as(alice)), { ok: true });
    await kernel.drain(1_000);
  });
}

if (!('skip' in server)) {
  test.serial(
    'K7 K8 connections cut again and again under load: every acknowledged command is in the journal once, without gaps',
    async (t) => {
      const { db } = databases.find((d) => d.name === 'Postgres')!;
      const kernel = start(createPgStore(db, registry));
      await kernel.start();
      const acknowledged = new Map<string, Set<number>>();
      const run = { on: true };
      let sent = 0;
      const client = async (): Promise<void> => {
        while (run.on) {
          sent += 1;
          const ref = `counter:cut-${sent % 40}`;
          const o = as(alice, { deadline: 2_000 });
          let reply = await kernel.ask(ref, { type: 'counter.add', by: 1 }, o);
          // what was not answered may be in the journal all the same, so nobody gives up
          while (!reply.ok) {
            await turn();
            reply = await kernel.ask(ref, { type: 'counter.add', by: 1 }, o);
          }
          const seqs = acknowledged.get(ref) ?? new Set();
          t.false(seqs.has(reply.seq), 'two commands have one seq');
          acknowledged.set(ref, seqs.add(reply.seq));
        }
      };
      const clients = Array.from({ length: 20 }, client);
      for (let cut = 0; cut < 5; cut += 1) {
        const before = sent;
        await until(() => sent > before + 200, 'commands go through');
        await db.knex.raw(
          'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
        );
      }
      run.on = false;
      await Promise.all(clients);
      for (const [ref, seqs] of acknowledged) {
        const rows = (await db
          .knex('thrum_journal')
          .where({ actor_id: actorIdOf(ref) })
          .orderBy('seq')
          .select('seq')) as { seq: number }[];
        t.deepEqual(
          rows.map((row) => row.seq),
          [1, ...[...seqs].sort((a, b) => a - b)],
          ref,
        );
      }
      await kernel.drain(2_000);
    },
  );
}
