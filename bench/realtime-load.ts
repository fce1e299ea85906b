/** Load generator of the realtime bench: a child process that speaks raw frames, so that it costs less than what it measures. */
import { WebSocket } from 'ws';
import { BOARDS, stampNow } from './board.ts';
import { spread } from './realtime-server.ts';
import type { Spread } from './realtime-server.ts';

export type LoadOrder =
  /** opens `n` sockets, each with its topics; the answer comes when all are subscribed */
  | { readonly do: 'open'; readonly port: number; readonly token?: string; readonly n: number; readonly topics: readonly string[] }
  /** tells the parent each time that all sockets have received one publication more */
  | { readonly do: 'follow'; readonly on: boolean }
  | { readonly do: 'latencies' }
  | { readonly do: 'ask'; readonly event: 'ping1' | 'cmd'; readonly perSecond: number; readonly ms: number }
  /** the first socket stops reading */
  | { readonly do: 'pause' }
  /** all sockets come back at once with their cursors */
  | { readonly do: 'storm' }
  | { readonly do: 'state' }
  /** bytes of the answer to a subscription with the cursor */
  | { readonly do: 'bytes' }
  | { readonly do: 'close' };

export interface State {
  /** sockets whose first topic stands where that of the foremost does */
  readonly correct: number;
  readonly gaps: number;
}

const PUB = '42["pub",';
const tell = (message: object): void => void process.send?.(message);

interface Pub {
  readonly t: string;
  readonly s: number;
  readonly p: number;
  readonly d: { readonly stamp?: number };
}

class Client {
  #ws: WebSocket | undefined;
  readonly #pending = new Map<number, (answer: unknown) => void>();
  readonly #onPub: (client: Client, frame: string) => void;
  #acks = 0;
  /** cursor of the first topic */
  e: string | undefined;
  s = 0;
  gaps = 0;
  /** what arrives while a subscription is under way waits for its answer */
  #waiting: Pub[] | undefined;

  constructor(onPub: (client: Client, frame: string) => void) {
    this.#onPub = onPub;
  }

  connect(port: number, token: string | undefined): Promise<void> {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    this.#ws = ws;
    return new Promise((resolve, reject) => {
      ws.on('error', reject);
      ws.on('message', (data: Buffer) => {
        const frame = data.toString('latin1');
        if (frame.startsWith(PUB)) this.#onPub(this, frame);
        else if (frame === '2') ws.send('3');
        else if (frame.startsWith('0')) ws.send(`40${JSON.stringify(token === undefined ? {} : { token, proto: 1 })}`);
        else if (frame.startsWith('40')) resolve();
        else if (frame.startsWith('44')) reject(new Error(frame));
        else if (frame.startsWith('43')) this.#acked(frame);
      });
    });
  }

  #acked(frame: string): void {
    const from = frame.indexOf('[');
    const id = Number(frame.slice(2, from));
    this.#pending.get(id)?.(JSON.parse(frame.slice(from)) as unknown);
    this.#pending.delete(id);
  }

  request(event: string, payload: object): Promise<unknown> {
    this.#acks += 1;
    const id = this.#acks;
    return new Promise((resolve) => {
      this.#pending.set(id, resolve);
      this.#ws?.send(`42${id}${JSON.stringify([event, payload])}`);
    });
  }

  async subscribe(topics: readonly string[]): Promise<number> {
    this.#waiting = [];
    const l = topics.map((t, i) => (i === 0 && this.e !== undefined ? { t, e: this.e, s: this.s } : { t }));
    const answer = (await this.request('sub', { l })) as [{ l: readonly { e?: string; s?: number }[] }];
    const [first] = answer[0].l;
    this.e = first?.e;
    this.s = first?.s ?? 0;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    for (const p of waiting) this.judge(p);
    return JSON.stringify(answer[0]).length;
  }

  /** What a receiver does, by the numbers alone. */
  judge(p: Pub): void {
    if (this.#waiting !== undefined) this.#waiting.push(p);
    else if (p.s > this.s) {
      if (p.p !== this.s) this.gaps += 1;
      this.s = p.s;
    }
  }

  pause(): void {
    this.#ws?.pause();
  }

  cut(): void {
    this.#ws?.removeAllListeners();
    this.#ws?.on('error', () => undefined);
    this.#ws?.terminate();
  }
}

let clients: Client[] = [];
let latencies: number[] = [];
let received = 0;
let told = 0;
let following = false;
let timing = false;
let opened: Extract<LoadOrder, { do: 'open' }> | undefined;

function onPub(client: Client, frame: string): void {
  received += 1;
  if (timing) {
    const stamp = /"stamp":([\d.]+)/.exec(frame)?.[1];
    if (stamp !== undefined) latencies.push(stampNow() - Number(stamp));
    client.judge((JSON.parse(frame.slice(2)) as [string, Pub])[1]);
  }
  if (following && received >= (told + 1) * clients.length) {
    told += 1;
    tell({ done: told });
  }
}

async function inBatches<T>(items: readonly T[], size: number, work: (item: T) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < items.length; i += size) await Promise.all(items.slice(i, i + size).map(work));
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
async function enter(c: Client, o: Extract<LoadOrder, { do: 'open' }>): Promise<void> {
  for (;;) {
    try {
      await c.connect(o.port, o.token);
      if (o.topics.length > 0) await c.subscribe(o.topics);
      return;
    } catch {
      c.cut();
      await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 1_000));
    }
  }
}

/** Every socket is cut and comes back at once; done when all are subscribed with their cursors. */
async function storm(o: Extract<LoadOrder, { do: 'open' }>): Promise<{ ms: number }> {
  for (const c of clients) c.cut();
  const began = performance.now();
  await Promise.all(clients.map((c) => enter(c, o)));
  return { ms: performance.now() - began };
}

async function carryOut(order: LoadOrder): Promise<void> {
  switch (order.do) {
    case 'open': {
      opened = order;
      clients = Array.from({ length: order.n }, () => new Client(onPub));
      await inBatches(clients, 50, (c) => enter(c, order));
      return tell({ opened: order.n });
    }
    case 'follow':
      [received, told, following, timing] = [0, 0, order.on, !order.on];
      latencies = [];
      return tell({ following });
    case 'latencies':
      tell({ ...spread(latencies), received });
      latencies = [];
      received = 0;
      return undefined;
    case 'ask':
      return tell(await ask(order.event, order.perSecond, order.ms));
    case 'pause':
      return clients[0]?.pause();
    case 'storm':
      return opened === undefined ? undefined : tell(await storm(opened));
    case 'state': {
      const newest = Math.max(...clients.map((c) => c.s));
      const gaps = clients.reduce((sum, c) => sum + c.gaps, 0);
      return tell({ correct: clients.filter((c) => c.s === newest).length, gaps } satisfies State);
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
