/**
 * What the server sends, as schemas: answers to messages and messages of its own (realtime R2, R4, R7, R8). The reference is made from them,
 * and the tests hold every message against them. Receivers ignore fields that they do not know.
 */
import { z } from 'zod';

const Epoch = z.string().max(64).describe('names the history of the topic; numbers of different epochs cannot be compared');
const Count = z.int().min(0);
const At = z.int().describe('epoch ms');
const Topic = z.string().describe('canonical name');

export const ProblemObject = z.object({
  type: z.templateLiteral(['urn:thrum:error:', z.string()]),
  code: z.string(),
  status: z.int(),
  title: z.string(),
  detail: z.string().optional(),
  instance: z.templateLiteral(['urn:thrum:request:', z.string()]),
  retryable: z.boolean().describe('whether the same message may succeed later'),
  retryAfterMs: z.int().optional(),
  details: z.unknown().optional(),
});

export const Hello = z.strictObject({
  proto: z.literal(1),
  conn: z.string(),
  node: z.string(),
  user: z.string().nullable().describe('id of the signed-in user'),
  exp: z.int().nullable().describe('end of the access token, epoch ms'),
  now: At,
  limits: z.strictObject({ topics: z.int(), cmdPerSec: z.int(), bytes: z.int().describe('greatest message') }),
});
export type Hello = z.output<typeof Hello>;

export const Bye = z.strictObject({
  code: z.enum(['DRAINING', 'TOKEN_EXPIRED', 'REVOKED', 'IDENTITY_CHANGED', 'SLOW_CONSUMER', 'RATE_LIMITED', 'TOO_MANY_CONNECTIONS']),
  retry: z.boolean().describe('false: another attempt is pointless until a person acts'),
  retryAfterMs: z.int().optional(),
});
export type Bye = z.output<typeof Bye>;

const numbered = {
  t: Topic,
  e: Epoch,
  s: Count.describe('number of this publication'),
  p: Count.describe('number of the one before it'),
  at: At,
};
export const Pub = z.discriminatedUnion('k', [
  z.strictObject({ ...numbered, k: z.literal('d'), d: z.looseObject({}).describe('JSON Merge Patch on the view numbered p') }),
  z.strictObject({ ...numbered, k: z.literal('f'), d: z.looseObject({}).describe('the whole view') }),
  z.strictObject({ ...numbered, k: z.literal('i'), d: z.array(z.unknown()).describe('items p + 1 to s of a log') }),
  z.strictObject({ t: Topic, k: z.literal('x'), d: z.unknown().describe('a signal; unnumbered, at most once'), at: At }),
]);

export const Head = z.strictObject({ t: Topic, e: Epoch, s: Count });
export type Head = z.output<typeof Head>;
export const Resync = z.strictObject({
  t: z.union([z.array(Topic), z.literal('*')]).describe('the topics to subscribe again with their cursors; * means all'),
  r: z.enum(['slow', 'bus', 'owner']),
  jitterMs: z.int().describe('wait a random part of it first'),
});
export const Ended = z.strictObject({ t: Topic, code: z.string() });
export const Expiring = z.strictObject({ exp: At });

const named = { ok: z.literal(true), t: Topic, a: z.string().optional().describe('the name that was asked for, when it is another') };
const Failed = z.strictObject({ ok: z.literal(false), t: z.string(), error: ProblemObject });
const State = z.strictObject({
  ...named,
  kind: z.literal('state'),
  e: Epoch,
  s: Count,
  m: z.enum(['snap', 'delta', 'same']),
  d: z.unknown().optional().describe('snap: the view; delta: the merge patches from the cursor to s, in order; same: absent'),
});
const LogSlice = z.strictObject({
  ...named,
  kind: z.literal('log'),
  e: Epoch,
  s: Count.describe('number of the last item in d, or of the head when there is none'),
  m: z.literal('items'),
  d: z.array(z.unknown()),
  floor: Count.describe('number of the first item that is kept'),
  more: z.boolean().describe('there are later items: subscribe again with s'),
  seen: Count.describe('how far this reader has seen the log'),
  gap: z.strictObject({ from: Count, to: Count }).optional().describe('items that retention has removed since the cursor'),
});
const Signal = z.strictObject({ ...named, kind: z.literal('signal') });
const SubResult = z.union([State, LogSlice, Signal, Failed]);

const refused = z.strictObject({ ok: z.literal(false), error: ProblemObject });
const done = z.strictObject({ ok: z.literal(true) });

/** Answer to each message of a client; every message may be refused as a whole too. */
export const acks = {
  sub: z.union([z.strictObject({ ok: z.literal(true), l: z.array(SubResult).describe('in the order of the request') }), refused]),
  unsub: z.union([done, refused]),
  cmd: z.union([
    z.strictObject({
      ok: z.literal(true),
      id: z.string(),
      seq: Count.describe('number of the event in the history of the actor'),
      reply: z.unknown(),
      dup: z.literal(true).optional().describe('the command had been carried out before; this is its answer'),
      ch: z.array(z.string()).optional().describe('views of the actor that changed; they are published at s >= seq'),
    }),
    z.strictObject({ ok: z.literal(false), id: z.string(), error: ProblemObject, seq: Count.optional() }),
    refused,
  ]),
  seen: z.union([z.strictObject({ ok: z.literal(true), s: Count }), refused]),
  auth: z.union([z.strictObject({ ok: z.literal(true), exp: At }), refused]),
  pos: z.union([z.strictObject({ ok: z.literal(true), behind: z.array(Topic) }), refused]),
  vis: z.union([done, refused]),
  ping1: z.union([z.strictObject({ now: At }), refused]),
} as const;

/** Messages without an answer. `head` is for clusters. */
export const notices = { hello: Hello, bye: Bye, 'auth.expiring': Expiring, pub: Pub, head: Head, resync: Resync, unsub: Ended } as const;
