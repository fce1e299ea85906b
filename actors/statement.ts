/**
 * The one statement that commits a batch: data-modifying parts over jsonb parameters, the journal first, companion tables in the order of
 * their names, and a check of the companion parts at the end (kernel specification 6.1 and 8.5).
 *
 * Rows are arrays of JSON text made by concatenation, one parameter per part. Each combination of parts is a text of its own, prepared once
 * per connection by the driver. (Measured for batches of 1, 16 and 256 rows on Postgres 15 and PGlite: arrays of arrays with `->>` are as fast as
 * or faster than records, `json`, `unnest` and delimited text; SQL-level `prepare` and `execute` gain nothing over the protocol's.)
 */
import { bareType } from './columns.ts';
import type { Registry } from './companion.ts';
import type { ColumnType, Companion, RowOp } from './define.ts';
import type { Batch, NetRow } from './store/store.ts';

export interface Statement {
  /** names the combination of parts; equal keys have equal texts */
  readonly key: string;
  readonly text: string;
  readonly values: readonly string[];
}

type Values = string[];

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const json = JSON.stringify;

// ------------------------------------------------------------------------------------------------------------ kernel's own tables

const JOURNAL = `insert into thrum_journal (actor_id, seq, at, type, event, patch, reply, idem, cid, mver, meta)
  select (r->>0)::uuid, (r->>1)::bigint, (r->>2)::bigint, r->>3, r->4, r->5, nullif(r->6, 'null'), decode(r->>7, 'hex'), $2::bigint,
         (r->>8)::integer, nullif(r->9, 'null')
    from jsonb_array_elements($1::jsonb) r`;

/** what refuses a batch that does not follow the rows it should */
export const GAP = 'thrum_journal_gap';

const gapText = (
  parameter: string,
): string => `select ${literal(GAP)} as c, jsonb_agg(r) as d from jsonb_array_elements(${parameter}::jsonb) r
  where not exists (select 1 from thrum_journal j where j.actor_id = (r->>0)::uuid and j.seq = (r->>1)::bigint and j.cid = (r->>2)::bigint)
  having count(*) > 0`;

function journalRows(rows: Batch['journal']): string {
  let text = '[';
  for (const row of rows) {
    if (text.length > 1) text += ',';
    const idem = row.idem === null ? 'null' : `"${row.idem}"`;
    text += `["${row.actorId}",${row.seq},${row.at},${json(row.type)},${row.event},${row.patch},${row.reply ?? 'null'},${idem},${row.mver},${row.meta ?? 'null'}]`;
  }
  return `${text}]`;
}

/** A part of the kernel: its letter in the key, its text with the parameter's number, and its rows, or nothing when it has none. */
interface Part {
  readonly letter: string;
  readonly sql: (parameter: string) => string;
  readonly rows: (batch: Batch) => string | undefined;
}

const list = <T>(rows: readonly T[], row: (r: T) => string): string | undefined =>
  rows.length === 0 ? undefined : `[${rows.map(row).join(',')}]`;

const parts: readonly Part[] = [
  {
    letter: 'b',
    sql: (p) => `insert into thrum_actor (actor_id, kind, id, slot, mver, last_at)
      select (r->>0)::uuid, r->>1, r->>2, (r->>3)::smallint, (r->>4)::integer, date_trunc('milliseconds', now())
        from jsonb_array_elements(${p}::jsonb) r on conflict do nothing`,
    rows: (b) => list(b.born, (r) => json([r.actorId, r.kind, r.id, r.slot, r.mver])),
  },
  {
    letter: 't',
    sql: (p) => `insert into thrum_timer (actor_id, timer_id, slot, due, armed_seq, type)
      select (r->>0)::uuid, r->>1, (r->>2)::smallint, (r->>3)::bigint, (r->>4)::bigint, r->>5 from jsonb_array_elements(${p}::jsonb) r
      on conflict (actor_id, timer_id)
      do update set slot = excluded.slot, due = excluded.due, armed_seq = excluded.armed_seq, type = excluded.type`,
    rows: (b) => list(b.timersSet, ({ actorId, timerId, set }) => json([actorId, timerId, set.slot, set.due, set.armedSeq, set.type])),
  },
  {
    letter: 'g',
    sql: (p) => `delete from thrum_timer t
      using (select (r->>0)::uuid as a, r->>1 as i, (r->>2)::bigint as s from jsonb_array_elements(${p}::jsonb) r) g
      where t.actor_id = g.a and t.timer_id = g.i and (g.s is null or t.armed_seq = g.s)`,
    rows: (b) => list(b.timersGone, (r) => json([r.actorId, r.timerId, r.armedSeq ?? null])),
  },
  {
    letter: 'o',
    sql: (p) => `insert into thrum_outbox (actor_id, seq, n, slot, op, target, payload, next_at)
      select (r->>0)::uuid, (r->>1)::bigint, (r->>2)::smallint, (r->>3)::smallint, r->>4, r->>5, r->6, (r->>7)::bigint
        from jsonb_array_elements(${p}::jsonb) r`,
    rows: (b) => list(b.outbox, (r) => `["${r.actorId}",${r.seq},${r.n},${r.slot},"${r.op}",${json(r.target)},${r.payload},${r.nextAt}]`),
  },
  {
    letter: 'd',
    sql: (p) => `delete from thrum_outbox t
      using (select (r->>0)::uuid as a, (r->>1)::bigint as s, (r->>2)::smallint as n from jsonb_array_elements(${p}::jsonb) r) g
      where t.actor_id = g.a and t.seq = g.s and t.n = g.n`,
    rows: (b) => list(b.outboxDone, (r) => `["${r.actorId}",${r.seq},${r.n}]`),
  },
];

