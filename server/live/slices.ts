import type { Cursor, TopicSlice } from '../../actors/system.ts';
import type { TopicSource } from './computed.ts';

interface Flight {
  readonly running: Promise<TopicSlice>;
  queued?: Promise<TopicSlice>;
}

/**
 * Reads slices for many subscribers at once by the next-batch rule: for one topic and cursor at most one read is in flight and one queued.
 * Who comes while one is in flight waits for the queued one, because the one in flight may be older than his joining of the room.
 */
export function coalescedSlices(topics: Pick<TopicSource, 'slice'>): (topic: string, cursor: Cursor) => Promise<TopicSlice> {
  const flights = new Map<string, Flight>();

  const launch = (key: string, topic: string, cursor: Cursor): Promise<TopicSlice> => {
    const running = topics.slice(topic, cursor);
    const flight: Flight = { running };
    flights.set(key, flight);
    const landed = (): void => {
      if (flights.get(key) === flight && flight.queued === undefined) flights.delete(key);
    };
    running.then(landed, landed);
    return running;
  };
  const after = async (flight: Flight, key: string, topic: string, cursor: Cursor): Promise<TopicSlice> => {
    await Promise.allSettled([flight.running]);
    return launch(key, topic, cursor);
  };

  return (topic, cursor) => {
    const key = `${topic}\n${cursor.e ?? ''}\n${cursor.s ?? ''}\n${cursor.n ?? ''}`;
    const flight = flights.get(key);
    if (flight === undefined) return launch(key, topic, cursor);
    flight.queued ??= after(flight, key, topic, cursor);
    return flight.queued;
  };
}
