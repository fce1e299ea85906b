/** What a node says of a Redis that an operator should set up otherwise. */
import test from 'ava';
import { startRedis } from '../../scripts/private-redis.ts';
import { troublesOf, watchTroubles } from '../../server/redis/check.ts';
import { KeptLog } from '../support/kernel.ts';
import { clientOf } from '../support/redis.ts';
import { until } from '../support/until.ts';

test('an evicting policy is a trouble, whatever its name; noeviction, and a server that does not say, are none', (t) => {
  for (const policy of ['allkeys-lru', 'volatile-ttl', 'allkeys-random'])
    t.deepEqual(troublesOf({ maxmemory_policy: policy }, false), [{ code: 'REDIS_EVICTS', policy }]);
  t.deepEqual(troublesOf({ maxmemory_policy: 'noeviction', redis_version: '7.0.15' }, true), []);
  t.deepEqual(troublesOf({}, true), []);
});

test('a server below 7 is a trouble; it works from 6.2 on, unless channels are sharded', (t) => {
  const old = (version: string, least: string, works: boolean) => [{ code: 'REDIS_OLD', version, least, works }];
  t.deepEqual(troublesOf({ redis_version: '6.2.14' }, false), old('6.2.14', '6.2', true));
  t.deepEqual(troublesOf({ redis_version: '6.2.14' }, true), old('6.2.14', '7.0', false));
  t.deepEqual(troublesOf({ redis_version: '6.0.16' }, false), old('6.0.16', '6.2', false));
  for (const version of ['7.0.0', '7.2.4', '8.0.1', '10.1.0']) t.deepEqual(troublesOf({ redis_version: version }, true), []);
});

test('a node logs it once, however often it connects', async (t) => {
  const server = await startRedis();
  if (server === undefined) {
    t.pass('skipped: redis-server is not installed');
    return;
  }
  const client = await clientOf(server);
  t.teardown(async () => {
    client.close();
    await server.stop();
  });
  const log = new KeptLog();
  await client.commands.config('SET', 'maxmemory-policy', 'allkeys-lru');
  watchTroubles({ redis: client.commands, sharded: false, log });
  const told = (): unknown[] => log.lines.filter((line) => JSON.stringify(line).includes('REDIS_EVICTS'));
  const again = async (): Promise<void> => {
    const ready = new Promise((resolve) => client.commands.once('ready', resolve));
    client.commands.disconnect(true);
    await ready;
    // answered after the question of the check
    await client.commands.info();
  };
  await again();
  await until(() => told().length === 1, 'the policy is logged');
  await again();
  t.is(told().length, 1);
});

test('a Redis that is gone is told once, however many connections lead to it, and so is its return', async (t) => {
  const server = await startRedis();
  if (server === undefined) {
    t.pass('skipped: redis-server is not installed');
    return;
  }
  const log = new KeptLog();
  const client = await clientOf(server, undefined, log);
  const all = [client.commands, client.subscriber, client.connect('one', 'commands'), client.connect('two', 'blocking')];
  t.teardown(async () => {
    client.close();
    await server.stop();
  });
  const each = (event: 'error' | 'ready') => Promise.all(all.map((redis) => new Promise((resolve) => redis.once(event, resolve))));
  await until(() => all.every((redis) => redis.status === 'ready'), 'all are connected');
  const failed = each('error');
  await server.kill();
  await failed;
  const ready = each('ready');
  await server.start();
  await ready;
  t.deepEqual(
    log.lines.map(({ level, message }) => [level, message]),
    [
      ['warn', 'redis cannot be reached'],
      ['info', 'redis answers again'],
    ],
  );
});
