/** Reads for people who operate the system: the directory, one actor, its history, its machine. Changes nothing. */
import { admit } from './admission.ts';
import { coverageOf } from './coverage.ts';
import type { CoverageReport } from './coverage.ts';
import { clusterView } from './cluster-view.ts';
import type { ClusterView, Front, Gathered, Workload } from './cluster-view.ts';
import { KernelProblem, refusal } from './errors.ts';
import { kindOf, SLOTS, slotOf } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { definitionOf, stateText } from './machine.ts';
import type { Definition } from './machine.ts';
import { apply, diff, emptyState } from './patch.ts';
import type { Patch } from './patch.ts';
import { explain } from './microsteps.ts';
import type { Explained } from './microsteps.ts';
import type { Overload } from './overload.ts';
import type { Standing } from './standing.ts';
import type { AuditEntry, AuditRow, DeadLetter, OutboxEntry } from './store/admin.ts';
import type { NodeInfo } from './shard/leases.ts';
import { placeOf } from './store/directory.ts';
import type { DirectoryPlace, DirectorySort } from './store/directory.ts';
import type { DirectoryRow, HistoryRow } from './store/store.ts';
import type { CommandInput } from './system.ts';
import { createTraces } from './tracing.ts';
import { endedBy, tailOf } from './rows.ts';
import { kindNamed, runtimeNamed, targetOf } from './target.ts';
import type { ActorRef, ActorState, Principal } from './types.ts';
import { liveOf, whatIf } from './what-if.ts';
import type { Outlook } from './what-if.ts';

/** actors in memory that are ranked before the filters of the directory apply */
const BUSY = 1_000;
const OUTBOX = 100;
const LETTERS = 10;

export interface ActorReport {
  readonly ref: ActorRef;
  readonly actorId: string;
  readonly slot: number;
  /** node that serves it, as far as this one knows; null: nobody was ever given its slot */
  readonly owner: string | null;
  /** undefined when that node does not answer */
  readonly standing: Standing | undefined;
  /** messages and effects that are not finished, in order, at most 100 */
  readonly outbox: readonly OutboxEntry[];
  /** the newest dead letters, at most 10 */
  readonly letters: readonly DeadLetter[];
  readonly seq: number;
  readonly mver: number;
  /** active, done, paused, quarantined or erased */
  readonly status: string;
  /** epoch ms of the last event */
  readonly lastAt: number;
  readonly state: ActorState;
  readonly stateText: string;
}

/** What people ask of the list of actors; absent values filter nothing. */
export interface ListFilter {
  readonly kind?: string | undefined;
  readonly state?: string | undefined;
  readonly status?: string | undefined;
  readonly node?: string | undefined;
  readonly slot?: number | undefined;
  readonly q?: string | undefined;
  readonly limit: number;
}

export interface Inspect {
  /** Nodes, leases and who owns which slot, as this node knows it. */
  cluster(): ClusterView;
  /** How busy the nodes are. */
  workloads(): Promise<Gathered<Workload>>;
  /** One page; `next` is where the following one begins. */
  list(
    q: ListFilter & { sort: DirectorySort; after: DirectoryPlace | undefined },
  ): Promise<{ items: DirectoryRow[]; next: DirectoryPlace | undefined }>;
  /**
   * Actors in the memory of all nodes with the longest mailboxes, or the most faults of the last minute; those with none are left out. The filters
   * apply to the first thousand.
   */
  busiest(by: 'mailbox' | 'faults', q: ListFilter): Promise<Gathered<DirectoryRow>>;
  /** @throws KernelProblem NOT_FOUND, UNKNOWN_KIND */
  one(ref: ActorRef): Promise<ActorReport>;
  /**
   * The state after event `seq`, folded from the nearest snapshot; no machine runs.
   *
   * @throws KernelProblem NOT_FOUND when there is no such event; NOT_RETAINED when it is no longer kept, with the `earliest` event from which on
   * everything is, and the `anchors` before it after which the state is kept all the same
   */
  at(ref: ActorRef, seq: number): Promise<PastState>;
  /** What leads from one state of an actor to another. @throws KernelProblem as {@link Inspect.at} */
  between(ref: ActorRef, from: number, to: number): Promise<Patch>;
  /** Why event `seq` did what it did. @throws KernelProblem as {@link Inspect.at}; NOT_ALLOWED when this version of the machine did not handle it */
  microsteps(ref: ActorRef, seq: number): Promise<Explained>;
  /**
   * What a command would do to the state after event `seq`, by default the newest that is durable; at `at`, epoch ms, by default now.
   *
   * @throws KernelProblem as {@link Inspect.at}; VALIDATION, UNKNOWN_COMMAND
   */
  whatIf(ref: ActorRef, command: CommandInput, o: { from: Principal; at: number | undefined; seq: number | undefined }): Promise<Planned>;
  /** Newest first. */
  journal(ref: ActorRef, q: { before?: number; after?: number; limit: number }): Promise<HistoryRow[]>;
  /** @throws KernelProblem UNKNOWN_KIND */
  machine(kind: string): { kind: string; version: number; hash: string; commands: string[]; definition: Definition };
  kinds(): string[];
  /** Counts of the version that runs, or of another that has run. @throws KernelProblem UNKNOWN_KIND; NOT_FOUND for an unknown version */
  coverage(kind: string, version?: number): Promise<CoverageReport>;
  /** Dead letters, newest first, below `before`. @throws KernelProblem VALIDATION, UNKNOWN_KIND for a bad ref */
  dead(q: DeadFilter): Promise<DeadLetter[]>;
  audit(row: AuditRow): Promise<void>;
  /** Newest first, below `before`. @throws KernelProblem VALIDATION, UNKNOWN_KIND for a bad ref */
  audits(q: AuditFilter): Promise<AuditEntry[]>;
}

