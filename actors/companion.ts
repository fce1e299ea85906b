/**
 * Companion rows: which tables there are, whether a row fits its declaration, and what the rows of many events come to in one statement.
 *
 * All parts of a statement see the tables as they were before it and may meet each key once only. Therefore the rows of a batch are reduced to
 * the net change per key (kernel specification 8.5). Where a pair cannot be reduced the batch is cut: the later event waits for the next one.
 */
import { companion } from './define.ts';
import type { ActorKind, Companion } from './define.ts';
import { columnFault, scalarText } from './columns.ts';
import type {
  Batch,
  CompanionChange,
  EffectId,
  EventRows,
  Housekeeping,
  JournalRow,
  NetRow,
  RefusedRow,
  TimerChange,
} from './store/store.ts';

/** Companions that every kind has: items of log topics, background jobs, the acts of operators. A change names them by these names. */
export const builtins = {
  items: companion({
    table: 'thrum_topic_item',
    key: ['actor_id', 'view', 'n'],
    mode: 'append',
    columns: { view: 'text', n: 'bigint', at: 'bigint', item: 'jsonb' },
    refuse: { code: 'ACTOR_FAULT', alarm: true },
    erase: 'delete',
  }),
  jobs: companion({
    table: 'jobs',
    key: ['job_id'],
    mode: 'append',
    onDuplicate: 'skip',
    columns: {
      job_id: 'uuid',
      queue: 'text',
      kind: 'text',
      dedupe_key: 'text?',
      payload: 'jsonb',
      max_attempts: 'int',
      run_at: 'timestamptz',
    },
  }),
  audit: companion({
    table: 'thrum_admin_audit',
    key: ['audit_id'],
    mode: 'append',
    onDuplicate: 'skip',
    columns: { audit_id: 'uuid', admin: 'text', action: 'text', reason: 'text?', before_seq: 'bigint', detail: 'jsonb' },
    stamp: { actor: 'actor_id', seq: 'after_seq' },
  }),
} as const satisfies { readonly [name: string]: Companion };

/** Every declared companion and projection by `kind/name`, and the built-in companions by their bare names. */
export type Registry = ReadonlyMap<string, Companion>;

/** @throws Error when a kind takes the name of a built-in companion */
export function registryOf(kinds: readonly Pick<ActorKind, 'kind' | 'companions' | 'projections'>[]): Registry {
  const registry = new Map<string, Companion>(Object.entries(builtins));
  for (const { kind, companions, projections } of kinds) {
    for (const [name, declared] of Object.entries({ ...companions, ...projections })) {
      if (name in builtins) throw new Error(`${kind}: the companion name ${name} is reserved`);
      registry.set(`${kind}/${name}`, declared);
    }
  }
  return registry;
}

/** The registry's name of what a change of a kind calls `into`. */
export const companionName = (kind: string, into: string): string => (into in builtins ? into : `${kind}/${into}`);

// ------------------------------------------------------------------------------------------------------- rows of one macrostep

const ROW_BYTES = 16_384;

/** Why the rows of a macrostep cannot be written: too many or too large, or a fault of the machine. */
export interface RowFault {
  readonly code: 'LIMIT_EXCEEDED' | 'ACTOR_FAULT';
  readonly detail: string;
}

const ops = { append: ['insert'], upsert: ['put', 'delete'], guarded: ['insert', 'update', 'delete'] } as const;

/** Whether the rows of one macrostep fit their declarations and each other. Undefined when all is well. */
export function checkRows(
  kind: Pick<ActorKind, 'kind' | 'companions' | 'limits'>,
  changes: readonly CompanionChange[],
): RowFault | undefined {
  if (changes.length > kind.limits.rows) {
    return { code: 'LIMIT_EXCEEDED', detail: `${changes.length} rows in one step; the limit is ${kind.limits.rows}` };
  }
  const seen = new Map<string, NetRow>();
  for (const change of changes) {
    const declared = change.into in builtins ? builtins[change.into as keyof typeof builtins] : kind.companions?.[change.into];
    const fault = declared ? rowFault(declared, change) : `no such companion`;
    if (fault !== undefined) return { code: 'ACTOR_FAULT', detail: `row ${change.n} into ${change.into}: ${fault}` };
    if (Buffer.byteLength(JSON.stringify(change.row)) > ROW_BYTES) {
      return { code: 'LIMIT_EXCEEDED', detail: `row ${change.n} into ${change.into} has more than ${ROW_BYTES} bytes` };
    }
    if (!declared) continue;
    const key = `${declared.table}\n${keyText(declared, '', change.row)}`;
    const earlier = seen.get(key);
    const later: NetRow = { op: change.op, actorId: '', seq: 0, n: change.n, wrote: 0, row: change.row };
    if (!earlier) {
      seen.set(key, later);
      continue;
    }
    const net = reduce(declared, earlier, later);
    if (net === 'cut' || net === 'violation') {
      return { code: 'ACTOR_FAULT', detail: `row ${change.n} into ${change.into}: ${earlier.op} then ${change.op} of one key in one step` };
    }
    if (net === 'nothing') seen.delete(key);
    else seen.set(key, net);
  }
  return undefined;
}

