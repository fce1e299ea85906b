/** Baselines R and N of kernel.md 15.3: what the database gives without a kernel, and what the usual design makes of it. */
import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import type { JournalRow } from '../actors/store/store.ts';
import { flood } from './harness.ts';
import type { Contender } from './harness.ts';

export type Connect = () => Promise<Client>;

const BATCH = 256;
const RAW = `insert into thrum_journal (actor_id, seq, at, type, event, patch, reply, idem, cid, mver, meta)
select (r->>0)::uuid, (r->>1)::bigint, (r->>2)::bigint, r->>3, r->4, r->5, r->6, decode(r->>7, 'hex'), (r->>8)::bigint, (r->>9)::integer, r->10
from jsonb_array_elements($1::jsonb) r`;

/** The rows of one batch as JSON text, under actors that nobody has written yet. */
function batchText(rows: readonly JournalRow[], actor: (id: string) => string, cid: number): string {
  const text = rows.map((r) => {
    const idem = r.idem === null ? 'null' : `"${r.idem}"`;
    return `["${actor(r.actorId)}",${r.seq},${r.at},"${r.type}",${r.event},${r.patch},${r.reply ?? 'null'},${idem},${cid},${r.mver},${r.meta ?? 'null'}]`;
  });
  return `[${text.join(',')}]`;
}

/**
 * R: the same journal rows, inserted in batches of 256 by one prepared statement on `k` connections. The text of the batches is built before
 * the time is taken. `seen` is told the ms of each statement.
 */
export function rawJournal(
  name: string,
  connect: Connect,
  k: number,
  sample: readonly JournalRow[],
  { batch = BATCH, seen }: { batch?: number; seen?: (ms: number) => void } = {},
): Contender {
  const connections = Promise.all(Array.from({ length: k }, connect));
  let cid = 0;
  const fresh = (): string[] => {
    const ids = new Map<string, string>();
    const actor = (id: string): string => {
      const known = ids.get(id) ?? randomUUID();
      ids.set(id, known);
      return known;
    };
    const texts: string[] = [];
    for (let i = 0; i + batch <= sample.length; i += batch) texts.push(batchText(sample.slice(i, i + batch), actor, (cid += 1)));
    return texts;
  };
  return {
    name,
    run: async (ms) => {
      const clients = await connections;
      let spent = 0;
      let rows = 0;
      while (spent < ms) {
        const texts = fresh();
        const began = performance.now();
        let next = 0;
        const worker = async (client: Client): Promise<void> => {
          while (next < texts.length && spent + performance.now() - began < ms) {
            const text = texts[next]!;
            next += 1;
            const sent = performance.now();
            await client.query({ name: 'bench_raw', text: RAW, values: [text] });
            seen?.(performance.now() - sent);
            rows += batch;
          }
        };
        await Promise.all(clients.map(worker));
        spent += performance.now() - began;
      }
      return rows / (spent / 1_000);
    },
    close: async () => {
      for (const client of await connections) await client.end();
    },
  };
}

/** N: one transaction per command, which locks the row, computes the next state and writes it back. */
export function naive(name: string, connect: Connect, connections: number, actors: number): Contender {
  const ready = (async () => {
    const clients = await Promise.all(Array.from({ length: connections }, connect));
    const [first] = clients;
    await first!.query('create table if not exists bench_naive (id integer primary key, value text not null, context jsonb not null)');
    await first!.query(
      `insert into bench_naive select i, 'idle', '{"owner":"nobody","title":"bench","steps":0,"amount":0,"last":0,"at":0,"note":"","open":true}'
       from generate_series(0, $1::integer - 1) i on conflict do nothing`,
      [actors],
    );
    return clients;
  })();
  const flow: Record<string, string> = {
    idle: 'assigned',
    assigned: 'active',
    active: 'paused',
    paused: 'review',
    review: 'settled',
    settled: 'idle',
  };
  return {
    name,
    run: async (ms) => {
      const idle = [...(await ready)];
      return flood(connections, ms, async (i) => {
        const client = idle.pop()!;
        await client.query('begin');
        const { rows } = await client.query<{ value: string; context: { steps: number; amount: number } }>({
          name: 'bench_lock',
          text: 'select value, context from bench_naive where id = $1 for update',
          values: [i % actors],
        });
        const { value, context } = rows[0]!;
        const next = {
          ...context,
          steps: context.steps + 1,
          amount: (context.amount + i) % 1_000,
          last: i % 1_000,
          at: Date.now(),
          note: 'measured',
        };
        await client.query({
          name: 'bench_write',
          text: 'update bench_naive set value = $2, context = $3 where id = $1',
          values: [i % actors, flow[value], JSON.stringify(next)],
        });
        await client.query('commit');
        idle.push(client);
      });
    },
    close: async () => {
      for (const client of await ready) await client.end();
    },
  };
}
