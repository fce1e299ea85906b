/**
 * Moves entries from the inbox into their chains. Every node tries each second; one at a time does it, under a lock of the database, so that the
 * writers of entries never wait for each other.
 */
import type { Knex } from 'knex';
import { grouped } from '../../actors/grouped.ts';
import { chainOf, sealed, signatureOf, startOf } from './chain.ts';
import type { Head } from './chain.ts';
import { columnsOf, ENTRY, headOf, recordOf } from './rows.ts';
import type { ChainRow, EntryRow } from './rows.ts';

/** of the advisory lock: 'audi' */
const LOCK = 0x61756469;
const PAGE = 500;

/** Seals one page of what waits; gives how many entries, 0 also while another node does it. */
export async function sealPage(knex: Knex, key: string, now: number): Promise<number> {
  const { rows: waiting } = (await knex.raw('select 1 from audit_inbox limit 1')) as { rows: unknown[] };
  if (waiting.length === 0) return 0;
  return knex.transaction(async (tx) => {
    if (!(await locked(tx))) return 0;
    const { rows } = (await tx.raw(
      `select id, date_trunc('milliseconds', at) as at, ${ENTRY} from audit_inbox order by id limit ${PAGE}`,
    )) as {
      rows: (EntryRow & { readonly id: number })[];
    };
    const byChain = grouped(rows.map(recordOf), chainOf);
    const { rows: chains } = (await tx.raw('select * from audit_chain where chain = any(?)', [[...byChain.keys()]])) as {
      rows: ChainRow[];
    };
    const heads = new Map(chains.map((row) => [row.chain, headOf(row)]));
    const fresh = [...byChain].flatMap(([chain, records]) => sealed(heads.get(chain) ?? startOf(chain), records));
    await tx.raw(
      `insert into audit_log (chain, seq, at, ${ENTRY}, prev_hash, hash)
       select chain, seq, at, ${ENTRY}, decode(prev_hash, 'hex'), decode(hash, 'hex')
       from jsonb_to_recordset(?::jsonb) as r(chain text, seq bigint, at timestamptz, actor_type text, actor_id text, action text, target_type text,
         target_id text, subject_user_id uuid, outcome text, reason text, request_id text, meta jsonb, prev_hash text, hash text)`,
      [JSON.stringify(fresh.map(columnsOf))],
    );
    const ends = new Map(fresh.map(({ chain, seq, hash }) => [chain, { ...(heads.get(chain) ?? startOf(chain)), seq, hash }]));
    for (const head of ends.values()) await writeHead(tx, key, head, now);
    await tx.raw('delete from audit_inbox where id = any(?)', [rows.map((row) => row.id)]);
    return rows.length;
  });
}

/** Removes what is older than `before` (epoch ms) from the beginning of each chain; the head, signed anew, says where it begins now. Gives the rows removed. */
export const prune = (knex: Knex, key: string, before: number, now: number): Promise<number> =>
  knex.transaction(async (tx) => {
    if (!(await locked(tx))) return 0;
    await tx.raw(`set local thrum.audit_prune = 'on'`);
    const { rows: chains } = (await tx.raw('select * from audit_chain order by chain')) as { rows: ChainRow[] };
    let removed = 0;
    for (const head of chains.map(headOf)) {
      const { rows } = (await tx.raw(
        `select seq, hash from audit_log where chain = ?
           and seq <= coalesce((select min(seq) - 1 from audit_log where chain = ? and at >= ?), ?) order by seq desc limit 1`,
        [head.chain, head.chain, new Date(before), head.seq],
      )) as { rows: { seq: number; hash: Buffer }[] };
      const floor = rows[0];
      if (floor === undefined) continue;
      await writeHead(tx, key, { ...head, floorSeq: floor.seq, floorHash: floor.hash }, now);
      const { rowCount } = (await tx.raw('delete from audit_log where chain = ? and seq <= ?', [head.chain, floor.seq])) as {
        rowCount: number;
      };
      removed += rowCount;
    }
    return removed;
  });

async function locked(tx: Knex.Transaction): Promise<boolean> {
  const { rows } = (await tx.raw('select pg_try_advisory_xact_lock(?) as mine', [LOCK])) as { rows: { mine: boolean }[] };
  return rows[0]?.mine === true;
}

async function writeHead(tx: Knex.Transaction, key: string, head: Head, now: number): Promise<void> {
  await tx.raw(
    `insert into audit_chain (chain, seq, hash, floor_seq, floor_hash, signature, sealed_at) values (?, ?, ?, ?, ?, ?, ?)
     on conflict (chain) do update set seq = excluded.seq, hash = excluded.hash, floor_seq = excluded.floor_seq, floor_hash = excluded.floor_hash,
       signature = excluded.signature, sealed_at = excluded.sealed_at`,
    [head.chain, head.seq, head.hash, head.floorSeq, head.floorHash, signatureOf(key, head), new Date(now)],
  );
}
