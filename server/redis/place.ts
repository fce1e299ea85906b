/**
 * Where Redis is: one server, the primary that Sentinel names, or the node of a Redis Cluster that has our keys. All keys and channels carry one hash
 * tag, so they lie on one node of a cluster; it is looked up whenever a connection is made, and a connection that meets `MOVED` is made anew.
 */
import { createConnection } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, Redis } from 'ioredis';
import type { RedisOptions } from 'ioredis';
import { z } from 'zod';
import type { Clock } from '../../actors/types.ts';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

export interface RedisPlace {
  /** redis://, rediss:// or, for a socket of this machine, unix:///path */
  readonly url: string;
  /** those who know the primary; the host of the URL is then the name under which they do */
  readonly sentinels?: readonly RedisAddress[] | undefined;
  /** some nodes of a Redis Cluster; the URL then only says how they are spoken to */
  readonly cluster?: readonly RedisAddress[] | undefined;
  /** texts, PEM: whom to trust, and who we are where Redis asks for that */
  readonly tls?: RedisTls | undefined;
}

export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

const ASK_MS = 2_000;
const AGAIN_MS = 500;
const DISCONNECT_MS = 2_000;

/** first and last hash slot, then the primary and its replicas as host and port; no host means that of the node that was asked */
const Ranges = z.array(z.tuple([z.number(), z.number(), z.tuple([z.string().nullable(), z.number()]).rest(z.unknown())]).rest(z.unknown()));

const Named = z.tuple([z.string(), z.string()]);

type Access = Pick<RedisOptions, 'username' | 'password' | 'db' | 'tls'>;

function accessOf({ protocol, username, password, pathname }: URL, tls: RedisTls): Access {
  return {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(/^\/\d+$/.test(pathname) ? { db: Number(pathname.slice(1)) } : {}),
    ...(protocol === 'rediss:' ? { tls } : {}),
  };
}

type Ask = (redis: Redis, asked: RedisAddress) => Promise<RedisAddress>;

/** Which node of the cluster has the key. */
const ownerOf =
  (key: string): Ask =>
  async (redis, asked) => {
    const slot = await redis.cluster('KEYSLOT', key);
    const range = Ranges.parse(await redis.cluster('SLOTS')).find(([from, to]) => from <= slot && slot <= to);
    if (range === undefined) throw new Error('no node of the cluster has the keys');
    const [host, port] = range[2];
    return { host: host === null || host === '' ? asked.host : host, port };
  };

const primaryOf =
  (name: string): Ask =>
  async (redis) => {
    const [host, port] = Named.parse(await redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name));
    return { host, port: Number(port) };
  };

/** The first answer of those who are asked in turn. */
async function firstOf(asked: readonly RedisAddress[], access: Access, ask: Ask): Promise<RedisAddress> {
  const failures: unknown[] = [];
  for (const one of asked) {
    const once = { lazyConnect: true, connectTimeout: ASK_MS, commandTimeout: ASK_MS, maxRetriesPerRequest: 0, retryStrategy: () => null };
    const redis = new Redis({ ...access, ...one, ...once, enableReadyCheck: false, disableClientInfo: true });
    redis.on('error', () => undefined);
    try {
      await redis.connect();
      return await ask(redis, one);
    } catch (error) {
      failures.push(error);
    } finally {
      redis.disconnect();
    }
  }
  throw new AggregateError(failures, 'nobody knows the primary');
}

/** Connects to whatever `find` finds at that time; asks until somebody knows. */
function connectorTo(find: () => Promise<RedisAddress>, { tls }: Access, clock: Clock) {
  return class extends AbstractConnector {
    constructor() {
      super(DISCONNECT_MS);
    }

    async connect(tell: (type: string, error: Error) => void): Promise<AbstractConnector['stream']> {
      this.connecting = true;
      while (this.connecting) {
        try {
          const primary = await find();
          // closed meanwhile
          if (!this.connecting) break;
          this.stream = tls === undefined ? createConnection(primary) : connectTls({ ...primary, ...tls });
          this.stream.once('error', (error) => void (this.firstError = error));
          return this.stream;
        } catch (error) {
          tell('error', error as Error);
          await new Promise<void>((resolve) => {
            clock.setTimer(AGAIN_MS, resolve);
          });
        }
      }
      throw new Error('Connection is closed.');
    }

    /** Each answer of a server that is the primary no more asks for it; a connection ends once. */
    override disconnect(): void {
      this.connecting = false;
      if (!this.stream?.writableEnded) super.disconnect();
    }
  };
}

/** How a connection gets there. @param key one of those that are used, to find the node of a cluster */
export function wayTo({ url, sentinels, cluster, tls = {} }: RedisPlace, key: string, clock: Clock): RedisOptions {
  const where = new URL(url);
  if (where.protocol === 'unix:') return { path: decodeURIComponent(where.pathname) };
  const access = accessOf(where, tls);
  const host = where.hostname.replace(/^\[|\]$/g, '');
  if (sentinels !== undefined) {
    // sentinels are asked without a password
    const find = () => firstOf(sentinels, access.tls === undefined ? {} : { tls: access.tls }, primaryOf(host));
    return { ...access, Connector: connectorTo(find, access, clock) };
  }
  if (cluster !== undefined) {
    const find = () => firstOf(cluster, access, ownerOf(key));
    return { ...access, Connector: connectorTo(find, access, clock) };
  }
  return { ...access, host, port: Number(where.port === '' ? 6_379 : where.port) };
}
