/**
 * How an actor kind is declared. Data and types only: together with `scope.ts` this is all that `machines/` may use of the kernel.
 */
import type { AnyStateMachine, PromiseActorLogic } from 'xstate';
import type { z } from 'zod';
import { checkKind } from './checks.ts';
import type { ActorRef, ActorState, Json, Principal, StateValue } from './types.ts';

export type { ActorRef, ActorState, Json, Principal, Stamp, StateValue } from './types.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- kinds with different contexts share one registry
export type AnyContext = any;

/** What `visible`, `allow`, `project` and queries see of an actor: the committed or speculative snapshot of its machine. */

export interface Snap<C = AnyContext> {
  readonly value: StateValue;
  readonly context: C;
  readonly status: string;
  matches(state: StateValue): boolean;
  hasTag(tag: string): boolean;
}

/**
 * Marks what tells who a person is, how their body does, or what somebody wrote about them: `z.string().meta(personal)`. The inspector masks such
 * fields of contexts, commands, replies, items and effects for people without the role `inspect:pii`.
 */
export const personal = { pii: true } as const;

// ---------------------------------------------------------------------------------------------------------------- actions

export interface TellParams {
  readonly to: ActorRef;
  readonly type: string;
  readonly payload?: object;
}

export interface RejectParams {
  readonly code: string;
  readonly detail?: string;
  readonly details?: object;
}

export interface PublishParams {
  readonly view: string;
  readonly item: object;
}

export interface RowParams {
  readonly into: string;
  readonly op: RowOp;
  readonly row: object;
}

export type RowOp = 'insert' | 'put' | 'update' | 'delete';

export interface JobParams {
  readonly queue: string;
  readonly name: string;
  readonly data: object;
  /** `dedupeKey`: unique among unfinished jobs; `runAt`: epoch ms; `attempts`: tries before the job is dead */
  readonly opts?: { readonly dedupeKey?: string; readonly runAt?: number; readonly attempts?: number };
}

const recorded = (): void => undefined;

/**
 * The actions that a durable machine may use beside XState's own pure ones. They are data: the kernel records name and params during the
 * macrostep and performs them when the event is committed. Spread into `setup({ actions: { ...kernel.actions } })`.
 */
export const kernel = {
  actions: {
    /** Answers the command; params are the reply. At most one per macrostep. */
    reply: recorded as (args: unknown, params: unknown) => void,
    /** Refuses the command with a code of its `rejects`. If the macrostep does nothing else, nothing is journaled. */
    reject: recorded as (args: unknown, params: RejectParams) => void,
    /** Sends a command to another actor, at least once, applied once, in order per pair. */
    tell: recorded as (args: unknown, params: TellParams) => void,
    /** Appends an item to a log topic of this actor, or sends a signal. */
    publish: recorded as (args: unknown, params: PublishParams) => void,
    /** Writes a companion row in the statement that commits this event. */
    row: recorded as (args: unknown, params: RowParams) => void,
    /** Enqueues a background job in the statement that commits this event. */
    job: recorded as (args: unknown, params: JobParams) => void,
  },
} as const;

/**
 * Logic for `setup({ actors })` that names a declared effect: `invoke: { src: 'capturePayment', input, onDone, onError }`. The function that
 * runs after the commit stands in `server/effects`.
 */
export function effectRef<Input, Output>(name: string): PromiseActorLogic<Output, Input & object> {
  const snapshot = { status: 'active', output: undefined, error: undefined, input: undefined };
  const logic = {
    config: { effect: name },
    transition: (state: unknown) => state,
    getInitialSnapshot: () => snapshot,
    getPersistedSnapshot: () => snapshot,
    restoreSnapshot: () => snapshot,
  };
  return logic as unknown as PromiseActorLogic<Output, Input & object>;
}

// --------------------------------------------------------------------------------------------------------------- commands

export type Allow<C> = (p: Principal, ref: ActorRef, s: Snap<C>) => boolean;

