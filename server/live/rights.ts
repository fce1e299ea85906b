/**
 * Whether those who follow a topic may still read it. Asked again when its actor has changed (a consent was withdrawn, a project left), when
 * a token was renewed, and when a user's roles have changed; what a reader lost ends with `unsub` (realtime R2, R3).
 */
import type { ActorRef, Principal, TimerHandle } from '../../actors/types.ts';
import { topicRoom } from './connection.ts';
import type { LiveSocket } from './connection.ts';
import type { LiveContext } from './context.ts';
import { subjectOf } from './rooms.ts';
import type { Rooms } from './rooms.ts';

/** Commits of one actor within this time lead to one question. */
const SETTLE_MS = 250;
/** after a question that nobody answered */
const AGAIN_MS = 2_000;

export interface Rights {
  /** The actor has changed. */
  changed(ref: ActorRef): void;
  /**
   * Somebody asks to follow the topic: if its actor changes before he does, he is asked about too, for the answer may be older than the change.
   * Gives what says that he now follows it, or will not.
   */
  asking(topic: string): () => void;
  /** The principal of the socket has changed. What cannot be answered now is asked again later. */
  recheck(socket: LiveSocket): Promise<void>;
  stop(): void;
}

export function watchRights(
  x: Pick<LiveContext, 'topics' | 'clock' | 'log'>,
  rooms: Rooms,
  forget: (socket: LiveSocket, topic: string) => Promise<boolean>,
): Rights {
  const dirty = new Set<ActorRef>();
  /** how many ask to follow a topic of the actor */
  const newcomers = new Map<ActorRef, number>();
  let timer: TimerHandle | undefined;

  const later = (ref: ActorRef, ms: number): void => {
    dirty.add(ref);
    timer ??= x.clock.setTimer(ms, () => void look());
  };

  const review = async (topic: string, sockets: readonly LiveSocket[]): Promise<void> => {
    const readers = new Map<Principal, LiveSocket[]>();
    for (const socket of sockets) {
      const { principal } = socket.data.connection.caller;
      const same = readers.get(principal);
      if (same === undefined) readers.set(principal, [socket]);
      else same.push(socket);
    }
    for (const [reader, { code }] of await x.topics.refused(topic, [...readers.keys()])) {
      for (const socket of readers.get(reader) ?? []) {
        // his token was renewed meanwhile, and what he may do now was asked for
        if (socket.data.connection.caller.principal !== reader) continue;
        if (await forget(socket, topic)) socket.emit('unsub', { t: topic, code: code === 'NOT_FOUND' ? code : 'FORBIDDEN' });
      }
    }
  };

  const tryReview = async (topic: string, sockets: readonly LiveSocket[]): Promise<void> => {
    try {
      await review(topic, sockets);
    } catch (error) {
      x.log.warn({ err: error, topic }, 'rights could not be reviewed');
      later(subjectOf(topic), AGAIN_MS);
    }
  };

  const look = async (): Promise<void> => {
    timer = undefined;
    const refs = [...dirty];
    dirty.clear();
    for (const ref of refs) {
      for (const topic of rooms.of(ref)) await tryReview(topic, rooms.sockets(topicRoom(topic)));
      if (newcomers.has(ref)) later(ref, SETTLE_MS);
    }
  };

  return {
    changed(ref) {
      if (newcomers.has(ref)) later(ref, SETTLE_MS);
      for (const _ of rooms.of(ref)) return later(ref, SETTLE_MS);
    },
    asking(topic) {
      const ref = subjectOf(topic);
      newcomers.set(ref, (newcomers.get(ref) ?? 0) + 1);
      return () => {
        const left = (newcomers.get(ref) ?? 1) - 1;
        if (left > 0) newcomers.set(ref, left);
        else newcomers.delete(ref);
      };
    },
    async recheck(socket) {
      for (const topic of socket.data.connection.topics) await tryReview(topic, [socket]);
    },
    stop() {
      if (timer !== undefined) x.clock.clearTimer(timer);
    },
  };
}
