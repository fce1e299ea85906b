/** P15 to P17: commands that write a companion row each, against the same rows in the same statement without a kernel. */
import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { registryOf } from '../actors/companion.ts';
import type { ActorKind } from '../actors/define.ts';
import { Statements } from '../actors/statement.ts';
import { createPgStore } from '../actors/store/pg.ts';
import type { Batch, JournalRow, JournalStore, NetRow } from '../actors/store/store.ts';
import { createActorSystem } from '../actors/system.ts';
import type { ActorSystem, CommandInput } from '../actors/system.ts';
import type { Json, Log, Principal } from '../actors/types.ts';
import type { Database } from '../server/db/database.ts';
import { claimingKind, PLACES, sayingKind } from './companion-kinds.ts';
import { alternate, compare, flood } from './harness.ts';
import type { Contender, Plan, Rates, Row } from './harness.ts';
import { nullStore } from './null-store.ts';
import { ACTORS, benchLog, IN_FLIGHT, realClock } from './system.ts';

const BATCH = 256;
const SAMPLE_ROWS = 5_120;
const ROOMS = 100;
const REFUSED_EVERY = 1_000;
const REFUSED_CODE = 'BENCH_TAKEN';

const caller: Principal = { kind: 'user', id: 'bench', roles: ['user'] };
const silent = (): void => undefined;
/** the refusals of P17 raise an alarm each */
const quiet: Log = { ...benchLog, error: silent };

const start = async (kind: ActorKind, store: JournalStore): Promise<ActorSystem> => {
  const system = createActorSystem({
    kinds: [kind],
    effects: {},
    store,
    clock: realClock,
    random: Math.random,
    log: quiet,
    metrics: new Registry(),
    lanes: 1,
  });
  await system.start();
  return system;
};

let sent = 0;
let refused = 0;

/** One command to one of the actors; refusals are counted. @throws when it is not carried out for another reason */
async function send(system: ActorSystem, kind: string, command: CommandInput): Promise<void> {
  sent += 1;
  const reply = await system.ask(`${kind}:${sent % ACTORS}`, command, { key: `companion-${process.pid}-${sent}`, from: caller });
  if (reply.ok) return;
  if (reply.error.code !== REFUSED_CODE) throw new Error(`${kind}: ${reply.error.code} ${reply.error.detail ?? ''}`);
  refused += 1;
}

const say = (): CommandInput => ({ type: 'bench.say', text: 'measured' });
/** A place that nobody has claimed. */
const claim = (): CommandInput => ({ type: 'bench.claim', claim: `c${sent}`, room: `r${sent % ROOMS}`, at: sent });
/** The place that was claimed before anything was measured. */
const taken = (): CommandInput => ({ type: 'bench.claim', claim: `t${sent}`, room: 'taken', at: 0 });

const through = (name: string, system: ActorSystem, kind: string, command: () => CommandInput): Contender => ({
  name,
  run: (ms) => flood(IN_FLIGHT, ms, () => send(system, kind, command())),
});

interface Sampled {
  readonly journal: JournalRow;
  readonly companion: string;
  readonly row: NetRow;
}

/** What the kernel hands to its store for these commands, a journal row with its companion row each. */
async function sampleOf(kind: ActorKind, command: () => CommandInput): Promise<readonly Sampled[]> {
  const found: Sampled[] = [];
  const store = nullStore((batch) => {
    const rows = new Map(
      batch.companions.flatMap((c) => c.rows.map((row) => [`${row.actorId} ${row.seq}`, { companion: c.companion, row }])),
    );
    for (const journal of batch.journal) {
      const own = rows.get(`${journal.actorId} ${journal.seq}`);
      if (own !== undefined) found.push({ journal, ...own });
    }
  });
  const system = await start(kind, store);
  while (found.length < SAMPLE_ROWS) await flood(IN_FLIGHT, 100, () => send(system, kind.kind, command()));
  await system.drain(5_000);
  return found.slice(0, SAMPLE_ROWS);
}

