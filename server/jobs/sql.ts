/** What the statements of the jobs have in common. Times go in as epoch ms and come out as numbers. */

/** @param result of a raw statement */
export const rowsOf = <T>(result: unknown): T[] => (result as { rows: T[] }).rows;

export const ts = (ms: number): Date => new Date(ms);

/** A column of a time as epoch ms. */
export const msOf = (column: string): string => `extract(epoch from ${column})::float8 * 1000`;
