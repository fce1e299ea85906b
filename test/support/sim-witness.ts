/**
 * Watches the journal grow and says at once when an invariant of kernel specification 16.1 is broken. It folds by itself, knows no machine
 * state of the running system, and outlives its crashes.
 */
import { scalarText } from '../../actors/columns.ts';
import { actorIdOf, effectKey } from '../../actors/ids.ts';
import { apply, emptyState } from '../../actors/patch.ts';
import type { Patch } from '../../actors/patch.ts';
import type { MemoryStore } from '../../actors/store/mem.ts';
import type { Batch, SnapshotRow } from '../../actors/store/store.ts';
import type { ActorRef, ActorState, Json } from '../../actors/types.ts';
import type { AccountContext, ListContext } from './sim-kinds.ts';
import type { HolderContext, RoomContext } from './sim-claims.ts';

/** An invariant does not hold. */
export class Violation extends Error {}

export function holds(condition: boolean, invariant: string, what: () => string): asserts condition {
  if (!condition) throw new Violation(`${invariant}: ${what()}`);
}

type Row = Batch['journal'][number];

interface Fold {
  readonly ref: ActorRef;
  /** every row that was ever there */
  readonly rows: Row[];
  /** the oldest row that is kept */
  first: number;
  /** what a crash of the database has taken: states by number, of each time before one */
  readonly past: (readonly ActorState[])[];
  /** it had ended, and is gone */
  gone: boolean;
  /** state after row 1, 2, … at index 0, 1, … */
  readonly states: ActorState[];
  at: number;
}

interface TellSeen {
  readonly source: string;
  readonly to: ActorRef;
  readonly seq: number;
  readonly n: number;
  applied: boolean;
  undelivered: boolean;
}

interface Meta {
  readonly from: string;
  readonly cause?: string;
  readonly chk: number;
}

const LAZY_MS = 60_000;
const DAY_MS = 86_400_000;
/** by which the clocks of two nodes may differ */
const CLOCKS_MS = 19_000;

export class Witness {
  readonly #store: MemoryStore;
  readonly #wall: () => number;
  readonly #folds = new Map<string, Fold>();
  readonly #refs = new Map<string, ActorRef>();
  readonly #tells = new Map<string, TellSeen>();
  /** last applied message per pair */
  readonly #order = new Map<string, TellSeen>();
  batches = 0;
  events = 0;
  /** messages that were committed with the event that sends them */
  fused = 0;
  /** events that retention has removed */
  removed = 0;
  /** events that crashes of the database have taken */
  lost = 0;
  /** keys of commands among them, with their actors */
  readonly #lostKeys = new Set<string>();
  /** actors that had ended and are gone */
  ended = 0;

  constructor(store: MemoryStore, wall: () => number) {
    this.#store = store;
    this.#wall = wall;
  }

  /** State of an actor after `seq`, by default after its last row. */
  state(ref: ActorRef, seq?: number): ActorState | undefined {
    const fold = this.#folds.get(actorIdOf(ref));
    return fold?.states[(seq ?? fold.states.length) - 1];
  }

  tail(ref: ActorRef): number {
    return this.#folds.get(actorIdOf(ref))?.states.length ?? 0;
  }

