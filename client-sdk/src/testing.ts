/**
 * A server in memory, for the tests of applications: it speaks the wire protocol as the real one does, but has no network, no rights and no
 * durability. A view or an item that a test shows reaches the application as it would in production, through cursors and resumption.
 */
import { createClientWith } from './client.ts';
import type { Client, ClientOptions } from './client.ts';
import type { Dial, Timers, WireEvents } from './deps.ts';
import { platformTimers } from './deps.ts';
import type { Commands } from './generated/contract.ts';
import type { Input, ItemOf, LogName, Reply, StateName, ViewOf } from './names.ts';
import type { Ack, Problem, SubRequest, SubResult } from './protocol.ts';
import { PROTOCOL } from './protocol.ts';

/** What a command handler answers. `ch` names the views of the actor that the command changed. */
export type Outcome<R = unknown> =
  | { readonly ok: true; readonly seq: number; readonly reply?: R; readonly ch?: readonly string[] }
  | { readonly ok: false; readonly error: Problem };

export type Handler<P = unknown, R = unknown> = (to: string, payload: P, user: string | null) => Outcome<R>;

/** A command as it arrived; a repetition arrives again, with the same `id`. */
export interface Received {
  readonly id: string;
  readonly to: string;
  readonly type: string;
  readonly d: unknown;
}

/** The end of a connection at the server. */
export interface Peer {
  readonly user: string | null;
  emit(event: string, message: unknown): void;
  /** ends the connection, as a failing network does */
  cut(): void;
}

const EPOCH = 'testtest';
const PAGE = 500;

/** The protocol without a transport: topics, their numbers, and who has subscribed to them. */
export class FakeBackend {
  readonly commands: Received[] = [];
  /** handshakes are refused with this problem */
  refuse: Problem | undefined;
  /** swallow this many acknowledgements of commands, cutting the connection instead */
  loseAcks = 0;
  readonly #now: () => number;
  readonly #peers = new Map<Peer, Set<string>>();
  readonly #views = new Map<string, { s: number; view: unknown }>();
  readonly #logs = new Map<string, unknown[]>();
  readonly #handlers = new Map<string, Handler>();
  readonly #answered = new Map<string, Outcome>();