export interface Planned extends Outlook {
  readonly actorId: string;
}

/** A state that an actor had. */
export interface PastState {
  readonly actorId: string;
  readonly seq: number;
  /** epoch ms of event `seq` */
  readonly at: number;
  /** of the machine that wrote the state */
  readonly mver: number;
  readonly state: ActorState;
  readonly stateText: string;
}

export interface AuditFilter {
  readonly admin?: string | undefined;
  readonly action?: string | undefined;
  readonly actor?: ActorRef | undefined;
  readonly before?: number | undefined;
  readonly limit: number;
}

export interface DeadFilter {
  readonly kind?: string | undefined;
  readonly actor?: ActorRef | undefined;
  /** only those that are not resolved */
  readonly open: boolean;
  readonly before?: number | undefined;
  readonly limit: number;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Without the keys that hold undefined. */
const defined = <T extends object>(o: T): Partial<Defined<T>> =>
  Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined)) as Partial<Defined<T>>;

/** The slots that a list is of; undefined: all. */
function slotsAsked({ node: self, placement }: Kernel, node: string | undefined, slot: number | undefined): number[] | undefined {
  const one = slot === undefined ? undefined : [slot];
  if (node === undefined) return one;
  if (placement === undefined) return node === self ? one : [];
  return (one ?? Array.from({ length: SLOTS }, (_, i) => i)).filter((i) => placement.owner(i)?.node === node);
}

/** A single node as a cluster would tell of it. */
const alone = ({ node: id, kinds, started, skew }: Kernel): NodeInfo => ({
  id,
  started,
  build: 0,
  versions: Object.fromEntries([...kinds.values()].map(({ def }) => [def.kind, def.version])),
  weight: 1,
  database: true,
  clock: skew.fit,
  address: '',
});

