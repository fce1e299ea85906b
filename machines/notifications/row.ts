import { companion } from '../../actors/define.ts';
import type { Notice, noticeStates } from './schema.ts';

/** Every notification as it now is; the delivery jobs and lists read it. */
export const notificationRows = companion({
  table: 'notifications',
  key: ['user_id', 'id'],
  mode: 'upsert',
  columns: {
    user_id: 'text',
    id: 'uuid',
    seq: 'bigint?',
    category: 'text',
    severity: 'text',
    collapse_key: 'text',
    title_key: 'text',
    args: 'jsonb',
    href: 'text?',
    created_at: 'timestamptz',
    expires_at: 'timestamptz',
    state: 'text',
    reason: 'text?',
    acknowledged_at: 'timestamptz?',
  },
  pii: ['args'],
  stamp: { actor: 'actor_id', seq: 'actor_seq' },
  erase: 'delete',
});

export type RowState = (typeof noticeStates)[number];

/** @param n without `seq`: it never became an item */
export const rowOf = (
  userId: string,
  id: string,
  n: Omit<Notice, 'seq' | 'state'> & { readonly seq?: number },
  o: { readonly state: RowState; readonly reason?: string; readonly acknowledgedAt?: number },
): object => ({
  user_id: userId,
  id,
  seq: n.seq ?? null,
  category: n.category,
  severity: n.severity,
  collapse_key: n.collapseKey,
  title_key: n.titleKey,
  args: n.args,
  href: n.href ?? null,
  created_at: n.at,
  expires_at: n.expiresAt,
  state: o.state,
  reason: o.reason ?? null,
  acknowledged_at: o.acknowledgedAt ?? null,
});