  /** @param now epoch ms */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Takes a connection; its `hello` follows at once. */
  join(peer: Peer, id: string): void {
    this.#peers.set(peer, new Set());
    const limits = { topics: 256, cmdPerSec: 20, bytes: 65_536 };
    peer.emit('hello', { proto: PROTOCOL, conn: id, node: 'fake', user: peer.user, exp: null, now: this.#now(), limits });
  }

  leave(peer: Peer): void {
    this.#peers.delete(peer);
  }

  cut(): void {
    for (const peer of Array.from(this.#peers.keys())) peer.cut();
  }

  /** A new full view of a state topic. */
  show(t: string, view: unknown): void {
    const p = this.#views.get(t)?.s ?? 0;
    this.#views.set(t, { s: p + 1, view });
    this.#publish(t, { t, e: EPOCH, s: p + 1, p, k: 'f', d: view, at: this.#now() });
  }

  /** One more item of a log topic. */
  append(t: string, item: unknown): void {
    const log = this.#logs.get(t) ?? [];
    this.#logs.set(t, log);
    const s = log.push(item);
    this.#publish(t, { t, e: EPOCH, s, p: s - 1, k: 'i', d: [item], at: this.#now() });
  }

  onCommand(type: string, handler: Handler): void {
    this.#handlers.set(type, handler);
  }

  /** Answers one request; undefined when the acknowledgement is lost. */
  request(peer: Peer, event: string, payload: unknown): unknown {
    const { l } = payload as { l: never };
    switch (event) {
      case 'sub':
        return { ok: true, l: (l as SubRequest[]).map((r) => this.#subscribe(peer, r)) };
      case 'unsub':
        for (const t of l as string[]) this.#peers.get(peer)?.delete(named(t, peer));
        return { ok: true };
      case 'ping1':
        return { now: this.#now() };
      case 'pos':
        return { ok: true, behind: (l as { t: string; s: number }[]).filter(({ t, s }) => this.#head(t) > s).map(({ t }) => t) };
      case 'cmd':
        return this.#command(peer, payload as Received);
      default:
        return { ok: true };
    }
  }

  #publish(t: string, message: unknown): void {
    for (const [peer, topics] of this.#peers) if (topics.has(t)) peer.emit('pub', message);
  }

  #head(t: string): number {
    return this.#views.get(t)?.s ?? this.#logs.get(t)?.length ?? 0;
  }

  #subscribe(peer: Peer, r: SubRequest): SubResult {
    const t = named(r.t, peer);
    const result = this.#slice(t, r);
    if (result.ok) this.#peers.get(peer)?.add(t);
    return result;
  }

  #slice(t: string, { e, s, n }: SubRequest): SubResult {
    const log = this.#logs.get(t);
    if (log !== undefined) {
      const first = e === EPOCH && s !== undefined ? s + 1 : Math.max(1, log.length - (n ?? 20) + 1);
      const d = log.slice(first - 1, first - 1 + PAGE);
      const last = first + d.length - 1;
      return { ok: true, t, kind: 'log', e: EPOCH, s: last, m: 'items', d, floor: 1, more: last < log.length };
    }
    const state = this.#views.get(t);
    if (state === undefined) return { ok: false, t, error: { code: 'NOT_FOUND', status: 404, title: 'Nothing is found under this name' } };
    if (e === EPOCH && s === state.s) return { ok: true, t, kind: 'state', e: EPOCH, s, m: 'same' };
    return { ok: true, t, kind: 'state', e: EPOCH, s: state.s, m: 'snap', d: state.view };
  }

  #command(peer: Peer, c: Received): Ack | undefined {
    this.commands.push(c);
    const before = this.#answered.get(c.id);
    const unknown: Outcome = { ok: false, error: { code: 'UNKNOWN_COMMAND', status: 404, title: 'There is no such command' } };
    const outcome = before ?? this.#handlers.get(c.type)?.(named(`${c.to}/`, peer).slice(0, -1), c.d, peer.user) ?? unknown;
    if (outcome.ok) this.#answered.set(c.id, outcome);
    if (this.loseAcks > 0) {
      this.loseAcks -= 1;
      peer.cut();
      return undefined;
    }
    return { id: c.id, ...outcome, ...(before === undefined ? {} : { dup: true }) };
  }
}

/** `user:me` is the user of the connection. */
const named = (t: string, peer: Peer): string => t.replace(/^user:me\//, `user:${peer.user}/`);

type CommandName = { [K in keyof Commands]: keyof Commands[K] & string }[keyof Commands];

/** Payload and reply of a command, of whatever kind of actor it is. */
type Of<C> = { [K in keyof Commands]: C extends keyof Commands[K] ? { input: Input<K, C>; reply: Reply<K, C> } : never }[keyof Commands];

export interface TestServer {
  /** A client of this server. */
  connect(options?: Omit<ClientOptions, 'url' | 'token'>): Client;
  /** A new view of a state topic; `user:me` is not resolved here: use the id. */
  show<N extends StateName>(topic: N, view: ViewOf<N>): void;
  /** One more item of a log topic. */
  append<N extends LogName>(topic: N, item: ItemOf<N>): void;
  /** What a command does from now on. Unknown commands are refused with `UNKNOWN_COMMAND`, repeated ones answered as before. */
  onCommand<C extends CommandName>(type: C, handler: Handler<Of<C>['input'], Of<C>['reply']>): void;
  /** every command that arrived, in order */
  readonly commands: readonly Received[];
  /** cuts every connection, as a failing network does; clients come back by themselves */
  cut(): void;
  /** from now on nobody gets in; undefined: everybody again */
  refuse(problem: Problem | undefined): void;
  /** the next `n` commands are carried out, but their acknowledgements are lost with the connection */
  loseAcks(n: number): void;
}

export interface TestServerOptions {
  /** who is signed in; default `u1`, null for nobody */
  readonly user?: string | null;
  /** clock and timers of the clients, for tests that move time themselves */
  readonly timers?: Timers;
}

export function createTestServer(o: TestServerOptions = {}): TestServer {
  const timers = o.timers ?? platformTimers;
  const backend = new FakeBackend(() => timers.now());
  const user = o.user === undefined ? 'u1' : o.user;
  let count = 0;
  return {
    connect: (options = {}) =>
      createClientWith(
        { ...options, url: 'http://test.invalid', token: 'test' },
        { timers, dial: inMemory(backend, user, () => `c${(count += 1)}`) },
      ),
    show: (t, view) => backend.show(t, view),
    append: (t, item) => backend.append(t, item),
    onCommand: (type, handler) => backend.onCommand(type, handler as Handler),
    commands: backend.commands,
    cut: () => backend.cut(),
    refuse(problem) {
      backend.refuse = problem;
    },
    loseAcks(n) {
      backend.loseAcks = n;
    },
  };
}

/** A transport without a network. What it delivers comes later than the call that caused it, as from a socket. */
function inMemory(backend: FakeBackend, user: string | null, newId: () => string): Dial {
  return (_url, events) => {
    let peer: Peer | undefined;
    const later = (mine: Peer, fn: () => void): void => {
      queueMicrotask(() => {
        if (peer === mine) fn();
      });
    };
    const end = (): void => {
      if (peer !== undefined) backend.leave(peer);
      peer = undefined;
    };
    return {
      open() {
        const mine: Peer = {
          user,
          emit: (event, message) =>
            later(mine, () => (events[event as keyof WireEvents] as (m: unknown) => void)(structuredClone(message))),
          cut() {
            end();
            events.down();
          },
        };
        peer = mine;
        later(mine, () => {
          if (backend.refuse === undefined) return backend.join(mine, newId());
          end();
          events.refused(backend.refuse);
        });
      },
      close: end,
      request: (event, payload) =>
        new Promise((resolve, reject) => {
          const mine = peer;
          if (mine === undefined) return reject(new Error('not connected'));
          const ack = backend.request(mine, event, structuredClone(payload));
          queueMicrotask(() => (peer === mine && ack !== undefined ? resolve(structuredClone(ack)) : reject(new Error('connection lost'))));
        }),
    };
  };
}
