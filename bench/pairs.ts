/**
 * A request with an answer between two actors (kernel.md 15.3, P18): request, question, answer, each a commit of its own, against one commit
 * for all three where the messages are fused.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { registryOf } from '../actors/companion.ts';
import { createPgStore } from '../actors/store/pg.ts';
import type { JournalStore } from '../actors/store/store.ts';
import { createActorSystem } from '../actors/system.ts';
import type { ActorSystem } from '../actors/system.ts';
import type { Principal } from '../actors/types.ts';
import { startPostgres } from '../scripts/private-postgres.ts';
import { openDatabase } from '../server/db/database.ts';
import type { Database } from '../server/db/database.ts';
import { alternate, compare, flood, median } from './harness.ts';
import type { Plan, Row } from './harness.ts';
import { pairKind } from './pair-kind.ts';
import type { Bench } from './run.ts';
import { benchLog, realClock } from './system.ts';

const PAIRS = 1_000;
const IN_FLIGHT = 256;
/** few enough that no exchange waits for another */
const CALM = 4;
/** on the disk, where the temporary folder may be memory */
const DISK = '/var/tmp';

const caller: Principal = { kind: 'user', id: 'bench', roles: ['user'] };

/** Exchanges over pairs of actors on one lane; `fuse` says how their messages travel from now on. */
class Exchanges {
  fuse = false;
  readonly #store: JournalStore;
  readonly #system: ActorSystem;
  readonly #waiting = new Map<number, () => void>();
  #next = 0;

  constructor(db: Database) {
    this.#store = createPgStore(db, registryOf([pairKind]));
    this.#system = createActorSystem({
      kinds: [pairKind],
      effects: {},
      store: this.#store,
      clock: realClock,
      random: Math.random,
      log: benchLog,
      metrics: new Registry(),
      lanes: 1,
      fuse: () => this.fuse,
    });
    this.#system.onPublish((p) => {
      const { i } = p.d as { i: number };
      this.#waiting.get(i)?.();
      this.#waiting.delete(i);
    });
  }

  async start(): Promise<void> {
    await this.#system.start();
    await Promise.all(Array.from({ length: PAIRS }, () => this.one()));
  }

  /** One exchange, until the answer is durable. @throws when it is refused */
  async one(): Promise<void> {
    this.#next += 1;
    const i = this.#next;
    const pair = i % PAIRS;
    const answered = new Promise<void>((resolve) => this.#waiting.set(i, resolve));
    const command = { type: 'pair.ask', to: `pair:${pair}b`, i };
    const reply = await this.#system.ask(`pair:${pair}a`, command, { key: `pair-${process.pid}-${i}`, from: caller });
    if (!reply.ok) throw new Error(`pair:${pair}a refused: ${reply.error.code}`);
    await answered;
  }

  async stop(): Promise<void> {
    await this.#system.drain(10_000);
    await this.#store.stop();
  }
}

async function measure(db: Database, name: string, id: string, plan: Plan, say: (line: string) => void): Promise<Row[]> {
  const exchanges = new Exchanges(db);
  await exchanges.start();
  const run = (fuse: boolean) => (ms: number) => {
    exchanges.fuse = fuse;
    return flood(IN_FLIGHT, ms, () => exchanges.one());
  };
  const rates = await alternate(
    [
      { name: 'plain', run: run(false) },
      { name: 'fused', run: run(true) },
    ],
    plan,
    say,
  );
  /** median ms of an exchange, once a round */
  const calm = async (fuse: boolean): Promise<number> => {
    exchanges.fuse = fuse;
    const times: number[] = [];
    await flood(CALM, plan.ms / 2, async () => {
      const began = performance.now();
      await exchanges.one();
      times.push(performance.now() - began);
    });
    return median(times);
  };
  const times: { plain: number[]; fused: number[] } = { plain: [], fused: [] };
  for (let round = 0; round < plan.rounds; round += 1) {
    times.plain.push(await calm(false));
    times.fused.push(await calm(true));
  }
  await exchanges.stop();
  const [fused, plain] = [median(times.fused), median(times.plain)];
  return [
    compare(rates, { id, what: `exchanges of two actors, ${name}, fused against plain`, of: 'fused', by: 'plain', atLeast: 1.3 }),
    {
      id: `${id}p50`,
      what: `p50 of one exchange, ${CALM} at a time, ${name}`,
      value: fused,
      min: Math.min(...times.fused),
      unit: 'ms',
      baseline: plain,
      ratio: fused / plain,
      target: '<= 0.6',
      ok: fused / plain <= 0.6,
      broken: fused / plain > 0.6 * 1.3,
    },
  ];
}

export const pairsBench: Bench = async (plan, say) => {
  const rows: Row[] = [];
  const notes = [`${PAIRS} pairs, ${IN_FLIGHT} exchanges in flight, one lane; an exchange ends when the answer is durable`];
  const server = await startPostgres({ shared_buffers: '256MB', max_wal_size: '4GB' }, DISK);
  if (server === undefined) notes.push('PostgreSQL: not installed, P18 measured on PGlite alone');
  else {
    const db = await openDatabase({ url: server.url, dataDir: DISK }, benchLog);
    say(`PostgreSQL ${db.version}`);
    rows.push(...(await measure(db, 'PostgreSQL', 'P18', plan, say)));
    await db.close();
    await server.stop();
  }
  const dir = await mkdtemp(join(DISK, 'thrum-bench-'));
  const db = await openDatabase({ dataDir: dir }, benchLog);
  say(`PGlite, PostgreSQL ${db.version}`);
  rows.push(...(await measure(db, 'PGlite', 'P18e', plan, say)));
  await db.close();
  await rm(dir, { recursive: true, force: true });
  return { rows, notes };
};
