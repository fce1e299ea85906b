/** P8: actors brought back from the database, each with 20 journal rows and the snapshot of an orderly stop, against selecting the snapshots alone. */
import { registryOf } from '../actors/companion.ts';
import { actorIdOf } from '../actors/ids.ts';
import { createPgStore } from '../actors/store/pg.ts';
import type { Principal } from '../actors/types.ts';
import type { Database } from '../server/db/database.ts';
import { alternate, compare } from './harness.ts';
import type { Contender, Plan, Row } from './harness.ts';
import { stepKind } from './kind.ts';
import { IN_FLIGHT, step, stepSystem } from './system.ts';

const COLD_ACTORS = 10_000;
const ROWS_EACH = 20;
const PAGE = 256;

const caller: Principal = { kind: 'user', id: 'bench', roles: ['user'] };
const refOf = (i: number): `step:${string}` => `step:cold-${i}`;

async function write(db: Database): Promise<void> {
  const store = createPgStore(db, registryOf([stepKind]));
  const system = stepSystem(store);
  await system.start();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < COLD_ACTORS * ROWS_EACH) {
      next += 1;
      await step(system, `cold-${next % COLD_ACTORS}`, next);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  await system.drain(30_000);
  await store.stop();
}

/** Each round begins with a kernel that knows nobody. */
const kernel = (db: Database): Contender => ({
  name: 'cold',
  run: async (ms) => {
    let spent = 0;
    let done = 0;
    while (spent < ms) {
      const store = createPgStore(db, registryOf([stepKind]));
      const system = stepSystem(store);
      await system.start();
      const began = performance.now();
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < COLD_ACTORS && spent + performance.now() - began < ms) {
          next += 1;
          await system.allowed(refOf(next % COLD_ACTORS), caller);
          done += 1;
        }
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
      spent += performance.now() - began;
      await system.drain(10_000);
      await store.stop();
    }
    return done / (spent / 1_000);
  },
});

/** S: the snapshots of as many actors by their ids, 256 a query, parsed by the driver. */
function select(db: Database): Contender {
  const connection = db.connect({ pipeline: false });
  const ids = Array.from({ length: COLD_ACTORS }, (_, i) => actorIdOf(refOf(i)));
  return {
    name: 'S',
    run: async (ms) => {
      const client = await connection;
      const began = performance.now();
      let done = 0;
      for (let i = 0; performance.now() - began < ms; i = (i + PAGE) % COLD_ACTORS) {
        const { rows } = await client.query({
          name: 'bench_snapshots',
          text: 'select actor_id, seq, mver, state from thrum_snapshot where actor_id = any($1::uuid[])',
          values: [ids.slice(i, i + PAGE)],
        });
        done += rows.length;
      }
      return done / ((performance.now() - began) / 1_000);
    },
    close: async () => (await connection).end(),
  };
}

export async function coldActivations(db: Database, plan: Plan, say: (line: string) => void): Promise<readonly Row[]> {
  await write(db);
  const contenders = [kernel(db), select(db)];
  const rates = await alternate(contenders, plan, say);
  for (const { close } of contenders) await close?.();
  const what = `cold activations, ${ROWS_EACH} journal rows each, against selecting their snapshots`;
  return [compare(rates, { id: 'P8', what, of: 'cold', by: 'S', atLeast: 0.3 })];
}
