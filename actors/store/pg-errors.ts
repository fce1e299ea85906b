/** What an error of the database means for a commit (kernel specification 7.4). */
import { GAP } from '../statement.ts';
import type { Batch, RefusedRow } from './store.ts';
import { StoreError } from './store.ts';

/** The fields of a server error; errors of the connection have no SQLSTATE. */
interface ServerError extends Error {
  readonly code?: string;
  readonly table?: string;
  readonly constraint?: string;
  readonly detail?: string;
  readonly where?: string;
  readonly severity?: string;
}

const TRANSIENT = new Set(['40001', '40P01', '55P03', '57014']);
/** the server is going down or has dropped the session; class 08 is the connection itself */
const LOST = new Set(['57P01', '57P02', '57P03', '57P05', '25P03', '53300']);

export function storeError(cause: unknown, batch?: Batch, tableOf?: ReadonlyMap<string, string>): StoreError {
  const error = cause as ServerError;
  const state = error.severity === undefined ? undefined : error.code;
  const fail = (failure: StoreError['failure'], o: { companion?: string; rows?: readonly RefusedRow[] } = {}): StoreError =>
    new StoreError(failure, error.message, { ...o, cause });

  if (state === undefined || LOST.has(state) || state.startsWith('08')) return fail('in-doubt');
  // 53: out of memory, disk or connections, 58: i/o; nothing was applied, and it may pass
  if (TRANSIENT.has(state) || state.startsWith('53') || state.startsWith('58')) return fail('transient');

  const { table = '', constraint = '' } = error;
  const journal = table.startsWith('thrum_journal');
  if (state === '23505' && journal && constraint.endsWith('_pkey')) return fail('fence');
  if (state === '23505' && journal && constraint.endsWith('_idem_idx')) return fail('duplicate');
  if (state === '23P01' && constraint === GAP) return fail('fence');
  if (state === '23P01' && error.message === 'companion row refused') {
    return fail('refused', { companion: constraint, rows: JSON.parse(error.detail ?? '[]') as RefusedRow[] });
  }
  if (!batch || batch.companions.length === 0 || journal) return fail('bad-row');
  const companion = companionAtFault(error, batch, tableOf);
  return companion === undefined ? fail('bad-row') : fail('companion', { companion });
}

/** The companion whose table or parameter an error names; a lone companion for errors that name nothing, like those of casts. */
function companionAtFault(error: ServerError, batch: Batch, tableOf: ReadonlyMap<string, string> = new Map()): string | undefined {
  const { table } = error;
  if (table !== undefined) {
    // a partition is called after its table
    return batch.companions.find(({ companion }) => {
      const declared = tableOf.get(companion);
      return declared !== undefined && (table === declared || new RegExp(`^_\\d+$`).test(table.replace(declared, '')));
    })?.companion;
  }
  const parameter = /parameter \$(\d+)/.exec(error.where ?? '')?.[1];
  if (parameter === undefined) return batch.companions[0]?.companion;
  const kernels = [batch.born, batch.timersSet, batch.timersGone, batch.outbox, batch.outboxDone].filter((rows) => rows.length > 0).length;
  return batch.companions[Number(parameter) - 3 - kernels]?.companion;
}
