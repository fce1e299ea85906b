/**
 * Commands that wait for a connection: a journal entry written in the underground is sent when there is a network again, with its first key, so
 * that it is carried out once. Only commands that the server's contract declares for it are taken; whatever depends on what others do meanwhile
 * (a booking, a payment) fails at once with `OFFLINE` instead.
 */
import type { CommandOptions, Receipt } from './command.ts';
import { backoff } from './connection.ts';
import type { Timers } from './deps.ts';
import { ThrumError } from './errors.ts';
import { queueable } from './generated/offline.ts';
import type { Problem } from './protocol.ts';

/** Where texts are kept: `localStorage`, React Native's AsyncStorage, or `indexedDb()` of `@thrum/client/storage`. */
export interface KeyValueStore {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): unknown;
  removeItem(key: string): unknown;
}

export interface Queued {
  /** idempotency key, the same for ever */
  readonly id: string;
  readonly to: string;
  readonly type: string;
  readonly d: unknown;
  /** when it was called, epoch ms */
  readonly at: number;
  /** `refused`: it and those behind it of the same actor wait for `retry` or `drop` */
  readonly state: 'waiting' | 'sending' | 'refused';
  readonly error?: Problem;
}

export interface Outbox {
  /** oldest first; one is gone when it is committed */
  readonly entries: readonly Queued[];
  subscribe(changed: (entries: readonly Queued[]) => void): () => void;
  /** Sends a refused entry once more. */
  retry(id: string): void;
  /** Gives an entry up; its caller gets `ABORTED`. */
  drop(id: string): void;
}

/** What the client needs of it. */
export interface OutboxPart extends Outbox {
  takes(type: string): boolean;
  /** @throws ThrumError when the command is refused, has become too old, or does not fit: `OUTBOX_FULL` */
  add(to: string, type: string, d: unknown, o?: CommandOptions): Promise<Receipt>;
  connected(): void;
  /** Nobody waits for answers any more; the entries stay. */
  close(): void;
  /** The session is over: nothing of it may remain. */
  erase(): void;
}

export interface OutboxHost {
  readonly online: boolean;
  readonly user: string | null;
  readonly timers: Timers;
  newKey(): string;
  want(): void;
  send(to: string, type: string, d: unknown, o: CommandOptions): Promise<Receipt>;
}

const MAX_ENTRIES = 200;
const MAX_BYTES = 262_144;
/** below the 24 h for which the server remembers keys, so that a repetition is always recognised */
const MAX_AGE_MS = 20 * 3_600_000;
const KEY = 'thrum.outbox';

interface Waiter {
  readonly resolve: (r: Receipt) => void;
  readonly reject: (e: ThrumError) => void;
}

