/** Load generator of the HTTP bench: a child process with raw keep-alive sockets, so that it costs less than what it measures. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** What the parent sends. `path` and `body` may hold `{actor}` and `{n}`; `headers` are sent with every request. */
export interface LoadOrder {
  readonly port: number;
  readonly connections: number;
  readonly ms: number;
  readonly actors: number;
  readonly path: string;
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
}

/** What it answers: finished requests per second, latencies in ms, and how often each status came. */
export interface LoadResult {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly statuses: { readonly [status: string]: number };
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** One request and answer after the other on one connection, until the time is over. */
class Caller {
  readonly #socket: Socket;
  readonly #next: () => string | undefined;
  readonly #seen: (status: string, ms: number) => void;
  #began = 0;
  #pending: Buffer = Buffer.alloc(0);
  readonly finished: Promise<void>;

  constructor(port: number, next: () => string | undefined, seen: (status: string, ms: number) => void) {
    this.#next = next;
    this.#seen = seen;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.finished = new Promise((resolve, reject) => {
      this.#socket.once('connect', () => this.#send());
      this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
      this.#socket.once('error', reject);
      this.#socket.once('close', () => resolve());
    });
  }

  #send(): void {
    const request = this.#next();
    if (request === undefined) {
      this.#socket.end();
      return;
    }
    this.#began = performance.now();
    this.#socket.write(request);
  }

  #receive(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const end = this.#pending.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.#pending.toString('latin1', 0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) throw new Error(`answer without content-length: ${head}`);
    if (this.#pending.length < end + 4 + Number(length)) return;
    this.#pending = Buffer.alloc(0);
    this.#seen(head.slice(9, 12), performance.now() - this.#began);
    this.#send();
  }
}

async function generate(order: LoadOrder): Promise<LoadResult> {
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  const began = performance.now();
  const run = process.pid.toString(36) + Math.round(began).toString(36);
  const headers = Object.entries(order.headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  let n = 0;
  const next = (): string | undefined => {
    if (performance.now() - began > order.ms) return undefined;
    n += 1;
    const fill = (text: string): string => text.replace('{actor}', String(n % order.actors)).replace('{n}', `${run}-${n}`);
    const body = fill(order.body);
    return (
      `POST ${fill(order.path)} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
      `${fill(headers)}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    );
  };
  const seen = (status: string, ms: number): void => {
    latencies.push(ms);
    statuses[status] = (statuses[status] ?? 0) + 1;
  };
  await Promise.all(Array.from({ length: order.connections }, () => new Caller(order.port, next, seen).finished));
  const seconds = (performance.now() - began) / 1_000;
  latencies.sort((a, b) => a - b);
  const at = (q: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? Number.NaN;
  return { rate: latencies.length / seconds, p50: at(0.5), p99: at(0.99), statuses };
}

process.on('message', (order: LoadOrder) => {
  void generate(order).then((result) => process.send?.(result));
});
