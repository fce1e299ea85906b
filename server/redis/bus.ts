/**
 * The bus over Redis pub/sub, sharded in a Redis Cluster: one channel per node and one for all. Frames of one turn of the event loop to one node travel in one message; the
 * number of its receivers is the answer, so that a node that is gone is noticed at once.
 */
import { decodeMulti, Encoder } from '@msgpack/msgpack';
import type { Bus, Frame } from '../../actors/bus/bus.ts';
import { eventLoop } from '../../actors/clock.ts';
import type { Log } from '../../actors/types.ts';
import type { RedisClient } from './client.ts';
import type { RedisKeys } from './keys.ts';

const FRAMES = 64;
const BYTES = 262_144;
/** levels of a value in a frame; what an actor says may be nested deeper than the encoder's usual 100 */
const DEPTH = 1_000;

/** What goes to one node with the next message. */
interface Batch {
  readonly parts: Uint8Array[];
  readonly waiting: { resolve(receivers: number): void; reject(error: Error): void }[];
  bytes: number;
}

export interface RedisBusOptions {
  readonly client: RedisClient;
  readonly keys: RedisKeys;
  readonly log: Log;
}

export function createRedisBus({ client: { commands, subscriber, sharded }, keys, log }: RedisBusOptions): Bus {
  const heard = sharded ? 'smessageBuffer' : 'messageBuffer';
  const encoder = new Encoder({ ignoreUndefined: true, maxDepth: DEPTH });
  const batches = new Map<string, Batch>();
  let me = '';
  let name: Uint8Array = new Uint8Array();
  let hear: ((channel: Buffer, message: Buffer) => void) | undefined;

  function flush(channel: string): void {
    const batch = batches.get(channel);
    if (batch === undefined) return;
    batches.delete(channel);
    const { parts, waiting } = batch;
    const delivered = (receivers: number): void => {
      for (const w of waiting) w.resolve(receivers);
    };
    const failed = (error: Error): void => {
      for (const w of waiting) w.reject(error);
    };
    const message = Buffer.concat([name, ...parts]);
    const sent = sharded ? (commands.spublish(channel, message) as Promise<number>) : commands.publish(channel, message);
    sent.then(delivered, failed);
  }

  function add(channel: string, frame: Frame): Promise<number> {
    const part = encoder.encode(frame);
    let batch = batches.get(channel);
    if (batch !== undefined && (batch.parts.length === FRAMES || batch.bytes + part.length > BYTES)) {
      flush(channel);
      batch = undefined;
    }
    if (batch === undefined) {
      batch = { parts: [], waiting: [], bytes: 0 };
      batches.set(channel, batch);
      eventLoop.yield(() => flush(channel));
    }
    batch.parts.push(part);
    batch.bytes += part.length;
    const { waiting } = batch;
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  }

  /** A message is the name of its sender and then frames. What cannot be read is a frame that was lost. */
  function read(message: Buffer, receive: (from: string, frame: Frame) => void): void {
    let from: string | undefined;
    try {
      for (const value of decodeMulti(message)) {
        if (from === undefined) from = String(value);
        else receive(from, value as Frame);
      }
    } catch (error) {
      log.warn({ err: error, from, bytes: message.length }, 'a message of another node could not be read');
    }
  }

  return {
    async open(id, receive) {
      me = id;
      name = encoder.encode(id);
      hear = (channel, message) => {
        const text = channel.toString();
        if (text === keys.busOf(me)) read(message, receive);
        else if (text === keys.busAll) read(message, (from, frame) => from !== me && receive(from, frame));
      };
      subscriber.on(heard, hear);
      const channels = [keys.busOf(me), keys.busAll];
      const subscribed = sharded ? subscriber.ssubscribe(...channels) : subscriber.subscribe(...channels);
      // Without Redis the node starts all the same; the subscription is made when it is there.
      if (subscriber.status === 'ready') await subscribed;
    },
    send: (to, frame) => add(keys.busOf(to), frame),
    async broadcast(frame) {
      await add(keys.busAll, frame);
    },
    async close() {
      for (const channel of batches.keys()) flush(channel);
      if (hear !== undefined) subscriber.off(heard, hear);
      if (me === '' || subscriber.status !== 'ready') return;
      const channels = [keys.busOf(me), keys.busAll];
      await (sharded ? subscriber.sunsubscribe(...channels) : subscriber.unsubscribe(...channels));
    },
  };
}
