/** Which topics have subscribers on this node, by actor; kept up by the adapter's own events. */
import type { ActorRef } from '../../actors/types.ts';
import { topicRoom } from './connection.ts';
import type { LiveSocket, LiveServer } from './connection.ts';

export interface Rooms {
  /** topics of the actor that somebody here follows */
  of(ref: ActorRef): Iterable<string>;
  /** all topics that somebody here follows */
  topics(): Iterable<string>;
  /** how many they are */
  count(): number;
  /** sockets that follow the topic */
  size(topic: string): number;
  sockets(room: string): LiveSocket[];
}

const TOPIC = topicRoom('');
const NONE: ReadonlySet<string> = new Set();

export const subjectOf = (topic: string): ActorRef => topic.slice(0, topic.indexOf('/'));

export function watchRooms(io: LiveServer): Rooms {
  const space = io.of('/');
  const { adapter } = space;
  const byActor = new Map<ActorRef, Set<string>>();

  adapter.on('create-room', (room: string) => {
    if (!room.startsWith(TOPIC)) return;
    const topic = room.slice(TOPIC.length);
    const ref = subjectOf(topic);
    const topics = byActor.get(ref);
    if (topics === undefined) byActor.set(ref, new Set([topic]));
    else topics.add(topic);
  });
  adapter.on('delete-room', (room: string) => {
    if (!room.startsWith(TOPIC)) return;
    const topic = room.slice(TOPIC.length);
    const ref = subjectOf(topic);
    const topics = byActor.get(ref);
    if (topics?.delete(topic) === true && topics.size === 0) byActor.delete(ref);
  });

  return {
    of: (ref) => byActor.get(ref) ?? NONE,
    *topics() {
      for (const topics of byActor.values()) yield* topics;
    },
    count: () => [...byActor.values()].reduce((sum, topics) => sum + topics.size, 0),
    size: (topic) => adapter.rooms.get(topicRoom(topic))?.size ?? 0,
    sockets: (room) =>
      [...(adapter.rooms.get(room) ?? [])].flatMap((id) => {
        const socket = space.sockets.get(id);
        return socket === undefined ? [] : [socket];
      }),
  };
}
