/**
 * A request with an answer between two actors (kernel.md 15.3, P18): request, question, answer, each a commit of its own, against one commit
 * for all three where the messages are fused.
 */
import { Registry } from 'prom-client';
import { registryOf } from '../actors/companion.ts';
import { createPgStore } from '../actors/store/pg.ts';
import type { JournalStore } from '../actors/store/store.ts';
import { createActorSystem } from '../actors/system.ts';
import type { ActorSystem } from '../actors/system.ts';
import type { Principal } from '../actors/types.ts';
import type { Database } from '../server/db/database.ts';
import { alternate, bounded, compare, flood, median } from './harness.ts';
import type { Plan, Row } from './harness.ts';
import { pairKind } from './pair-kind.ts';
import { benchLog, realClock } from './system.ts';

const PAIRS = 1_000;
const IN_FLIGHT = 256;
/** few enough that no exchange waits for another */
const CALM = 4;

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

/**
 * @param id of the row of the rates; the one of the latencies ends with `p50`
 * @param where name of the database
 */
export async function pairRows(db: Database, id: string, where: string, plan: Plan, say: (line: string) => void): Promise<Row[]> {
  const exchanges = new Exchanges(db);
  await exchanges.start();
  const run = (fuse: boolean) => (ms: number) => {
    exchanges.fuse = fuse;
    return flood(IN_FLIGHT, ms, () => exchanges.one());
  };
  const contenders = [
    { name: 'plain', run: run(false) },
    { name: 'fused', run: run(true) },
  ];
  const rates = await alternate(contenders, plan, say);
  /** median ms of an exchange when none waits for another */
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
  const plain: number[] = [];
  const fused: number[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    plain.push(await calm(false));
    fused.push(await calm(true));
  }
  await exchanges.stop();
  const what = `exchanges of two actors, ${where}, fused against plain`;
  return [
    compare(rates, { id, what, of: 'fused', by: 'plain', atLeast: 1.3 }),
    bounded({ id: `${id}p50`, what: `p50 of ${what}, ${CALM} in flight`, values: fused, by: plain, unit: 'ms', atMost: 0.6 }),
  ];
}
