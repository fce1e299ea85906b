/** The roster in Redis (realtime R12): a sorted set of ends and a hash of texts for each subject, written and read by one script. */
import { z } from 'zod';
import type { ChainableCommander } from 'ioredis';
import { LISTED, SAMPLE } from '../live/roster.ts';
import type { Asking, Heard, Roster } from '../live/roster.ts';
import type { Log } from '../../actors/types.ts';
import { redisChannel } from './channel.ts';
import type { RedisClient } from './client.ts';
import type { RedisKeys } from './keys.ts';
import { rosterScript } from './scripts.ts';

/** an entry of a node that is gone is forgotten after this time */
const LIFE_MS = 60_000;
/** subjects in one message to Redis */
const PIPELINE = 1_000;

const Told = z.object({ node: z.string(), subjects: z.array(z.string()) });
const Listed = z.array(z.string());

function heardOf(listed: readonly string[]): Heard {
  const entries = new Map<string, string>();
  for (let i = 1; i < listed.length; i += 2) entries.set(listed[i] ?? '', listed[i + 1] ?? '');
  const count = Number(listed[0] ?? -1);
  return count < 0 ? { entries } : { entries, count };
}

/** @param o.node name of this node, so that it does not hear itself */
export function createRedisRoster(o: {
  readonly client: RedisClient;
  readonly keys: RedisKeys;
  readonly node: string;
  readonly log: Log;
}): Roster {
  const { client, keys, node, log } = o;
  const { commands, subscriber } = client;
  commands.defineCommand('roster', { numberOfKeys: 2, lua: rosterScript() });

  let told: Parameters<Roster['onTold']>[0] | undefined;
  const deafen = redisChannel({ client, name: keys.presenceTold, schema: Told, log }).onMessage((message) => {
    if (message.node !== node) told?.(message.subjects);
  });
  /** what was said meanwhile may be lost, and so may what others told */
  const back = (): void => told?.(undefined);
  subscriber.on('ready', back);
  commands.on('ready', back);

  function add(pipeline: ChainableCommander, subject: string, { say, list }: Asking): void {
    const run = (pipeline as unknown as { roster: (...args: readonly (string | number)[]) => void }).roster.bind(pipeline);
    const said = [...say].flatMap(([entry, text]) => [entry, text ?? '']);
    run(keys.presence(subject), keys.presenceFacts(subject), LIFE_MS, list ? 1 : 0, LISTED, SAMPLE, ...said);
  }

  async function exchangeSome(page: readonly (readonly [string, Asking])[], tell: boolean): Promise<(readonly [string, Heard])[]> {
    const pipeline = commands.pipeline();
    for (const [subject, asking] of page) add(pipeline, subject, asking);
    const changed = page.filter(([, { say }]) => say.size > 0).map(([subject]) => subject);
    if (tell && changed.length > 0) pipeline.publish(keys.presenceTold, JSON.stringify({ node, subjects: changed }));
    const answers = (await pipeline.exec()) ?? [];
    return page.flatMap(([subject, { list }], i) => {
      const [error, value] = answers[i] ?? [new Error('no answer')];
      if (error !== null) throw error;
      return list ? [[subject, heardOf(Listed.parse(value))] as const] : [];
    });
  }

  return {
    forgets: true,
    async exchange(asked, tell) {
      const all = [...asked];
      const lists = new Map<string, Heard>();
      for (let i = 0; i < all.length; i += PIPELINE) {
        for (const [subject, heard] of await exchangeSome(all.slice(i, i + PIPELINE), tell)) lists.set(subject, heard);
      }
      return lists;
    },
    onTold: (fn) => void (told = fn),
    close() {
      deafen();
      subscriber.off('ready', back);
      commands.off('ready', back);
    },
  };
}
