/** Types of companion columns: which JSON values stand for them. Text is canonical, so that equal keys have equal texts. */
import type { ColumnType } from './define.ts';
import type { Json } from './types.ts';

const integer = (min: number, max: number) => (v: Json) => typeof v === 'number' && Number.isInteger(v) && v >= min && v <= max;
const matches = (pattern: RegExp) => (v: Json) => typeof v === 'string' && pattern.test(v);

const fits: { readonly [type in ColumnType]: (value: Json) => boolean } = {
  uuid: matches(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/),
  text: (v) => typeof v === 'string',
  int: integer(-2_147_483_648, 2_147_483_647),
  smallint: integer(-32_768, 32_767),
  bigint: integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  float8: (v) => typeof v === 'number' && Number.isFinite(v),
  boolean: (v) => typeof v === 'boolean',
  jsonb: () => true,
  timestamptz: integer(-62_135_596_800_000, 253_402_300_799_999),
  date: (v) => typeof v === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(v) && new Date(`${v}T00:00:00Z`).toJSON()?.startsWith(v),
  tstzrange: matches(/^(empty|[[(][^,]*,[^,]*[\])])$/),
  bytea: matches(/^([0-9a-f]{2})*$/),
};

const wanted: { readonly [type in ColumnType]: string } = {
  uuid: 'a lower-case UUID',
  text: 'a text',
  int: 'an integer of 32 bits',
  smallint: 'an integer of 16 bits',
  bigint: 'a safe integer',
  float8: 'a finite number',
  boolean: 'true or false',
  jsonb: 'JSON',
  timestamptz: 'a time in epoch ms',
  date: 'a date like 2026-01-31',
  tstzrange: 'a range like [from,to)',
  bytea: 'lower-case hexadecimal digits',
};

export const bareType = (type: ColumnType | `${ColumnType}?`): ColumnType => (type.endsWith('?') ? type.slice(0, -1) : type) as ColumnType;

/** What is wrong with a value that is not null, or undefined. */
export function columnFault(type: ColumnType | `${ColumnType}?`, value: Json): string | undefined {
  const bare = bareType(type);
  if (!fits[bare](value)) return `must be ${wanted[bare]}`;
  return unstorable(JSON.stringify(value)) ? 'holds a character that the database cannot store' : undefined;
}

const ESCAPE = /\\(?:u([0-9a-f]{4})|.)/gi;
const NOT_TEXT = /^(0000|d[89a-f])/i;

/**
 * Whether JSON text holds what jsonb cannot: the character U+0000 or half of a surrogate pair. JSON.stringify writes both as escapes, so
 * text without `\u` needs no closer look.
 */
export function unstorable(json: string): boolean {
  if (!json.includes('\\u')) return false;
  for (const [, escape] of json.matchAll(ESCAPE)) {
    if (escape !== undefined && NOT_TEXT.test(escape)) return true;
  }
  return false;
}

/** The value with U+FFFD for every character of its texts that cannot be stored. */
export function storable<T>(value: T): T {
  const json = JSON.stringify(value);
  if (!unstorable(json)) return value;
  const text = json.replace(ESCAPE, (escape, code?: string) => (code !== undefined && NOT_TEXT.test(code) ? '\\ufffd' : escape));
  return JSON.parse(text) as T;
}

/** Text of a value of a key column. */
export const scalarText = (value: Json | undefined): string => (typeof value === 'string' ? value : JSON.stringify(value ?? null));
