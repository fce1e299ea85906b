/** The part of the memory store that people who operate the kernel use. Rows carry no times, for there is no clock here. */
import { scalarText } from '../columns.ts';
import type { Json } from '../types.ts';
import type { AdminStore, AuditEntry, DeadLetter, OutboxEntry, PauseRow, TakenCount } from './admin.ts';
import type { MemRow } from './mem-tables.ts';
import type { StoredSnapshot } from './mem-lifecycle.ts';
import type { DeadRow, TailRow } from './store.ts';

/** What the store proper knows. */
export interface MemAdminTables {
  readonly dead: readonly DeadRow[];
  readonly tail: (actorId: string) => readonly TailRow[];
  readonly snapshots: (actorId: string) => readonly StoredSnapshot[];
  readonly outbox: (actorId: string) => OutboxEntry[];
  /** audit rows that were written with their events */
  readonly audited: () => Iterable<MemRow>;
}

type Resolution = Pick<DeadLetter, 'resolvedAt' | 'resolvedBy' | 'resolution'>;

const unresolved: Resolution = { resolvedAt: null, resolvedBy: null, resolution: null };

/** The database gives the numbers of both kinds in one order; here acts with an event come first. */
const auditOf = (row: MemRow, i: number): AuditEntry => ({
  n: i + 1,
  at: 0,
  admin: scalarText(row['admin']),
  action: scalarText(row['action']),
  actorId: (row['actor_id'] ?? null) as string | null,
  beforeSeq: (row['before_seq'] ?? null) as number | null,
  afterSeq: (row['after_seq'] ?? null) as number | null,
  reason: (row['reason'] ?? null) as string | null,
  detail: row['detail'] as { [key: string]: Json },
});

export function createMemAdmin(tables: MemAdminTables): AdminStore {
  const acts: MemRow[] = [];
  const resolved = new Map<number, Resolution>();
  const pauses = new Map<string, PauseRow>();
  const taken = new Map<string, TakenCount>();
  const letters = (): DeadLetter[] => tables.dead.map((row, i) => ({ n: i + 1, at: 0, ...row, ...(resolved.get(i + 1) ?? unresolved) }));

  const audit = (): MemRow[] => [...tables.audited(), ...acts];
  const written = (id: string): AuditEntry | undefined => {
    const at = audit().findIndex((row) => row['audit_id'] === id);
    return at < 0 ? undefined : auditOf(audit()[at] as MemRow, at);
  };

  return {
    audit: async ({ id, admin, action, actorId, beforeSeq, afterSeq, reason, detail }) => {
      if (id !== undefined && written(id) !== undefined) return;
      acts.push({ audit_id: id ?? null, admin, action, actor_id: actorId, before_seq: beforeSeq, after_seq: afterSeq, reason, detail });
    },
    audited: async (id) => written(id),
    audits: async ({ admin, action, actorId, before = Infinity, limit }) =>
      audit()
        .map(auditOf)
        .filter((a) => (admin ?? a.admin) === a.admin && (action ?? a.action) === a.action && (actorId ?? a.actorId) === a.actorId)
        .filter((a) => a.n < before)
        .reverse()
        .slice(0, limit),

    past: async (actorId, seq) => {
      const snapshot = tables.snapshots(actorId).find((s) => s.seq <= seq);
      const rows = tables.tail(actorId).filter((row) => row.seq > (snapshot?.seq ?? 0) && row.seq <= seq);
      if (snapshot === undefined) return { rows };
      return { snapshot: { seq: snapshot.seq, at: snapshot.at, mver: snapshot.mver, state: JSON.parse(snapshot.state) }, rows };
    },
    kept: async (actorId) => {
      const first = tables.tail(actorId)[0]?.seq;
      if (first === undefined) return undefined;
      const snapshots = tables.snapshots(actorId).toReversed();
      const base = snapshots.find((s) => s.base && s.seq >= first) ?? snapshots.find((s) => s.seq >= first - 1);
      const earliest = first === 1 ? 1 : (base?.seq ?? first);
      return { earliest, anchors: snapshots.flatMap((s) => (s.seq < earliest ? [s.seq] : [])) };
    },
    outboxOf: async (actorId, limit) => tables.outbox(actorId).slice(0, limit),

    deadLetters: async ({ kind, actorId, open, before = Infinity, limit }) =>
      letters()
        .filter((d) => (kind ?? d.kind) === d.kind && (actorId ?? d.actorId) === d.actorId && d.n < before)
        .filter((d) => !open || d.resolution === null)
        .reverse()
        .slice(0, limit),
    deadLetter: async (n) => letters().find((d) => d.n === n),
    vitals: async () => ({ dead: letters().filter((d) => d.resolution === null).length, wall: undefined }),
    resolveDead: async (n, resolvedBy, resolution) => {
      if (resolved.has(n) || tables.dead[n - 1] === undefined) return false;
      resolved.set(n, { resolvedAt: 0, resolvedBy, resolution });
      return true;
    },

    pauses: async () => [...pauses.values()].sort((a, b) => (a.scope < b.scope ? -1 : 1)),
    pause: async (row) => void pauses.set(row.scope, { ...row, at: 0 }),
    unpause: async (scope) => pauses.delete(scope),

    countTaken: async (rows) => {
      for (const row of rows) {
        const key = `${row.kind} ${row.hash} ${row.index}`;
        taken.set(key, { ...row, taken: row.taken + (taken.get(key)?.taken ?? 0) });
      }
    },
    taken: async (kind) =>
      [...taken.values()]
        .filter((row) => row.kind === kind)
        .sort((a, b) => b.version - a.version || (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : a.index - b.index)),
  };
}