/** What is wrong with a whole row; undefined when it fits its declaration. */
export const putFault = (c: Companion, row: CompanionChange['row']): string | undefined => rowFault(c, { into: '', op: 'put', n: 0, row });

function rowFault(c: Companion, { op, row }: CompanionChange): string | undefined {
  if (!(ops[c.mode] as readonly string[]).includes(op)) return `${op} is no operation of mode ${c.mode}`;
  for (const [name, type] of Object.entries(c.columns)) {
    const key = c.key.includes(name);
    const wanted = op === 'delete' ? key : op === 'update' ? key || !c.frozen.includes(name) : true;
    const value = row[name];
    if (!wanted) {
      if (name in row) return `${name} does not belong to ${op}`;
    } else if (value === undefined || value === null) {
      if (!type.endsWith('?') && !(type === 'jsonb' && value === null)) return `${name} is missing`;
    } else {
      const fault = columnFault(type, value);
      if (fault !== undefined) return `${name} ${fault}`;
    }
  }
  for (const name of Object.keys(row)) if (!(name in c.columns)) return `${name} is not declared`;
  return undefined;
}

// --------------------------------------------------------------------------------------------------------------- one statement

/** Canonical text of a row's key. Equal for two rows exactly when the database holds their keys to be equal. */
export function keyText(c: Companion, actorId: string, row: NetRow['row']): string {
  if (c.key.length === 1) return part(c, actorId, row, c.key[0] ?? '');
  return c.key.map((column) => JSON.stringify(part(c, actorId, row, column))).join();
}

const part = (c: Companion, actorId: string, row: NetRow['row'], column: string): string =>
  column === c.stamp.actor && !(column in row) ? actorId : scalarText(row[column]);

/**
 * The net change of two changes of one key by one actor. `cut`: only the next statement can do it. `violation`: of the later one.
 * The earlier of two that both take the key is to blame if the database refuses, for it is the earlier that would have been refused alone.
 */
export function reduce(c: Companion, earlier: NetRow, later: NetRow): NetRow | 'nothing' | 'cut' | 'violation' {
  if (c.mode === 'append') return c.onDuplicate === 'skip' ? earlier : 'violation';
  if (c.refuse?.alarm === false) return 'cut';
  const blamed = { actorId: earlier.actorId, seq: earlier.seq, n: earlier.n, wrote: later.wrote };
  switch (`${earlier.op} ${later.op}`) {
    case 'insert insert':
    case 'update insert':
    case 'delete update':
      return 'violation';
    case 'insert update':
      return { ...blamed, op: 'insert', row: { ...earlier.row, ...later.row } };
    case 'insert delete':
      return 'nothing';
    case 'update update':
      return { ...blamed, op: 'update', row: later.row };
    case 'put put':
      return { ...blamed, op: 'put', row: summed(c, earlier.row, later.row) };
    case 'delete put':
      return c.add.length === 0 ? later : 'cut';
    case 'delete insert': // whether the stored row is there and has the same frozen columns is known to the database alone
      return 'cut';
    default: // put, update or delete, then delete
      return later;
  }
}

function summed(c: Companion, earlier: NetRow['row'], later: NetRow['row']): NetRow['row'] {
  if (c.add.length === 0) return later;
  const sums = c.add.map((column) => [column, Number(earlier[column] ?? 0) + Number(later[column] ?? 0)]);
  return { ...later, ...(Object.fromEntries(sums) as { [column: string]: number }) };
}

interface Entry {
  readonly companion: string;
  readonly net: NetRow;
}

/** The batch of the first `take` events. With violations, event number `take` cannot be written: its rows named here are refused. */
export interface Plan {
  readonly take: number;
  readonly violations: readonly RefusedRow[];
  /** the companion of the violations */
  readonly companion?: string;
  readonly batch: Batch;
}

const nothing: Housekeeping = { outboxDone: [], timersGone: [] };

