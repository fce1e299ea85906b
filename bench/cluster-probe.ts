/** Child of the cluster bench: clients that send commands at a pace by way of the load balancer and note how long each waited. */
import { Agent, request } from 'node:http';
import { answerOrders } from './peer.ts';

export type ProbeOrder =
  | {
      readonly do: 'start';
      readonly url: string;
      readonly token: string;
      readonly ids: readonly string[];
      /** commands a second, over all of them */
      readonly perSecond: number;
      /** items a second of `tape:t` */
      readonly items: number;
    }
  /** what was seen since the last time */
  | { readonly do: 'take' }
  | { readonly do: 'stop' };

export interface Probed {
  /** by id: when each command was sent, epoch ms, and how long it waited, ms */
  readonly waits: { readonly [id: string]: readonly (readonly [at: number, ms: number])[] };
  readonly sent: number;
  readonly items: number;
  /** by status: answers that were no success */
  readonly failed: Readonly<Record<string, number>>;
}

const agent = new Agent({ keepAlive: true, maxSockets: 512 });
const ATTEMPT_MS = 30_000;
let run = '';
let count = 0;

function post(url: string, token: string, body: string): Promise<string> {
  count += 1;
  return new Promise((resolve) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'idempotency-key': `${run}-${count}`,
      authorization: `Bearer ${token}`,
    };
    const req = request(url, { method: 'POST', agent, headers, timeout: ATTEMPT_MS }, (res) => {
      res.resume();
      res.once('end', () => resolve(String(res.statusCode)));
      res.once('error', () => resolve('cut'));
    });
    req.once('timeout', () => req.destroy());
    req.once('error', () => resolve('unreachable'));
    req.end(body);
  });
}

let waits: { [id: string]: [number, number][] } = {};
let failed: Record<string, number> = {};
let [sent, items] = [0, 0];
const under = new Set<Promise<void>>();
let timer: NodeJS.Timeout | undefined;

async function one(url: string, token: string, id: string): Promise<void> {
  const at = Date.now();
  const began = performance.now();
  const status = await post(`${url}/v1/actors/step/${id}/commands/bench.step`, token, '{"amount":1,"note":"measured"}');
  (waits[id] ??= []).push([at, performance.now() - began]);
  if (status !== '200') failed[status] = (failed[status] ?? 0) + 1;
}

async function item(url: string, token: string): Promise<void> {
  const status = await post(`${url}/v1/actors/tape/t/commands/tape.add`, token, '{}');
  if (status !== '200') failed[status] = (failed[status] ?? 0) + 1;
}

function start(o: Extract<ProbeOrder, { do: 'start' }>): void {
  run = `${process.pid}-${Math.round(performance.timeOrigin)}`;
  const began = performance.now();
  let [commands, added] = [0, 0];
  const note = (p: Promise<void>): void => {
    under.add(p);
    void p.then(() => under.delete(p));
  };
  timer = setInterval(() => {
    const seconds = (performance.now() - began) / 1_000;
    for (; commands < seconds * o.perSecond; commands += 1, sent += 1) note(one(o.url, o.token, o.ids[commands % o.ids.length] ?? ''));
    for (; added < seconds * o.items; added += 1, items += 1) note(item(o.url, o.token));
  }, 2);
}

function take(): Probed {
  const seen = { waits, sent, items, failed };
  [waits, failed, sent, items] = [{}, {}, 0, 0];
  return seen;
}

answerOrders(async (order: ProbeOrder) => {
  if (order.do === 'start') start(order);
  if (order.do === 'stop') {
    clearInterval(timer);
    await Promise.all(under);
  }
  return take();
});
