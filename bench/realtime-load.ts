/** Load generator of the realtime bench: a child process that speaks raw frames, so that it costs less than what it measures. */
import { backoff } from '#sdk/connection';
import { BOARDS, stampNow } from './board.ts';
import { rawSocket } from './raw-socket.ts';
import type { RawSocket } from './raw-socket.ts';
import { spread } from './realtime-server.ts';
import type { Spread } from './realtime-server.ts';

export type LoadOrder =
  /** opens `n` sockets, each with its topics (at most 64), where `{i}` is the number of the socket, and with the tokens in turn; the answer comes when all are subscribed */
  | {
      readonly do: 'open';
      readonly port: number;
      readonly tokens: readonly string[];
      readonly n: number;
      readonly topics: readonly string[];
    }
  /** tells the parent each time that all sockets have received one publication more */
  | { readonly do: 'follow'; readonly on: boolean }
  /** how long publications took, by default from their stamp; `from`: stamp and the moment to count from instead, epoch ms */
  | { readonly do: 'latencies'; readonly from?: readonly (readonly [number, number])[] }
  | { readonly do: 'ask'; readonly event: 'ping1' | 'cmd'; readonly perSecond: number; readonly ms: number }
  /** one more socket stops reading */
  | { readonly do: 'pause' }
  /** all sockets come back at once with their cursors, at another port if one is given */
  | { readonly do: 'storm'; readonly port?: number }
  | { readonly do: 'state' }
  /** bytes of the answer to a subscription with the cursor */
  | { readonly do: 'bytes' }
  | { readonly do: 'close' };

export interface State {
  /** number of sockets by where their first topic stands */
  readonly heads: { readonly [s: string]: number };
  /** publications that did not follow, for which a client asked again */
  readonly gaps: number;
  /** publications that had been taken before */
  readonly dups: number;
}

const PUB = '42["pub",';
const AGAIN = /^42\["(?:resync|head)",/;
const tell = (message: object): void => void process.send?.(message);

interface Pub {
  readonly s: number;
  readonly p: number;
  /** a whole view, which follows anything */
  readonly full: boolean;
}

const NUMBERS = /"s":(\d+),"p":(\d+)/;

class Client {
  #ws: RawSocket | undefined;
  readonly #pending = new Map<number, { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void }>();
  readonly #onPub: (client: Client, frame: string) => void;
  #acks = 0;
  /** cursor of the first topic */
  e: string | undefined;
  s = 0;
  gaps = 0;
  dups = 0;
  #topics: readonly string[] = [];
  /** what arrives while a subscription is under way waits for its answer */
  #waiting: Pub[] | undefined;

  constructor(onPub: (client: Client, frame: string) => void) {
    this.#onPub = onPub;
  }

  connect(port: number, token: string | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const ended = (): void => {
        if (this.#ws !== ws) return;
        const error = new Error('the connection has ended');
        reject(error);
        for (const request of this.#pending.values()) request.reject(error);
        this.#pending.clear();
      };
      const take = (frame: string): void => {
        if (frame.startsWith(PUB)) this.#onPub(this, frame);
        else if (AGAIN.test(frame)) this.#again();
        else if (frame === '2') ws.send('3');
        else if (frame.startsWith('0')) ws.send(`40${JSON.stringify(token === undefined ? {} : { token, proto: 1 })}`);
        else if (frame.startsWith('40')) resolve();
        else if (frame.startsWith('44')) reject(new Error(frame));
        else if (frame.startsWith('43')) this.#acked(frame);
      };
      const ws = rawSocket(port, '/socket.io/?EIO=4&transport=websocket', take, ended);
      this.#ws = ws;
    });
  }

  #acked(frame: string): void {
    const from = frame.indexOf('[');
    const id = Number(frame.slice(2, from));
    this.#pending.get(id)?.resolve(JSON.parse(frame.slice(from)) as unknown);
    this.#pending.delete(id);
  }

  request(event: string, payload: object): Promise<unknown> {
    this.#acks += 1;
    const id = this.#acks;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#ws?.send(`42${id}${JSON.stringify([event, payload])}`);
    });
  }

  async subscribe(topics: readonly string[]): Promise<number> {
    this.#topics = topics;
    this.#waiting = [];
    const l = topics.map((t, i) => (i === 0 && this.e !== undefined ? { t, e: this.e, s: this.s } : { t }));
    const answer = (await this.request('sub', { l })) as [{ l: readonly { e?: string; s?: number }[] }];
    const [first] = answer[0].l;
    this.e = first?.e;
    // a paused former owner may answer with what is older
    this.s = Math.max(this.s, first?.s ?? 0);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    for (const p of waiting) this.judge(p);
    return JSON.stringify(answer[0]).length;
  }

  /** What a receiver does, by the numbers alone. */
  judge(p: Pub): void {
    if (this.#waiting !== undefined) this.#waiting.push(p);
    else if (p.s <= this.s) this.dups += 1;
    else {
      if (p.p === this.s || p.full) this.s = p.s;
      else {
        this.gaps += 1;
        this.#again();
      }
    }
  }

  /** Asks for what is missing, with the cursor; one question at a time. */
  #again(): void {
    if (this.#waiting === undefined) this.subscribe(this.#topics).catch(() => undefined);
  }

  pause(): void {
    this.#ws?.pause();
  }

  cut(): void {
    const ws = this.#ws;
    this.#ws = undefined;
    this.#pending.clear();
    ws?.destroy();
  }
}

