/** Walks the chains of the audit log and names what is not as it was written. */
import type { Knex } from 'knex';
import { hashOf, signatureOf } from './chain.ts';
import type { Head } from './chain.ts';
import { ENTRY, headOf, recordOf } from './rows.ts';
import type { ChainRow, LogRow } from './rows.ts';

const PAGE = 1_000;
/** an entry that waits for longer is named: nobody seals */
const WAITING = `select count(*) as n from audit_inbox where arrived_at < clock_timestamp() - interval '10 s'`;

/** The first fault of a chain; what follows it cannot be judged. */
export interface Fault {
  readonly chain: string;
  readonly seq: number;
  readonly what: string;
}

export interface Verified {
  readonly ok: boolean;
  readonly chains: number;
  readonly rows: number;
  readonly faults: readonly Fault[];
  /** entries of the inbox that are older than 10 s */
  readonly waiting: number;
}

/** A head that somebody wrote down earlier: the log must still contain it. */
export interface Expected {
  readonly chain: string;
  readonly seq: number;
  /** 64 hexadecimal digits */
  readonly hash: string;
}

/** @throws Error when the database cannot be read */
export const verifyAudit = (knex: Knex, key: string, expected: readonly Expected[] = []): Promise<Verified> =>
  knex.transaction(
    async (tx) => {
      const { rows: heads } = (await tx.raw('select * from audit_chain order by chain')) as { rows: ChainRow[] };
      const faults: Fault[] = [];
      let rows = 0;
      for (const row of heads) {
        const head = headOf(row);
        if (!signatureOf(key, head).equals(row.signature))
          faults.push({ chain: head.chain, seq: head.seq, what: 'the head is not signed by this server' });
        const walked = await walk(tx, head);
        rows += walked.rows;
        if (walked.fault !== undefined) faults.push({ chain: head.chain, ...walked.fault });
      }
      faults.push(...(await headless(tx)), ...(await missing(tx, heads, expected)));
      const { rows: late } = (await tx.raw(WAITING)) as { rows: { n: number }[] };
      const waiting = late[0]?.n ?? 0;
      return { ok: faults.length === 0 && waiting === 0, chains: heads.length, rows, faults, waiting };
    },
    { isolationLevel: 'repeatable read', readOnly: true },
  );

type Found = { readonly rows: number; readonly fault?: { readonly seq: number; readonly what: string } };

async function walk(tx: Knex.Transaction, head: Head): Promise<Found> {
  let { floorSeq: seq, floorHash: hash } = head;
  let rows = 0;
  for (;;) {
    const { rows: page } = (await tx.raw(
      `select chain, seq, at, ${ENTRY}, prev_hash, hash from audit_log where chain = ? and seq > ? order by seq limit ${PAGE}`,
      [head.chain, seq],
    )) as { rows: LogRow[] };
    for (const row of page) {
      rows += 1;
      if (row.seq !== seq + 1) return { rows, fault: { seq: seq + 1, what: `is missing; the next row is ${row.seq}` } };
      if (!row.prev_hash.equals(hash)) return { rows, fault: { seq: row.seq, what: 'does not follow the row before it' } };
      if (!hashOf(hash, row.chain, row.seq, recordOf(row)).equals(row.hash)) return { rows, fault: { seq: row.seq, what: 'was changed' } };
      ({ seq, hash } = row);
    }
    if (page.length < PAGE) break;
  }
  if (seq < head.seq) return { rows, fault: { seq: seq + 1, what: `is missing; the chain had ${head.seq} rows` } };
  if (seq > head.seq || !hash.equals(head.hash)) return { rows, fault: { seq, what: 'is not the row that was sealed last' } };
  return { rows };
}

async function headless(tx: Knex.Transaction): Promise<Fault[]> {
  const { rows } = (await tx.raw(
    'select chain, min(seq) as seq from audit_log l where not exists (select 1 from audit_chain c where c.chain = l.chain) group by chain',
  )) as { rows: { chain: string; seq: number }[] };
  return rows.map((row) => ({ ...row, what: 'the head of the chain is missing' }));
}

async function missing(tx: Knex.Transaction, heads: readonly ChainRow[], expected: readonly Expected[]): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const { chain, seq, hash } of expected) {
    if (seq <= (heads.find((h) => h.chain === chain)?.floor_seq ?? 0)) continue;
    const { rows } = (await tx.raw('select hash from audit_log where chain = ? and seq = ?', [chain, seq])) as { rows: { hash: Buffer }[] };
    if (rows[0]?.hash.toString('hex') !== hash) faults.push({ chain, seq, what: 'is not the row that was expected' });
  }
  return faults;
}
