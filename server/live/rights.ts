/**
 * Whether those who follow a topic may still read it. Asked again when its actor has changed (a consent was withdrawn, a project left), when
 * a token was renewed, and when a user's roles have changed; what a reader lost ends with `unsub` (realtime R2, R3).
 */
import type { ActorRef, Principal, TimerHandle } from '../../actors/types.ts';
import { topicRoom } from './connection.ts';
import type { LiveSocket } from './connection.ts';
import type { LiveContext } from './context.ts';
import type { Rooms } from './rooms.ts';

/** Commits of one actor within this time lead to one question. */
const SETTLE_MS = 250;

export interface Rights {
  /** The actor has changed. */
  changed(ref: ActorRef): void;
  /** The principal of the socket has changed. */
  recheck(socket: LiveSocket): Promise<void>;
  stop(): void;
}

export function watchRights(
  x: Pick<LiveContext, 'topics' | 'clock' | 'log'>,
  rooms: Rooms,
  forget: (socket: LiveSocket, topic: string) => Promise<boolean>,
): Rights {
  const dirty = new Set<ActorRef>();
  let timer: TimerHandle | undefined;

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
        if (await forget(socket, topic)) socket.emit('unsub', { t: topic, code: code === 'NOT_FOUND' ? code : 'FORBIDDEN' });
      }
    }
  };

  const look = async (): Promise<void> => {
    timer = undefined;
    const refs = [...dirty];
    dirty.clear();
    for (const ref of refs) {
      for (const topic of rooms.of(ref)) {
        try {
          await review(topic, rooms.sockets(topicRoom(topic)));
        } catch (error) {
          x.log.warn({ err: error, topic }, 'rights could not be reviewed');
        }
      }
    }
  };

  return {
    changed(ref) {
      for (const _ of rooms.of(ref)) {
        dirty.add(ref);
        timer ??= x.clock.setTimer(SETTLE_MS, () => void look());
        return;
      }
    },
    async recheck(socket) {
      for (const topic of socket.data.connection.topics) await review(topic, [socket]);
    },
    stop() {
      if (timer !== undefined) x.clock.clearTimer(timer);
    },
  };
}
