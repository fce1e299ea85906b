import type { RedisClient } from './client.ts';

/** Messages between the nodes, this one included. Nothing waits for them, and any of them may be lost. */
export interface Channel {
  tell(message: string): void;
  /** Gives the end of it. */
  onMessage(fn: (message: string) => void): () => void;
}

/** @param name of `server/redis/keys.ts` */
export function redisChannel({ commands, subscriber }: RedisClient, name: string): Channel {
  return {
    tell: (message) => void commands.publish(name, message).catch(() => undefined),
    onMessage(fn) {
      const hear = (channel: string, message: string): void => {
        if (channel === name) fn(message);
      };
      subscriber.on('message', hear);
      // made again by itself when there is no Redis yet
      void subscriber.subscribe(name);
      return () => void subscriber.off('message', hear);
    },
  };
}
