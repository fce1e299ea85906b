/**
 * Connections to Redis. Everything that goes through it may be lost and is repaired elsewhere, so nothing waits for a Redis that is away: a command
 * fails at once, is never sent again later, and a connection on which Redis keeps silent is given up.
 */
import { Redis } from 'ioredis';
import type { RedisOptions } from 'ioredis';
import type { Clock, Log, TimerHandle } from '../../actors/types.ts';
import { wayTo } from './place.ts';
import type { RedisPlace } from './place.ts';

const CONNECT_MS = 2_000;
/** how long Redis may keep silent while commands wait for their answers */
const SILENT_MS = 2_000;
const AGAIN_MS = [50, 100, 200, 400, 800, 1_000];
const START_MS = 5_000;
/** the server is not, or no more, the primary of our keys */
const ELSEWHERE = /^(READONLY|MOVED|CLUSTERDOWN)/;
/** the same for a connection on which Redis lets a command wait for work, at most 5 s (Bull) */
const BLOCKED_MS = 15_000;
/** how often a subscriber, which else never says anything, makes sure that it is still heard */
const PING_MS = 2_000;

type Kind = 'commands' | 'subscriber' | 'blocking';

export interface RedisClient {
  /** for commands that are answered at once; blocking ones would hold up all others */
  readonly commands: Redis;
  /** only for subscriptions, which it renews by itself after an outage */
  readonly subscriber: Redis;
  /** it is a Redis Cluster: channels have a place there as keys do, `SPUBLISH` and `SSUBSCRIBE` */
  readonly sharded: boolean;
  /** A further connection of the same kind, closed with the others; `blocking` is one whose commands may wait in Redis for work. */
  connect(name: string, kind: Kind): Redis;
  /** Waits until Redis answers, but not for ever: the server starts without it. */
  reached(): Promise<boolean>;
  close(): void;
}

export interface RedisClientOptions {
  readonly place: RedisPlace;
  /** any of the keys that are used; all lie on one node of a cluster */
  readonly key: string;
  /** how the connections are called in `CLIENT LIST` */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  /** uniform in [0, 1) */
  readonly random: () => number;
}

export function createRedisClient({ place, key, name, clock, log, random }: RedisClientOptions): RedisClient {
  const opened: Redis[] = [];
  const subscribers: Redis[] = [];
  /** those that have failed since they were last ready: the first of them is told, and the return of the last */
  const down = new Set<Redis>();
  let timer: TimerHandle = clock.setTimer(PING_MS, ping);
  const common: RedisOptions = {
    ...wayTo(place, key, clock),
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENT_MS,
    disableClientInfo: true,
    retryStrategy: (times) => (AGAIN_MS[Math.min(times, AGAIN_MS.length) - 1] ?? 0) * (0.5 + random() / 2),
    reconnectOnError: (error) => ELSEWHERE.test(error.message),
  };
  const atOnce: RedisOptions = { enableOfflineQueue: false, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false };
  const kinds: { readonly [kind in Kind]: RedisOptions } = {
    commands: atOnce,
    subscriber: { ...atOnce, autoResubscribe: false },
    // without a ready check, because Bull wants it so
    blocking: { maxRetriesPerRequest: null, enableReadyCheck: false, socketTimeout: BLOCKED_MS },
  };

  function connect(part: string, kind: Kind): Redis {
    const options: RedisOptions = { ...common, ...kinds[kind], connectionName: `${name}-${part}` };
    const redis = new Redis(options);
    redis.on('error', (err: Error) => {
      if (down.size === 0) log.warn({ err, connection: part }, 'redis cannot be reached');
      down.add(redis);
    });
    redis.on('end', () => down.delete(redis));
    redis.on('ready', () => {
      if (redis === commands) for (const other of opened) together(other);
      else together(redis);
      if (down.delete(redis) && down.size === 0) log.info({}, 'redis answers again');
    });
    opened.push(redis);
    if (kind === 'blocking') connectsQuietly(redis);
    if (kind === 'subscriber') {
      subscribers.push(redis);
      keepSubscribed(redis);
    }
    return redis;
  }

  const wanders = place.sentinels !== undefined || place.cluster !== undefined;

  /** Connections lead to one server: a subscriber hears nothing of its server's being the primary no more. */
  function together(redis: Redis): void {
    if (!wanders || redis.status !== 'ready' || commands.status !== 'ready') return;
    const [here, there] = [redis.stream, commands.stream];
    if (here.remoteAddress !== there.remoteAddress || here.remotePort !== there.remotePort) redis.disconnect(true);
  }

  function ping(): void {
    for (const redis of subscribers) if (redis.status === 'ready') redis.ping().catch(() => undefined);
    timer = clock.setTimer(PING_MS, ping);
  }

  const commands = connect('commands', 'commands');
  const subscriber = connect('subscriber', 'subscriber');
  return {
    commands,
    subscriber,
    sharded: place.cluster !== undefined,
    connect,
    reached: async () => {
      const both = await Promise.all([commands, subscriber].map((redis) => readyWithin(clock, redis, START_MS)));
      return both.every(Boolean);
    },
    close: () => {
      clock.clearTimer(timer);
      for (const redis of opened) redis.disconnect();
    },
  };
}

/**
 * Asked to connect while it does so already, or in vain, the connection does not reject: it goes on trying by itself. (Bull reconnects when it pauses
 * and when it closes, and looks at the outcome only when its jobs have ended: a rejection would have ended the process before.)
 */
function connectsQuietly(redis: Redis): void {
  const connect = redis.connect.bind(redis);
  redis.connect = () => connect().catch(() => undefined);
}

const SUBSCRIPTIONS = [
  ['subscribe', 'unsubscribe'],
  ['psubscribe', 'punsubscribe'],
  ['ssubscribe', 'sunsubscribe'],
] as const;

/**
 * Subscribes again to everything that was asked for whenever the connection is ready. To ask neither rejects nor waits for a Redis that is away. (The driver does so too, but forgets what
 * it had when the connection is lost once more before Redis has confirmed.)
 */
function keepSubscribed(redis: Redis): void {
  const methods = redis as unknown as Record<string, (...channels: unknown[]) => Promise<unknown>>;
  for (const [on, off] of SUBSCRIPTIONS) {
    const wanted = new Set<string>();
    const take = methods[on]?.bind(redis);
    const drop = methods[off]?.bind(redis);
    if (take === undefined || drop === undefined) throw new Error(`the driver has no ${on}`);
    methods[on] = (...channels) => {
      for (const channel of channels.flat()) wanted.add(String(channel));
      return take(...channels).catch(() => undefined);
    };
    methods[off] = (...channels) => {
      for (const channel of channels.flat()) wanted.delete(String(channel));
      return drop(...channels).catch(() => undefined);
    };
    redis.on('ready', () => void (wanted.size > 0 && take(...wanted).catch(() => undefined)));
  }
}

function readyWithin(clock: Clock, redis: Redis, ms: number): Promise<boolean> {
  if (redis.status === 'ready') return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (ready: boolean): void => {
      clock.clearTimer(late);
      redis.off('ready', found);
      resolve(ready);
    };
    const found = (): void => end(true);
    const late = clock.setTimer(ms, () => end(false));
    redis.on('ready', found);
  });
}