/** R: the same rows, 256 events in a statement, under new actors, claims and rooms each time. The statements are built before the time is taken. */
function raw(db: Database, kind: ActorKind, sample: readonly Sampled[]): Contender {
  const connection = db.connect({ pipeline: false });
  const statements = new Statements(registryOf([kind]));
  let times = 0;
  const fresh = () => {
    times += 1;
    const ids = new Map<string, string>();
    const actor = (id: string): string => {
      const known = ids.get(id) ?? randomUUID();
      ids.set(id, known);
      return known;
    };
    const mine = (name: Json | undefined): string => `raw${times}-${JSON.stringify(name)}`;
    const renamed = (row: NetRow['row']): NetRow['row'] =>
      'room' in row ? { ...row, claim: mine(row['claim']), room: mine(row['room']) } : row;
    const texts = [];
    for (let i = 0; i + BATCH <= sample.length; i += BATCH) {
      const part = sample.slice(i, i + BATCH);
      const batch: Batch = {
        cid: String(times * 1_000 + i),
        journal: part.map(({ journal }) => ({ ...journal, actorId: actor(journal.actorId) })),
        born: [],
        timersSet: [],
        timersGone: [],
        outbox: [],
        outboxDone: [],
        companions: [
          {
            companion: part[0]?.companion ?? '',
            rows: part.map(({ row }) => ({ ...row, actorId: actor(row.actorId), row: renamed(row.row) })),
          },
        ],
      };
      texts.push(statements.of(batch));
    }
    return texts;
  };
  return {
    name: 'R',
    run: async (ms) => {
      const client = await connection;
      let spent = 0;
      let rows = 0;
      while (spent < ms) {
        const texts = fresh();
        const began = performance.now();
        for (const { key, text, values } of texts) {
          await client.query({ name: `raw ${key}`, text, values: [...values] });
          rows += BATCH;
          if (spent + performance.now() - began > ms) break;
        }
        spent += performance.now() - began;
      }
      return rows / (spent / 1_000);
    },
    close: async () => (await connection).end(),
  };
}

async function measure(
  db: Database,
  kind: ActorKind,
  command: () => CommandInput,
  plan: Plan,
  tell: (line: string) => void,
  more: (system: ActorSystem) => Contender[] = () => [],
): Promise<Rates> {
  const store = createPgStore(db, registryOf([kind]));
  const system = await start(kind, store);
  for (let i = 0; i < ACTORS; i += IN_FLIGHT)
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => send(system, kind.kind, command())));
  const contenders = [through('kernel', system, kind.kind, command), raw(db, kind, await sampleOf(kind, command)), ...more(system)];
  const rates = await alternate(contenders, plan, tell);
  for (const { close } of contenders) await close?.();
  await system.drain(10_000);
  await store.stop();
  return rates;
}

export async function companionRows(db: Database, plan: Plan, tell: (line: string) => void): Promise<readonly Row[]> {
  const said = await measure(db, sayingKind, say, plan, tell);
  const admin = await db.connect();
  await admin.query(PLACES);
  await admin.end();
  const claimed = await measure(db, claimingKind, claim, plan, tell, (system) => [
    through('refused', system, 'claiming', () => (sent % REFUSED_EVERY === 0 ? taken() : claim())),
  ]);
  tell(`  ${refused} commands were refused by the constraint`);
  if (refused === 0) throw new Error('the constraint refused nothing');
  return [
    compare(said, {
      id: 'P15',
      what: 'commands with an item of a log each, against R with the same rows',
      of: 'kernel',
      by: 'R',
      atLeast: 0.45,
    }),
    compare(claimed, {
      id: 'P16',
      what: 'commands with a row under an exclusion constraint each, against R',
      of: 'kernel',
      by: 'R',
      atLeast: 0.45,
    }),
    compare(claimed, { id: 'P17', what: 'one in 1,000 refused by the constraint, against P16', of: 'refused', by: 'kernel', atLeast: 0.8 }),
  ];
}