/** Reduces a prefix of the events, as long as one statement can hold, to net rows. Pure; the events stay as they are. */
export function planBatch(events: readonly EventRows[], registry: Registry, cid: string, housekeeping: Housekeeping = nothing): Plan {
  const tables = new Map<string, Map<string, Entry>>();
  let take = 0;
  let refused: { companion: string; rows: RefusedRow[] } | undefined;
  for (const event of events) {
    if (event.companions.length > 0) {
      const outcome = addRows(tables, event, registry);
      if (outcome === 'cut') break;
      if (outcome) {
        refused = outcome;
        break;
      }
    }
    take++;
  }
  const taken = take === events.length ? events : events.slice(0, take);
  const batch: Batch = {
    cid,
    ...kernelRows(taken, housekeeping),
    companions: tables.size === 0 ? [] : netRows(tables, registry),
  };
  return { take, violations: refused?.rows ?? [], ...(refused ? { companion: refused.companion } : {}), batch };
}

/** Enters the rows of one event, or none of them. */
function addRows(
  tables: Map<string, Map<string, Entry>>,
  { journal, kind, companions }: EventRows,
  registry: Registry,
): 'cut' | { companion: string; rows: RefusedRow[] } | undefined {
  const staged: { table: Map<string, Entry>; key: string; entry: Entry | undefined }[] = [];
  const undo = (): void => {
    for (const { table, key, entry } of staged.reverse()) {
      if (entry) table.set(key, entry);
      else table.delete(key);
    }
  };
  for (const change of companions) {
    const name = companionName(kind, change.into);
    const declared = registry.get(name);
    if (!declared) throw new Error(`no companion ${name}`);
    let table = tables.get(declared.table);
    if (!table) tables.set(declared.table, (table = new Map()));
    const key = keyText(declared, journal.actorId, change.row);
    const before = table.get(key);
    const later: NetRow = { op: change.op, actorId: journal.actorId, seq: journal.seq, n: change.n, wrote: journal.seq, row: change.row };
    let net: ReturnType<typeof reduce> = later;
    if (before) {
      const stranger = before.companion !== name || (declared.stamp.actor !== undefined && before.net.actorId !== journal.actorId);
      net = stranger && declared.mode !== 'append' ? 'cut' : reduce(declared, before.net, later);
    }
    if (net === 'cut' && !(before?.net.actorId === journal.actorId && before.net.seq === journal.seq)) {
      undo();
      return 'cut';
    }
    if (net === 'cut' || net === 'violation') {
      undo();
      return { companion: name, rows: [[journal.actorId, journal.seq, change.n]] };
    }
    staged.push({ table, key, entry: before });
    if (net === 'nothing') table.delete(key);
    else table.set(key, { companion: name, net });
  }
  return undefined;
}

function netRows(tables: Map<string, Map<string, Entry>>, registry: Registry): Batch['companions'] {
  const byCompanion = new Map<string, NetRow[]>();
  for (const table of [...tables.keys()].sort()) {
    for (const { companion, net } of tables.get(table)?.values() ?? []) {
      const rows = byCompanion.get(companion);
      if (rows) rows.push(net);
      else byCompanion.set(companion, [net]);
    }
  }
  const tableOf = (name: string): string => registry.get(name)?.table ?? '';
  const order = (a: string, b: string): number => (tableOf(a) < tableOf(b) ? -1 : tableOf(a) > tableOf(b) ? 1 : a < b ? -1 : 1);
  return [...byCompanion.keys()].sort(order).map((companion) => ({ companion, rows: byCompanion.get(companion) ?? [] }));
}

const idOf = (e: EffectId): string => `${e.actorId}/${e.seq}/${e.n}`;

/** One change per timer, the last; outbox rows that begin and end in this batch are not written at all. */
function kernelRows(events: readonly EventRows[], housekeeping: Housekeeping): Omit<Batch, 'cid' | 'companions'> {
  const journal: JournalRow[] = [];
  const born = [];
  const outbox = [];
  const done = new Map<string, EffectId>();
  const timers = new Map<string, TimerChange>();
  for (const event of events) {
    journal.push(event.journal);
    if (event.born) born.push(event.born);
    for (const row of event.outbox) outbox.push(row);
    for (const id of event.outboxDone) done.set(idOf(id), id);
    for (const change of event.timers) timers.set(`${change.actorId}/${change.timerId}`, change);
  }
  for (const id of housekeeping.outboxDone) done.set(idOf(id), id);
  const timersSet: Batch['timersSet'][number][] = [];
  const timersGone = new Map<string, Batch['timersGone'][number]>();
  for (const [key, change] of timers) {
    const { actorId, timerId, set } = change;
    if (set) timersSet.push({ actorId, timerId, set });
    else timersGone.set(key, { actorId, timerId });
  }
  for (const gone of housekeeping.timersGone) {
    const key = `${gone.actorId}/${gone.timerId}`;
    if (!timers.has(key)) timersGone.set(key, gone);
  }
  return {
    journal,
    born,
    timersSet,
    timersGone: [...timersGone.values()],
    outbox: done.size === 0 ? outbox : outbox.filter((row) => !done.delete(idOf(row))),
    outboxDone: [...done.values()],
  };
}
