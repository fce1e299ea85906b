/**
 * Who is there (realtime R12). Connections say whether somebody looks at them and when he last moved; a departure counts only after 15 s
 * without a connection, so that nobody sees a reconnect. Nothing of it is journaled: the numbers are those of this start of the node.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { ActorSystem, Publication } from '../../actors/system.ts';
import type { ActorRef, Clock, Log, Principal, TimerHandle } from '../../actors/types.ts';
import type { Computed } from './computed.ts';

export const PresenceView = z.strictObject({
  online: z.boolean(),
  state: z.enum(['active', 'idle', 'away']),
  since: z.int().optional().describe('epoch ms; absent when nobody has been seen since the start of the server'),
  clients: z.strictObject({ web: z.int(), mobile: z.int() }),
});
export type PresenceView = z.output<typeof PresenceView>;

const AWAY: PresenceView = { online: false, state: 'away', clients: { web: 0, mobile: 0 } };
const ACTIVE_MS = 300_000;
const DEPARTURE_MS = 15_000;
const BATCH_MS = 1_000;

interface Client {
  readonly type: 'web' | 'mobile';
  /** undefined: it has not said */
  visible: boolean | undefined;
  /** epoch ms of the last input */
  input: number;
}

interface Person {
  readonly clients: Map<string, Client>;
  view: PresenceView;
  s: number;
  state: PresenceView['state'];
  /** epoch ms at which the state began */
  since: number | undefined;
  /** the person does not want to be seen; undefined while his actor has not said so or otherwise: nothing is shown then */
  hidden: boolean | undefined;
  timer: TimerHandle | undefined;
  publishedAt: number;
}

export interface Presence {
  readonly topic: Computed;
  connected(userId: string, conn: string, type: Client['type']): void;
  visible(userId: string, conn: string, o: { visible: boolean; input: number | undefined }): void;
  disconnected(userId: string, conn: string): void;
  /** The actor has changed: a person may have hidden himself, or shown. */
  changed(ref: ActorRef): void;
  /** whether some connection of the user has not said that nobody looks at it */
  mayBeSeen(userId: string): boolean;
  stop(): void;
}

const PRESENCE: Principal = { kind: 'system', id: 'presence', roles: [] };
const shape = /^user:([A-Za-z0-9_.:-]{1,120})\/presence$/;

export function createPresence(o: { clock: Clock; log: Log; actors: Pick<ActorSystem, 'allowed' | 'read'> }): Presence {
  const { clock } = o;
  const e = randomBytes(5).toString('hex');
  const people = new Map<string, Person>();
  const listeners = new Set<(p: Publication) => void>();
  /** one number for all topics: what somebody was forgotten at is never above what he is remembered at later */
  let count = 0;

  const stateOf = ({ clients }: Person, now: number): PresenceView['state'] => {
    if (clients.size === 0) return 'away';
    return [...clients.values()].some((c) => c.visible === true && now - c.input < ACTIVE_MS) ? 'active' : 'idle';
  };

  const review = (id: string, p: Person): void => {
    p.timer = undefined;
    const now = clock.wall();
    const state = stateOf(p, now);
    const clients = { web: 0, mobile: 0 };
    for (const { type } of p.clients.values()) clients[type] += 1;
    if (state !== p.state) p.since = now;
    p.state = state;
    const since = p.since === undefined ? {} : { since: p.since };
    const view: PresenceView = p.hidden === false ? { online: state !== 'away', state, clients, ...since } : AWAY;
    if (JSON.stringify(view) !== JSON.stringify(p.view)) {
      const before = p.s;
      p.view = view;
      p.s = count += 1;
      p.publishedAt = clock.mono();
      for (const fn of listeners) fn({ t: `user:${id}/presence`, e, s: p.s, p: before, k: 'f', d: view, at: now });
    }
    if (state === 'away') people.delete(id);
    else if (state === 'active') {
      const until = Math.max(...[...p.clients.values()].filter((c) => c.visible).map((c) => c.input)) + ACTIVE_MS;
      p.timer = clock.setTimer(Math.max(BATCH_MS, until - now), () => review(id, p));
    }
  };

  const plan = (id: string, p: Person): void => {
    if (p.timer !== undefined) clock.clearTimer(p.timer);
    const wait = p.clients.size === 0 ? DEPARTURE_MS : Math.max(0, p.publishedAt + BATCH_MS - clock.mono());
    p.timer = clock.setTimer(wait, () => review(id, p));
  };

  /** Asks the person's actor whether he wants to be seen; again a second later when there is no answer. */
  const ask = async (id: string, p: Person): Promise<void> => {
    try {
      const { value } = await o.actors.read(`user:${id}`, 'profile', {}, { from: PRESENCE });
      p.hidden = (value as { hidden?: boolean }).hidden === true;
      if (people.get(id) === p) plan(id, p);
    } catch (error) {
      o.log.warn({ err: error, userId: id }, 'a person could not be asked whether he is hidden');
      clock.setTimer(BATCH_MS, () => {
        if (people.get(id) === p) void ask(id, p);
      });
    }
  };

  const topic: Computed = {
    name: 'user:{id}/presence',
    readers: 'by actor',
    schema: PresenceView,
    owns: (name) => shape.test(name),
    async authorize(name, p) {
      await o.actors.allowed(name.slice(0, name.indexOf('/')), p);
    },
    slice(name, cursor) {
      const p = people.get(shape.exec(name)?.[1] ?? '');
      const s = p?.s ?? count;
      const head = { t: name, kind: 'state', e, s } as const;
      return cursor?.e === e && cursor.s === s ? { ...head, m: 'same' } : { ...head, m: 'snap', d: p?.view ?? AWAY };
    },
    isBehind: ({ t, e: epoch, s }) => epoch !== e || (people.get(shape.exec(t)?.[1] ?? '')?.s ?? 0) > s,
    onPublish(fn) {
      listeners.add(fn);
      return () => void listeners.delete(fn);
    },
  };

  return {
    topic,
    connected(userId, conn, type) {
      let p = people.get(userId);
      if (p === undefined) {
        p = {
          clients: new Map(),
          view: AWAY,
          s: count,
          state: 'away',
          since: undefined,
          hidden: undefined,
          timer: undefined,
          publishedAt: Number.NEGATIVE_INFINITY,
        };
        people.set(userId, p);
        void ask(userId, p);
      }
      p.clients.set(conn, { type, visible: undefined, input: 0 });
      plan(userId, p);
    },
    visible(userId, conn, { visible, input }) {
      const p = people.get(userId);
      const client = p?.clients.get(conn);
      if (p === undefined || client === undefined) return;
      const now = clock.wall();
      client.visible = visible;
      client.input = Math.min(now, input ?? (visible ? now : client.input));
      plan(userId, p);
    },
    disconnected(userId, conn) {
      const p = people.get(userId);
      if (p?.clients.delete(conn) === true) plan(userId, p);
    },
    changed(ref) {
      const id = ref.startsWith('user:') ? ref.slice('user:'.length) : '';
      const p = people.get(id);
      if (p !== undefined) void ask(id, p);
    },
    mayBeSeen: (userId) => [...(people.get(userId)?.clients.values() ?? [])].some((c) => c.visible !== false),
    stop() {
      for (const p of people.values()) if (p.timer !== undefined) clock.clearTimer(p.timer);
      people.clear();
    },
  };
}
