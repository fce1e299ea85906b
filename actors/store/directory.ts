/** The list of all actors: what can be asked of it, and its SQL. */
import type { DirectoryRow } from './store.ts';

/** `recent`: last event first · `oldest`: last event last · `events`: most events first · `name`: by kind and id */
export type DirectorySort = 'recent' | 'oldest' | 'events' | 'name';

export interface DirectoryQuery {
  readonly kind?: string;
  /** beginning of the state text */
  readonly state?: string;
  readonly status?: string;
  /** part of the id, in any case */
  readonly q?: string;
  readonly slots?: readonly number[];
  readonly actorIds?: readonly string[];
  /** default recent */
  readonly sort?: DirectorySort;
  readonly limit: number;
  /** the place of the last row of the page before, from {@link placeOf} */
  readonly after?: DirectoryPlace;
}

/** Where a row stands in an order: its value, then what tells rows of one value apart. */
export type DirectoryPlace = readonly [value: number | string, tie: string];

export function placeOf(row: DirectoryRow, sort: DirectorySort = 'recent'): DirectoryPlace {
  if (sort === 'name') return [row.kind, row.id];
  return [sort === 'events' ? row.lastSeq : (row.lastAt ?? 0), row.actorId];
}

const orders = {
  recent: { columns: ['last_at', 'actor_id'], down: true },
  oldest: { columns: ['last_at', 'actor_id'], down: false },
  events: { columns: ['last_seq', 'actor_id'], down: true },
  name: { columns: ['kind', 'id'], down: false },
} as const satisfies { [sort in DirectorySort]: { columns: readonly [string, string]; down: boolean } };

const like = (text: string): string => text.replace(/[\\%_]/g, String.raw`\$&`);

/**
 * One statement, whose conditions follow the indexes of the table: equality first, then a row comparison along the order.
 *
 * How many actors a part of an id or of a state fits nobody can estimate. An index in the wanted order, taken in the hope of a full page soon, would
 * then be read to its end; so what fits is found first (`offset 0`), at the price of one look at each actor, and put into order afterwards.
 * Ids are ASCII, whose case the collation "C" folds several times as fast.
 */
export function directorySql(q: DirectoryQuery): { text: string; values: unknown[] } {
  const where: string[] = [];
  const values: unknown[] = [];
  const value = (v: unknown): string => `$${values.push(v)}`;
  for (const column of ['kind', 'status'] as const) if (q[column] !== undefined) where.push(`${column} = ${value(q[column])}`);
  if (q.state !== undefined) where.push(`state like ${value(`${like(q.state)}%`)}`);
  if (q.q !== undefined) where.push(`id collate "C" ilike ${value(`%${like(q.q)}%`)}`);
  if (q.slots !== undefined) where.push(`slot = any(${value(q.slots)}::smallint[])`);
  if (q.actorIds !== undefined) where.push(`actor_id = any(${value(q.actorIds)}::uuid[])`);
  const { columns, down } = orders[q.sort ?? 'recent'];
  if (q.after !== undefined) {
    const [at, tie] = q.after;
    const place = columns[0] === 'last_at' ? `to_timestamp(${value(at)}::float8 / 1000)` : value(at);
    where.push(`(${columns.join(', ')}) ${down ? '<' : '>'} (${place}, ${value(tie)})`);
  }
  const filter = where.length === 0 ? '' : `where ${where.join(' and ')}`;
  const order = columns.map((column) => `${column}${down ? ' desc' : ''}`).join(', ');
  const found = q.q === undefined && q.state === undefined ? `thrum_actor ${filter}` : `(select * from thrum_actor ${filter} offset 0) a`;
  return { text: `${COLUMNS} from ${found} order by ${order} limit ${value(q.limit)}`, values };
}

const COLUMNS = `
  select actor_id as "actorId", kind, id, slot, status, mver, state, last_seq as "lastSeq", last_at as "lastAt", created_at as "createdAt"`;
export const DIRECTORY = `${COLUMNS} from thrum_actor`;

const compare = (a: number | string, b: number | string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The same in memory. */
export function directoryPage(rows: Iterable<DirectoryRow>, q: DirectoryQuery): DirectoryRow[] {
  const { sort = 'recent', after } = q;
  const order = (a: DirectoryPlace, b: DirectoryPlace): number =>
    (compare(a[0], b[0]) || compare(a[1], b[1])) * (orders[sort].down ? -1 : 1);
  return [...rows]
    .filter((a) => (q.kind ?? a.kind) === a.kind && (a.state ?? '').startsWith(q.state ?? '') && (q.status ?? a.status) === a.status)
    .filter((a) => q.q === undefined || a.id.toLowerCase().includes(q.q.toLowerCase()))
    .filter((a) => (q.slots?.includes(a.slot) ?? true) && (q.actorIds?.includes(a.actorId) ?? true))
    .sort((a, b) => order(placeOf(a, sort), placeOf(b, sort)))
    .filter((a) => after === undefined || order(placeOf(a, sort), after) > 0)
    .slice(0, q.limit);
}