// -------------------------------------------------------------------------------------------------------------- companion tables

/** Columns of the row list beside the declared ones; the sign keeps them apart from any column name. */
const OP = '"@op"';
const ACTOR = '"@actor"';
const SEQ = '"@seq"';
const N = '"@n"';
const WROTE = '"@wrote"';

const letterOf = { insert: 'i', put: 'p', update: 'u', delete: 'd' } as const satisfies { [op in RowOp]: string };

/** SQL for the value of a column at a place of the JSON array `r`. */
export function extract(type: ColumnType | `${ColumnType}?`, at: number): string {
  const bare = bareType(type);
  if (bare === 'jsonb') return type.endsWith('?') ? `nullif(r->${at}, 'null')` : `r->${at}`;
  if (bare === 'text') return `r->>${at}`;
  if (bare === 'timestamptz') return `to_timestamp((r->>${at})::float8 / 1000)`;
  if (bare === 'bytea') return `decode(r->>${at}, 'hex')`;
  return `(r->>${at})::${bare}`;
}

/** `alias` is the row list or a part that returned keys; the key may contain the actor, which is no declared column. */
const keyOf = (c: Companion, column: string): string => (column in c.columns ? quote(column) : ACTOR);

const sameKey = (c: Companion, table: string, list: string): string =>
  c.key.map((column) => `${table}.${quote(column)} = ${list}.${keyOf(c, column)}`).join(' and ');

/** The parts of one companion table and the query that finds its refused rows, if it can refuse. */
function companionParts(name: string, c: Companion, ops: string, i: number, parameter: string): { parts: string[]; bad?: string } {
  const columns = Object.entries(c.columns);
  const [cc, cd, cu, ci] = ['c', 'd', 'u', 'i'].map((letter) => `${letter}${i}`) as [string, string, string, string];
  const table = quote(c.table);
  const typed = columns.map(([column, type], at) => `, ${extract(type, at + 5)} as ${quote(column)}`).join('');
  const own = c.stamp.actor === undefined ? '' : ` and t.${quote(c.stamp.actor)} = ${cc}.${ACTOR}`;
  const after = (part: string): string => ` and (select count(*) from ${part}) >= 0`;
  const texts = [
    `${cc} as (select r->>0 as ${OP}, (r->>1)::uuid as ${ACTOR}, (r->>2)::bigint as ${SEQ}, (r->>3)::integer as ${N}, (r->>4)::bigint as ${WROTE}${typed}
      from jsonb_array_elements(${parameter}::jsonb) r)`,
  ];
  let released = after('j');
  if (ops.includes('d')) {
    texts.push(
      `${cd} as (delete from ${table} t using ${cc} where ${cc}.${OP} = 'd' and ${sameKey(c, 't', cc)}${own}${after('j')} returning 1)`,
    );
    released += after(cd);
  }
  const keys = c.key.map((column) => `t.${quote(column)}${column in c.columns ? '' : ` as ${ACTOR}`}`).join(', ');
  if (ops.includes('u')) {
    const sets = columns
      .filter(([column]) => !c.key.includes(column) && !c.frozen.includes(column))
      .map(([column]) => `${quote(column)} = ${cc}.${quote(column)}`);
    if (c.stamp.seq) sets.push(`${quote(c.stamp.seq)} = ${cc}.${WROTE}`);
    texts.push(`${cu} as (update ${table} t set ${sets.join(', ')} from ${cc}
      where ${cc}.${OP} = 'u' and ${sameKey(c, 't', cc)}${own}${after('j')} returning ${keys})`);
    released += after(cu);
  }
  const takes = ops.includes('p') || ops.includes('i');
  if (takes) {
    const stamps = [...(c.stamp.actor ? [[c.stamp.actor, ACTOR]] : []), ...(c.stamp.seq ? [[c.stamp.seq, WROTE]] : [])] as [
      string,
      string,
    ][];
    const into = [...columns.map(([column]) => quote(column)), ...stamps.map(([column]) => quote(column))].join(', ');
    const from = [...columns.map(([column]) => quote(column)), ...stamps.map(([, source]) => source)].join(', ');
    const order = c.key.map((column) => `${keyOf(c, column)}${c.columns[column] === 'text' ? ' collate "C"' : ''}`).join(', ');
    texts.push(`${ci} as (insert into ${table} as t (${into}) select ${from} from ${cc}
      where ${OP} in ('i', 'p')${released} order by ${order} ${onConflict(c)} returning ${keys})`);
  }
  if ((c.mode === 'append' && c.onDuplicate === 'skip') || ops === 'd') return { parts: texts };
  const missing = (op: string, part: string): string =>
    `(${OP} ${op} and not exists (select 1 from ${part} where ${returned(c, part, cc)}))`;
  const tests = [...(ops.includes('u') ? [missing(`= 'u'`, cu)] : []), ...(takes ? [missing(`in ('i', 'p')`, ci)] : [])];
  return {
    parts: texts,
    bad: `select ${literal(name)} as c, jsonb_agg(jsonb_build_array(${ACTOR}, ${SEQ}, ${N}) order by ${SEQ}, ${N}, ${ACTOR}) as d
      from ${cc} where ${tests.join(' or ')} having count(*) > 0`,
  };
}

