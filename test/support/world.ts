/** A whole server for tests: the embedded database in a directory of its own, cheap passwords, a kept log, strict replies. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'light-my-request';
import type { InjectOptions, Response } from 'light-my-request';
import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import type { z } from 'zod';
import type { ActorKind } from '../../actors/define.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import type { EffectFunctions } from '../../actors/effects.ts';
import type { Clock } from '../../actors/types.ts';
import { buildApp } from '../../server/app.ts';
import type { App, AppDeps } from '../../server/app.ts';
import { readConfig } from '../../server/config.ts';
import { acks, notices } from '../../server/live/outgoing.ts';
import { newSecrets } from '../../server/identity/keys.ts';
import type { Secrets } from '../../server/identity/keys.ts';
import type { NewUser } from '../../server/identity/users.ts';
import { FakeClock } from './clock.ts';
import { embeddedDir } from './embedded.ts';
import { KeptLog } from './kernel.ts';
import { PATIENCE_MS, until } from './until.ts';
import './purity.ts';

export interface WorldOptions {
  /** default: those of the product */
  readonly kinds?: readonly ActorKind[];
  readonly effects?: EffectFunctions;
  /** actors in memory, for kinds whose tables no migration makes; default pglite */
  readonly store?: 'memory' | 'pglite' | JournalStore;
  /** of nodes that are one installation */
  readonly secrets?: Secrets;
  readonly clock?: Clock;
  readonly env?: { readonly [name: string]: string };
  /** listens on a free port, for tests with sockets */
  readonly listen?: boolean;
}

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  readonly token: string;
}

export interface Live {
  readonly socket: Socket;
  /** first message of the connection */
  readonly hello: Record<string, unknown>;
  /** every later message in order */
  readonly seen: { readonly event: string; readonly data: Record<string, unknown> }[];
  send<T = Record<string, unknown>>(event: string, payload: unknown): Promise<T>;
  /** The first message, past or future, that fits. */
  next(event: string, fits?: (data: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
}

export interface World {
  readonly app: App;
  readonly log: KeptLog;
  readonly url: string;
  readonly secrets: Secrets;
  inject(o: InjectOptions & { token?: string }): Promise<Response>;
  /** A new user who has logged in. */
  person(o?: Partial<NewUser>): Promise<Person>;
  /** A connected socket that is closed with the world. */
  live(auth?: object, o?: { headers?: Record<string, string> }): Promise<Live>;
  readonly close: () => Promise<void>;
}

const HIGH = '1000000';
let people = 0;

export async function makeWorld(o: WorldOptions = {}): Promise<World> {
  const dataDir = o.env?.['DATABASE_URL'] === undefined ? await embeddedDir() : await mkdtemp(join(tmpdir(), 'thrum-data-'));
  const config = readConfig({
    PORT: '0',
    HOST: '127.0.0.1',
    PUBLIC_URL: 'http://localhost:3000',
    DATA_DIR: dataDir,
    LOG_LEVEL: 'silent',
    ARGON2_MEMORY_KIB: '8192',
    ARGON2_TIME: '1',
    RT_CONNECTS_PER_MINUTE: HIGH,
    RT_CONNECTIONS_PER_ADDRESS: HIGH,
    RT_CONNECTS_PER_SECOND: HIGH,
    RT_LOOP_DELAY_MS: HIGH,
    DRAIN_MS: '20',
    DRAIN_PAUSE_MS: '0',
    DEMO: 'off',
    SIMULATOR_FEED_MS: '0',
    ...o.env,
  });
  const log = new KeptLog();
  const { store, secrets = await newSecrets(Date.now()) } = o;
  const deps: AppDeps = {
    log,
    secrets,
    strict: true,
    ...(o.kinds === undefined ? {} : { kinds: o.kinds }),
    ...(o.effects === undefined ? {} : { effects: o.effects }),
    ...(o.clock === undefined ? {} : { clock: o.clock }),
    ...(store === 'memory' ? { store: (registry) => createMemoryStore({ registry }) } : {}),
    ...(typeof store === 'object' ? { store: () => store } : {}),
  };
  const app = await buildApp(config, deps);
  const url = o.listen === true ? (await app.start()).url.replace('localhost', '127.0.0.1') : 'http://127.0.0.1:3000';
  if (o.listen !== true) await app.actors.start();
  const handle = app.http.listeners('request')[0] as Parameters<typeof inject>[0];
  const sockets = new Set<Socket>();

  const world: World = {
    app,
    log,
    url,
    secrets,
    inject: ({ token, headers, ...rest }) =>
      inject(handle, { ...rest, headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) } }),

    async person(p = {}) {
      people += 1;
      const person = { email: `person${people}@example.test`, password: `correct horse ${people}`, displayName: `Person ${people}`, ...p };
      const { id } = await app.identity.users.create({ timeZone: 'Europe/Berlin', ...person });
      const { email, password } = person;
      const pair = await app.identity.login({ email, password, address: `test-${people}`, userAgent: 'test' });
      return { id, email, password, token: pair.accessToken };
    },

    live: (auth = {}, { headers = {} } = {}) =>
      new Promise((resolve, reject) => {
        const socket = io(url, {
          transports: ['websocket'],
          reconnection: false,
          forceNew: true,
          auth: { proto: 1, ...auth },
          extraHeaders: headers,
        });
        sockets.add(socket);
        socket.on('connect_error', reject);
        const live = liveOn(socket);
        void live.then(resolve, reject);
      }),

    async close() {
      for (const socket of sockets) socket.disconnect();
      let stopped = false;
      const stopping = app.stop().finally(() => (stopped = true));
      if (o.clock instanceof FakeClock) await until(async () => o.clock instanceof FakeClock && (await o.clock.advance(1_000), stopped));
      await stopping;
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  return world;
}

function liveOn(socket: Socket): Promise<Live> {
  const seen: Live['seen'] = [];
  const waiting = new Set<() => void>();
  return new Promise((resolve) => {
    let hello: Record<string, unknown> | undefined;
    const live = (first: Record<string, unknown>): Live => ({
      socket,
      hello: first,
      seen,
      async send(event, payload) {
        const ack: unknown = await socket.timeout(PATIENCE_MS).emitWithAck(event, payload);
        if (Object.hasOwn(acks, event)) (acks as Record<string, z.ZodType>)[event]?.parse(ack);
        return ack as never;
      },
      next: (event, fits = () => true) =>
        new Promise((done, fail) => {
          const late = setTimeout(
            () => fail(new Error(`no ${event} within ${PATIENCE_MS / 1_000} s; seen: ${seen.map((m) => m.event).join(' ')}`)),
            PATIENCE_MS,
          );
          const look = (): void => {
            const found = seen.find((m) => m.event === event && fits(m.data));
            if (found === undefined) return;
            clearTimeout(late);
            waiting.delete(look);
            done(found.data);
          };
          waiting.add(look);
          look();
        }),
    });
    socket.onAny((event: string, data: Record<string, unknown>) => {
      (notices as Record<string, z.ZodType>)[event]?.parse(data);
      if (hello === undefined) {
        hello = { event, ...data };
        resolve(live(hello));
        return;
      }
      seen.push({ event, data });
      for (const look of waiting) look();
    });
    socket.on('disconnect', (reason: string) => {
      seen.push({ event: 'disconnect', data: { reason } });
      for (const look of waiting) look();
    });
  });
}