  get refs(): ActorRef[] {
    return [...this.#folds.values()].map((f) => f.ref);
  }

  /** Every event of an actor, whether it is kept or not; number `seq` stands at `seq - 1`. */
  rows(actorId: string): readonly Row[] {
    return this.#folds.get(actorId)?.rows ?? [];
  }

  refOf(actorId: string): ActorRef | undefined {
    return this.#folds.get(actorId)?.ref;
  }

  /** Called when a batch has just been applied. */
  applied(batch: Batch): void {
    this.batches += 1;
    for (const { actorId, kind, id } of batch.born) this.#refs.set(actorId, `${kind}:${id}`);
    for (const row of batch.outbox) {
      if (row.op === 'tell') {
        const { actorId: source, seq, n, target: to } = row;
        this.#tells.set(effectKey(row), { source, to, seq, n, applied: false, undelivered: false });
      }
    }
    for (const row of batch.journal) this.#row(row, batch);
    for (const row of batch.outbox) {
      const early = row.op === 'tell' && this.#tells.get(effectKey(row))?.applied === true;
      holds(!early, 'I7', () => `the message ${effectKey(row)} is in the outbox although it was applied by the statement that sends it`);
    }
    const touched = new Set([
      ...batch.journal.map((r) => r.actorId),
      ...batch.timersGone.map((r) => r.actorId),
      ...batch.outboxDone.map((r) => r.actorId),
    ]);
    for (const actorId of touched) this.#actor(actorId);
    if (this.batches % 25 === 0) this.everything();
  }

  #row(row: Row, batch: Batch): void {
    this.events += 1;
    let fold = this.#folds.get(row.actorId);
    if (fold === undefined) {
      const ref = this.#refs.get(row.actorId);
      holds(ref !== undefined, 'I1', () => `${row.actorId} has a first row ${row.seq} ${row.type} without having been born`);
      this.#folds.set(row.actorId, (fold = { ref, rows: [], first: 1, past: [], gone: false, states: [], at: 0 }));
    }
    const { ref } = fold;
    holds(!fold.gone, '4.5', () => `${ref} is gone, and then comes row ${row.seq} ${row.type}`);
    const seq = fold.states.length + 1;
    holds(row.seq === seq, 'I1', () => `${ref} has ${seq - 1} rows, and then row ${row.seq}`);
    holds(row.at >= fold.at, 'I1', () => `${ref}: time goes back at row ${seq}`);
    const before = fold.states.at(-1) ?? emptyState;
    const meta = JSON.parse(row.meta ?? '{}') as Meta;
    if (/^xstate\.(done|error)\.actor\./.test(row.type)) {
      const invoke = row.type.split('.').slice(3).join('.');
      const started = Number(meta.cause?.split('/')[1]);
      holds(before.calls[invoke] === started, 'I8', () => `${ref} row ${seq}: a result of the call of row ${started} was applied`);
    }
    if (meta.from === 'system:timer') {
      const due = Object.values(before.timers).filter((t) => t.type === row.type && t.due <= row.at);
      holds(due.length > 0, 'I6', () => `${ref} row ${seq}: ${row.type} fired, but no such timer was armed and due`);
    }
    this.#message(ref, row, meta, batch);
    fold.states.push(apply(before, JSON.parse(row.patch) as Patch));
    fold.rows.push(row);
    fold.at = row.at;
  }

