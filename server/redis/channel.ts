import type { z } from 'zod';
import type { Log } from '../../actors/types.ts';
import type { RedisClient } from './client.ts';

/** Messages of one sort between the nodes, this one included. Nothing waits for them, any of them may be lost, and so is what cannot be read. */
export interface Channel<T> {
  tell(message: T): void;
  /** Gives the end of it. */
  onMessage(fn: (message: T) => void): () => void;
}

/** @param o.name of `server/redis/keys.ts` */
export function redisChannel<T>(o: {
  readonly client: RedisClient;
  readonly name: string;
  readonly schema: z.ZodType<T>;
  readonly log: Log;
}): Channel<T> {
  const { commands, subscriber } = o.client;
  const name = Buffer.from(o.name);

  function read(text: string): T | undefined {
    try {
      return o.schema.parse(JSON.parse(text));
    } catch (err) {
      o.log.warn({ err, channel: o.name }, 'a message of another node could not be read');
      return undefined;
    }
  }

  return {
    tell: (message) => void commands.publish(o.name, JSON.stringify(message)).catch(() => undefined),
    onMessage(fn) {
      // bytes, because the frames of the bus come by the same connection: for a listener to texts each of them would be decoded
      const hear = (channel: Buffer, bytes: Buffer): void => {
        const message = name.equals(channel) ? read(bytes.toString()) : undefined;
        if (message !== undefined) fn(message);
      };
      subscriber.on('messageBuffer', hear);
      // made again by itself when there is no Redis yet
      void subscriber.subscribe(o.name);
      return () => void subscriber.off('messageBuffer', hear);
    },
  };
}
