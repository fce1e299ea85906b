/** Reads the table of notifications, which the users' actors write (machines/notifications/row.ts). */
import type { Knex } from 'knex';
import type { NotificationItem, noticeStates } from '../../../machines/notifications/schema.ts';
import { textOf } from '../../../machines/notifications/texts.ts';

interface Row {
  readonly id: string;
  readonly seq: string | number;
  readonly category: NotificationItem['category'];
  readonly severity: NotificationItem['severity'];
  readonly collapse_key: string;
  readonly title_key: string;
  readonly args: NotificationItem['args'];
  readonly href: string | null;
  readonly created_at: number;
  readonly expires_at: number;
  readonly state: (typeof noticeStates)[number];
  readonly acknowledged_at: number | null;
}

export type Listed = NotificationItem & { readonly s: number; readonly state: Row['state']; readonly acknowledgedAt?: number };

const itemOf = (r: Row): Listed => ({
  id: r.id,
  s: Number(r.seq),
  state: r.state,
  category: r.category,
  severity: r.severity,
  collapseKey: r.collapse_key,
  titleKey: r.title_key,
  args: r.args,
  ...textOf({ category: r.category, titleKey: r.title_key, args: r.args }),
  ...(r.href === null ? {} : { href: r.href }),
  at: r.created_at,
  expiresAt: r.expires_at,
  ...(r.acknowledged_at === null ? {} : { acknowledgedAt: r.acknowledged_at }),
});

/** Those that became items: after a number in its order, otherwise the newest first. */
export async function findNotifications(
  knex: Knex,
  o: { readonly userId: string; readonly after?: number | undefined; readonly limit: number },
): Promise<Listed[]> {
  const query = knex<Row>('notifications').where('user_id', o.userId).whereNotNull('seq').limit(o.limit);
  if (o.after === undefined) void query.orderBy('seq', 'desc');
  else void query.where('seq', '>', o.after).orderBy('seq');
  return (await query).map(itemOf);
}