export interface Command<C = AnyContext> {
  readonly input: z.ZodType;
  readonly reply: z.ZodType;
  /** codes with which the machine, or the refusal of a companion row, may answer */
  readonly rejects: readonly string[];
  /** who may send it; asked before birth too, then with the initial state. Default: everybody to whom the actor is visible */
  readonly allow?: Allow<C>;
  /** true: the SDK may keep it while offline */
  readonly offline?: 'queue';
  /** true: sent by another actor it may be committed together with the event that sends it (fused delivery); default false */
  readonly fuse?: boolean;
}

export function command<C = AnyContext>(c: {
  input: z.ZodType;
  reply: z.ZodType;
  rejects?: readonly string[];
  allow?: Allow<C>;
  offline?: 'queue';
  fuse?: boolean;
}): Command<C> {
  return { rejects: [], ...c };
}

/** For facts: only the platform itself (actors, verified webhooks, operators, the server) may send them. */
export const platformOnly = (p: Principal): boolean => p.kind !== 'user' && p.kind !== 'anonymous';

export interface Query<C = AnyContext> {
  readonly input: z.ZodType;
  readonly output: z.ZodType;
  /** pure; `now` in epoch ms */
  readonly run: (s: Snap<C>, input: AnyContext, now: number) => unknown;
  readonly allow?: Allow<C>;
}

export const query = <C = AnyContext>(q: Query<C>): Query<C> => q;

export interface Effect {
  readonly input: z.ZodType;
  readonly output: z.ZodType;
  /** ms for one attempt; default 15,000 */
  readonly timeout?: number;
  readonly retry?: { readonly attempts: number; readonly base: number; readonly factor: number; readonly max: number };
  /** running at once per node; default 32 */
  readonly concurrency?: number;
}

export const effect = <const E extends Effect>(e: E): E => e;

// ----------------------------------------------------------------------------------------------------------------- topics

interface TopicBase {
  /** kind of the actor that is projected */
  readonly subject: string;
  readonly view: string;
  /** raised when the schema changes in an incompatible way; part of the topic epoch */
  readonly version: number;
  /** readable without credentials */
  readonly public?: boolean;
  /** asked for every reader to whom the actor is visible; pure. Not asked for public topics */
  readonly authorize: (p: Principal, at: { id: string; snap: Snap }) => boolean;
}

export interface StateTopic extends TopicBase {
  readonly kind: 'state';
  /** no `null` inside (merge patches delete by null); collections are maps by id with an `order` where order matters */
  readonly schema: z.ZodType;
  /** pure function of the snapshot and the parsed query; reuses unchanged sub-objects where it can */
  readonly project: (s: Snap, query: AnyContext) => unknown;
  /** declared query keys of the topic name, at most three; values are strings */
  readonly query?: z.ZodType;
  /** least ms between two publications, trailing edge; default 100 */
  readonly conflateMs?: number;
  /** default 32,768 */
  readonly maxBytes?: number;
  /** adds `can: { self: [...], staff: [...] }` to the view: the commands that the statechart would accept now, by role */
  readonly can?: true;
}

export interface LogTopic extends TopicBase {
  readonly kind: 'log';
  readonly item: z.ZodType;
  readonly retainDays: number;
  readonly retainItems: number;
}

export interface SignalTopic extends TopicBase {
  readonly kind: 'signal';
  readonly item: z.ZodType;
}

export type Topic = StateTopic | LogTopic | SignalTopic;

export const defineTopic = <const T extends Topic>(t: T): T => t;

// ------------------------------------------------------------------------------------------------------------- companions

/** Column types of companion tables; a trailing `?` means nullable. */
export type ColumnType =
  | 'uuid'
  | 'text'
  | 'int'
  | 'smallint'
  | 'bigint'
  | 'float8'
  | 'boolean'
  | 'jsonb'
  | 'timestamptz'
  | 'date'
  | 'tstzrange'
  | 'bytea';