  /** A message without outbox row must be committed with the event that sends it. */
  #fused(cause: string, to: ActorRef, batch: Batch): TellSeen | undefined {
    const [source = '', seq, n] = cause.split('/');
    const tell = { source, to, seq: Number(seq), n: Number(n), applied: false, undelivered: false };
    if (!batch.journal.some((r) => r.actorId === source && r.seq === tell.seq)) return undefined;
    this.fused += 1;
    this.#tells.set(cause, tell);
    return tell;
  }

  #message(ref: ActorRef, row: Row, meta: Meta, batch: Batch): void {
    if (meta.cause === undefined || !meta.cause.includes('/')) return;
    const tell = this.#tells.get(meta.cause) ?? this.#fused(meta.cause, ref, batch);
    const text = (): string => `${ref} row ${row.seq} ${row.type}, message ${meta.cause}`;
    if (row.type === 'thrum.undelivered') {
      holds(tell !== undefined && !tell.applied, 'I7', () => `${text()}: it was delivered all the same`);
      holds(!tell.undelivered, 'I7', () => `${text()}: reported a second time`);
      tell.undelivered = true;
      return;
    }
    if (!meta.from.startsWith('actor:')) return;
    holds(tell !== undefined, 'I5', () => `${text()}: it was never sent by an event that is committed, or before it in the same statement`);
    holds(!tell.applied, 'I7', () => `${text()}: applied a second time`);
    holds(!tell.undelivered, 'I7', () => `${text()}: its sender was told that it is undelivered`);
    holds(tell.to === ref, 'I7', () => `${text()}: it was meant for ${tell.to}`);
    const sent = this.#folds.get(tell.source)?.states.length ?? 0;
    holds(sent >= tell.seq, 'I5', () => `${text()}: row ${tell.seq} of the sender is not committed`);
    tell.applied = true;
    const pair = `${tell.source}>${ref}`;
    const last = this.#order.get(pair);
    const later = last === undefined || tell.seq > last.seq || (tell.seq === last.seq && tell.n > last.n);
    holds(later, 'I7', () => `${text()}: applied after message ${last?.seq}/${last?.n} of the same pair`);
    this.#order.set(pair, tell);
  }

  #actor(actorId: string): void {
    const fold = this.#folds.get(actorId);
    const state = fold?.states.at(-1);
    if (fold === undefined || state === undefined) return;
    const { ref } = fold;
    this.#snapshots(fold, this.#store.snapshots(actorId));
    this.#timers(ref, actorId, state);
    this.#calls(ref, actorId, state);
    this.#companions(ref, actorId, state);
    const { wrong = 0 } = state.context as unknown as { wrong?: number };
    holds(wrong === 0, 'I6 to I8', () => `${ref} has noticed something: ${JSON.stringify(state.context)}`);
  }

  #snapshots({ ref, states, gone }: Fold, snapshots: readonly SnapshotRow[]): void {
    for (const { seq, state } of snapshots) {
      holds(seq <= states.length && !gone, 'I12', () => `${ref} has ${states.length} rows and a snapshot at ${seq}`);
      const folded = JSON.stringify(sorted(states[seq - 1] as unknown as Json));
      const kept = JSON.stringify(sorted(JSON.parse(state) as Json));
      holds(folded === kept, 'I2', () => `${ref}: the snapshot at ${seq} is ${kept}, the fold ${folded}`);
    }
  }

  /** Called when snapshots have just been written. Those of an actor that is gone are not kept. */
  saved(rows: readonly SnapshotRow[]): void {
    for (const { actorId, seq } of rows) {
      const fold = this.#folds.get(actorId);
      const kept = this.#store.snapshots(actorId).filter((s) => s.seq === seq);
      holds(fold !== undefined || kept.length === 0, 'I12', () => `${actorId} has no rows and a snapshot at ${seq}`);
      if (fold !== undefined) this.#snapshots(fold, kept);
    }
  }

  /** Called when retention has ended the history of an actor: it had ended by itself a day ago, and what is left is blank. */
  concluded(actorId: string): void {
    const fold = this.#folds.get(actorId);
    const state = fold?.states.at(-1);
    holds(fold !== undefined && state?.status === 'done', '4.5', () => `${fold?.ref ?? actorId} is gone, but had not ended`);
    holds(fold.at < this.#wall() + CLOCKS_MS - DAY_MS, '4.5', () => `${fold.ref} is gone within a day`);
    const left = this.#store.journal(actorId);
    const last = left.at(-1);
    holds(
      last?.seq === fold.states.length + 1 && last.type === 'thrum.gone',
      'I1',
      () => `${fold.ref} ends with ${last?.seq} ${last?.type}`,
    );
    holds(
      left.every((row) => row.event === '{}' && row.patch === '{}'),
      '4.5',
      () => `${fold.ref} is gone, and something is left of it`,
    );
    fold.gone = true;
    fold.rows.push(last);
    fold.states.push(state);
    fold.at = last.at;
    this.ended += 1;
  }

  /** A crash of the database has taken the events after `seq`: only of an actor whose kind allows that. */
  takenBack(actorId: string, seq: number): void {
    const fold = this.#folds.get(actorId);
    if (fold === undefined) return;
    holds(fold.ref.startsWith('gauge:'), '7.7', () => `events of ${fold.ref} are lost`);
    fold.past.push([...fold.states]);
    for (const { idem } of fold.rows.splice(seq)) if (idem !== null) this.#lostKeys.add(`${fold.ref} ${idem}`);
    this.lost += fold.states.splice(seq).length;
    fold.at = fold.rows.at(-1)?.at ?? 0;
    holds(
      this.#store.snapshots(actorId).every((s) => s.seq <= seq),
      'I12',
      () => `${fold.ref} has ${seq} rows and a later snapshot`,
    );
  }

  /** How often events of the actor were lost; what was heard before says nothing of what comes after. */
  losses(ref: ActorRef): number {
    return this.#folds.get(actorIdOf(ref))?.past.length ?? 0;
  }

  /** Whether the command was committed and lost. */
  wasLost(ref: ActorRef, idem: string): boolean {
    return this.#lostKeys.has(`${ref} ${idem}`);
  }

  /** States that the actor had after `seq` and that are lost: a node may still show them. */
  lostStates(ref: ActorRef, seq: number): ActorState[] {
    return (this.#folds.get(actorIdOf(ref))?.past ?? []).flatMap((states) => states[seq - 1] ?? []);
  }

  gone(ref: ActorRef): boolean {
    return this.#folds.get(actorIdOf(ref))?.gone === true;
  }

  #timers(ref: ActorRef, actorId: string, state: ActorState): void {
    const rows = new Map(this.#store.timers().flatMap((t) => (t.actorId === actorId ? [[t.timerId, t]] : [])));
    for (const [id, timer] of Object.entries(state.timers)) {
      const row = rows.get(id);
      holds(row !== undefined, 'I6', () => `${ref}: timer ${id}, due ${timer.due}, has no row`);
      holds(row.due <= timer.due, 'I6', () => `${ref}: timer ${id} is due ${timer.due}, its row at ${row.due}`);
    }
    for (const [id, row] of rows) {
      const extra = state.timers[id] === undefined && row.due > this.#wall() + LAZY_MS + CLOCKS_MS;
      holds(!extra, 'I6', () => `${ref}: a row of timer ${id} stands, which is not armed`);
    }
  }

  #calls(ref: ActorRef, actorId: string, state: ActorState): void {
    for (const [invoke, seq] of Object.entries(state.calls)) {
      const row = this.#store.outbox().find((o) => o.actorId === actorId && o.seq === seq && o.op === 'effect');
      holds(row !== undefined, 'I8', () => `${ref} waits for the call ${invoke} of row ${seq}, which is not in the outbox`);
    }
  }

  #companions(ref: ActorRef, actorId: string, state: ActorState): void {
    const kind = ref.split(':')[0];
    const mine = (table: string) => this.#store.rows(table).filter((r) => r['actor_id'] === actorId);
    const same = (table: string, expected: string[], found: string[]): void => {
      const [want, have] = [expected.sort().join(), found.sort().join()];
      holds(want === have, 'I13', () => `${ref}: ${table} holds ${have}, the state says ${want}`);
    };
    if (kind === 'room') {
      const id = ref.slice(5);
      const { held } = state.context as unknown as RoomContext;
      same(
        'sim_claims',
        Object.entries(held).map(([claim, place]) => `${id}/${claim}@${id}/${place}`),
        mine('sim_claims').flatMap((r) => (r['state'] === 'held' ? [`${scalarText(r['claim'])}@${scalarText(r['place'])}`] : [])),
      );
    }
    if (kind === 'account') {
      const { seals } = state.context as unknown as AccountContext;
      same(
        'sim_seals',
        Object.keys(seals),
        mine('sim_seals').map((r) => scalarText(r['name'])),
      );
    }
    if (kind === 'holder') {
      const { names } = state.context as unknown as HolderContext;
      const table = mine('sim_names').map((r) => scalarText(r['name']));
      same('sim_names', Object.keys(names), table);
    }
    if (kind === 'list') {
      const { items, count } = state.context as unknown as ListContext;
      const lines = mine('sim_lines').map((r) => `n${scalarText(r['n'])}=${scalarText(r['x'])}`);
      const wanted = Object.entries(items).map(([n, x]) => `${n}=${x}`);
      same('sim_lines', wanted, lines);
      const sum = mine('sim_sums')[0]?.['count'] ?? 0;
      holds(sum === count, 'I13', () => `${ref}: sim_sums holds ${scalarText(sum)}, the state says ${count}`);
      const numbers = mine('thrum_topic_item').map((r) => Number(r['n']));
      const last = state.logs['entries'] ?? 0;
      const whole = numbers.length === last && new Set(numbers).size === last && Math.max(0, ...numbers) === last;
      holds(whole, 'I14', () => `${ref}: ${numbers.length} items up to ${Math.max(0, ...numbers)}, the state says ${last}`);
    }
  }

  /** What retention removes is old enough, and neither the newest two snapshots nor anything after them rests on it (13.4). */
  pruned(): void {
    for (const [actorId, fold] of this.#folds) {
      const first = this.#kept(actorId, fold);
      if (first === fold.first) continue;
      const youngest = fold.rows[first - 2]?.at ?? Infinity;
      holds(youngest < this.#wall() + CLOCKS_MS - DAY_MS, '13.4', () => `${fold.ref}: event ${first - 1} was removed within a day`);
      const second = this.#store.snapshots(actorId)[1]?.seq ?? 0;
      holds(first <= second, '13.4', () => `${fold.ref}: begins with event ${first}, and its second newest snapshot is at ${second}`);
      this.removed += first - fold.first;
      fold.first = first;
    }
  }

  /** The journal is the end of the history, without gap; gives where it begins. */
  #kept(actorId: string, { ref, rows }: Fold): number {
    const kept = this.#store.journal(actorId);
    // It was born, and a crash of the database has taken that too.
    if (kept.length === 0 && rows.length === 0) return 1;
    const first = kept[0]?.seq ?? Infinity;
    const whole = kept.length === rows.length - first + 1 && kept.at(-1)?.seq === rows.length;
    holds(whole, 'I1', () => `${ref}: of ${rows.length} events ${kept.length} are kept, from ${first} to ${kept.at(-1)?.seq}`);
    return first;
  }

  /** What is true of all actors together, at any moment. */
  everything(): void {
    for (const [actorId, fold] of this.#folds) {
      this.#actor(actorId);
      const first = this.#kept(actorId, fold);
      holds(first === fold.first, 'I1', () => `${fold.ref}: event ${first - 1} is gone, and retention has not removed it`);
    }
    const rows = new Set(this.#store.outbox().map((row) => effectKey(row)));
    for (const [key, tell] of this.#tells) {
      holds(tell.applied || tell.undelivered || rows.has(key), 'I7', () => `the message ${key} to ${tell.to} is lost`);
    }
    const accounts = [...this.#folds.values()].flatMap((f) =>
      f.ref.startsWith('account:') ? [(f.states.at(-1) as ActorState).context as unknown as AccountContext] : [],
    );
    const arrived = new Set(accounts.flatMap((a) => Object.keys(a.got)));
    const opened = accounts.reduce((sum, a) => sum + a.opened, 0);
    const stock = accounts.reduce((sum, a) => {
      const underWay = Object.entries(a.pending).filter(([id]) => !arrived.has(id));
      return sum + a.balance + underWay.reduce((s, [, t]) => s + t.amount, 0);
    }, 0);
    holds(stock === opened, 'I7', () => `the accounts hold ${stock}, ${opened} was paid in`);
    const names = this.#store.rows('sim_names').map((r) => scalarText(r['name']));
    holds(new Set(names).size === names.length, 'I13', () => `a name is taken twice: ${names.join()}`);
  }

  /** What is true when nothing is under way any more. */
  quiet(): void {
    this.everything();
    const pending = this.#store.outbox().filter((row) => row.op === 'tell' || !this.#stillRunning(row.actorId, row.seq));
    holds(pending.length === 0, 'quiet', () => `the outbox still holds ${JSON.stringify(pending)}`);
    for (const [key, tell] of this.#tells) {
      holds(tell.applied !== tell.undelivered, 'I7', () => `the message ${key} to ${tell.to} was neither applied nor reported`);
    }
    const now = this.#wall();
    for (const { ref, states } of this.#folds.values()) {
      const state = states.at(-1);
      if (state === undefined) continue;
      for (const [id, timer] of Object.entries(state.timers)) {
        holds(timer.due > now, 'I6', () => `${ref}: timer ${id} is overdue by ${now - timer.due} ms`);
      }
      holds(Object.keys(state.calls).length === 0, 'I8', () => `${ref} still waits for ${JSON.stringify(state.calls)}`);
      if (ref.startsWith('account:')) {
        const { pending } = state.context as unknown as AccountContext;
        holds(Object.keys(pending).length === 0, 'I7', () => `${ref}: transfers are still open: ${JSON.stringify(pending)}`);
      }
    }
  }

  #stillRunning(actorId: string, seq: number): boolean {
    const state = this.#folds.get(actorId)?.states.at(-1);
    return state !== undefined && Object.values(state.calls).includes(seq);
  }
}

/** JSON with its keys in order, because the order of keys carries no meaning. */
export function sorted(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value ?? null;
  const dict = value as { readonly [key: string]: Json };
  return Object.fromEntries(
    Object.keys(dict)
      .sort()
      .map((key) => [key, sorted(dict[key])]),
  );
}