let clients: Client[] = [];
/** of each arrival the stamp of the publication and the ms since then */
let latencies: [number, number][] = [];
let received = 0;
let told = 0;
let following = false;
let paused = 0;
let timing = false;
let opened: Extract<LoadOrder, { do: 'open' }> | undefined;

function onPub(client: Client, frame: string): void {
  received += 1;
  if (timing) {
    const now = stampNow();
    const stamp = Number(/"stamp":([\d.]+)/.exec(frame)?.[1]);
    if (stamp > 0) latencies.push([stamp, now - stamp]);
    const [, s, p] = NUMBERS.exec(frame) ?? [];
    client.judge({ s: Number(s), p: Number(p), full: frame.includes('"k":"f"') });
  }
  if (following && received >= (told + 1) * clients.length) {
    told += 1;
    tell({ done: told });
  }
}

/** ms of all arrivals since the stamps, or since what is given for them. */
function since(from: readonly (readonly [number, number])[] | undefined): number[] {
  const moments = new Map(from);
  return latencies.flatMap(([stamp, ms]) => {
    const moment = from === undefined ? stamp : moments.get(stamp);
    return moment === undefined ? [] : [stamp + ms - moment];
  });
}

async function inBatches<T>(items: readonly T[], size: number, work: (item: T, i: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < items.length; i += size) await Promise.all(items.slice(i, i + size).map((item, j) => work(item, i + j)));
}

async function ask(event: 'ping1' | 'cmd', perSecond: number, ms: number): Promise<Spread> {
  const times: number[] = [];
  const under: Promise<unknown>[] = [];
  const began = performance.now();
  const run = process.pid.toString(36) + Math.round(began).toString(36);
  let sent = 0;
  while (performance.now() - began < ms) {
    for (const due = ((performance.now() - began) / 1_000) * perSecond; sent < due; sent += 1) {
      const client = clients[sent % clients.length];
      const payload =
        event === 'ping1'
          ? {}
          : { id: `${run}-${sent}-bench`, to: `board:${sent % BOARDS}`, type: 'board.mark', d: { stamp: 1, text: 'x' } };
      const at = performance.now();
      if (client !== undefined) under.push(client.request(event, payload).then(() => times.push(performance.now() - at)));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(under);
  return spread(times);
}

/** Connects and subscribes; a server that has too many newcomers is asked again. */
async function enter(c: Client, i: number, o: Extract<LoadOrder, { do: 'open' }>): Promise<void> {
  const topics = o.topics.map((t) => t.replace('{i}', String(i)));
  for (;;) {
    try {
      await c.connect(o.port, o.tokens[i % o.tokens.length]);
      if (topics.length > 0) await c.subscribe(topics);
      return;
    } catch {
      c.cut();
      await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 1_000));
    }
  }
}

/** Every socket is cut and comes back after the first back-off of the client library; done when all are subscribed with their cursors. */
async function storm(o: Extract<LoadOrder, { do: 'open' }>): Promise<{ ms: number }> {
  for (const c of clients) c.cut();
  const began = performance.now();
  const comeBack = async (c: Client, i: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, backoff(0, Math.random())));
    await enter(c, i, o);
  };
  await Promise.all(clients.map(comeBack));
  return { ms: performance.now() - began };
}

async function carryOut(order: LoadOrder): Promise<void> {
  switch (order.do) {
    case 'open': {
      opened = order;
      clients = Array.from({ length: order.n }, () => new Client(onPub));
      await inBatches(clients, 50, (c, i) => enter(c, i, order));
      return tell({ opened: order.n });
    }
    case 'follow':
      [received, told, following, timing] = [0, 0, order.on, !order.on];
      latencies = [];
      return tell({ following });
    case 'latencies':
      tell({ ...spread(since(order.from)), received });
      latencies = [];
      received = 0;
      return undefined;
    case 'ask':
      return tell(await ask(order.event, order.perSecond, order.ms));
    case 'pause':
      return clients[paused++]?.pause();
    case 'storm':
      if (opened === undefined) return undefined;
      opened = { ...opened, port: order.port ?? opened.port };
      return tell(await storm(opened));
    case 'state': {
      const heads: Record<string, number> = {};
      for (const c of clients) heads[c.s] = (heads[c.s] ?? 0) + 1;
      const sum = (of: 'gaps' | 'dups'): number => clients.reduce((total, c) => total + c[of], 0);
      return tell({ heads, gaps: sum('gaps'), dups: sum('dups') } satisfies State);
    }
    case 'bytes': {
      const [c] = clients;
      return opened === undefined || c === undefined ? undefined : tell({ bytes: await c.subscribe(opened.topics.slice(0, 1)) });
    }
    default:
      for (const c of clients) c.cut();
      clients = [];
      return tell({ closed: true });
  }
}

process.on('message', (order: LoadOrder) => void carryOut(order));
process.on('disconnect', () => process.exit(0));
