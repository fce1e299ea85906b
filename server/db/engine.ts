/**
 * The worker thread that holds the embedded database. PGlite executes on the thread that calls it, so it must not be the one that serves
 * sockets. It is ONE session: here many connections take turns. A connection that is inside a transaction, or between Parse and Sync, keeps
 * the engine until it is done; the others queue in order of arrival.
 */
import { PGlite } from '@electric-sql/pglite';
import { btree_gist as btreeGist } from '@electric-sql/pglite/contrib/btree_gist';
import { existsSync, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { EngineOptions, FromEngine, ToEngine } from './embedded.ts';
import { concat, fatal, firstText, FrameReader, greeting, message, Names, statusOf, TYPE } from './frames.ts';
import type { Frame } from './frames.ts';

/** The engine has no background processes: checkpoints are written after so many bytes received, and after a minute with fewer. */
const CHECKPOINT_BYTES = 32 * 1024 * 1024;
const CHECKPOINT_MS = 60_000;
/** How often a table that needs it is vacuumed, one at a time, ms. */
const VACUUM_MS = 15_000;

/**
 * The work of autovacuum: the table with the most dead rows, out-of-date statistics or old transaction ids. Partitions are only appended to
 * and reached by key; their statistics matter to no plan and would take a second each.
 */
const VACUUM = `
  select format('vacuum %s%I.%I', case when c.relispartition then '' else '(analyze) ' end, s.schemaname, s.relname)
    from pg_stat_user_tables s join pg_class c on c.oid = s.relid
   where s.n_dead_tup > 50 + 0.1 * s.n_live_tup or age(c.relfrozenxid) > 100000000
      or not c.relispartition and s.n_mod_since_analyze > 50 + 0.1 * s.n_live_tup
   order by s.n_dead_tup desc, s.n_mod_since_analyze desc limit 1`;

interface Connection {
  readonly id: number;
  readonly reader: FrameReader;
  readonly names: Names;
  /** messages since the last complete unit */
  open: Uint8Array[];
  /** complete units that wait: a simple query, or everything up to Sync or Flush */
  readonly units: Uint8Array[];
  ended: boolean;
}

const port = parentPort;
if (!port) throw new Error('runs as a worker thread only');

const { dir, idleInTransaction } = workerData as EngineOptions;
const connections = new Map<number, Connection>();
const queue: Connection[] = [];
let holder: Connection | undefined;
let patience: NodeJS.Timeout | undefined;
let written = 0;

const post = (m: FromEngine, transfer: ArrayBuffer[] = []): void => port.postMessage(m, transfer);

/** A global of the platform that the library types without the browser do not name. */
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<object> };

/** Compiled once: a new cluster is made by a second instance, and would compile the engine again. */
const compiled = async (name: string): Promise<object> =>
  WebAssembly.compile(await readFile(new URL(name, import.meta.resolve('@electric-sql/pglite'))));

mkdirSync(dir, { recursive: true });
const isNew = !existsSync(join(dir, 'PG_VERSION'));
const db = await PGlite.create(dir, {
  extensions: { btree_gist: btreeGist },
  pgliteWasmModule: await compiled('pglite.wasm'),
  ...(isNew ? { initdbWasmModule: await compiled('initdb.wasm') } : {}),
});
const version = (await db.query<{ v: string }>("select current_setting('server_version') as v")).rows[0]?.v ?? '18';

function send(connection: Connection, bytes: Uint8Array): void {
  if (bytes.length > 0 && !connection.ended) post({ type: 'data', id: connection.id, bytes }, [bytes.buffer as ArrayBuffer]);
}

function receive(connection: Connection, frame: Frame): void {
  if (frame.type === 0) {
    const code = new DataView(frame.bytes.buffer, frame.bytes.byteOffset).getInt32(4);
    if (frame.bytes.length === 8) send(connection, code === 80_877_103 ? new Uint8Array([0x4e]) : new Uint8Array(0));
    else send(connection, greeting(version, connection.id));
    return;
  }
  if (frame.type === TYPE.terminate) return;
  connection.open.push(connection.names.rewrite(frame));
  if (frame.type !== TYPE.query && frame.type !== TYPE.sync && frame.type !== TYPE.flush) return;
  connection.units.push(concat(connection.open));
  connection.open = [];
  if (connection !== holder && !queue.includes(connection)) queue.push(connection);
}

/** Runs what can run. Each unit is synchronous, so answers are in order. */
function pump(): void {
  for (;;) {
    const connection = holder ?? queue.shift();
    const unit = connection?.units.shift();
    if (!connection) break;
    if (!unit) {
      if (holder) break;
      continue;
    }
    const answer = db.execProtocolRawSync(unit);
    written += unit.length;
    holder = statusOf(answer) === 'I' ? undefined : connection;
    send(connection, answer);
    if (!holder && connection.units.length > 0) queue.push(connection);
  }
  clearTimeout(patience);
  if (holder && queue.length > 0) patience = setTimeout(giveUp, idleInTransaction, holder);
  else if (!holder && written > CHECKPOINT_BYTES) checkpoint();
}

function giveUp(connection: Connection): void {
  if (connection !== holder) return;
  const answer = fatal('25P03', 'terminating connection due to idle-in-transaction timeout');
  send(connection, answer);
  post({ type: 'end', id: connection.id });
  end(connection);
  pump();
}

/** Leaves nothing of a connection in the session. */
function end(connection: Connection): void {
  connections.delete(connection.id);
  connection.ended = true;
  connection.units.length = 0;
  const at = queue.indexOf(connection);
  if (at >= 0) queue.splice(at, 1);
  const wasHolder = holder === connection;
  if (wasHolder) {
    db.execProtocolRawSync(concat([message('S'), message('Q', 'rollback\0')]));
    holder = undefined;
  }
  const closing = connection.names.forget();
  if (!closing) return;
  if (holder) housekeeping.push(closing);
  else db.execProtocolRawSync(closing);
}

/** Statements to drop once nobody is in a transaction. */
const housekeeping: Uint8Array[] = [];

function checkpoint(): void {
  if (holder || written === 0) return;
  for (const closing of housekeeping.splice(0)) db.execProtocolRawSync(closing);
  db.execProtocolRawSync(message('Q', 'checkpoint\0'));
  written = 0;
}

function vacuum(): void {
  if (holder) return;
  const command = firstText(db.execProtocolRawSync(message('Q', `${VACUUM}\0`)));
  if (command !== undefined) db.execProtocolRawSync(message('Q', `${command}\0`));
}

const chores = [setInterval(checkpoint, CHECKPOINT_MS), setInterval(vacuum, VACUUM_MS)];

port.on('message', (m: ToEngine) => {
  if (m.type === 'open') {
    connections.set(m.id, { id: m.id, reader: new FrameReader(), names: new Names(`c${m.id}_`), open: [], units: [], ended: false });
    return;
  }
  if (m.type === 'stop') {
    for (const chore of chores) clearInterval(chore);
    clearTimeout(patience);
    for (const connection of connections.values()) end(connection);
    void db.close().finally(() => {
      post({ type: 'stopped' });
      port.close();
    });
    return;
  }
  const connection = connections.get(m.id);
  if (!connection) return;
  if (m.type === 'data') for (const frame of connection.reader.push(m.bytes)) receive(connection, frame);
  else end(connection);
  pump();
});

post({ type: 'ready', version });
