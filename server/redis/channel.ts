import type { RedisClient } from './client.ts';

/** Messages between the nodes, this one included. Nothing waits for them, and any of them may be lost. */
export interface Channel {
  tell(message: string): void;
  onMessage(fn: (message: string) => void): void;
}

/** @param name of `server/redis/keys.ts` */
export function redisChannel({ commands, subscriber }: RedisClient, name: string): Channel {
  return {
    tell: (message) => void commands.publish(name, message).catch(() => undefined),
    onMessage(fn) {
      subscriber.on('message', (channel: string, message: string) => {
        if (channel === name) fn(message);
      });
      void subscriber.subscribe(name);
    },
  };
}