const returned = (c: Companion, part: string, list: string): string =>
  c.key.map((column) => `${part}.${keyOf(c, column)} = ${list}.${keyOf(c, column)}`).join(' and ');

/** Never a plain insert: two inserters under an exclusion constraint could wait for each other. */
function onConflict(c: Companion): string {
  if (c.mode !== 'upsert') return 'on conflict do nothing';
  const sets = Object.keys(c.columns)
    .filter((column) => !c.key.includes(column))
    .map((column) => {
      const name = quote(column);
      return c.add.includes(column) ? `${name} = coalesce(t.${name}, 0) + coalesce(excluded.${name}, 0)` : `${name} = excluded.${name}`;
    });
  if (c.stamp.seq) sets.push(`${quote(c.stamp.seq)} = excluded.${quote(c.stamp.seq)}`);
  const own = c.stamp.actor ? `where t.${quote(c.stamp.actor)} = excluded.${quote(c.stamp.actor)}` : '';
  return `on conflict (${c.key.map(quote).join(', ')}) do update set ${sets.join(', ')} ${own}`;
}

function companionRows(c: Companion, rows: readonly NetRow[]): string {
  const columns = Object.keys(c.columns);
  return `[${rows
    .map((r) => json([letterOf[r.op], r.actorId, r.seq, r.n, r.wrote, ...columns.map((column) => r.row[column] ?? null)]))
    .join(',')}]`;
}

const opsOf = (rows: readonly NetRow[]): string => [...new Set(rows.map((r) => letterOf[r.op]))].sort().join('');

// ------------------------------------------------------------------------------------------------------------------ the statement

/** Builds statements for one set of declared companions, and keeps the texts it has built. */
export class Statements {
  readonly #registry: Registry;
  readonly #texts = new Map<string, string>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  of(batch: Batch): Statement {
    const values: Values = [journalRows(batch.journal), batch.cid];
    const used: Part[] = [];
    let key = '';
    for (const part of parts) {
      const rows = part.rows(batch);
      if (rows === undefined) continue;
      used.push(part);
      values.push(rows);
      key += part.letter;
    }
    const companions = batch.companions.map(({ companion, rows }) => ({
      name: companion,
      declared: this.#declared(companion),
      ops: opsOf(rows),
      rows,
    }));
    for (const { name, declared, ops, rows } of companions) {
      values.push(companionRows(declared, rows));
      key += ` ${name}:${ops}`;
    }
    const follows = batch.follows !== undefined && batch.follows.length > 0;
    if (follows) {
      values.push(json(batch.follows.map((r) => [r.actorId, r.seq, r.cid])));
      key += ' follows';
    }
    let text = this.#texts.get(key);
    if (text === undefined) {
      text = compose(used, companions, follows);
      this.#texts.set(key, text);
    }
    return { key, text, values };
  }

  #declared(name: string): Companion {
    const declared = this.#registry.get(name);
    if (!declared) throw new Error(`no companion ${name}`);
    return declared;
  }
}

function compose(
  used: readonly Part[],
  companions: readonly { name: string; declared: Companion; ops: string }[],
  follows: boolean,
): string {
  const own = used.map((part, i) => `k${i} as (${part.sql(`$${i + 3}`)})`);
  // parts that nobody reads run after the main statement, so the journal is first here too
  if (companions.length === 0 && !follows) return own.length === 0 ? JOURNAL : `with ${own.join(',\n')}\n${JOURNAL}`;
  const texts = [`j as (${JOURNAL} returning 1)`, ...own];
  // a history that has lost its end is no matter of companions: it comes first
  const bad = follows ? [`select * from (${gapText(`$${3 + used.length + companions.length}`)}) gap`] : [];
  companions.forEach(({ name, declared, ops }, i) => {
    const built = companionParts(name, declared, ops, i, `$${i + 3 + used.length}`);
    texts.push(...built.parts);
    if (built.bad) bad.push(`select * from (${built.bad}) b${i}`);
  });
  const check =
    bad.length === 0
      ? 'select 1 where (select count(*) from j) < 0'
      : `select thrum_refuse(c, d) from (${bad.join(' union all ')}) x limit 1`;
  return `with ${texts.join(',\n')}\n${check}`;
}
