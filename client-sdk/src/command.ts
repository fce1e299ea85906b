import type { Timers } from './deps.ts';
import { ThrumError } from './errors.ts';
import type { StateName, ViewOf } from './names.ts';
import type { Ack, Problem } from './protocol.ts';
import { backoff } from './connection.ts';

export interface CommandOptions {
  /** ms until the call gives up; default 10,000. The server drops the command if it could not start it by then */
  readonly timeout?: number;
  /** aborting stops the waiting; a command that is under way may still be carried out */
  readonly signal?: AbortSignal;
  /** only if the actor is at this sequence number */
  readonly seq?: number;
  /** idempotency key, 8 to 64 characters; give the key of a failed call to repeat that very call. Default: a new UUIDv7 */
  readonly key?: string;
  /**
   * What the views are expected to become, by topic name. Shown at once and over every view that comes meanwhile, until the command's effect has
   * arrived or the command has failed.
   */
  readonly optimistic?: { readonly [N in StateName]?: (view: ViewOf<N>) => ViewOf<N> };
}

/** The answer to a command that is committed. */
export interface Receipt<R = unknown> {
  /** idempotency key that was used */
  readonly id: string;
  /** sequence number of the actor after the command */
  readonly seq: number;
  readonly reply: R;
  /** true when the server had already carried it out and repeated its answer */
  readonly dup: boolean;
  /** Resolves when the open topics of the actor show this command's effect; read your own write. */
  settled(): Promise<void>;
}

export interface CommandLink {
  readonly online: boolean;
  /** true while a connection may be expected at once (first connect), false when it is known to be away */
  readonly hopeful: boolean;
  /** why there is no connection */
  trouble(): Problem;
  request(event: string, payload: unknown, ms: number): Promise<unknown>;
  want(): void;
  settled(to: string, seq: number, ch: readonly string[]): Promise<void>;
}

interface Pending {
  readonly message: { readonly id: string; readonly to: string; readonly type: string; readonly d: unknown; readonly seq?: number };
  readonly deadline: number;
  readonly resolve: (r: Receipt) => void;
  readonly reject: (e: ThrumError) => void;
  /** it has left at least once, so it may have been carried out */
  sent: boolean;
  attempts: number;
  timer?: unknown;
}

const TIMEOUT_MS = 10_000;
const MAX_MS = 30_000;

/** UUIDv7: 48 bits of time (`now`, epoch ms), 12 bits that count the keys of this client, 62 random bits. */
export function uuidv7(now: number, count: number, random: () => number): string {
  const hex = (value: number, digits: number): string => Math.floor(value).toString(16).padStart(digits, '0');
  const time = hex(now, 12);
  const variant = hex(8 + random() * 4, 1) + hex(random() * 4_096, 3);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(count % 4_096, 3)}-${variant}-${hex(random() * 2 ** 48, 12)}`;
}

export type Commands = ReturnType<typeof createCommands>;

/**
 * Commands under way. An answer that did not come is asked for again with the same key, in the order of the calls, so that a lost
 * acknowledgement costs a repetition and never a second effect.
 */
export function createCommands(link: CommandLink, timers: Timers) {
  const pending = new Set<Pending>();
  let count = 0;

  function finish(p: Pending, error?: Problem): void {
    timers.clear(p.timer);
    pending.delete(p);
    if (error !== undefined) p.reject(new ThrumError(error));
  }

  function expire(p: Pending): void {
    const problem: Problem = p.sent ? { code: 'COMMIT_UNKNOWN', detail: 'no answer came in time', retryable: true } : link.trouble();
    finish(p, { ...problem, details: { key: p.message.id } });
  }

  function acknowledged(p: Pending, ack: Ack): void {
    if (!ack.ok) {
      const wait = ack.error.retryAfterMs ?? backoff(p.attempts, timers.random());
      p.attempts += 1;
      if (ack.error.retryable !== true || p.attempts > 3 || timers.now() + wait >= p.deadline) return finish(p, ack.error);
      timers.clear(p.timer);
      p.timer = timers.set(() => {
        arm(p);
        if (link.online) void transmit(p);
      }, wait);
      return;
    }
    finish(p);
    const { to, id } = p.message;
    const { seq, ch } = ack;
    p.resolve({ id, seq, reply: ack.reply, dup: ack.dup === true, settled: () => link.settled(to, seq, ch ?? []) });
  }

  async function transmit(p: Pending): Promise<void> {
    const left = p.deadline - timers.now();
    if (left <= 0) return;
    p.sent = true;
    try {
      const ack = await link.request('cmd', { ...p.message, ms: Math.min(MAX_MS, left) }, left);
      if (pending.has(p)) acknowledged(p, ack as Ack);
    } catch {
      // connection lost: sent again on the next one; time over: the timer says so
    }
  }

  function arm(p: Pending): void {
    p.timer = timers.set(() => expire(p), Math.max(0, p.deadline - timers.now()));
  }

  const newKey = (): string => uuidv7(timers.now(), count++, () => timers.random());

  return {
    newKey,

    send(to: string, type: string, d: unknown, o: CommandOptions = {}): Promise<Receipt> {
      return new Promise((resolve, reject) => {
        if (o.signal?.aborted === true) return reject(new ThrumError({ code: 'ABORTED' }));
        if (!link.online && !link.hopeful) {
          return reject(new ThrumError(link.trouble()));
        }
        const message = { id: o.key ?? newKey(), to, type, d: d ?? {}, seq: o.seq };
        const p: Pending = { message, deadline: timers.now() + (o.timeout ?? TIMEOUT_MS), resolve, reject, sent: false, attempts: 0 };
        pending.add(p);
        o.signal?.addEventListener('abort', () => finish(p, { code: 'ABORTED' }), { once: true });
        arm(p);
        link.want();
        if (link.online) void transmit(p);
      });
    },

    connected(): void {
      for (const p of pending) void transmit(p);
    },

    /** Nothing will be answered any more. */
    fail(problem: Problem): void {
      for (const p of pending) finish(p, problem);
    },
  };
}
