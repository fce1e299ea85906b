/** Compares every declared companion with the table that the database has under its name. */
import { bareType } from '../columns.ts';
import type { Registry } from '../companion.ts';
import type { ColumnType, Companion } from '../define.ts';

/** What the catalogue says about one table. `unique`: column lists of its unique indexes that have no predicate and are checked at once. */
export interface CatalogueTable {
  readonly table: string;
  readonly columns: { readonly [column: string]: { readonly type: string; readonly nullable: boolean; readonly generated: boolean } };
  readonly unique: readonly (readonly string[])[];
  /** names of deferrable constraints */
  readonly deferrable: readonly string[];
}

export class CompanionMismatch extends Error {
  readonly code = 'COMPANION_MISMATCH';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`companion tables differ from their declarations:\n  ${faults.join('\n  ')}`);
    this.name = 'CompanionMismatch';
    this.faults = faults;
  }
}

/** Names of types as the catalogue writes them. */
const names: { readonly [type in ColumnType]: string } = {
  uuid: 'uuid',
  text: 'text',
  int: 'integer',
  smallint: 'smallint',
  bigint: 'bigint',
  float8: 'double precision',
  boolean: 'boolean',
  jsonb: 'jsonb',
  timestamptz: 'timestamp with time zone',
  date: 'date',
  tstzrange: 'tstzrange',
  bytea: 'bytea',
};

/** Every difference, as a sentence. */
export function mismatches(registry: Registry, tables: ReadonlyMap<string, CatalogueTable>): string[] {
  const faults: string[] = [];
  for (const [name, c] of registry) {
    const table = tables.get(c.table);
    if (!table) faults.push(`${name}: there is no table ${c.table}`);
    else faults.push(...ofTable(c, table).map((fault) => `${name}: ${c.table}${fault}`));
  }
  return faults;
}

function ofTable(c: Companion, table: CatalogueTable): string[] {
  const faults: string[] = [];
  const stamps = [c.stamp.actor ? [c.stamp.actor, 'uuid'] : [], c.stamp.seq ? [c.stamp.seq, 'bigint'] : []] as [string, ColumnType][];
  const declared = [...Object.entries(c.columns), ...stamps.filter(([column]) => column)];
  for (const [column, type] of declared) {
    const found = table.columns[column];
    if (!found) {
      faults.push(`.${column} does not exist`);
      continue;
    }
    const wanted = names[bareType(type)];
    if (found.type !== wanted) faults.push(`.${column} is ${found.type}, declared ${wanted}`);
    if (found.generated) faults.push(`.${column} is generated`);
    if (type.endsWith('?') && !found.nullable) faults.push(`.${column} may not be null, declared ${type}`);
  }
  const key = c.key.toSorted().join();
  if (!table.unique.some((columns) => columns.toSorted().join() === key)) faults.push(` has no unique index on (${c.key.join(', ')})`);
  if (table.deferrable.length > 0) faults.push(` has deferrable constraints: ${table.deferrable.join(', ')}`);
  return faults;
}

/** One row per table of $1 that exists: {@link CatalogueTable}. */
export const CATALOGUE = `
  select c.relname as "table",
    (select jsonb_object_agg(a.attname, jsonb_build_object('type', format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
                                                           'generated', a.attgenerated <> '' or a.attidentity = 'a'))
       from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
    coalesce((select jsonb_agg((select jsonb_agg(a.attname) from pg_attribute a where a.attrelid = c.oid and a.attnum = any (i.indkey)))
       from pg_index i where i.indrelid = c.oid and i.indisunique and i.indimmediate and i.indpred is null and i.indexprs is null), '[]') as "unique",
    coalesce((select jsonb_agg(k.conname) from pg_constraint k
       where k.conrelid = c.oid and k.condeferrable and k.contype in ('p', 'u', 'x')), '[]') as deferrable
  from pg_class c
  where c.oid in (select to_regclass(quote_ident(t)) from unnest($1::text[]) t)`;
