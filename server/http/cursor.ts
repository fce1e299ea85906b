/** Where a list goes on. To clients a cursor is a word without meaning, so what comes back is checked like everything that comes in. */
import { z } from 'zod';
import { invalid } from '../problems.ts';
import { unfit } from './body.ts';

/** Epoch ms that both JavaScript and the database know. */
export const CursorTime = z.int().min(0).max(8_640_000_000_000_000);
/** Text that may be compared with a column. */
export const CursorText = z.string().refine((text) => !unfit(text));

export const writeCursor = (place: readonly (string | number)[]): string => Buffer.from(JSON.stringify(place)).toString('base64url');

/** @throws Problem VALIDATION when it is not one of this list */
export function readCursor<S extends z.ZodType>(place: S, cursor: string): z.output<S> {
  try {
    return place.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
  } catch {
    throw invalid([{ path: 'query.cursor', message: 'is not a cursor of this list' }]);
  }
}
