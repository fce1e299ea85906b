import { DAY, dateOf, offsetAt } from '../time/civil.ts';

const MINUTE = 60_000;

/** Local date of an instant at a known offset. */
export const dayAt = (at: number, offsetMin: number): string => dateOf(Math.floor((at + offsetMin * MINUTE) / DAY));

/** Offset in minutes that an RFC 3339 text states; undefined for `Z`, which names an instant and no place. */
export function statedOffset(text: string): number | undefined {
  const m = /([+-])(\d{2}):(\d{2})$/.exec(text);
  if (m === null) return undefined;
  const minutes = Number(m[2]) * 60 + Number(m[3]);
  return m[1] === '-' ? -minutes : minutes;
}

export type OffsetOf = (at: number) => number;

/** Offset of a zone in minutes, remembered by quarter of an hour: a batch has many samples close together. */
export function offsetsOf(zone: string): OffsetOf {
  const seen = new Map<number, number>();
  return (at) => {
    // no zone changes its offset within a quarter of an hour
    const quarter = Math.floor(at / 900_000);
    let offset = seen.get(quarter);
    if (offset === undefined) {
      offset = Math.round(offsetAt(zone, at) / MINUTE);
      seen.set(quarter, offset);
    }
    return offset;
  };
}
