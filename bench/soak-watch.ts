/** What a soak looks at in the database: rows that are dead, tables that grow, and what the server keeps for each connection. */
import { readFile } from 'node:fs/promises';
import type { Client } from 'pg';
import type { Database } from '../server/db/database.ts';

/** Tables whose rows come and go, or are written again and again; the journal only grows. */
const TABLES = ['thrum_actor', 'thrum_snapshot', 'thrum_timer', 'thrum_outbox', 'soak_claims', 'soak_counts'];

export interface TableLook {
  readonly table: string;
  readonly live: number;
  readonly dead: number;
  /** bytes with its indexes */
  readonly size: number;
  readonly vacuums: number;
}

export interface DatabaseLook {
  readonly tables: readonly TableLook[];
  /** statements prepared on all connections together, as the driver knows them */
  readonly prepared: number;
  /** private bytes of the server's processes for these connections; 0 where the system does not tell */
  readonly backends: number;
}

/** The part of the driver's connection that counts. */
interface Prepared {
  readonly connection: { readonly parsedStatements: { readonly [name: string]: string } };
  readonly processID: number | null;
}

/** private bytes of a process of this machine */
async function privateBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1_024;
}

/** A database whose connections are remembered, and looked at. */
export function watched(db: Database): { readonly source: Database; readonly look: () => Promise<DatabaseLook> } {
  const clients = new Set<Client>();
  const source: Database = {
    ...db,
    connect: async (o) => {
      const client = await db.connect(o);
      clients.add(client);
      client.once('end', () => clients.delete(client));
      return client;
    },
  };
  const look = async (): Promise<DatabaseLook> => {
    const { rows } = await db.knex.raw<{ rows: TableLook[] }>(
      `select relname as table, n_live_tup::float8 as live, n_dead_tup::float8 as dead, pg_total_relation_size(relid)::float8 as size,
              (autovacuum_count + vacuum_count)::float8 as vacuums
         from pg_stat_user_tables where relname = any(?) order by relname`,
      [TABLES],
    );
    const open = [...clients] as unknown as Prepared[];
    const backends = await Promise.all(open.map(({ processID }) => privateBytes(processID ?? 0)));
    return {
      tables: rows,
      prepared: open.reduce((sum, { connection }) => sum + Object.keys(connection.parsedStatements).length, 0),
      backends: backends.reduce((sum, bytes) => sum + bytes, 0),
    };
  };
  return { source, look };
}
