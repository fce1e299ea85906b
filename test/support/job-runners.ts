/** Both job runners over real stores, as many nodes of each as a case wants. */
import { rm } from 'node:fs/promises';
import type { Knex } from 'knex';
import type { ExecutionContext, TestFn } from 'ava';
import { systemClock } from '../../server/clock.ts';
import { openDatabase } from '../../server/db/database.ts';
import type { Database } from '../../server/db/database.ts';
import { newIds } from '../../server/ids.ts';
import { createBullJobs } from '../../server/jobs/bull.ts';
import type { AnyJobKind, Jobs } from '../../server/jobs/jobs.ts';
import type { RunnerDeps } from '../../server/jobs/runner.ts';
import { createTableJobs } from '../../server/jobs/table.ts';
import type { PrivateRedis } from '../../scripts/private-redis.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import type { RedisKeys } from '../../server/redis/keys.ts';
import { embeddedDir } from './embedded.ts';
import { KeptLog } from './kernel.ts';
import { startPostgres } from './postgres.ts';
import type { RedisPlace } from '../../server/redis/place.ts';
import { clientOf, namespace, redisUnderTest } from './redis.ts';
import { startRedisCluster, startSentinel } from './redis-sets.ts';
import type { RedisSet } from './redis-sets.ts';
import { until } from './until.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- rows asserted by value
export type JobRow = Record<string, any>;

export interface JobNode {
  readonly jobs: Jobs;
  readonly log: KeptLog;
}

export interface RunnerUnderTest {
  readonly name: string;
  /** whether several processes may share the database */
  readonly many: boolean;
  readonly database: Database;
  /** of those over Bull */
  readonly redis: RedisPlace | undefined;
  /** the one Redis, which can be killed and started */
  readonly server: PrivateRedis | undefined;
  /** the servers of which one takes the place of another */
  readonly set: RedisSet | undefined;
  readonly keys: RedisKeys;
  /** A started node. Stopped after the case. */
  node(kinds: readonly AnyJobKind[], o?: NodeOptions): Promise<JobNode>;
  rows(): Promise<JobRow[]>;
  /** Waits until every row has one of these states. */
  settled(...states: string[]): Promise<JobRow[]>;
}

export interface NodeOptions extends Partial<RunnerDeps> {
  readonly start?: boolean;
  readonly forgottenMs?: number;
}

type Body = (t: ExecutionContext, r: RunnerUnderTest) => Promise<void>;

type Driver = Pick<RunnerUnderTest, 'name' | 'many' | 'database' | 'redis' | 'server' | 'set'>;

/** What runs a case: over each driver, over those with Bull, over the one with a Redis that stands alone, over those with a set of servers. */
export interface Runners {
  readonly each: (title: string, body: Body) => void;
  readonly bull: (title: string, body: Body) => void;
  readonly alone: (title: string, body: Body) => void;
  readonly sets: (title: string, body: Body) => void;
}

const PATIENT_MS = 600_000;

