/** P10: timers that are due within one second, against half of P1 in the same run. */
import { assign, enqueueActions, setup } from 'xstate';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { registryOf } from '../actors/companion.ts';
import { command, defineActor, kernel } from '../actors/define.ts';
import { createPgStore } from '../actors/store/pg.ts';
import { createActorSystem } from '../actors/system.ts';
import type { Principal } from '../actors/types.ts';
import type { Database } from '../server/db/database.ts';
import { bounded, median, QUICK } from './harness.ts';
import type { Plan, Row } from './harness.ts';
import { everywhere } from './throughput.ts';
import { stepKind } from './kind.ts';
import { ACTORS, benchLog, IN_FLIGHT, populate, realClock } from './system.ts';

const TIMERS = 100_000;
const EACH = 10;
const SECOND = 1_000;
/** from the first command that arms to the first timer that is due; longer than arming takes */
const LEAD_MS = 15_000;
const MOST_MS = 120_000;

const Arm = z.strictObject({ wait: z.int().min(1) });
type Fire = { type: 'fired' };

const Count = z.strictObject({ fired: z.number() });
type Count = z.output<typeof Count>;

const alarmKind = defineActor<Count>({
  kind: 'alarm',
  version: 1,
  machine: setup({
    types: { context: {} as Count, events: {} as ({ type: 'bench.arm' } & z.output<typeof Arm>) | Fire },
    actions: {
      ...kernel.actions,
      arm: enqueueActions(({ event, enqueue }) => {
        if (event.type !== 'bench.arm') return;
        for (let i = 0; i < EACH; i += 1) enqueue.raise({ type: 'fired' }, { id: `t${i}`, delay: event.wait + (i * SECOND) / EACH });
      }),
      count: assign({ fired: ({ context }) => context.fired + 1 }),
    },
  }).createMachine({
    id: 'alarm',
    context: { fired: 0 },
    on: { 'bench.arm': { actions: ['arm', { type: 'reply' }] }, fired: { actions: 'count' } },
  }),
  context: Count,
  commands: { 'bench.arm': command({ input: Arm, reply: z.null() }) },
});

const caller: Principal = { kind: 'user', id: 'bench', roles: ['user'] };

/** Arms `count` timers that fall due evenly within one second, and waits for the last. Gives the ms from the first due to the last fired. */
async function fireAll(db: Database, count: number, run: number): Promise<number> {
  const store = createPgStore(db, registryOf([alarmKind]));
  const registry = new Registry();
  const system = createActorSystem({
    kinds: [alarmKind],
    effects: {},
    store,
    clock: realClock,
    random: Math.random,
    log: benchLog,
    metrics: registry,
    lanes: 1,
  });
  await system.start();
  const due = Date.now() + LEAD_MS;
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count / EACH) {
      next += 1;
      const i = next;
      const wait = due + (i % (SECOND / EACH)) - Date.now();
      const reply = await system.ask(`alarm:${run}-${i}`, { type: 'bench.arm', wait }, { key: `arm-${run}-${i}`, from: caller });
      if (!reply.ok) throw new Error(`alarm refused: ${reply.error.code}`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  if (Date.now() >= due) throw new Error('arming the timers took longer than until they were due');
  const fired = async (): Promise<number> => {
    const metric = await registry.getSingleMetric('thrum_kernel_timers_fired_total')?.get();
    return (metric?.values ?? []).reduce((sum, v) => sum + v.value, 0);
  };
  while ((await fired()) < count) {
    if (Date.now() > due + MOST_MS) throw new Error(`only ${await fired()} of ${count} timers fired`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  const took = Date.now() - due;
  await system.drain(10_000);
  await store.stop();
  return took;
}

/** Commands per second of the measured kind on the same database, as in P1. */
async function rate(db: Database, plan: Plan): Promise<number> {
  const store = createPgStore(db, registryOf([stepKind]));
  const system = createActorSystem({
    kinds: [stepKind],
    effects: {},
    store,
    clock: realClock,
    random: Math.random,
    log: benchLog,
    metrics: new Registry(),
    lanes: 1,
  });
  await system.start();
  await populate(system, ACTORS, IN_FLIGHT);
  const perSecond = await everywhere('kernel', system).run(plan.ms);
  await system.drain(10_000);
  await store.stop();
  return perSecond;
}

export async function timersDue(db: Database, plan: Plan, say: (line: string) => void): Promise<readonly Row[]> {
  const rounds = plan === QUICK ? 1 : 2;
  const took: number[] = [];
  const rates: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    rates.push(await rate(db, plan));
    took.push(await fireAll(db, TIMERS, round));
    say(`  round ${round + 1}/${rounds} ${took.at(-1)} ms until the last timer`);
  }
  const allowed = (TIMERS / (0.5 * median(rates))) * SECOND;
  const what = `${TIMERS.toLocaleString('en-US')} timers due in one second, all fired, against 1 / (0.5 x P1)`;
  return [bounded({ id: 'P10', what, values: took, by: [allowed], unit: 'ms', atMost: 1 })];
}
