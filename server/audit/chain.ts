/** The mathematics of the audit log: which chain an entry belongs to, what its hash covers, what a head is signed with. No I/O. */
import { createHash, createHmac } from 'node:crypto';
import type { Json } from '../../actors/types.ts';
import { canonicalJson } from '../../actors/patch.ts';

/** What somebody did to something. `at` in epoch ms. */
export interface AuditRecord {
  readonly at: number;
  /** user, key, admin, system or job */
  readonly actorType: string;
  readonly actorId: string | null;
  readonly action: string;
  readonly targetType: string;
  readonly targetId: string;
  readonly subjectUserId: string | null;
  readonly outcome: string;
  readonly reason: string | null;
  readonly requestId: string | null;
  readonly meta: { readonly [key: string]: Json };
}

export interface Sealed extends AuditRecord {
  readonly chain: string;
  readonly seq: number;
  readonly prevHash: Buffer;
  readonly hash: Buffer;
}

/** Where a chain ends, and below which number its rows are no longer kept. */
export interface Head {
  readonly chain: string;
  readonly seq: number;
  readonly hash: Buffer;
  readonly floorSeq: number;
  readonly floorHash: Buffer;
}

export const ZERO = Buffer.alloc(32);

/** `0` to `f` by the target; webhooks, which are many, have chains of their own, `w0` to `wf`. */
export function chainOf({ targetType, targetId }: Pick<AuditRecord, 'targetType' | 'targetId'>): string {
  const digit = createHash('sha256').update(`${targetType}:${targetId}`).digest('hex').slice(0, 1);
  return targetType === 'webhook' ? `w${digit}` : digit;
}

/** SHA-256 of the hash before it and the canonical JSON of the row. */
export function hashOf(prevHash: Buffer, chain: string, seq: number, r: AuditRecord): Buffer {
  const { at, actorType, actorId, action, targetType, targetId, subjectUserId, outcome, reason, requestId, meta } = r;
  const row = { chain, seq, at, actorType, actorId, action, targetType, targetId, subjectUserId, outcome, reason, requestId, meta };
  return createHash('sha256').update(prevHash).update(canonicalJson(row)).digest();
}

/** The entries as the rows that follow `head` in its chain. */
export function sealed(head: Head, records: readonly AuditRecord[]): Sealed[] {
  let { seq, hash: prevHash } = head;
  return records.map((r) => {
    seq += 1;
    const row = { ...r, chain: head.chain, seq, prevHash, hash: hashOf(prevHash, head.chain, seq, r) };
    prevHash = row.hash;
    return row;
  });
}

export const startOf = (chain: string): Head => ({ chain, seq: 0, hash: ZERO, floorSeq: 0, floorHash: ZERO });

/** Whoever can write the database can write a chain anew; without the key nobody can sign its head. */
export function signatureOf(key: string, { chain, seq, hash, floorSeq, floorHash }: Head): Buffer {
  const text = [chain, seq, hash.toString('hex'), floorSeq, floorHash.toString('hex')].join(' ');
  return createHmac('sha256', key).update(text).digest();
}
