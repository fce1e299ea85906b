/** Actors as the journal has them, many in one statement and each as one row: what comes of every further row costs more than what is in it. */
import { MARK, marksOf, REMEMBERED } from '../keys.ts';
import type { ActorState, Json } from '../types.ts';
import { BY_KEY } from './pg-lane.ts';
import type { Loaded, TailRow } from './store.ts';

/** Planned once, by the keys: with 256 ids at hand the planner would read the whole directory for each of these statements. */
export const LOADS = `set plan_cache_mode = force_generic_plan; set enable_bitmapscan = off; ${BY_KEY}`;

/** newest rows of an actor among which keys are looked for where its snapshot has none */
const KEY_ROWS = 1_024;

const mark = `left(encode(idem, 'hex'), ${MARK})`;

/**
 * The newest snapshot of each actor of $1, the journal rows after it as the inner text of a JSON list, the directory's word, whether something is in the
 * outbox, and the commit of the last row where the kind is in $2. Rows below seq 1 are no events.
 */
export const LOAD = `
  select i.id, a.status, a.mver as "dirMver", s.seq, s.mver, s.state, s.heads, (date_part('epoch', s.at) * 1000)::bigint as at,
         case when s.keys is not null then encode(s.keys, 'hex') when s.seq is not null then (
           select string_agg(${mark}, '' order by seq)
             from (select seq, idem from (select seq, idem from thrum_journal where actor_id = i.id and seq <= s.seq order by seq desc limit ${KEY_ROWS}) j
                    where idem is not null order by seq desc limit ${REMEMBERED}) j) end as keys,
         (select string_agg(concat('[', seq, ',', at, ',', mver, ',', patch, ',"', ${mark}, '"]'), ',')
            from (select seq, at, mver, patch, idem from thrum_journal where actor_id = i.id and seq > coalesce(s.seq, 0) order by seq) j) as rows,
         case when a.kind = any($2::text[]) then (
           select cid::text from thrum_journal where actor_id = i.id and seq > 0 order by seq desc limit 1) end as cid,
         exists (select from thrum_outbox o where o.actor_id = i.id and o.state = 'pending') as sends
    from unnest($1::uuid[]) i(id)
    left join thrum_actor a on a.actor_id = i.id
    left join lateral (select seq, mver, state, heads, at, keys from thrum_snapshot where actor_id = i.id order by seq desc limit 1) s on true`;

export interface LoadRow {
  readonly id: string;
  readonly status: string | null;
  readonly dirMver: number | null;
  /** of the snapshot, like what follows; null without one */
  readonly seq: number | null;
  readonly mver: number | null;
  readonly state: ActorState | null;
  readonly heads: { readonly [view: string]: number } | null;
  readonly at: number | null;
  readonly keys: string | null;
  readonly rows: string | null;
  readonly cid: string | null;
  readonly sends: boolean;
}

type TailText = readonly [seq: number, at: number, mver: number, patch: Json, mark: string];

const none: readonly never[] = [];

function loadedRow(r: LoadRow): Loaded {
  const texts = r.rows === null ? none : (JSON.parse(`[${r.rows}]`) as readonly TailText[]);
  const tail = texts.map(([seq, at, mver, patch]): TailRow => ({ seq, at, patch, mver }));
  const older = r.keys ?? '';
  return {
    status: r.status ?? 'active',
    mver: r.dirMver ?? tail.at(-1)?.mver ?? 0,
    ...(r.seq === null || r.state === null ? {} : { snapshot: { seq: r.seq, mver: r.mver ?? 0, state: r.state, heads: r.heads } }),
    tail,
    lastAt: tail.at(-1)?.at ?? r.at ?? 0,
    ...(r.cid === null ? {} : { cid: r.cid }),
    keys:
      texts === none
        ? older
        : marksOf(
            older,
            texts.map((text) => text[4]),
          ),
    sends: r.sends,
  };
}

/** Actors with neither snapshot nor event have no history, whatever the directory says. */
export function loadedOf(rows: readonly LoadRow[]): Map<string, Loaded> {
  const loaded = new Map<string, Loaded>();
  for (const r of rows) if (r.seq !== null || r.rows !== null) loaded.set(r.id, loadedRow(r));
  return loaded;
}
