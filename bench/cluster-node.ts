/** Child of the cluster bench: one node of the product with the measured kinds, configured by its environment. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Redis } from 'ioredis';
import { user } from '../machines/user/kind.ts';
import { buildApp } from '../server/app.ts';
import { readConfig } from '../server/config.ts';
import { board, stampNow } from './board.ts';
import { stepCommand, stepKind } from './kind.ts';
import { answerOrders } from './peer.ts';
import { benchLog } from './system.ts';
import { tape } from './tape.ts';

export type NodeOrder =
  /** starts to listen; the first of a cluster makes the user */
  | { readonly do: 'start'; readonly first: boolean }
  /** who has which slot, as this node knows it */
  | { readonly do: 'table' }
  /** one command after the other; ms of each */
  | { readonly do: 'ask'; readonly refs: readonly string[]; readonly ms: number }
  /** one PING after the other; ms of each */
  | { readonly do: 'ping'; readonly ms: number }
  /** one command for each, tried until it succeeds; epoch ms of the success */
  | { readonly do: 'serve'; readonly refs: readonly string[] }
  /** one command for each */
  | { readonly do: 'mark'; readonly refs: readonly string[] }
  /** writes on boards at a pace */
  | { readonly do: 'pace'; readonly refs: readonly string[]; readonly perSecond: number; readonly ms: number; readonly bytes: number }
  /** memory after a collection */
  | { readonly do: 'memory' }
  /** 99th percentile of the delay of the event loop since the last time, ms */
  | { readonly do: 'loop' }
  /** access tokens of as many new sessions */
  | { readonly do: 'login'; readonly n: number }
  /** access tokens of as many new people */
  | { readonly do: 'people'; readonly n: number };

export interface Table {
  readonly node: string;
  readonly nodes: readonly string[];
  readonly roaming: boolean;
  readonly slots: readonly (string | undefined)[];
  /** of the ownership of each slot: in a cluster over Redis the epoch ms at which it began */
  readonly epochs: readonly (number | undefined)[];
}

const PERSON = { email: 'bench@example.test', password: 'correct horse bench', displayName: 'Bench', timeZone: 'UTC' };
const ATTEMPT_MS = 1_000;
const AGAIN_MS = 20;
const LOGINS = 8;

const config = readConfig();
const app = await buildApp(config, {
  log: benchLog,
  kinds: [stepKind, board, tape, user],
  effects: { user: { computeScores: () => Promise.resolve({ results: [], changed: 0 }) } },
});
const redis = new Redis(decodeURIComponent(new URL(config.redisUrl ?? '').pathname));
const delay = monitorEventLoopDelay({ resolution: 10 });
const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

const from = { kind: 'system', id: 'bench', roles: [] } as const;
let keys = 0;
const commandOf = (ref: string, text = 'x'): { type: string } & Record<string, unknown> =>
  ref.startsWith('board:') ? { type: 'board.mark', stamp: stampNow(), text } : { ...stepCommand(keys) };

async function send(ref: string, o: { text?: string; deadline?: number } = {}): Promise<boolean> {
  keys += 1;
  const { text, ...more } = o;
  const reply = await app.actors.ask(ref, commandOf(ref, text), { key: `bench-${process.pid}-${keys}`, from, ...more });
  return reply.ok;
}

async function surely(ref: string, o: { text?: string } = {}): Promise<void> {
  if (!(await send(ref, o))) throw new Error(`${ref} refused a command`);
}

async function timed(ms: number, call: (i: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  const until = performance.now() + ms;
  for (let i = 0; performance.now() < until; i += 1) {
    const began = performance.now();
    await call(i);
    times.push(performance.now() - began);
  }
  return times;
}

async function serve(ref: string): Promise<number> {
  for (;;) {
    if (await send(ref, { deadline: ATTEMPT_MS })) return Date.now();
    await pause(AGAIN_MS);
  }
}

async function pace({ refs, perSecond, ms, bytes }: Extract<NodeOrder, { do: 'pace' }>): Promise<number> {
  const began = performance.now();
  const under: Promise<unknown>[] = [];
  let sent = 0;
  while (performance.now() - began < ms) {
    for (const due = ((performance.now() - began) / 1_000) * perSecond; sent < due; sent += 1)
      for (const ref of refs) under.push(send(ref, { text: String(sent).padEnd(bytes, 'x') }));
    await pause(1);
  }
  await Promise.all(under);
  return sent;
}

async function inTurn<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const found: R[] = [];
  for (let i = 0; i < items.length; i += width) found.push(...(await Promise.all(items.slice(i, i + width).map(work))));
  return found;
}

const login = async (): Promise<string> =>
  (await app.identity.login({ ...PERSON, address: `bench-${(keys += 1)}`, userAgent: undefined })).accessToken;

async function person(): Promise<string> {
  const email = `bench-${(keys += 1)}@example.test`;
  await app.identity.users.create({ ...PERSON, email });
  return (await app.identity.impersonate(email)).accessToken;
}

async function carryOut(order: NodeOrder): Promise<object> {
  switch (order.do) {
    case 'start': {
      const { url } = await app.start();
      if (order.first) await app.identity.users.create(PERSON);
      delay.enable();
      return { port: Number(new URL(url).port), token: await login() };
    }
    case 'table': {
      const { node, nodes, roaming, slots } = app.actors.inspect.cluster();
      const [owners, epochs] = [slots.map((s) => s?.node), slots.map((s) => s?.epoch)];
      return { node, nodes: nodes.map(({ id }) => id), roaming, slots: owners, epochs } satisfies Table;
    }
    case 'ask':
      return timed(order.ms, (i) => surely(order.refs[i % order.refs.length] ?? ''));
    case 'ping':
      return timed(order.ms, () => redis.ping());
    case 'serve':
      return Promise.all(order.refs.map(serve));
    case 'mark':
      return inTurn(order.refs, 200, (ref) => surely(ref));
    case 'pace':
      return { sent: await pace(order) };
    case 'memory': {
      for (let i = 0; i < 3; i += 1) (globalThis as { gc?: () => void }).gc?.();
      const { rss, heapUsed, external } = process.memoryUsage();
      return { rss, heap: heapUsed + external };
    }
    case 'loop': {
      const p99 = delay.percentile(99) / 1e6;
      delay.reset();
      return { p99 };
    }
    case 'people':
      return inTurn(Array.from({ length: order.n }), LOGINS, person);
    default:
      return inTurn(Array.from({ length: order.n }), LOGINS, login);
  }
}

answerOrders(carryOut);
process.once('SIGTERM', () => void app.stop().then(() => process.exit(0)));
