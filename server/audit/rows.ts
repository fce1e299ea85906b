/** Between the tables of the audit log and its entries. */
import type { Json } from '../../actors/types.ts';
import type { AuditRecord, Head, Sealed } from './chain.ts';

/** Columns of an entry in SQL, beside its time. */
export const ENTRY = 'actor_type, actor_id, action, target_type, target_id, subject_user_id, outcome, reason, request_id, meta';

export interface EntryRow {
  readonly at: number;
  readonly actor_type: string;
  readonly actor_id: string | null;
  readonly action: string;
  readonly target_type: string;
  readonly target_id: string;
  readonly subject_user_id: string | null;
  readonly outcome: string;
  readonly reason: string | null;
  readonly request_id: string | null;
  readonly meta: { readonly [key: string]: Json };
}

export interface LogRow extends EntryRow {
  readonly chain: string;
  readonly seq: number;
  readonly prev_hash: Buffer;
  readonly hash: Buffer;
}

export interface ChainRow {
  readonly chain: string;
  readonly seq: number;
  readonly hash: Buffer;
  readonly floor_seq: number;
  readonly floor_hash: Buffer;
  readonly signature: Buffer;
}

export const recordOf = (r: EntryRow): AuditRecord => ({
  at: r.at,
  actorType: r.actor_type,
  actorId: r.actor_id,
  action: r.action,
  targetType: r.target_type,
  targetId: r.target_id,
  subjectUserId: r.subject_user_id,
  outcome: r.outcome,
  reason: r.reason,
  requestId: r.request_id,
  meta: r.meta,
});

export const headOf = (r: ChainRow): Head => ({
  chain: r.chain,
  seq: r.seq,
  hash: r.hash,
  floorSeq: r.floor_seq,
  floorHash: r.floor_hash,
});

/** For `jsonb_to_recordset`; hashes in hexadecimal digits. */
export const columnsOf = (r: Sealed): object => ({
  chain: r.chain,
  seq: r.seq,
  at: new Date(r.at).toISOString(),
  actor_type: r.actorType,
  actor_id: r.actorId,
  action: r.action,
  target_type: r.targetType,
  target_id: r.targetId,
  subject_user_id: r.subjectUserId,
  outcome: r.outcome,
  reason: r.reason,
  request_id: r.requestId,
  meta: r.meta,
  prev_hash: r.prevHash.toString('hex'),
  hash: r.hash.toString('hex'),
});
