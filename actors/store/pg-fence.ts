/**
 * A process that was killed may have left statements at the database: the server goes on with what it has received, and notices only afterwards
 * that nobody waits. What such a statement writes of messages and timers would escape a successor that has read those tables already. (Histories
 * need no such care, their primary key is a fence.) Every connection of a kernel therefore carries the name of its process, and whoever comes
 * after it ends those connections first. A process sends no statement before its connection has been greeted, so there is none to come on a
 * connection that the server does not list yet.
 */
import type { Former } from './store.ts';
import type { PgLink } from './pg-link.ts';

const PREFIX = 'thrum kernel ';

/** What the connections of a process are called; the server cuts names off after 63 bytes. */
export const connectionName = (node: string): string => `${PREFIX}${node}`.slice(0, 63);

/** for one connection to be gone; the statement that it is busy with is cancelled */
const GONE_MS = 10_000;

const FENCE = `
  select pid, pg_terminate_backend(pid, ${GONE_MS}) as gone
    from (select pid, application_name as name, max(coalesce(query_start, backend_start)) over (partition by application_name) as heard
            from pg_stat_activity
           where datname = current_database() and backend_type = 'client backend' and starts_with(application_name, '${PREFIX}')) c
   where name is distinct from $1 and ($2::text[] is null or name = any($2))
     and heard <= clock_timestamp() - make_interval(secs => $3::float8 / 1000)`;

const CONNECTED = `
  select distinct substr(application_name, ${PREFIX.length + 1}) as node
    from pg_stat_activity
   where datname = current_database() and backend_type = 'client backend' and starts_with(application_name, '${PREFIX}')
     and (state <> 'idle' or coalesce(query_start, backend_start) > clock_timestamp() - make_interval(secs => $1::float8 / 1000))`;

/** Names of the processes that have spoken within `silentMs` or have a statement under way. Connections of a machine that is lost may stand for hours. */
export async function connectedKernels(link: PgLink, silentMs: number): Promise<string[]> {
  return (await link.query<{ node: string }>('kernels', CONNECTED, [silentMs])).map(({ node }) => node);
}

/** Ends the connections of former processes. @throws Error when one does not go away */
export async function endConnections(link: PgLink, me: string | undefined, former: Former | undefined): Promise<number> {
  const names = former?.nodes.map(connectionName) ?? null;
  const values = [me === undefined ? null : connectionName(me), names, former?.silentMs ?? 0];
  const ended = await link.query<{ pid: number; gone: boolean }>(undefined, FENCE, values);
  const left = ended.filter(({ gone }) => !gone).map(({ pid }) => pid);
  if (left.length > 0) throw new Error(`connections of a former process do not end: backend ${left.join(', ')}`);
  return ended.length;
}
