/**
 * How values of Postgres appear in code, for every connection of the server.
 *
 * - bigint: number when safe, else decimal text
 * - timestamptz and timestamp: epoch milliseconds (write them as `Date`, or with `to_timestamp($1 / 1000.0)`)
 * - date: text like '2026-01-31', for a civil date has no instant
 * - numeric: decimal text, for money and sums do not fit a float
 * - everything else as the driver does: json parsed, bytea as Buffer, uuid and ranges as text
 */
import { types as builtin } from 'pg';

const OID = { int8: 20, date: 1082, timestamp: 1114, timestamptz: 1184 } as const;

function parseBigint(text: string): number | string {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : text;
}

/** '2026-01-31 10:00:00.123+00' has every form that ISO 8601 allows once the blank is a T and the offset has minutes. */
function parseInstant(text: string): number {
  if (text === 'infinity') return Infinity;
  if (text === '-infinity') return -Infinity;
  const at = Date.parse(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00'));
  if (Number.isNaN(at)) throw new RangeError(`no instant: ${text}`);
  return at;
}

const own: { readonly [oid: number]: (text: string) => unknown } = {
  [OID.int8]: parseBigint,
  [OID.date]: (text) => text,
  [OID.timestamp]: (text) => parseInstant(`${text}+00`),
  [OID.timestamptz]: parseInstant,
};

export const types = {
  getTypeParser: (oid: number, format?: string): ((value: string) => unknown) => {
    const theirs = builtin.getTypeParser(oid, format === 'binary' ? 'binary' : 'text');
    return format === 'binary' ? theirs : (own[oid] ?? theirs);
  },
};
