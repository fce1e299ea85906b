/**
 * Churn of connections (realtime R18): clients that come, subscribe and go, orderly or not, while views change. Judged by what the server
 * holds: a heap that does not grow, and afterwards no connection, subscription, room or timer more than before.
 */
import { sfc32 } from '../calc/prng.ts';
import type { ChurnOrder, Held } from './churn-server.ts';
import { Peer } from './peer.ts';
import { rawSocket } from './raw-socket.ts';
import type { RawSocket } from './raw-socket.ts';

export interface ChurnPlan {
  readonly ms: number;
  /** connections a second */
  readonly perSecond: number;
  /** clients that stay all the time */
  readonly steady: number;
  /** between two looks at the server */
  readonly lookMs: number;
  /** an embedded database that is there already; it is used up */
  readonly dataDir?: string;
}

export interface Churned {
  readonly opened: number;
  /** at rest after a first, short churn, and at rest after all */
  readonly before: Held;
  readonly after: Held;
  /** under churn; `at`: ms since its begin */
  readonly samples: readonly (Held & { readonly at: number })[];
}

/** boards that are written on */
export const WRITTEN = 20;

const PATH = '/socket.io/?EIO=4&transport=websocket';
/** how a client behaves: most are orderly; the others leave in the middle, say nothing, or are refused */
const MANNERS = ['orderly', 'orderly', 'cut', 'cut', 'unanswered', 'mute', 'refused', 'early'] as const;
type Manner = (typeof MANNERS)[number];
const STAY_MS = 2_000;
const TOKENS_MS = 300_000;
const REST_MS = 60_000;
const STEP_MS = 10;

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** One client. Resolves when it is gone. */
function client(o: { port: number; token: string; manner: Manner; board: number; stayMs: number; open: Set<RawSocket> }): Promise<void> {
  const { manner, board, stayMs } = o;
  return new Promise((resolve) => {
    const leave = (): void => {
      if (manner === 'orderly') ws.send('41');
      ws.destroy();
    };
    const take = (frame: string): void => {
      if (frame === '2') ws.send('3');
      else if (frame.startsWith('0')) {
        if (manner === 'early') leave();
        else if (manner !== 'mute') ws.send(`40${JSON.stringify({ proto: 1, token: manner === 'refused' ? 'x.y.z' : o.token })}`);
      } else if (frame.startsWith('44')) leave();
      else if (frame.startsWith('42["hello"')) {
        const topics = ['user:me/profile', 'user:me/alerts', 'system/status', `board:${board}/live`, `board:${board}/calm`];
        ws.send(`420["sub",${JSON.stringify({ l: topics.map((t) => ({ t })) })}]`);
        if (manner === 'unanswered') leave();
      } else if (frame.startsWith('430') && manner === 'orderly') ws.send(`421["unsub",${JSON.stringify({ l: [`board:${board}/calm`] })}]`);
    };
    const ws = rawSocket(o.port, PATH, take, () => {
      o.open.delete(ws);
      resolve();
    });
    o.open.add(ws);
    if (Number.isFinite(stayMs)) setTimeout(leave, stayMs);
  });
}

