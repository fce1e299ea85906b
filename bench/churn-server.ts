/** Child of the churn soak, started with `--expose-gc`: the whole server with its own database, in the directory that is named or a new one; it is gone afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock, TimerHandle } from '../actors/types.ts';
import { user } from '../machines/user/kind.ts';
import { buildApp } from '../server/app.ts';
import { systemClock } from '../server/clock.ts';
import { readConfig } from '../server/config.ts';
import { board } from './board.ts';
import { WRITTEN } from './churn.ts';
import { benchLog } from './system.ts';
import { unlimited } from './unlimited.ts';

/** What the server holds at one moment. */
export interface Held {
  /** bytes in use after a collection, with what Node.js holds beside them for buffers */
  readonly heap: number;
  readonly rss: number;
  readonly connections: number;
  readonly subscriptions: number;
  /** topics with subscribers */
  readonly topics: number;
  /** timers of ours that are armed */
  readonly timers: number;
  /** handles that keep the process alive, by kind: sockets, timers of Socket.IO */
  readonly handles: { readonly [kind: string]: number };
}

export type ChurnOrder =
  | { readonly do: 'look' }
  | { readonly do: 'token' }
  | { readonly do: 'publish'; readonly on: boolean }
  | { readonly do: 'stop' };

/** between two publications */
const PACE_MS = 100;

let timers = 0;
/** the system's clock, whose timers are counted */
const clock: Clock = {
  ...systemClock,
  setTimer(ms, fn) {
    timers += 1;
    const mine: { done: boolean; handle: TimerHandle | undefined } = { done: false, handle: undefined };
    mine.handle = systemClock.setTimer(ms, () => {
      if (!mine.done) timers -= 1;
      mine.done = true;
      fn();
    });
    return mine;
  },
  clearTimer(handle) {
    const mine = handle as { done: boolean; handle: TimerHandle | undefined } | undefined;
    if (mine === undefined) return;
    if (!mine.done) timers -= 1;
    mine.done = true;
    if (mine.handle !== undefined) systemClock.clearTimer(mine.handle);
  },
};

const [prepared] = process.argv.slice(2);
const dataDir = prepared ?? (await mkdtemp(join(tmpdir(), 'thrum-churn-')));
const settings = {
  PORT: '0',
  HOST: '127.0.0.1',
  DATA_DIR: dataDir,
  DEMO: 'off',
  SIMULATOR: 'off',
  LOG_LEVEL: 'silent',
  DRAIN_PAUSE_MS: '0',
  DRAIN_MS: '20',
};
const app = await buildApp(readConfig({ ...settings, ...unlimited }), {
  clock,
  log: benchLog,
  kinds: [board, user],
  effects: { user: { computeScores: () => Promise.resolve({ results: [], changed: 0 }) } },
});
const { url } = await app.start();
const people = [1, 2, 3].map((n) => ({
  email: `churn${n}@example.test`,
  password: 'correct horse churn',
  displayName: 'Churn',
  timeZone: 'UTC',
}));
for (const person of people) await app.identity.users.create(person);
const tokens = (): Promise<string[]> =>
  Promise.all(people.map(async (p) => (await app.identity.login({ ...p, address: 'churn', userAgent: undefined })).accessToken));

let marks = 0;
async function mark(): Promise<void> {
  marks += 1;
  const command = { type: 'board.mark', stamp: marks, text: `mark ${marks}` };
  const from = { kind: 'system', id: 'bench', roles: [] } as const;
  await app.actors.ask(`board:${marks % WRITTEN}`, command, { key: `mark-${marks}`, from });
}
for (let i = 0; i < WRITTEN; i += 1) await mark();
let writing: NodeJS.Timeout | undefined;

const valueOf = async (name: string): Promise<number> => {
  const metric = await app.registry.getSingleMetric(name)?.get();
  return metric?.values.reduce((sum, { value }) => sum + value, 0) ?? Number.NaN;
};

async function look(): Promise<Held> {
  for (let i = 0; i < 3; i += 1) (globalThis as { gc?: () => void }).gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const handles: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) handles[kind] = (handles[kind] ?? 0) + 1;
  return {
    heap: heapUsed + external,
    rss,
    connections: await valueOf('thrum_rt_connections'),
    subscriptions: await valueOf('thrum_rt_subscriptions'),
    topics: await valueOf('thrum_rt_topics'),
    timers,
    handles,
  };
}

process.on('message', (order: ChurnOrder) => {
  if (order.do === 'look') void look().then((held) => process.send?.(held));
  else if (order.do === 'token') void tokens().then((list) => process.send?.({ tokens: list }));
  else if (order.do === 'publish') {
    clearInterval(writing);
    writing = order.on ? setInterval(() => void mark(), PACE_MS) : undefined;
    process.send?.({});
  } else {
    clearInterval(writing);
    void app
      .stop()
      .then(() => rm(dataDir, { recursive: true, force: true }))
      .then(() => process.send?.({}))
      .then(() => process.exit(0));
  }
});
process.on('disconnect', () => process.exit(0));
process.send?.({ port: Number(new URL(url).port) });
