/** Every script, key and channel of a node works in a Redis Cluster, also after a replica has taken the place of the primary (kernel specification 10.3). */
import test from 'ava';
import { openDatabase } from '../../server/db/database.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import { KeptLog } from '../support/kernel.ts';
import { startPostgres } from '../support/postgres.ts';
import { clientOf, namespace } from '../support/redis.ts';
import { acts } from '../support/redis-acts.ts';
import type { Ends } from '../support/redis-acts.ts';
import { startRedisCluster } from '../support/redis-sets.ts';
import { until } from '../support/until.ts';

const [set, postgres] = [await startRedisCluster(), await startPostgres()];

if ('skip' in set || 'skip' in postgres) {
  test.skip(`what nodes do in a Redis Cluster (${JSON.stringify([set, postgres])})`, () => undefined);
} else {
  const keys = redisKeys(namespace());
  const database = await openDatabase({ dataDir: '.', url: await postgres.database() }, new KeptLog());
  const ends: Ends = { a: await clientOf(set.place, keys), b: await clientOf(set.place, keys), keys, knex: database.knex };
  test.after.always(async () => {
    ends.a.close();
    ends.b.close();
    await database.close();
    await postgres.stop();
    await set.stop();
  });

  for (const [name, act] of Object.entries(acts)) test.serial(`${name} of two nodes work in a Redis Cluster`, (t) => act(t, ends));

  test.serial('they work on when another server has become the primary', async (t) => {
    t.timeout(600_000);
    await set.handOver(keys.version);
    for (const { commands } of [ends.a, ends.b]) {
      await until(
        async () => (await commands.set(keys.circuits, '').catch(() => '')) === 'OK',
        'the connections have found the new primary',
        120_000,
      );
    }
    await ends.a.commands.del(keys.circuits);
    for (const act of Object.values(acts)) await act(t, ends);
  });
}