export interface CompanionInput<C = AnyContext> {
  readonly table: string;
  readonly key: readonly string[];
  /** append: insert only · upsert: put and delete · guarded: insert, update, delete under constraints that may refuse */
  readonly mode: 'append' | 'upsert' | 'guarded';
  readonly columns: { readonly [column: string]: ColumnType | `${ColumnType}?` };
  /** guarded: columns that an update never changes (those under the constraint) */
  readonly frozen?: readonly string[];
  /** upsert: columns whose new value is added to the stored one */
  readonly add?: readonly string[];
  /** append: what a duplicate key means; default refuse */
  readonly onDuplicate?: 'refuse' | 'skip';
  /** columns that the kernel fills; default `{ actor: 'actor_id', seq: 'seq' }`; `actor: undefined` when keys cannot be chosen by others */
  readonly stamp?: { readonly actor?: string; readonly seq?: string };
  /** what a violation means for the command; without it a violation is a fault. `alarm`: the machine should have refused by itself */
  readonly refuse?: { readonly code: string; readonly alarm: boolean };
  /** columns whose values are personal: the inspector masks them */
  readonly pii?: readonly string[];
  /** what erasure of the actor does with its rows */
  readonly erase?: 'keep' | 'delete';
  /** rows that are this actor's, when there is no actor column */
  readonly of?: (s: Snap<C>) => { readonly [column: string]: Json };
  /** this actor's rows under `where` must equal `rows`; checked by fsck */
  readonly audit?: { readonly rows: (s: Snap<C>) => readonly object[]; readonly where: string };
}

export interface Companion extends CompanionInput {
  readonly frozen: readonly string[];
  readonly add: readonly string[];
  readonly onDuplicate: 'refuse' | 'skip';
  readonly stamp: { readonly actor?: string; readonly seq?: string };
  readonly erase: 'keep' | 'delete';
  readonly pii: readonly string[];
}

/** Declares a table whose rows commit in the statement that journals their event. The table itself comes from a migration. */
export function companion<C>(c: CompanionInput<C>): Companion {
  return { frozen: [], add: [], onDuplicate: 'refuse', erase: 'keep', pii: [], ...c, stamp: c.stamp ?? { actor: 'actor_id', seq: 'seq' } };
}

// ------------------------------------------------------------------------------------------------------------ projections

export interface ProjectionInput<C = AnyContext> {
  /** has the columns beside the declared ones `actor_id uuid primary key, seq bigint not null` */
  readonly table: string;
  /** raised when `row` or the columns change: every row is built anew; default 1 */
  readonly version?: number;
  readonly columns: { readonly [column: string]: ColumnType | `${ColumnType}?` };
  /** what the actor shows, null when nothing; `at` is the time of its last event. Pure */
  readonly row: (s: Snap<C>, actor: { readonly id: string; readonly at: number }) => object | null;
}

export interface Projection extends Companion {
  readonly version: number;
  readonly row: ProjectionInput['row'];
}

/**
 * Declares a table for lists, search and reports that follows the actors of a kind, one row each, within about 200 ms of their commits. It can be
 * built anew from the journal at any time. What may not lag, or shall guard, is a companion. The table itself comes from a migration.
 */
export function projection<C>({ table, version = 1, columns, row }: ProjectionInput<C>): Projection {
  const shape = { table, key: ['actor_id'], mode: 'upsert', columns: { ...columns, seq: 'bigint' }, erase: 'delete' } as const;
  return { ...companion({ ...shape, stamp: { actor: 'actor_id' } }), version, row };
}

// ------------------------------------------------------------------------------------------------------------------ kinds

export interface Limits {
  /** commands that may wait; default 1,000 */
  readonly mailbox: number;
  /** JSON bytes of the context; default 262,144, at most 1,048,576 */
  readonly stateBytes: number;
  /** JSON bytes of the change that one event makes; default 262,144, at most 1,048,576 */
  readonly eventBytes: number;
  /** companion rows per macrostep, items and jobs included; default 256 */
  readonly rows: number;
  /** armed timers; default 256 */
  readonly timers: number;
  /** live effects; default 64 */
  readonly calls: number;
  /** messages to other actors per macrostep; default 128 */
  readonly tells: number;
  /** topics of one actor that are kept ready for readers; default 64 */
  readonly hotTopics: number;
}

