/**
 * Messages of the namespace `/inspect` (kernel 13.2), in both directions. What is told of an actor has the shape of Stately's public inspection
 * events; tests hold every message against these schemas. Receivers ignore fields that they do not know.
 */
import { z } from 'zod';

/** sightings of one watch per second, at most */
export const MOST_PER_SECOND = 200;
export const MOST_KEYS = 200;
export const MOST_WATCHES = 16;
/** a watch ends so long after it was last asked for */
export const WATCH_MS = 60_000;

const Ref = z.string().max(141).describe('kind:id');

/** Absent values filter nothing; those that are given must all hold. */
export const Filter = z.strictObject({
  kind: z
    .string()
    .regex(/^[a-z]{1,20}$/)
    .optional(),
  id: z.string().max(120).optional().describe('of the actor, without its kind'),
  slot: z.int().min(0).max(1_023).optional(),
  node: z.string().max(64).optional(),
  type: z.string().max(120).optional().describe('of the event'),
  keys: z.array(Ref).min(1).max(MOST_KEYS).optional().describe('the actors that are on the screen'),
});
export type Filter = z.output<typeof Filter>;

/** Asked again with its id, a watch is replaced and lasts for another minute. */
export const Watch = z.strictObject({
  id: z
    .string()
    .regex(/^[\w-]{1,32}$/)
    .describe('chosen by the client, for this connection'),
  filter: Filter.default({}),
  sample: z.number().min(0).max(1).default(1).describe('share of the matching events that is wanted'),
  rate: z.int().min(1).max(MOST_PER_SECOND).default(50).describe('events per second, at most'),
});
export type Watch = z.output<typeof Watch>;
export const Unwatch = z.strictObject({ id: z.string().max(32) });

export const Hello = z.strictObject({
  proto: z.literal(1),
  conn: z.string(),
  node: z.string(),
  user: z.string().describe('id of the operator'),
  exp: z.int().nullable().describe('end of the access token, epoch ms'),
  now: z.int(),
  pii: z.boolean().describe('whether personal fields are shown; otherwise they are masked'),
  limits: z.strictObject({ watches: z.int(), keys: z.int(), rate: z.int(), ms: z.int().describe('time after which a watch ends') }),
});

const base = {
  id: z.string().describe('unique for this message'),
  sessionId: Ref,
  rootId: Ref,
  createdAt: z.string().describe('epoch ms as decimal text'),
  _version: z.string(),
  node: z.string(),
  seq: z.int().describe('of the actor after the event'),
};
const Snapshot = z.strictObject({
  value: z.unknown().describe('active states'),
  status: z.enum(['active', 'done']),
  context: z.record(z.string(), z.unknown()).optional().describe('absent when it is too large for the feed'),
  output: z.unknown().optional(),
  children: z.record(z.string(), z.never()).describe('always empty'),
});
const Event = z.looseObject({ type: z.string() });
const Transition = z.strictObject({
  index: z.int().describe('number of the transition in document order, as in the coverage of the kind'),
  source: z.string(),
  event: z.string(),
  guard: z.string().nullable(),
  targets: z.array(z.string()),
});

/** The first that a connection hears of an actor. */
export const ActorMessage = z.strictObject({
  ...base,
  type: z.literal('@xstate.actor'),
  name: Ref,
  machine: z.string().describe('kind@version'),
  definition: z.string().optional().describe('JSON text of the statechart, the first time that this connection hears of the machine'),
  snapshot: Snapshot,
});
/** An event that an actor has handled, or refused: it is told when its answer left. */
export const EventMessage = z.strictObject({
  ...base,
  type: z.literal('@xstate.event'),
  sourceId: z.string().describe('ref of the actor that sent it, else kind:id of the principal: user:…, operator:…, system:timer'),
  event: Event,
  at: z.int().describe('time that the machine was told, epoch ms'),
  cause: z.string().optional(),
  outcome: z.enum(['ok', 'refused']),
  code: z.string().optional().describe('of the refusal'),
});
/** The state after a committed event. */
export const SnapshotMessage = z.strictObject({
  ...base,
  type: z.literal('@xstate.snapshot'),
  event: Event,
  snapshot: Snapshot,
  state: z.string().describe('state path'),
  durationUs: z.number().describe('of the macrostep'),
  commitMs: z.number().describe('from the end of the macrostep to the commit'),
  transitions: z.array(Transition).describe('taken by the macrostep, in order'),
  mailbox: z.int().describe('events that wait'),
  uncommitted: z.int(),
});
export const Inspection = z.discriminatedUnion('type', [ActorMessage, EventMessage, SnapshotMessage]);
export type Inspection = z.output<typeof Inspection>;

/** One event of an actor: `watches` that it is for, and one to three messages in order. */
export const Sighted = z.strictObject({ watches: z.array(z.string()), l: z.array(Inspection).min(1).max(3) });

/** Of the last second; sent while something matches. */
export const Stats = z.strictObject({
  node: z.string().describe('whose counts these are: every node tells its own'),
  ms: z.int().describe('length of the time that is counted'),
  watches: z.array(
    z.strictObject({
      id: z.string(),
      matched: z.int().describe('events that fit the filter'),
      sent: z.int(),
      dropped: z.int().describe('chosen by the sample, and not sent: over the rate, or because the client does not read'),
    }),
  ),
});
/** The watch was not asked for again in time. */
export const Ended = z.strictObject({ id: z.string(), code: z.literal('EXPIRED') });

/** What the server sends, by its event. `bye` and `auth.expiring` are those of the namespace `/`. */
export const notices = { hello: Hello, inspection: Sighted, 'watch.stats': Stats, 'watch.ended': Ended } as const;
