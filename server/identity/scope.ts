/**
 * What a narrowed token may do on the socket (realtime R2): names of topics, `user:42/energy`, and of commands, `booking.cancel`; a `*` at the end stands
 * for every view of the actor, or every command of the module. In the token they are one text, parted by spaces.
 */
import { z } from 'zod';

const TOPIC = /^[a-z]{1,20}(:[A-Za-z0-9_.:-]{1,120})?\/([a-z0-9-]{1,40}|\*)$/;
const COMMAND = /^[a-z][a-z0-9]*(\.[a-z][a-z0-9_]*)*\.([a-z][a-z0-9_]*|\*)$/;

export const Scope = z
  .strictObject({
    topics: z.array(z.string().regex(TOPIC)).max(64).default([]),
    commands: z.array(z.string().max(80).regex(COMMAND)).max(64).default([]),
  })
  .refine(({ topics, commands }) => topics.length + commands.length > 0, 'names nothing');
export type Scope = z.output<typeof Scope>;

/** The claim. `user:me` becomes the user himself. */
export const scopeText = ({ topics, commands }: Scope, userId: string): string =>
  [...topics.map((t) => t.replace(/^user:me\//, `user:${userId}/`)), ...commands].join(' ');

const covers = (scope: readonly string[], name: string): boolean =>
  scope.some((s) => s === name || (s.endsWith('*') && name.startsWith(s.slice(0, -1))));

/** @param topic canonical, with or without its query */
export const mayFollow = (scope: readonly string[] | undefined, topic: string): boolean =>
  scope === undefined || covers(scope, topic.split('?', 1)[0] ?? '');

export const maySend = (scope: readonly string[] | undefined, command: string): boolean => scope === undefined || covers(scope, command);
