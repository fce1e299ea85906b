import { createClientWith } from '#sdk/client';
import type { Client, ClientOptions } from '#sdk/client';
import type { Timers, WireEvents } from '#sdk/deps';
import type { Hello, Problem, SubRequest } from '#sdk/protocol';

/** A clock that moves only when told to. */
export function fakeTimers(): Timers & { advance(ms: number): Promise<void>; sleep(ms: number): void } {
  let now = 1_700_000_000_000;
  const armed = new Map<object, { readonly at: number; readonly fn: () => void }>();
  return {
    now: () => now,
    random: () => 0.5,
    set(fn, ms) {
      const handle = {};
      armed.set(handle, { at: now + ms, fn });
      return handle;
    },
    clear: (handle) => void armed.delete(handle as object),
    /** time passes and nothing runs, as on a laptop that is closed */
    sleep(ms) {
      now += ms;
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        const [next] = [...armed].filter(([, t]) => t.at <= end).sort(([, a], [, b]) => a.at - b.at);
        if (next === undefined) break;
        armed.delete(next[0]);
        now = Math.max(now, next[1].at);
        next[1].fn();
        await settle();
      }
      now = end;
      await settle();
    },
  };
}

/** Lets everything run that waits for nothing but the microtask queue. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
};

export interface Sent {
  readonly event: string;
  readonly payload: never;
  readonly answer: (value: unknown) => Promise<void>;
  readonly fail: () => Promise<void>;
}

export interface Bench {
  readonly client: Client;
  readonly timers: ReturnType<typeof fakeTimers>;
  readonly wire: WireEvents;
  /** credentials of each handshake */
  readonly opened: { token?: string }[];
  readonly sent: Sent[];
  closed: number;
  /** takes the oldest request of that name that was not taken yet */
  take(event: string): Sent;
  none(event: string): boolean;
  hello(over?: Partial<Hello>): Promise<void>;
}

/** A client on a transport that the test plays by hand. `ping1` is answered by itself. */
export function bench(options: ClientOptions = {}): Bench {
  const timers = fakeTimers();
  const opened: { token?: string }[] = [];
  const sent: Sent[] = [];
  let wire: WireEvents | undefined;
  const b = { closed: 0 } as Bench;
  const client = createClientWith(
    { url: 'http://server.test', ...options },
    {
      timers,
      dial(_url, events) {
        wire = events;
        return {
          open: (auth) => void opened.push(auth),
          close: () => void (b.closed += 1),
          request: (event, payload) =>
            new Promise((resolve, reject) => {
              if (event === 'ping1') return resolve({ now: timers.now() });
              const answer = async (value: unknown): Promise<void> => {
                resolve(value);
                await settle();
              };
              const fail = async (): Promise<void> => {
                reject(new Error('no answer'));
                await settle();
              };
              sent.push({ event, payload: payload as never, answer, fail });
            }),
        };
      },
    },
  );
  return Object.assign(b, {
    client,
    timers,
    opened,
    sent,
    wire: wire as unknown as WireEvents,
    take(event: string) {
      const i = sent.findIndex((s) => s.event === event);
      if (i < 0) throw new Error(`no ${event} was sent; there are: ${sent.map((s) => s.event).join(', ')}`);
      return sent.splice(i, 1)[0] as Sent;
    },
    none: (event: string) => sent.every((s) => s.event !== event),
    async hello(over: Partial<Hello> = {}) {
      await settle();
      const limits = { topics: 256, cmdPerSec: 20, bytes: 65_536 };
      b.wire.hello({ proto: 1, conn: 'c', node: 'n', user: 'u1', exp: null, now: timers.now(), limits, ...over });
      await settle();
    },
  });
}

export const ENERGY = 'user:me/energy';
export const snap = (t: string, s: number, d: unknown): object => ({ ok: true, t, kind: 'state', e: 'e', s, m: 'snap', d });
export const asked = (sent: Sent): SubRequest[] => (sent.payload as { l: SubRequest[] }).l;
export const problem = (code: string, more: Partial<Problem> = {}): object => ({
  ok: false,
  id: 'x',
  error: { code, status: 409, ...more },
});