/** @param o.store keeps the entries over a reload; without it they live as long as the client */
export function createOutbox(o: { readonly store?: KeyValueStore } = {}): (host: OutboxHost) => OutboxPart {
  return (host) => {
    const { timers } = host;
    const listeners = new Set<(entries: readonly Queued[]) => void>();
    const waiters = new Map<string, Waiter>();
    let entries: readonly Queued[] = [];
    /** whose entries they are; undefined while nobody has signed in */
    let owner: string | null | undefined;
    let failures = 0;
    /** taken out of the list, and perhaps still in the store */
    const gone = new Set<string>();

    const loaded = read();
    let written: Promise<unknown> = loaded;

    /** What the store holds; nothing when it cannot be read. */
    async function stored(): Promise<{ owner?: string | null; entries: readonly Queued[] }> {
      try {
        return (JSON.parse((await o.store?.getItem(KEY)) ?? 'null') as { entries: readonly Queued[] } | null) ?? { entries: [] };
      } catch {
        return { entries: [] };
      }
    }

    async function read(): Promise<void> {
      const saved = await stored();
      if (saved.entries.length === 0 || (host.user !== null && host.user !== saved.owner)) return;
      owner ??= saved.owner;
      set([...saved.entries, ...entries]);
      pump();
    }

    /** Other pages of the same person keep their entries in the same text: each takes out only what it knows. */
    async function save(): Promise<void> {
      const mine = owner ?? host.user;
      const dropped = Array.from(gone);
      const before = await stored();
      const others = before.owner === mine ? before.entries.filter(({ id }) => !gone.has(id) && !entries.some((e) => e.id === id)) : [];
      const all = [...others, ...entries.map((e) => (e.state === 'sending' ? { ...e, state: 'waiting' } : e))];
      await (all.length === 0 ? o.store?.removeItem(KEY) : o.store?.setItem(KEY, JSON.stringify({ owner: mine, entries: all })));
      for (const id of dropped) gone.delete(id);
    }

    /** One after the other, also among pages where the platform has locks; without room in the store the entries live as long as the client. */
    function write(work: () => unknown): void {
      const locked = (): unknown => globalThis.navigator?.locks?.request(KEY, work as () => Promise<void>) ?? work();
      written = written.then(locked).catch(() => undefined);
    }

    function set(next: readonly Queued[]): void {
      entries = next;
      write(save);
      for (const fn of Array.from(listeners)) fn(entries);
    }

    const change = (id: string, to: Partial<Queued>): void => set(entries.map((e) => (e.id === id ? { ...e, ...to } : e)));

    function remove(id: string): Waiter | undefined {
      gone.add(id);
      set(entries.filter((e) => e.id !== id));
      const waiter = waiters.get(id);
      waiters.delete(id);
      return waiter;
    }

    function refused(e: Queued, error: Problem): void {
      change(e.id, { state: 'refused', error: { ...error } });
      waiters.get(e.id)?.reject(new ThrumError(error));
      waiters.delete(e.id);
    }

    /** Sends the first entry of each actor, unless it is under way or refused. */
    function pump(): void {
      if (!host.online) return;
      const seen = new Set<string>();
      for (const e of entries) {
        if (seen.has(e.to)) continue;
        seen.add(e.to);
        if (e.state !== 'waiting') continue;
        if (timers.now() - e.at > MAX_AGE_MS) refused(e, { code: 'EXPIRED_OFFLINE', detail: 'the command waited for more than 20 hours' });
        else void send(e);
      }
    }

    async function send(e: Queued): Promise<void> {
      change(e.id, { state: 'sending' });
      try {
        const receipt = await host.send(e.to, e.type, e.d, { key: e.id });
        failures = 0;
        remove(e.id)?.resolve(receipt);
        pump();
      } catch (cause) {
        if (!entries.some(({ id }) => id === e.id)) return;
        const error = cause as ThrumError;
        if (!error.retryable && error.code !== 'CLOSED') return refused(e, error);
        change(e.id, { state: 'waiting' });
        if (host.online) timers.set(pump, error.retryAfterMs ?? backoff((failures += 1), timers.random()));
      }
    }

    function drop(id: string): void {
      remove(id)?.reject(new ThrumError({ code: 'ABORTED' }));
      pump();
    }

    function close(): void {
      for (const { reject } of waiters.values()) reject(new ThrumError({ code: 'CLOSED' }));
      waiters.clear();
    }

    function erase(): void {
      set([]);
      write(() => o.store?.removeItem(KEY));
      close();
    }

    return {
      get entries() {
        return entries;
      },
      subscribe(changed) {
        listeners.add(changed);
        return () => void listeners.delete(changed);
      },
      retry(id) {
        change(id, { state: 'waiting', error: undefined });
        pump();
      },
      drop,
      takes: (type) => queueable.includes(type),
      async add(to, type, d, { key, signal } = {}) {
        await loaded;
        const entry: Queued = { id: key ?? host.newKey(), to, type, d: d ?? {}, at: timers.now(), state: 'waiting' };
        const full = entries.length >= MAX_ENTRIES || JSON.stringify([...entries, entry]).length > MAX_BYTES;
        if (full) throw new ThrumError({ code: 'OUTBOX_FULL', detail: 'too many commands wait for a connection' });
        if (signal?.aborted === true) throw new ThrumError({ code: 'ABORTED' });
        signal?.addEventListener('abort', () => drop(entry.id), { once: true });
        const answer = new Promise<Receipt>((resolve, reject) => waiters.set(entry.id, { resolve, reject }));
        set([...entries, entry]);
        host.want();
        pump();
        return answer;
      },
      connected() {
        if (owner !== undefined && owner !== host.user) erase();
        owner = host.user;
        pump();
      },
      close,
      erase,
    };
  };
}
