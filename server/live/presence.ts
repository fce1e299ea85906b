/**
 * Who is there (realtime R12). Connections say whether somebody looks at them and when he last moved; a departure counts only after 15 s
 * without a connection, so that nobody sees a reconnect. Each node says of its own connections what all may know (attendance.ts) and shows its own
 * subscribers the connections of all nodes. Nothing of it is journaled: the numbers are those of this start of the node.
 */
import { KernelProblem, refusal } from '../../actors/errors.ts';
import type { ActorSystem } from '../../actors/system.ts';
import type { ActorRef, Clock, Log, Principal, TimerHandle } from '../../actors/types.ts';
import type { Attendance } from './attendance.ts';
import type { Computed } from './computed.ts';
import { isAdmin } from '../identity/caller.ts';
import { ACTIVE_MS, OrgPresenceView, orgView, personView, PresenceView, readEntries, textOf } from './presence-view.ts';
import type { Seen } from './presence-view.ts';
import { UNSEEN } from './roster.ts';
import { shownTopics } from './shown.ts';
import type { ShownTopics } from './shown.ts';

/** commits of a person's actor within this time lead to one question */
const SETTLE_MS = 250;
const AGAIN_MS = 1_000;

interface Client {
  readonly type: 'web' | 'mobile';
  /** organisation that its token names */
  readonly org: string | undefined;
  /** undefined: it has not said */
  visible: boolean | undefined;
  /** epoch ms of the last input */
  input: number;
  /** epoch ms since which it has been visible or not */
  at: number;
}

interface Person {
  readonly clients: Map<string, Client>;
  /** he does not want to be seen; undefined while his actor has not said so or otherwise: nothing is shown then */
  hidden: boolean | undefined;
  timer: TimerHandle | undefined;
}

export interface Presence {
  readonly topics: readonly Computed[];
  /** Also when the token of a connection has changed. */
  connected(userId: string, conn: string, o: Pick<Client, 'type' | 'org'>): void;
  visible(userId: string, conn: string, o: { visible: boolean; input: number | undefined }): void;
  disconnected(userId: string, conn: string): void;
  /** The actor has changed: a person may have hidden himself, or shown. */
  changed(ref: ActorRef): void;
  /** Topics of those whose actors this node wants to hear of. */
  followed(): Iterable<string>;
  /** Whether somewhere a connection of the user has not said that nobody looks at it; true when that cannot be found out. */
  mayBeSeen(userId: string): Promise<boolean>;
  /** `size` of a topic: how many follow it here. `began`: told of topics of actors that this node wants to hear of. */
  start(on: { readonly size: (topic: string) => number; readonly began: (topic: string) => void }): void;
  stop(): Promise<void>;
}

const PRESENCE: Principal = { kind: 'system', id: 'presence', roles: [] };
const subjectOf = (userId: string): string => `user:${userId}`;
const orgSubject = (org: string): string => `org:${org}`;
/** epoch ms; 0: it is not */
const activeUntil = (c: Client): number => (c.visible === true ? c.input + ACTIVE_MS : 0);

