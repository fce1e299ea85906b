/** What a limiter promises on one node, and what several nodes that share a Redis promise together. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { memoryLimiters } from '../../server/limits/limiter.ts';
import type { Limiter, NewLimiter } from '../../server/limits/limiter.ts';
import { sharedLimiters } from '../../server/limits/shared.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import { systemClock } from '../../server/clock.ts';
import type { RedisClient } from '../../server/redis/client.ts';
import { clientOf, namespace, redisUnderTest } from '../support/redis.ts';
import { until } from '../support/until.ts';

const redis = await redisUnderTest();
const clients: RedisClient[] = [];
if ('skip' in redis) test.skip(`limits over Redis (${redis.skip})`, () => undefined);
else {
  test.after.always(async () => {
    for (const client of clients) client.close();
    await redis.stop();
  });
}

/** Each call gives another node's limiters of one installation. */
const drivers: { readonly name: string; readonly open: () => () => Promise<NewLimiter> }[] = [
  { name: 'memory', open: () => async () => memoryLimiters(() => systemClock.mono()) },
];
if (!('skip' in redis)) {
  drivers.push({
    name: 'Redis',
    open: () => {
      const keys = redisKeys(namespace());
      return async () => {
        const client = await clientOf(redis);
        clients.push(client);
        return sharedLimiters({ redis: client.commands, keys, clock: systemClock });
      };
    },
  });
}

function each(title: string, body: (t: ExecutionContext, node: () => Promise<NewLimiter>) => Promise<void>): void {
  for (const { name, open } of drivers) test.serial(`${title} (${name})`, (t) => body(t, open()));
}

const granted = (limiter: Limiter, key: string, times: number): number =>
  Array.from({ length: times }, () => limiter.take(key).ok).filter(Boolean).length;

each('a burst is granted at once, then it is refused with the time to wait', async (t, node) => {
  const limiter = (await node())('a', { perSecond: 0.01, burst: 5 });
  t.is(granted(limiter, 'k', 8), 5);
  const verdict = limiter.take('k');
  t.true(!verdict.ok && verdict.retryAfterMs > 0);
  t.is(granted(limiter, 'other', 8), 5, 'keys do not share');
});

each('what flows in after a burst can be taken as it comes', async (t, node) => {
  const limiter = (await node())('a', { perSecond: 50, burst: 20 });
  let [taken, longest] = [0, 0];
  await until(() => {
    const verdict = limiter.take('k');
    if (verdict.ok) taken += 1;
    else longest = Math.max(longest, verdict.retryAfterMs);
    return taken === 120;
  }, 'two seconds after the burst');
  // for the next one it is 20 ms; a window would have to end first
  t.true(longest <= 400, String(longest));
});

each('what is given back can be taken again', async (t, node) => {
  const limiter = (await node())('a', { perSecond: 0.01, burst: 2 });
  t.is(granted(limiter, 'k', 3), 2);
  limiter.giveBack('k');
  t.is(granted(limiter, 'k', 2), 1);
});

each('limiters of other names do not share their keys', async (t, node) => {
  const limiters = await node();
  t.is(granted(limiters('a', { perSecond: 0.01, burst: 1 }), 'k', 2), 1);
  t.is(granted(limiters('b', { perSecond: 0.01, burst: 1 }), 'k', 2), 1);
});

if (!('skip' in redis)) {
  test.serial('what one node has granted counts at all others', async (t) => {
    const open = drivers[1]!.open();
    const [a, b] = (await Promise.all([open(), open()])).map((limiters) => limiters('a', { perSecond: 0.01, burst: 10 })) as [
      Limiter,
      Limiter,
    ];
    t.is(granted(a, 'k', 20), 10);
    // nothing is asked for, so only what the other node has reported can be the reason
    await until(() => {
      granted(b, 'k', 1);
      return !b.take('k', 0).ok;
    }, 'the other node refuses');
    const verdict = b.take('k', 0);
    t.true(!verdict.ok && verdict.retryAfterMs > 1_000);
  });

  test.serial('without Redis each node limits by itself', async (t) => {
    const limiter = (await drivers[1]!.open()())('a', { perSecond: 0.01, burst: 5 });
    await redis.kill();
    try {
      t.is(granted(limiter, 'k', 8), 5);
    } finally {
      await redis.start();
    }
  });
}