export interface ActorDefinition<C = AnyContext> {
  /** 1 to 20 lower-case letters */
  readonly kind: string;
  readonly version: number;
  readonly machine: AnyStateMachine;
  readonly context: z.ZodType<C>;
  /** context keys used as dictionaries, with their depth */
  readonly maps?: { readonly [K in keyof C]?: 1 | 2 };
  /** who may know that the actor exists; not asked before birth, nor for the platform itself. Default: everybody */
  readonly visible?: (p: Principal, ref: ActorRef, s: Snap<C>) => boolean;
  /** id of the user whom the role `self` means in affordances; default: nobody */
  readonly owner?: (ref: ActorRef, s: Snap<C>) => string | undefined;
  readonly commands: { readonly [type: string]: Command<C> };
  readonly queries?: { readonly [name: string]: Query<C> };
  readonly effects?: { readonly [name: string]: Effect };
  readonly topics?: readonly Topic[];
  readonly companions?: { readonly [name: string]: Companion };
  readonly projections?: { readonly [name: string]: Projection };
  /** late policy by name of the delay; default fire */
  readonly timers?: { readonly [delay: string]: { readonly late: 'fire' | 'skip' | 'coalesce'; readonly maxLate?: number } };
  readonly limits?: Partial<Limits>;
  /** commands that may bring a new actor into being; default: every command */
  readonly create?: readonly string[];
  /** further machine input beside `{ id }`, from the command that creates the actor */
  readonly createInput?: (command: { readonly type: string }) => object;
  /** idle ms before the activation is dropped; default 120,000 */
  readonly passivateAfter?: number;
  /** a snapshot is written after `every` rows, unless the patches since the last are smaller than `bytes` times its size; default 64 and 4 */
  readonly snapshot?: { readonly every: number; readonly bytes: number };
  /**
   * Commits do not wait for the disk, where the database can do that: when its server crashes, the last events (up to about 600 ms) may be
   * lost although they were acknowledged. What is left is whole. For telemetry; such a kind sends no messages, starts no effects or jobs and
   * has no log topics, because their numbers would be given twice. Default: every acknowledged event is durable
   */
  readonly durability?: 'relaxed';
  /** how long events are kept, at least 24 h, as `'36h'` or `'30d'`; default forever. Older ones go when two snapshots are newer */
  readonly retention?: 'forever' | { readonly journal: string };
  /** how long after a final state the actor is kept, at least 24 h; then its history goes, and only its name stays. Default: for ever */
  readonly doneTtl?: string;
  /** by version: from it to the next one; pure */
  readonly migrations?: { readonly [from: number]: (s: ActorState) => ActorState };
  /** by version: from it to the one before, for a build that is rolled back; pure */
  readonly downgrades?: { readonly [from: number]: (s: ActorState) => ActorState };
  /** whether a quarantined actor is let go by the next version of its kind, or only by an operator; default retry-on-version */
  readonly quarantine?: 'retry-on-version' | 'hold';
}

export interface ActorKind extends ActorDefinition {
  readonly limits: Limits;
  readonly passivateAfter: number;
  readonly snapshot: { readonly every: number; readonly bytes: number };
  /** SHA-256 of the canonical machine definition with functions replaced by their names */
  readonly hash: string;
}

const defaultLimits: Limits = {
  mailbox: 1_000,
  stateBytes: 262_144,
  eventBytes: 262_144,
  rows: 256,
  timers: 256,
  calls: 64,
  tells: 128,
  hotTopics: 64,
};

/**
 * Declares an actor kind and checks it.
 *
 * @throws DefinitionError with every fault found and the path to the offending node
 */
export function defineActor<C>(def: ActorDefinition<C>): ActorKind {
  const kind: Omit<ActorKind, 'hash'> = {
    ...def,
    limits: { ...defaultLimits, ...def.limits },
    passivateAfter: def.passivateAfter ?? 120_000,
    snapshot: def.snapshot ?? { every: 64, bytes: 4 },
  };
  return { ...kind, hash: checkKind(kind) };
}
