/** What a killed process has left at the database, and how its successor ends it (kernel specification 7.3, 10.7). */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { createPgStore } from '../../actors/store/pg.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import { openDatabase } from '../../server/db/database.ts';
import type { Database } from '../../server/db/database.ts';
import { quiet } from '../support/log.ts';
import { startPostgres } from '../support/postgres.ts';
import { actor, event, outcome, plan } from '../support/store-cases.ts';
import { registry, SCHEMA } from '../support/stores.ts';
import { until } from '../support/until.ts';

const server = await startPostgres();

interface Scene {
  readonly database: Database;
  readonly url: string;
  /** A store of a process with this name. */
  readonly store: (node: string) => Promise<JournalStore>;
  /** Kills a process whose statement for the actor waits at the database, for a lock that `release` gives up. */
  readonly killed: (node: string, n: number) => Promise<void>;
  readonly release: () => Promise<void>;
  /** of the process, at the server */
  readonly connections: (node: string) => Promise<number>;
}

const child = fileURLToPath(new URL('../support/fence-child.js', import.meta.url));

const run = 'skip' in server ? test.skip : test.serial;

const tail = async (store: JournalStore, n: number): Promise<number | undefined> => (await store.tails([actor(n)])).get(actor(n));

async function ended(process: ChildProcess): Promise<void> {
  process.kill('SIGKILL');
  if (process.exitCode === null && process.signalCode === null) await new Promise((resolve) => process.once('exit', resolve));
}

const scenes = test.macro<[body: (t: ExecutionContext, scene: Scene) => Promise<void>]>(async (t, body) => {
  if ('skip' in server) throw new Error(server.skip);
  t.timeout(600_000);
  const url = await server.database();
  const database = await openDatabase({ url, dataDir: '' }, quiet);
  const holder = await database.connect();
  const stores: JournalStore[] = [];
  const children: ChildProcess[] = [];
  try {
    await database.knex.raw(SCHEMA);
    const connections = async (node: string, waiting = false): Promise<number> => {
      const { rows } = await database.knex.raw<{ rows: { n: number }[] }>(
        `select count(*)::int as n from pg_stat_activity
          where datname = current_database() and application_name = ? and (not ? or wait_event_type = 'Lock')`,
        [`thrum kernel ${node}`, waiting],
      );
      return rows[0]?.n ?? 0;
    };
    await holder.query('begin; lock table thrum_outbox in share mode');
    await body(t, {
      database,
      url,
      connections,
      store: async (node) => {
        const store = createPgStore(database, registry, node);
        stores.push(store);
        await store.start();
        return store;
      },
      killed: async (node, n) => {
        const one = spawn(process.execPath, [child, url, node, String(n)], { stdio: 'inherit' });
        children.push(one);
        await until(async () => (await connections(node, true)) > 0, 'the statement to wait for the lock');
        await ended(one);
      },
      release: async () => void (await holder.query('rollback')),
    });
  } finally {
    for (const one of children) await ended(one);
    for (const store of stores) await store.stop();
    await holder.end();
    await database.close();
  }
});

test.after.always(async () => {
  if (!('skip' in server)) await server.stop();
});

run('the statement of a killed process lands when nobody ends its connection', scenes, async (t, s) => {
  const store = await s.store('next');
  await s.killed('dead', 1);
  t.is(await tail(store, 1), 1);
  await s.release();
  await until(async () => (await tail(store, 1)) === 2, 'the statement to land');
  t.is((await store.outboxDue(10, 9)).length, 1, 'with its message, which a successor that had looked before would not know');
});

run('a successor ends the connections of killed processes before it reads: their statements never land', scenes, async (t, s) => {
  await s.killed('dead', 1);
  const store = await s.store('next');
  t.is(await store.fence(), 1);
  t.is(await s.connections('dead'), 0);
  await s.release();
  t.is(await tail(store, 1), 1);
  t.deepEqual(await store.outboxDue(10, 9), []);
  t.deepEqual(await store.timersDue(10, 9), []);
  const lane = await store.openLane(0);
  await lane.commit(plan([event(1, 2)]));
  await lane.close();
  t.is(await store.fence(), 0, 'its own connections stay');
  t.regex(await store.dataId(), /^[0-9a-f]{32}$/);
});

run('of several processes only those that are named and silent are ended', scenes, async (t, s) => {
  const [live, next] = [await s.store('live'), await s.store('next')];
  await s.killed('dead', 1);
  await s.killed('other', 2);
  await live.dataId();

  const connected = await s.connections('live');
  t.true(connected > 0);
  t.is(await next.fence({ nodes: ['live', 'dead'], silentMs: 3_600_000 }), 0, 'both have spoken within the hour');
  t.is(await next.fence({ nodes: ['dead', 'nobody'], silentMs: 0 }), 1);
  t.deepEqual([await s.connections('dead'), await s.connections('other'), await s.connections('live')], [0, 1, connected]);
  await s.release();
  await until(async () => (await tail(next, 2)) === 2, 'the statement of the process that was not named');
  t.is(await tail(next, 1), 1);
});

run('a process that lives after all loses its connections once, and goes on over new ones', scenes, async (t, s) => {
  await s.release();
  const [live, next] = [await s.store('live'), await s.store('next')];
  const lane = await live.openLane(0);
  await lane.commit(plan([event(1, 1)]));
  const batch = plan([event(1, 2)]);
  t.true((await next.fence()) > 0);
  // in doubt, or sent over a new connection at once when the lane has noticed already
  if ((await outcome(lane, batch)) !== 'ok') t.is(await outcome(lane, batch), 'ok');
  t.is(await tail(next, 1), 2);
  await lane.close();
});

run('who is connected is known by its speaking, or by what it has under way', scenes, async (t, s) => {
  const [live, next] = [await s.store('live'), await s.store('next')];
  await s.killed('dead', 1);
  await live.dataId();
  t.deepEqual((await next.kernels(3_600_000)).toSorted(), ['dead', 'live', 'next']);
  t.deepEqual((await next.kernels(0)).toSorted(), ['dead', 'next'], 'a statement waits for a lock, another one asks');
  await next.fence({ nodes: ['dead'], silentMs: 0 });
  t.deepEqual((await next.kernels(3_600_000)).toSorted(), ['live', 'next']);
});