export function createPresence(o: {
  clock: Clock;
  log: Log;
  actors: Pick<ActorSystem, 'allowed' | 'read'>;
  attendance: Attendance;
}): Presence {
  const { clock, attendance } = o;
  /** those with connections to this node */
  const people = new Map<string, Person>();
  let follow = (_topic: string): void => undefined;

  const persons = shownTopics<ReturnType<typeof personView>['memory'], PresenceView>(o, {
    name: 'user:{id}/presence',
    schema: PresenceView,
    shape: /^user:([A-Za-z0-9_.:-]{1,120})\/presence$/,
    async authorize(topic, p) {
      await o.actors.allowed(topic.slice(0, topic.indexOf('/')), p);
    },
    look: (before, { entries }, now) => personView(before, readEntries(entries.values()), now),
  });

  const orgs: ShownTopics = shownTopics<ReadonlyMap<string, Seen>, OrgPresenceView>(o, {
    name: 'org:{id}/presence',
    schema: OrgPresenceView,
    shape: /^org:([A-Za-z0-9_.:-]{1,120})\/presence$/,
    async authorize(topic, p) {
      if (topic !== `${orgSubject(p.org ?? '')}/presence` && !isAdmin(p)) throw new KernelProblem(refusal('NOT_FOUND'));
    },
    look: orgView,
  });
  const familyOf = (subject: string): ShownTopics => (subject.startsWith('user:') ? persons : orgs);

  /** What an organisation hears of him: one entry for all connections whose tokens name it. */
  function sayToOrg(id: string, p: Person, org: string | undefined): void {
    if (org === undefined || p.hidden === undefined) return;
    const own = [...p.clients.values()].filter((c) => c.org === org);
    const u = Math.max(...own.map(activeUntil));
    const a = Math.min(...own.filter((c) => u === 0 || activeUntil(c) > 0).map((c) => c.at));
    attendance.say(orgSubject(org), id, own.length === 0 ? undefined : p.hidden ? UNSEEN : textOf({ u, a }));
  }

  function say(id: string, { hidden }: Person, conn: string, c: Client): void {
    const entry = { t: c.type, u: activeUntil(c), a: c.at, v: c.visible !== false, ...(hidden === undefined ? {} : { h: hidden }) };
    attendance.say(subjectOf(id), conn, textOf(entry));
  }

  /** Asks the person's actor whether he wants to be seen; again a second later when there is no answer. */
  function ask(id: string, p: Person, afterMs: number): void {
    p.timer ??= clock.setTimer(afterMs, () => {
      p.timer = undefined;
      void askNow(id, p);
    });
  }

  async function askNow(id: string, p: Person): Promise<void> {
    try {
      const { value } = await o.actors.read(subjectOf(id), 'profile', {}, { from: PRESENCE });
      p.hidden = (value as { hidden?: boolean }).hidden === true;
      if (people.get(id) === p) {
        for (const [conn, client] of p.clients) say(id, p, conn, client);
        for (const org of new Set(Array.from(p.clients.values(), (c) => c.org))) sayToOrg(id, p, org);
      }
    } catch (error) {
      o.log.warn({ err: error, userId: id }, 'a person could not be asked whether he is hidden');
      if (people.get(id) === p) ask(id, p, AGAIN_MS);
    }
  }

  return {
    topics: [persons, orgs],
    connected(userId, conn, { type, org }) {
      let p = people.get(userId);
      if (p === undefined) {
        p = { clients: new Map(), hidden: undefined, timer: undefined };
        people.set(userId, p);
        follow(`${subjectOf(userId)}/presence`);
        void askNow(userId, p);
      }
      const fresh = { visible: undefined, input: 0, at: clock.wall() };
      const before = p.clients.get(conn);
      const client: Client = { ...(before ?? fresh), type, org };
      p.clients.set(conn, client);
      say(userId, p, conn, client);
      sayToOrg(userId, p, org);
      if (before !== undefined && before.org !== org) sayToOrg(userId, p, before.org);
    },
    visible(userId, conn, { visible, input }) {
      const p = people.get(userId);
      const client = p?.clients.get(conn);
      if (p === undefined || client === undefined) return;
      const now = clock.wall();
      if (client.visible !== visible) client.at = now;
      client.visible = visible;
      client.input = Math.min(now, input ?? (visible ? now : client.input));
      say(userId, p, conn, client);
      sayToOrg(userId, p, client.org);
    },
    disconnected(userId, conn) {
      const p = people.get(userId);
      const client = p?.clients.get(conn);
      if (p === undefined || client === undefined) return;
      p.clients.delete(conn);
      attendance.say(subjectOf(userId), conn, undefined);
      sayToOrg(userId, p, client.org);
      if (p.clients.size > 0) return;
      if (p.timer !== undefined) clock.clearTimer(p.timer);
      people.delete(userId);
    },
    changed(ref) {
      if (!ref.startsWith('user:')) return;
      const id = ref.slice('user:'.length);
      const p = people.get(id);
      if (p !== undefined) ask(id, p, SETTLE_MS);
    },
    *followed() {
      for (const id of people.keys()) yield `${subjectOf(id)}/presence`;
    },
    async mayBeSeen(userId) {
      if ([...(people.get(userId)?.clients.values() ?? [])].some((c) => c.visible !== false)) return true;
      try {
        const { entries } = await attendance.ask(subjectOf(userId));
        return readEntries(entries.values()).some((e) => e.v);
      } catch {
        return true;
      }
    },
    start({ size, began }) {
      follow = began;
      attendance.start({
        changed: (subject) => familyOf(subject).changed(subject),
        needed(subject) {
          const needed = size(`${subject}/presence`) > 0;
          if (!needed) familyOf(subject).drop(subject);
          return needed;
        },
      });
    },
    async stop() {
      persons.stop();
      orgs.stop();
      for (const p of people.values()) if (p.timer !== undefined) clock.clearTimer(p.timer);
      people.clear();
      await attendance.stop();
    },
  };
}
