/** Reads the lists of bookings and resources, which their actors write (machines/booking/kind.ts). */
import type { Knex } from 'knex';
import { BookingView, ResourceView } from '../../../machines/booking/schema.ts';

export interface BookingFilter {
  readonly userId?: string | undefined;
  readonly resourceId?: string | undefined;
  /** `confirmed` finds `confirmed.upcoming` too */
  readonly state?: string | undefined;
  /** starts in `[from, to)`, epoch ms */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** position after which the list goes on */
  readonly after?: { readonly start: number; readonly id: string } | undefined;
  readonly limit: number;
}

/** Bookings as they now are, the latest start first. */
export async function listBookings(knex: Knex, f: BookingFilter): Promise<BookingView[]> {
  const query = knex('bookings').select('doc').orderBy('start_at', 'desc').orderBy('booking_id').limit(f.limit);
  if (f.userId !== undefined) query.where('user_id', f.userId);
  if (f.resourceId !== undefined) query.where('resource_id', f.resourceId);
  if (f.state !== undefined) query.whereRaw("(state = ? or split_part(state, '.', 1) = ?)", [f.state, f.state]);
  if (f.from !== undefined) query.where('start_at', '>=', new Date(f.from));
  if (f.to !== undefined) query.where('start_at', '<', new Date(f.to));
  if (f.after !== undefined) {
    const at = new Date(f.after.start);
    query.whereRaw('(start_at < ? or (start_at = ? and booking_id > ?))', [at, at, f.after.id]);
  }
  const rows: { doc: unknown }[] = await query;
  return rows.map(({ doc }) => BookingView.parse(doc));
}

/** Resources by id. */
export async function listResources(
  knex: Knex,
  f: { kind?: string | undefined; tag?: string | undefined; after?: string | undefined; limit: number },
): Promise<ResourceView[]> {
  const query = knex('resources').select('resource_id', 'config', 'rev', 'status').orderBy('resource_id').limit(f.limit);
  if (f.kind !== undefined) query.where('kind', f.kind);
  if (f.tag !== undefined) query.whereRaw("config -> 'tags' @> ?::jsonb", [JSON.stringify([f.tag])]);
  if (f.after !== undefined) query.where('resource_id', '>', f.after);
  const rows: { resource_id: string; config: object; rev: number; status: string }[] = await query;
  return rows.map((r) => ResourceView.parse({ resourceId: r.resource_id, ...r.config, rev: r.rev, status: r.status }));
}

/** A number that no other resource has; it is drawn before the actor is created, because the actor's claims carry it. */
export async function nextResourceNo(knex: Knex): Promise<number> {
  const { rows } = await knex.raw<{ rows: { no: number | string }[] }>("select nextval('resource_numbers')::int as no");
  return Number(rows[0]?.no);
}