/** @throws Error when the server's process ends */
export async function churn(plan: ChurnPlan, say: (line: string) => void): Promise<Churned> {
  const peer = new Peer<ChurnOrder>('./churn-server.js', plan.dataDir === undefined ? [] : [plan.dataDir]);
  const { port } = await peer.next<{ port: number }>();
  const random = sfc32([1, 2, 3, 4]);
  const open = new Set<RawSocket>();
  let { tokens } = await peer.ask<{ tokens: string[] }>({ do: 'token' });
  let opened = 0;

  function come(stayMs: number, manner?: Manner): Promise<void> {
    const token = tokens[opened % tokens.length] ?? '';
    opened += 1;
    return client({
      port,
      token,
      manner: manner ?? MANNERS[Math.floor(random() * MANNERS.length)] ?? 'cut',
      board: opened % WRITTEN,
      stayMs,
      open,
    });
  }

  /** Opens clients at the pace of the plan, and looks at the server now and then. */
  async function run(ms: number, samples: (Held & { at: number })[]): Promise<void> {
    const under = new Set<Promise<void>>();
    const began = performance.now();
    let sent = 0;
    let looked = 0;
    let renewed = 0;
    for (let at = 0; at < ms; at = performance.now() - began) {
      for (const due = (at / 1_000) * plan.perSecond; sent < due; sent += 1) {
        const one = come(random() * STAY_MS);
        under.add(one);
        void one.then(() => under.delete(one));
      }
      if (at - renewed > TOKENS_MS) {
        renewed = at;
        ({ tokens } = await peer.ask<{ tokens: string[] }>({ do: 'token' }));
      }
      if (at - looked > plan.lookMs) {
        looked = at;
        const held = await peer.ask<Held>({ do: 'look' });
        samples.push({ ...held, at });
        say(
          `${Math.round(at / 1_000)} s: ${opened} connections so far, heap ${mib(held.heap)}, process ${mib(held.rss)}, ${held.connections} open, ${held.timers} timers`,
        );
      }
      await pause(STEP_MS);
    }
    await Promise.all(under);
  }

  /** What the server holds when everybody has gone and it has noticed, or what it still holds after a minute. */
  async function rest(fits: (held: Held) => boolean): Promise<Held> {
    const began = performance.now();
    for (;;) {
      const held = await peer.ask<Held>({ do: 'look' });
      if (fits(held) || performance.now() - began > REST_MS) return held;
      await pause(250);
    }
  }

  try {
    await peer.ask({ do: 'publish', on: true });
    await run(Math.min(plan.ms, 10_000), []);
    await peer.ask({ do: 'publish', on: false });
    const before = await rest((held) => left(held, held).length === 0);
    say(`at rest: heap ${mib(before.heap)}, ${before.timers} timers`);

    await peer.ask({ do: 'publish', on: true });
    for (let i = 0; i < plan.steady; i += 1) void come(Number.POSITIVE_INFINITY, 'cut');
    const samples: (Held & { at: number })[] = [];
    await run(plan.ms, samples);
    for (const ws of open) ws.destroy();
    await peer.ask({ do: 'publish', on: false });
    const after = await rest((held) => left(before, held).length === 0);
    say(`at rest: heap ${mib(after.heap)}, ${after.timers} timers`);
    await peer.ask({ do: 'stop' });
    return { opened, before, after, samples };
  } finally {
    peer.end();
  }
}

export const mib = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;

/** armed at moments of their own: standing jobs, a departure that is waited for */
const TIMERS = 8;

/** What is still held though everybody has gone. */
export function left(before: Held, after: Held): string[] {
  const more = (name: string, n: number, most = 0): string[] => (n > most ? [`${n} ${name} are left`] : []);
  return [
    ...more('connections', after.connections),
    ...more('subscriptions', after.subscriptions),
    ...more('topics with subscribers', after.topics),
    ...more('timers more than before', after.timers - before.timers, TIMERS),
    ...more('sockets more than before', (after.handles['TCPSocketWrap'] ?? 0) - (before.handles['TCPSocketWrap'] ?? 0)),
    ...more('timers of the engine more than before', (after.handles['Timeout'] ?? 0) - (before.handles['Timeout'] ?? 0), TIMERS),
  ];
}

/** Bytes by which the heap grows in a minute, after the first third; the median of all pairs, so that one odd look does no harm. */
export function perMinute(samples: Churned['samples']): number {
  const used = samples.slice(Math.ceil(samples.length / 3));
  const slopes = used.flatMap((s, i) => used.slice(i + 1).map((later) => (later.heap - s.heap) / (later.at - s.at)));
  const sorted = slopes.toSorted((a, b) => a - b);
  return (sorted[sorted.length >> 1] ?? 0) * 60_000;
}
