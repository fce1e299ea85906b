/** Companion tables in memory: what one statement makes of them, or whom it refuses. Used by the memory store. */
import type { Registry } from '../companion.ts';
import { scalarText } from '../columns.ts';
import { keyText } from '../companion.ts';
import type { Companion } from '../define.ts';
import { sameJson } from '../patch.ts';
import type { Json } from '../types.ts';
import { StoreError } from './store.ts';
import type { Batch, NetRow, RefusedRow } from './store.ts';

export type MemRow = { readonly [column: string]: Json };

/** Rules of a table beyond its key: a unique index or an exclusion constraint, and a trigger that silently skips a row. */
export interface MemTable {
  readonly conflicts?: (stored: MemRow, wanted: MemRow) => boolean;
  readonly skips?: (wanted: MemRow) => boolean;
  /** what `audit.where` says in SQL; without it all rows */
  readonly audited?: (row: MemRow) => boolean;
}

/** New rows by key, per table; undefined stands for deleted. */
export type Overlay = Map<string, Map<string, MemRow | undefined>>;

/** Reads through the changes of the running statement. */
class View {
  readonly #base: ReadonlyMap<string, MemRow>;
  readonly changes: Map<string, MemRow | undefined>;

  constructor(base: ReadonlyMap<string, MemRow>, changes: Map<string, MemRow | undefined>) {
    this.#base = base;
    this.changes = changes;
  }

  get(key: string): MemRow | undefined {
    return this.changes.has(key) ? this.changes.get(key) : this.#base.get(key);
  }

  *rows(): Iterable<[string, MemRow]> {
    for (const entry of this.#base) if (!this.changes.has(entry[0])) yield entry;
    for (const [key, row] of this.changes) if (row) yield [key, row];
  }
}

/**
 * All companion parts of a batch, in their order: releases before takes, takes in key order.
 *
 * @throws StoreError `refused` with all rows of the first companion that has refused rows; `companion` when an upsert breaks another rule
 */
export function companionChanges(
  batch: Batch,
  registry: Registry,
  stored: ReadonlyMap<string, ReadonlyMap<string, MemRow>>,
  rules: { readonly [table: string]: MemTable },
): Overlay {
  const overlay: Overlay = new Map();
  for (const { companion, rows } of batch.companions) {
    const declared = registry.get(companion);
    if (!declared) throw new Error(`no companion ${companion}`);
    let changes = overlay.get(declared.table);
    if (!changes) overlay.set(declared.table, (changes = new Map()));
    const view = new View(stored.get(declared.table) ?? new Map(), changes);
    const bad = onePart(companion, declared, rows, view, rules[declared.table] ?? {});
    if (bad.length === 0) continue;
    const named = bad.toSorted(inOrder).map((r): RefusedRow => [r.actorId, r.seq, r.n]);
    throw new StoreError('refused', 'companion row refused', { companion, rows: named });
  }
  return overlay;
}

function onePart(name: string, c: Companion, rows: readonly NetRow[], view: View, rule: MemTable): NetRow[] {
  const bad: NetRow[] = [];
  const own = (row: MemRow | undefined, r: NetRow): row is MemRow =>
    row !== undefined && (c.stamp.actor === undefined || row[c.stamp.actor] === r.actorId);
  const keyed = rows.map((r) => ({ r, key: keyText(c, r.actorId, r.row) }));
  for (const { r, key } of keyed) {
    const before = view.get(key);
    if (r.op === 'delete' && own(before, r)) view.changes.set(key, undefined);
    if (r.op !== 'update') continue;
    if (own(before, r)) view.changes.set(key, { ...before, ...changed(c, r), ...stamps(c, r) });
    else bad.push(r);
  }
  for (const { r, key } of keyed.filter(({ r }) => r.op === 'insert' || r.op === 'put').sort((a, b) => byKey(c, a.r, b.r))) {
    const before = view.get(key);
    const wanted: MemRow = { ...whole(c, r), ...stamps(c, r) };
    if (rule.skips?.(wanted)) {
      if (c.mode !== 'append' || c.onDuplicate === 'refuse') bad.push(r);
    } else if (r.op === 'put' && before !== undefined) {
      if (!own(before, r)) bad.push(r);
      else if (clash(view, key, wanted, rule))
        throw new StoreError('companion', `${name}: a rule of the table is broken`, { companion: name });
      else view.changes.set(key, { ...before, ...wanted, ...sums(c, before, wanted) });
    } else if (before !== undefined || clash(view, key, wanted, rule)) {
      if (r.op === 'put') throw new StoreError('companion', `${name}: a rule of the table is broken`, { companion: name });
      if (c.mode !== 'append' || c.onDuplicate === 'refuse') bad.push(r);
    } else {
      view.changes.set(key, wanted);
    }
  }
  return bad;
}

function clash(view: View, key: string, wanted: MemRow, { conflicts }: MemTable): boolean {
  if (!conflicts) return false;
  for (const [other, row] of view.rows()) if (other !== key && conflicts(row, wanted)) return true;
  return false;
}

/** Rows that stand as their events left them, but hold other values: seq and number of each. */
export function memDiffering(
  c: Companion | undefined,
  rows: readonly NetRow[],
  stored: ReadonlyMap<string, ReadonlyMap<string, MemRow>>,
): [number, number][] {
  const seq = c?.stamp.seq;
  if (c === undefined || seq === undefined) return [];
  const table = stored.get(c.table);
  const differs = rows.filter((r) => {
    const row = table?.get(keyText(c, r.actorId, r.row));
    if (row === undefined || row[seq] !== r.wrote || (c.stamp.actor !== undefined && row[c.stamp.actor] !== r.actorId)) return false;
    return Object.entries(r.row).some(([column, value]) => !c.add.includes(column) && !sameJson(row[column] ?? null, value));
  });
  return differs.map((r) => [r.wrote, r.n]);
}

function stamps(c: Companion, r: NetRow): MemRow {
  return { ...(c.stamp.actor ? { [c.stamp.actor]: r.actorId } : {}), ...(c.stamp.seq ? { [c.stamp.seq]: r.wrote } : {}) };
}

const columns = (c: Companion, r: NetRow, which: (column: string) => boolean): MemRow =>
  Object.fromEntries(
    Object.keys(c.columns)
      .filter(which)
      .map((column) => [column, r.row[column] ?? null]),
  );

const whole = (c: Companion, r: NetRow): MemRow => columns(c, r, () => true);

const changed = (c: Companion, r: NetRow): MemRow => columns(c, r, (column) => !c.key.includes(column) && !c.frozen.includes(column));

const sums = (c: Companion, before: MemRow, wanted: MemRow): MemRow =>
  Object.fromEntries(c.add.map((column) => [column, Number(before[column] ?? 0) + Number(wanted[column] ?? 0)]));

const inOrder = (a: NetRow, b: NetRow): number => a.seq - b.seq || a.n - b.n || (a.actorId < b.actorId ? -1 : 1);

function byKey(c: Companion, a: NetRow, b: NetRow): number {
  for (const column of c.key) {
    const [x, y] = [a, b].map((r) => (column === c.stamp.actor && !(column in r.row) ? r.actorId : r.row[column]));
    if (x === y) continue;
    if (typeof x === 'number' && typeof y === 'number') return x - y;
    return scalarText(x) < scalarText(y) ? -1 : 1;
  }
  return 0;
}