export function createInspect(k: Kernel, { overload, front }: { overload: Overload; front: () => Front }): Inspect {
  /** @throws KernelProblem OVERLOADED: people who look on are the first to give way */
  const giveWay = (): void => {
    const shed = overload.refusal('inspector', 0);
    if (shed !== undefined) throw new KernelProblem(shed);
  };
  const traced = createTraces();
  const idOf = (ref: ActorRef): string => targetOf(k.kinds, ref).actorId;
  /** @throws KernelProblem ACTOR_ERASED, NOT_FOUND when it is over and no longer kept */
  const standing = async (ref: ActorRef): Promise<string> => {
    const actorId = idOf(ref);
    const over = endedBy((await k.store.entry(actorId))?.status);
    if (over !== undefined) throw new KernelProblem(over);
    return actorId;
  };
  const at = async (ref: ActorRef, seq: number): Promise<PastState> => {
    const actorId = await standing(ref);
    const { snapshot, rows } = await k.store.admin.past(actorId, seq);
    let state = snapshot?.state ?? emptyState;
    let reached = snapshot?.seq ?? 0;
    for (const row of rows) {
      if (row.seq !== reached + 1) break;
      state = apply(state, row.patch as Patch);
      reached = row.seq;
    }
    if (reached !== seq || seq === 0) throw await missing(actorId, seq);
    const last = rows.at(-1) ?? snapshot;
    return { actorId, seq, at: last?.at ?? 0, mver: last?.mver ?? 0, state, stateText: stateText(state.value) };
  };
  /** Why there is no state after an event. */
  const missing = async (actorId: string, seq: number): Promise<KernelProblem> => {
    const kept = await k.store.admin.kept(actorId);
    if (kept === undefined || seq >= kept.earliest || seq < 1) return new KernelProblem(refusal('NOT_FOUND', `there is no event ${seq}`));
    return new KernelProblem(refusal('NOT_RETAINED', `the state after event ${seq} is no longer kept`, { ...kept }));
  };
  /** The newest durable state; undefined when there is no actor. */
  const present = async (actorId: string): Promise<ReturnType<typeof tailOf> | undefined> => {
    const found = (await k.store.load([actorId])).get(actorId);
    return found === undefined ? undefined : tailOf(found);
  };
  return {
    cluster: () => clusterView(alone(k), k.placement),
    workloads: () => front().workloads(),

    async list({ node, slot, limit, sort, ...rest }) {
      giveWay();
      const among = slotsAsked(k, node, slot);
      if (among?.length === 0) return { items: [], next: undefined };
      const slots = among === undefined ? {} : { slots: among };
      const found = await k.store.directory({ ...defined(rest), ...slots, sort, limit: limit + 1 });
      const items = found.slice(0, limit);
      const last = items.at(-1);
      return { items, next: found.length > limit && last !== undefined ? placeOf(last, sort) : undefined };
    },
    async busiest(by, { node, kind, slot, limit, ...rest }) {
      giveWay();
      const { found, silent } = await front().rankings({ ...defined({ kind, slot }), by, most: BUSY }, node);
      const ranked = found
        .flatMap(({ top }) => top)
        .sort((x, y) => y.n - x.n)
        .slice(0, BUSY);
      const rows = await k.store.directory({ ...defined(rest), actorIds: ranked.map((a) => a.actorId), limit: BUSY });
      const byId = new Map(rows.map((row) => [row.actorId, row]));
      return { found: ranked.flatMap(({ actorId }) => byId.get(actorId) ?? []).slice(0, limit), silent };
    },
    async one(ref) {
      giveWay();
      const actorId = idOf(ref);
      const known = front()
        .standing(ref)
        .catch(() => undefined);
      const [loaded, outbox, letters] = await Promise.all([
        k.store.load([actorId]).then((found) => found.get(actorId)),
        k.store.admin.outboxOf(actorId, OUTBOX),
        k.store.admin.deadLetters({ actorId, open: false, limit: LETTERS }),
      ]);
      if (loaded === undefined) throw new KernelProblem(refusal('NOT_FOUND'));
      let state = loaded.snapshot?.state ?? emptyState;
      for (const row of loaded.tail) state = apply(state, row.patch as Patch);
      return {
        ref,
        actorId,
        slot: slotOf(actorId),
        seq: loaded.tail.at(-1)?.seq ?? loaded.snapshot?.seq ?? 0,
        mver: loaded.tail.at(-1)?.mver ?? loaded.snapshot?.mver ?? 0,
        status: loaded.status,
        owner: k.placement === undefined ? k.node : (k.placement.owner(slotOf(actorId))?.node ?? null),
        standing: await known,
        outbox,
        letters,
        lastAt: loaded.lastAt,
        state,
        stateText: stateText(state.value),
      };
    },
    at,
    async between(ref, from, to) {
      const [a, b] = await Promise.all([at(ref, from), at(ref, to)]);
      return diff(a.state, b.state, runtimeNamed(k.kinds, ref).maps);
    },
    async microsteps(ref, seq) {
      giveWay();
      const { actorId, state } = seq === 1 ? { actorId: await standing(ref), state: emptyState } : await at(ref, seq - 1);
      const [row, next] = await k.store.scan.rows(actorId, { after: seq - 1, limit: 2 });
      return explain(traced(runtimeNamed(k.kinds, ref)), ref, state, row?.seq === seq ? [row, ...(next === undefined ? [] : [next])] : []);
    },
    async whatIf(ref, command, { from, at: when, seq }) {
      giveWay();
      const actorId = await standing(ref);
      const asked = admit(k, ref, command, { key: 'what-if', from });
      if ('code' in asked) throw new KernelProblem(asked);
      const { rt, tracer } = traced(asked.rt);
      const tail = await (seq === undefined ? present(actorId) : at(ref, seq));
      const wall = when ?? k.clock.wall();
      const id = ref.slice(kindOf(ref).length + 1);
      const d = { rt, at: { ref, id, actorId, slot: slotOf(actorId) }, wall, kinds: k.kinds, freeze: k.freeze };
      return { actorId, ...whatIf(d, tracer, tail === undefined ? undefined : liveOf(d, tail), asked) };
    },
    journal: async (ref, q) => k.store.history(idOf(ref), q),
    machine(kind) {
      const { def } = kindNamed(k.kinds, kind);
      return {
        kind,
        version: def.version,
        hash: def.hash,
        commands: Object.keys(def.commands),
        definition: definitionOf(def.machine.root),
      };
    },
    kinds: () => [...k.kinds.keys()],
    async coverage(kind, version) {
      const rt = kindNamed(k.kinds, kind);
      const found = coverageOf(rt, await k.store.admin.taken(kind), version);
      if (found === undefined) throw new KernelProblem(refusal('NOT_FOUND', `version ${version} of '${kind}' has no counts`));
      return found;
    },
    dead: ({ actor, limit, open, ...rest }) =>
      k.store.admin.deadLetters({ ...defined(rest), limit, open, ...(actor === undefined ? {} : { actorId: idOf(actor) }) }),
    audit: (row) => k.store.admin.audit(row),
    audits: ({ actor, limit, ...rest }) =>
      k.store.admin.audits({ ...defined(rest), limit, ...(actor === undefined ? {} : { actorId: idOf(actor) }) }),
  };
}
