/** Reads of a whole memory store. */
import { builtins, keyText } from '../companion.ts';
import { scalarText } from '../columns.ts';
import { sameJson } from '../patch.ts';
import type { ActorState, Json } from '../types.ts';
import { ENDED, erasedTables } from './lifecycle.ts';
import type { MemTables } from './mem-lifecycle.ts';
import { memDiffering } from './mem-tables.ts';
import type { MemRow, MemTable } from './mem-tables.ts';
import type { ActorTable, AuditDifference, ScannedItem, ScanStore } from './scan.ts';
import type { HistoryRow, JournalRow, OutboxRow } from './store.ts';

export interface MemScanTables extends MemTables {
  readonly timers: Map<string, { readonly actorId: string; readonly timerId: string; readonly due: number }>;
  readonly outbox: Map<string, OutboxRow>;
  readonly rules: { readonly [table: string]: MemTable };
}

const parse = (text: string | null): Json => (text === null ? null : (JSON.parse(text) as Json));

export const historyRow = ({ seq, at, type, event, patch, reply, mver, meta }: JournalRow): HistoryRow => ({
  seq,
  at,
  type,
  event: parse(event),
  patch: parse(patch),
  reply: parse(reply),
  mver,
  meta: parse(meta),
});

export function createMemScan(m: MemScanTables): ScanStore {
  const rowsOf = (actorId: string) => [...(m.journal.get(actorId)?.values() ?? [])].sort((a, b) => a.seq - b.seq);
  const ofActor = <T extends { readonly actorId: string }>(rows: Iterable<T>, actorId: string): T[] =>
    [...rows].filter((row) => row.actorId === actorId);
  const items = (): MemRow[] => [...(m.companions.get(builtins.items.table)?.values() ?? [])];
  const holders: { readonly [table in ActorTable]: () => string[] } = {
    journal: () => [...m.journal.keys()],
    snapshot: () => [...m.snapshots.keys()],
    timer: () => [...m.timers.values()].map((row) => row.actorId),
    outbox: () => [...m.outbox.values()].map((row) => row.actorId),
    topic_item: () => items().map((row) => scalarText(row['actor_id'])),
  };

  return {
    actors: async ({ kind, after = '', limit, erased = false }) =>
      [...m.actors.values()]
        .filter((a) => (erased || !ENDED.has(a.status)) && (kind ?? a.kind) === a.kind && a.actorId > after)
        .sort((a, b) => (a.actorId < b.actorId ? -1 : 1))
        .slice(0, limit)
        .map(({ actorId, kind: k, id, status, lastSeq, lastAt, state }) => ({ actorId, kind: k, id, status, lastSeq, lastAt, state })),
    rows: async (actorId, { after, limit }) =>
      rowsOf(actorId)
        .filter((row) => row.seq > after)
        .slice(0, limit)
        .map((row) => ({ ...historyRow(row), idem: row.idem })),
    outbox: async (actorId) =>
      ofActor(m.outbox.values(), actorId).map(({ seq, n, op, target, payload }) => ({ seq, n, op, target, payload: parse(payload) })),
    timers: async (actorId) => ofActor(m.timers.values(), actorId).map(({ timerId, due }) => ({ timerId, due })),
    snapshot: async (actorId, from) => {
      const found = m.snapshots.get(actorId)?.findLast((s) => s.seq >= from);
      return found === undefined ? undefined : { seq: found.seq, base: found.base, state: JSON.parse(found.state) as ActorState };
    },
    repeated: async (actorId) => {
      const byKey = new Map<string, number[]>();
      for (const { idem, seq } of rowsOf(actorId)) if (idem !== null) byKey.set(idem, [...(byKey.get(idem) ?? []), seq]);
      return [...byKey.values()].filter((seqs) => seqs.length > 1).slice(0, 100);
    },
    items: async (actorId, { after, limit }) =>
      items()
        .filter((row) => row['actor_id'] === actorId)
        .map((row): ScannedItem => ({ view: scalarText(row['view']), n: Number(row['n']), seq: Number(row['seq']) }))
        .filter((row) => after === undefined || row.view > after.view || (row.view === after.view && row.n > after.n))
        .sort((a, b) => (a.view === b.view ? a.n - b.n : a.view < b.view ? -1 : 1))
        .slice(0, limit),
    holders: async (table, { after = '', limit }) =>
      [...new Set(holders[table]())]
        .filter((id) => id > after)
        .sort()
        .slice(0, limit),
    left: async (actorId, kind) => {
      const kernel = Object.entries({ thrum_snapshot: m.snapshots.get(actorId) ?? [], thrum_timer: m.timers.values() });
      const more = Object.entries({ thrum_outbox: m.outbox.values(), thrum_dead: m.dead });
      const found = [...kernel, ...more].filter(([, rows]) => ofActor<{ readonly actorId: string }>(rows, actorId).length > 0);
      const companions = erasedTables(m.registry, kind).filter(({ table, column }) =>
        [...(m.companions.get(table)?.values() ?? [])].some((row) => row[column] === actorId),
      );
      return [...found.map(([table]) => table), ...companions.map(({ table }) => table)];
    },
    audit: async (name, actorId, own, rows) => {
      const c = m.registry.get(name);
      if (c === undefined) return [];
      const { audited = () => true } = m.rules[c.table] ?? {};
      const mine = Object.entries(c.stamp.actor === undefined ? own : { ...own, [c.stamp.actor]: actorId });
      const stored = [...(m.companions.get(c.table)?.values() ?? [])].filter((row) => audited(row) && mine.every(([k, v]) => row[k] === v));
      const found = new Map(stored.map((row) => [keyText(c, actorId, row), row]));
      const differences: AuditDifference[] = [];
      const keyOf = (row: MemRow): string =>
        JSON.stringify(c.key.map((column) => (column === c.stamp.actor ? actorId : (row[column] ?? null))));
      for (const wanted of rows) {
        const text = keyText(c, actorId, wanted);
        const row = found.get(text);
        found.delete(text);
        if (row === undefined) differences.push({ what: 'missing', key: keyOf(wanted) });
        else if (Object.entries(wanted).some(([column, value]) => !sameJson(row[column] ?? null, value))) {
          differences.push({ what: 'differs', key: keyOf(wanted) });
        }
      }
      for (const row of found.values()) differences.push({ what: 'extra', key: keyOf(row) });
      return differences.slice(0, 100);
    },
    differing: async (name, rows) => memDiffering(m.registry.get(name), rows, m.companions),
  };
}
