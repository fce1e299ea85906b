/** P14: what an inspector that watches everything costs, and what counting transitions does, against the same kernel without. */
import { registryOf } from '../actors/companion.ts';
import type { Observer } from '../actors/feed.ts';
import type { Kernel } from '../actors/kernel.ts';
import { createPgStore } from '../actors/store/pg.ts';
import type { JournalStore } from '../actors/store/store.ts';
import type { ActorSystem } from '../actors/system.ts';
import type { Database } from '../server/db/database.ts';
import { createRedactor } from '../server/inspector/redact.ts';
import { tellingOf } from '../server/inspector/sighting.ts';
import { Watches } from '../server/inspector/watches.ts';
import type { ActiveWatch } from '../server/inspector/watches.ts';
import { alternate, compare } from './harness.ts';
import type { Contender, Plan, Row } from './harness.ts';
import { stepKind } from './kind.ts';
import { nullStore } from './null-store.ts';
import { ACTORS, IN_FLIGHT, populate, spread, stepSystem } from './system.ts';

type Say = (line: string) => void;

/** One operator without `inspect:pii` who watches everything; messages are made and turned into text, as for a socket. */
function operator(sample: number): Observer<readonly ActiveWatch[]> {
  const watches = new Watches('bench', Math.random);
  const listener = { conn: 'bench', pii: false, actors: new Set<string>(), machines: new Set<string>() };
  watches.add(listener, { id: 'all', filter: {}, sample, rate: 200 }, performance.now());
  for (const w of watches) w.until = Number.POSITIVE_INFINITY;
  let messages = 0;
  const teller = {
    node: 'bench',
    redactor: createRedactor([stepKind]),
    definition: () => '{}',
    newId: () => `bench-${(messages += 1)}`,
  };
  return {
    wants: (at, kind, type, mono) => watches.wants(at, kind, type, mono),
    tell: (sighting) => void JSON.stringify(tellingOf(teller, sighting, listener)),
  };
}

const tap = (system: ActorSystem, on: boolean): void => {
  for (const rt of (system as unknown as Kernel).kinds.values()) rt.runner.tap = on ? rt.transitions : undefined;
};

interface Way {
  readonly observer?: Observer;
  readonly counts?: boolean;
}

/** @param cpu commands per second of this process's processor time, which other work on the machine hardly changes; otherwise of time */
function contender(name: string, system: ActorSystem, cpu: boolean, o: Way): Contender {
  return {
    name,
    async run(ms) {
      tap(system, o.counts ?? true);
      system.observe(o.observer);
      const [before, began] = [process.cpuUsage(), performance.now()];
      const rate = await spread(system, ACTORS, IN_FLIGHT, ms);
      const { user, system: kernel } = process.cpuUsage(before);
      const share = (user + kernel) / 1_000 / (performance.now() - began);
      system.observe(undefined);
      return cpu ? rate / share : rate;
    },
  };
}

async function measure(store: JournalStore, plan: Plan, say: Say, id: string, where: string, cpu: boolean): Promise<readonly Row[]> {
  const system = stepSystem(store);
  await system.start();
  await populate(system, ACTORS, IN_FLIGHT);
  const contenders = [
    contender('closed', system, cpu, {}),
    contender('1 %', system, cpu, { observer: operator(0.01) }),
    contender('all', system, cpu, { observer: operator(1) }),
    contender('uncounted', system, cpu, { counts: false }),
  ];
  const rates = await alternate(contenders, plan, say);
  await system.drain(10_000);
  return [
    compare(rates, {
      id,
      what: `commands while everything is watched at a sample of 1 %, ${where}, against nobody`,
      of: '1 %',
      by: 'closed',
      atLeast: 0.97,
    }),
    compare(rates, { id: `${id}a`, what: 'the same with every event wanted, 200 of them a second told', of: 'all', by: 'closed' }),
    compare(rates, { id: `${id}c`, what: 'transitions counted, against not', of: 'closed', by: 'uncounted' }),
  ];
}

export async function watchedOnServer(db: Database, plan: Plan, say: Say): Promise<readonly Row[]> {
  const store = createPgStore(db, registryOf([stepKind]));
  const rows = await measure(store, plan, say, 'P14', 'PostgreSQL', false);
  await store.stop();
  return rows;
}

/** Without a database the share of the feed is greatest. */
export const watchedAlone = (plan: Plan, say: Say): Promise<readonly Row[]> =>
  measure(nullStore(), plan, say, 'P14n', 'null store, by processor time', true);