/** What is not installed is skipped with the reason. */
export async function openRunners(test: TestFn): Promise<Runners> {
  const dir = await embeddedDir();
  const embedded = await openDatabase({ dataDir: dir }, new KeptLog());
  const table = { redis: undefined, server: undefined, set: undefined };
  const drivers: Driver[] = [{ ...table, name: 'table, embedded', many: false, database: embedded }];
  const ends: (() => Promise<void>)[] = [() => embedded.close(), () => rm(dir, { recursive: true, force: true })];
  const postgres = await startPostgres();
  if ('skip' in postgres) test.skip(`the runners over Postgres (${postgres.skip})`, () => undefined);
  else {
    const database = await openDatabase({ dataDir: dir, url: await postgres.database(), pool: 16 }, new KeptLog());
    ends.push(
      () => database.close(),
      () => postgres.stop(),
    );
    drivers.push({ ...table, name: 'table, Postgres', many: true, database });
    const redis = await redisUnderTest();
    if ('skip' in redis) test.skip(`the runner over Bull (${redis.skip})`, () => undefined);
    else {
      ends.push(() => redis.stop());
      drivers.push({ name: 'Bull', many: true, database, redis, server: redis, set: undefined });
      for (const [name, start] of [
        ['Bull, Sentinel', startSentinel],
        ['Bull, Redis Cluster', startRedisCluster],
      ] as const) {
        const set = await start();
        if ('skip' in set) throw new Error(set.skip);
        ends.push(() => set.stop());
        drivers.push({ name, many: true, database, redis: set.place, server: undefined, set });
      }
    }
  }
  test.after.always(async () => {
    for (const end of ends) await end();
  });

  const over = (list: readonly Driver[]) => (title: string, body: Body) => {
    test.serial(title, async (t) => {
      t.timeout(PATIENT_MS);
      for (const driver of list) {
        const opened = await open(driver);
        try {
          await body(t, opened.runner);
        } catch (error) {
          t.log(`over ${driver.name}`);
          throw error;
        } finally {
          await opened.close();
        }
      }
    });
  };
  return {
    each: over(drivers),
    bull: over(drivers.filter((d) => d.redis !== undefined)),
    alone: over(drivers.filter((d) => d.server !== undefined)),
    sets: over(drivers.filter((d) => d.set !== undefined)),
  };
}

async function open(driver: Driver): Promise<{ runner: RunnerUnderTest; close: () => Promise<void> }> {
  const { database, redis } = driver;
  await database.knex.raw('delete from jobs; delete from job_pauses');
  const keys = redisKeys(namespace());
  const ends: (() => Promise<void>)[] = [];
  const rows = async (): Promise<JobRow[]> => (await database.knex.raw('select * from jobs order by job_id')).rows as JobRow[];

  const node = async (kinds: readonly AnyJobKind[], { start = true, forgottenMs, ...more }: NodeOptions = {}): Promise<JobNode> => {
    const log = new KeptLog();
    const deps: RunnerDeps = {
      knex: database.knex,
      kinds,
      clock: systemClock,
      random: () => 0.5,
      newId: newIds(() => Date.now()),
      log,
      concurrency: { q: 3 },
      pollMs: 50,
      ...more,
    };
    if (redis === undefined) {
      const jobs = createTableJobs(deps);
      ends.push(() => jobs.stop());
      if (start) await jobs.start();
      return { jobs, log };
    }
    const client = await clientOf(redis, keys);
    const jobs = createBullJobs({ ...deps, keys, redis: client, ...(forgottenMs === undefined ? {} : { forgottenMs }) });
    ends.push(async () => {
      await jobs.stop();
      client.close();
    });
    if (start) await jobs.start();
    return { jobs, log };
  };
  const settled = async (...states: string[]): Promise<JobRow[]> => {
    await until(async () => (await rows()).every((r) => states.includes(r['status'] as string)), `every job ${states.join(' or ')}`);
    return rows();
  };
  return {
    runner: { ...driver, keys, node, rows, settled },
    close: async () => {
      for (const end of ends.toReversed()) await end();
    },
  };
}

/** A database that leaves statements which hold `part` to `fn`, with what asks them. */
export function interposed(knex: Knex, part: string, fn: (ask: () => Promise<unknown>) => Promise<unknown>): Knex {
  const raw = knex.raw.bind(knex) as (...args: unknown[]) => Promise<unknown>;
  return new Proxy(knex, {
    get: (target, name, receiver) =>
      name !== 'raw'
        ? (Reflect.get(target, name, receiver) as unknown)
        : (...args: unknown[]) => (String(args[0]).includes(part) ? fn(async () => raw(...args)) : raw(...args)),
  });
}

/** A database whose statements that hold `part` fail, the first `times` of them: the process dies there. */
export function failingAt(knex: Knex, part: string, times = Infinity): { readonly knex: Knex; readonly failed: () => number } {
  let failed = 0;
  const broken = interposed(knex, part, async (ask) => {
    if (failed >= times) return ask();
    failed += 1;
    throw new Error('the process is dead');
  });
  return { knex: broken, failed: () => failed };
}
