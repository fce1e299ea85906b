/** The clients: each does one thing after the other, repeats what was not answered with the same key, and writes down what it was told. */
import { setTimeout as pause } from 'node:timers/promises';
import { createHash } from 'node:crypto';
import { seeded } from '../../calc/prng.ts';
import { ADMIN } from './stage.ts';
import type { Stage } from './stage.ts';

/** A command as its client saw it. Times are ms of this process. */
export interface Op {
  readonly client: number;
  readonly ref: string;
  readonly type: string;
  readonly key: string;
  readonly payload: Record<string, unknown>;
  /** when it was first sent */
  readonly began: number;
  ended: number;
  attempts: number;
  /** `unknown`: nobody ever answered */
  outcome: 'done' | 'refused' | 'unknown';
  code: string | undefined;
  seq: number | undefined;
  reply: unknown;
}

/** A linearizable read. */
export interface Seen {
  readonly ref: string;
  readonly began: number;
  readonly ended: number;
  readonly seq: number;
}

export interface Wish {
  readonly key: string;
  readonly resourceId: string;
  readonly start: string;
  readonly durationMin: number;
  /** undefined: never answered, or refused */
  bookingId: string | undefined;
  status: number | undefined;
  confirmed: boolean;
  cancelled: boolean;
}

export interface Load {
  /** of a person who may book */
  readonly token: string;
  readonly ops: readonly Op[];
  readonly reads: readonly Seen[];
  readonly wishes: readonly Wish[];
  /** points of monitored series that were taken */
  readonly points: readonly { readonly ref: string; readonly t: number }[];
  /** State of a booking as its owner sees it. */
  booking(id: string): Promise<string>;
  /** the longest time between the first sending of a command and its answer, ms */
  slowest(): number;
  /** Starts no new commands and waits for the answers to those under way. */
  stop(): Promise<void>;
}

export const LISTS = 16;
export const ACCOUNTS = 12;
export const ERRANDS = 12;
export const HOLDS = 8;
export const ROOMS = 4;
/** the monitored series of each room */
export const seriesOf = (room: number): string => `anomaly:resource:room-${room}:utilization`;
const LEARNED_POINTS = 20;
const BUSY_EVERY = 9;
/** a point of a bucket that is long over alarms nobody */
const FIRST_POINT_MS = 20 * 3_600_000;
export const OPENED = 1_000;
const ATTEMPT_MS = 6_000;
/** so long a client insists after the end of the run */
const PATIENCE_MS = 90_000;
const HOUR = 3_600_000;

