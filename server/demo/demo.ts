/** The demo studio: people, rooms and wearables in an empty database, and some life in it while somebody watches. */
import type { Knex } from 'knex';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Log } from '../../actors/types.ts';
import { pause } from '../../actors/within.ts';
import type { Users } from '../identity/users.ts';
import { bookingActions, bookingsStep, resourcesStep } from './bookings.ts';
import { createDemoClient } from './client.ts';
import { createLiveDemo } from './live.ts';
import type { LiveAction } from './live.ts';
import { createMarks } from './marks.ts';
import { demoLogins, people } from './people.ts';
import { historyStep, peopleStep, runSteps } from './seed.ts';
import type { Step } from './seed.ts';
import { wearableActions, wearablesStep } from './wearables.ts';

export interface DemoDeps {
  readonly knex: Knex;
  readonly actors: ActorSystem;
  readonly users: Users;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** whether anybody looks */
  readonly watched: () => boolean;
  /** of several nodes one is the host: it sets the studio up and lets things happen there, until another one is */
  readonly isHost: () => boolean;
  readonly newId: () => string;
  /** whether the built-in provider of wearables runs */
  readonly wearables: boolean;
}

export interface Demo {
  readonly logins: typeof demoLogins;
  /** Begins in the background; the server is ready without it. */
  start(url: string): void;
  /** True when the studio is set up; false when that failed or was stopped. */
  readonly ready: Promise<boolean>;
  stop(): Promise<void>;
}

const LOOK_MS = 1_000;

/** Everything that is set up, in order, and everything that happens afterwards. */
function partsOf(
  d: DemoDeps,
  url: string,
  signal: AbortSignal,
): { readonly steps: readonly Step[]; readonly actions: readonly LiveAction[] } {
  const { clock, random } = d;
  const anybody = createDemoClient({ url, clock, signal });
  const signed = people.map((person) => ({ person, client: anybody.as(person) }));
  const clients = signed.filter(({ person }) => person.role === 'client');
  const admin = (signed.find(({ person }) => person.role === 'admin') ?? { client: anybody }).client;
  const newKey = (): string => `demo-${d.newId()}`;
  return {
    steps: [
      peopleStep(d.users),
      resourcesStep(admin),
      historyStep(d.actors, clock),
      bookingsStep(clients, clock),
      ...(d.wearables ? [wearablesStep(admin, clients, clock)] : []),
    ],
    actions: [
      ...bookingActions({ clients, clock, random, newKey }),
      ...(d.wearables ? wearableActions({ admin, clients, clock, random }) : []),
    ],
  };
}

/** Whether this database is, or may become, a demo: it has no users yet, or those of an earlier demo. */
export async function wantsDemo(users: Users, knex: Knex): Promise<boolean> {
  return (await users.count()) === 0 || (await createMarks(knex, () => 0).has('begun'));
}

export function createDemo(d: DemoDeps): Demo {
  const stopping = new AbortController();
  let setUp: (complete: boolean) => void = () => undefined;
  const ready = new Promise<boolean>((resolve) => {
    setUp = resolve;
  });
  let running: Promise<void> | undefined;
  let live: ReturnType<typeof createLiveDemo> | undefined;

  const hosting = async (): Promise<void> => {
    while (!d.isHost() && !stopping.signal.aborted) await pause(d.clock, LOOK_MS);
  };

  const run = async (url: string): Promise<void> => {
    await hosting();
    const began = d.clock.mono();
    const marks = createMarks(d.knex, () => d.clock.wall());
    const { steps, actions } = partsOf(d, url, stopping.signal);
    await marks.set('begun');
    await runSteps(steps, { marks, log: d.log, signal: stopping.signal, turn: hosting });
    setUp(!stopping.signal.aborted);
    if (stopping.signal.aborted) return;
    d.log.info({ ms: Math.round(d.clock.mono() - began) }, 'demo studio is set up');
    live = createLiveDemo({ clock: d.clock, log: d.log, random: d.random, watched: () => d.isHost() && d.watched(), actions });
    live.start();
  };

  return {
    logins: demoLogins,
    ready,
    start(url) {
      running = run(url).catch((error: unknown) => {
        if (!stopping.signal.aborted) d.log.error({ err: error }, 'the demo studio could not be set up');
        setUp(false);
      });
    },
    async stop() {
      stopping.abort();
      await running;
      await live?.stop();
      setUp(false);
    },
  };
}