/** Uniform in [0, 1), the same for the same text. */
export const chance = (text: string): (() => number) => seeded(createHash('sha256').update(text).digest('hex').slice(0, 32));

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export async function startLoad(stage: Stage, o: { clients: number; thinkMs: number; seed: string }): Promise<Load> {
  const url = `http://127.0.0.1:${stage.front.port}`;
  const ops: Op[] = [];
  const reads: Seen[] = [];
  const wishes: Wish[] = [];
  const points: { ref: string; t: number }[] = [];
  const stop = new AbortController();
  let deadline = Infinity;

  async function send(method: string, path: string, more: { key?: string; token?: string; body?: unknown }): Promise<Answer> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(more.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(more.key === undefined ? {} : { 'idempotency-key': more.key }),
        ...(more.token === undefined ? {} : { authorization: `Bearer ${more.token}` }),
      },
      ...(more.body === undefined ? {} : { body: JSON.stringify(more.body) }),
      signal: AbortSignal.timeout(ATTEMPT_MS),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  /** Repeats with the same key until there is an answer for good; undefined when patience ends first. */
  async function insist(
    method: string,
    path: string,
    more: { key: string; token?: string; body?: unknown },
    op?: Op,
  ): Promise<Answer | undefined> {
    for (let wait = 50; performance.now() < deadline; wait = Math.min(1_000, wait * 2)) {
      if (op !== undefined) op.attempts += 1;
      const answer = await send(method, path, more).catch(() => undefined);
      const again = answer === undefined || answer.status >= 500 || answer.status === 429 || answer.body['retryable'] === true;
      if (!again) return answer;
      await pause(wait);
    }
    return undefined;
  }

  let count = 0;
  async function command(client: number, ref: string, type: string, payload: Record<string, unknown>): Promise<Op> {
    count += 1;
    const key = `${o.seed}-${client}-${count}`;
    const began = performance.now();
    const op: Op = {
      client,
      ref,
      type,
      key,
      payload,
      began,
      ended: Infinity,
      attempts: 0,
      outcome: 'unknown',
      code: undefined,
      seq: undefined,
      reply: undefined,
    };
    ops.push(op);
    const answer = await insist('POST', `/v1/actors/${ref.replace(':', '/')}/commands/${type}`, { key, body: payload }, op);
    if (answer === undefined) return op;
    op.ended = performance.now();
    op.outcome = answer.status === 200 ? 'done' : 'refused';
    op.code = answer.status === 200 ? undefined : String(answer.body['code']);
    op.seq = answer.body['seq'] as number | undefined;
    op.reply = answer.body['reply'];
    return op;
  }

  // ---------------------------------------------------------------------------------------------------------- the clients

  type Turn = (client: number, n: number, next: () => number) => Promise<unknown>;
  const pick = (kind: string, many: number, x: number): string => `${kind}:${kind[0]}${Math.floor(x * many)}`;

  const append: Turn = (client, n, next) => command(client, pick('list', LISTS, next()), 'list.append', { x: `c${client}-${n}` });

  const transfer: Turn = (client, n, next) => {
    const from = Math.floor(next() * ACCOUNTS);
    const to = (from + 1 + Math.floor(next() * (ACCOUNTS - 1))) % ACCOUNTS;
    const payload = { to: `account:a${to}`, amount: 1 + Math.floor(next() * 20), id: `t${client}-${n}` };
    return command(client, `account:a${from}`, 'account.transfer', payload);
  };

  const errands: Turn = async (client, n, next) => {
    const ref = pick('errand', ERRANDS, next());
    const name = `e${client}-${n}`;
    await command(client, ref, 'errand.start', { name, ms: 200 + Math.floor(next() * 6_000) });
    if (next() < 0.15) await command(client, ref, 'errand.drop', { name });
  };

  const effects: Turn = async (client, n, next) => {
    const ref = pick('hold', HOLDS, next());
    const verb = next();
    if (verb < 0.6) await command(client, ref, 'hold.request', { token: client * 100_000 + n });
    else await command(client, ref, verb < 0.7 ? 'hold.cancel' : 'hold.reset', {});
  };

  const tomorrow = Math.ceil(Date.now() / (24 * HOUR)) * 24 * HOUR + 24 * HOUR;
  const token = await login();
  async function login(): Promise<string> {
    const answer = await insist('POST', '/v1/auth/login', { key: 'login', body: { email: ADMIN.email, password: ADMIN.password } });
    return String(answer?.body['accessToken']);
  }

  const bookings: Turn = async (client, n, next) => {
    const wish: Wish = {
      key: `${o.seed}-b${client}-${n}`,
      resourceId: `room-${Math.floor(next() * ROOMS)}`,
      start: new Date(tomorrow + Math.floor(next() * 24 * 8) * (HOUR / 2)).toISOString(),
      durationMin: 30 + 30 * Math.floor(next() * 3),
      bookingId: undefined,
      status: undefined,
      confirmed: false,
      cancelled: false,
    };
    wishes.push(wish);
    const { resourceId, start, durationMin, key } = wish;
    const holdOnly = next() < 0.5;
    const body = { resourceId, start, durationMin, ...(holdOnly ? { holdOnly, holdTtlS: 60 } : {}) };
    const answer = await insist('POST', '/v1/booking/bookings', { key, token, body });
    wish.status = answer?.status;
    if (answer === undefined || answer.status >= 300) return;
    wish.bookingId = String(answer.body['bookingId']);
    wish.confirmed = !holdOnly;
    if (holdOnly && next() < 0.5) {
      const confirmed = await insist('POST', `/v1/booking/bookings/${wish.bookingId}/confirm`, { key: `${key}-c`, token, body: {} });
      wish.confirmed = confirmed?.status === 200;
    }
    if (next() < 0.3) {
      const cancelled = await insist('POST', `/v1/booking/bookings/${wish.bookingId}/cancel`, { key: `${key}-x`, token, body: {} });
      wish.cancelled = cancelled === undefined || cancelled.status === 200;
    }
  };

  const readLists: Turn = async (_client, _n, next) => {
    const ref = pick('list', LISTS, next());
    const node = stage.nodes[Math.floor(next() * stage.nodes.length)];
    const began = performance.now();
    const response = await fetch(`http://127.0.0.1:${node?.door}/${ref}?level=linearizable`, {
      signal: AbortSignal.timeout(ATTEMPT_MS),
    }).catch(() => undefined);
    if (response?.ok !== true) return;
    const { seq } = (await response.json()) as { seq: number };
    reads.push({ ref, began, ended: performance.now(), seq });
  };

  const firstPoint = Math.floor((Date.now() - FIRST_POINT_MS) / 60_000) * 60_000;
  /** Tells a point until some node has taken it. */
  async function tell(room: number, minute: number, v: number, next: () => number): Promise<void> {
    const point = { ref: seriesOf(room), t: firstPoint + minute * 60_000 };
    while (performance.now() < deadline) {
      const node = stage.nodes[Math.floor(next() * stage.nodes.length)];
      const door = `http://127.0.0.1:${node?.door}/${point.ref}?t=${point.t}&v=${v}`;
      const response = await fetch(door, { method: 'POST', signal: AbortSignal.timeout(ATTEMPT_MS) }).catch(() => undefined);
      if (response?.ok === true) return void points.push(point);
      await pause(100);
    }
  }

  /** One series each, a point at each turn: calm at first, then one that is far too busy now and then. */
  const observations: Turn = (client, n, next) => {
    const busy = n > LEARNED_POINTS && n % BUSY_EVERY === 0;
    return tell(client % ROOMS, n, busy ? 0.97 : 0.4 + next() * 0.05, next);
  };

  for (let i = 0; i < ACCOUNTS; i += 1) await command(0, `account:a${i}`, 'account.open', { amount: OPENED });
  // nobody can follow what does not exist
  for (let i = 0; i < LISTS; i += 1) await command(0, `list:l${i}`, 'list.append', { x: 'first' });
  for (let i = 0; i < ERRANDS; i += 1) await command(0, `errand:e${i}`, 'errand.start', { name: `first-${i}`, ms: 200 });
  for (let i = 0; i < ROOMS; i += 1) {
    const body = { resourceId: `room-${i}`, name: `Room ${i}`, slotStepMin: 30 };
    const made = await insist('POST', '/v1/booking/resources', { key: `${o.seed}-room-${i}`, token, body });
    if (made?.status !== 201) throw new Error(`no room: ${JSON.stringify(made)}`);
    await tell(i, 0, 0.42, () => 0);
  }

  const shares: readonly (readonly [Turn, number])[] = [
    [append, 20],
    [transfer, 10],
    [errands, 14],
    [effects, 8],
    [bookings, 8],
    [readLists, 4],
    [observations, ROOMS],
  ];
  const turns = shares.flatMap(([turn, n]) => Array.from({ length: Math.max(1, Math.round((n * o.clients) / 64)) }, () => turn));

  const clients = turns.map(async (turn, client) => {
    const next = chance(`${o.seed}-${client}`);
    for (let n = 1; !stop.signal.aborted; n += 1) {
      await turn(client, n, next).catch(() => undefined);
      await pause(o.thinkMs * (0.5 + next()));
    }
  });

  return {
    token,
    ops,
    reads,
    wishes,
    points,
    async booking(id) {
      deadline = performance.now() + PATIENCE_MS;
      const answer = await insist('GET', `/v1/booking/bookings/${id}`, { key: `booking-${id}`, token });
      if (answer === undefined) return 'unanswered';
      return answer.status === 200 ? String(answer.body['state']) : `${answer.status} ${String(answer.body['code'])}`;
    },
    slowest: () => Math.max(0, ...ops.filter((x) => x.outcome !== 'unknown').map((x) => x.ended - x.began)),
    async stop() {
      stop.abort();
      deadline = performance.now() + PATIENCE_MS;
      await Promise.all(clients);
    },
  };
}
