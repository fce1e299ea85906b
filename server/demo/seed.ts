/** Sets the demo studio up, once: every step has a mark in the database and keys that make its repetition harmless. */
import { createHash } from 'node:crypto';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Log } from '../../actors/types.ts';
import { addDays, dayBounds, localDate } from '../../calc/time/civil.ts';
import type { Users } from '../identity/users.ts';
import { Problem } from '../problems.ts';
import type { Marks } from './marks.ts';
import { pastUtilization } from './history.ts';
import { people } from './people.ts';
import type { DemoResource } from './studio.ts';
import { resources } from './studio.ts';

export interface Step {
  readonly name: string;
  run(): Promise<void>;
}

/** A busy machine may refuse a request now and then. */
const TRIES = 3;

/**
 * Runs what is not marked yet, in order. A step that fails three times is tried again at the next start; later ones do not wait for it.
 *
 * @param o.turn resolves when this node is the one that sets things up, or is stopped
 */
export async function runSteps(
  steps: readonly Step[],
  {
    marks,
    log,
    signal,
    turn,
  }: { readonly marks: Marks; readonly log: Log; readonly signal: AbortSignal; readonly turn: () => Promise<void> },
): Promise<void> {
  for (const step of steps) {
    for (let tries = 1; tries <= TRIES; tries += 1) {
      await turn();
      if (signal.aborted) return;
      try {
        if (!(await marks.has(step.name))) {
          await step.run();
          await marks.set(step.name);
        }
        break;
      } catch (err) {
        if (signal.aborted) return;
        const last = tries === TRIES;
        log[last ? 'warn' : 'debug']({ err, step: step.name, tries }, 'a step of the demo failed');
      }
    }
  }
}

export const peopleStep = (users: Users): Step => ({
  name: 'people',
  async run() {
    const failed: unknown[] = [];
    for (const { role: _role, wearable: _wearable, ...person } of people) {
      await users.create(person).catch((error: unknown) => failed.push(error));
    }
    if (failed.length > 0) throw new AggregateError(failed, 'not every demo user could be created');
  },
});

const HISTORY_DAYS = 90;
/** Days that the import tells one by one, so that what is unusual in them is noticed. */
const RECENT_DAYS = 2;
const IMPORTER = { kind: 'system', id: 'demo-import', roles: [] } as const;

/** In the nights before the demo began the heating of the quiet room failed, and hardly anybody came. */
const HEATING_FAILED: Readonly<Record<string, number>> = { 'quiet-room': 0.06 };

/** The utilization of the last three months, imported from the studio's old calendar into the monitors of its rooms. */
export const historyStep = (actors: ActorSystem, clock: Clock): Step => ({
  name: 'utilization history',
  async run() {
    for (const r of resources) await importHistory(actors, r, clock.wall());
  },
});

async function importHistory(actors: ActorSystem, r: DemoResource, now: number): Promise<void> {
  const today = localDate(r.timeZone, now);
  const open = (date: string): boolean => r.opening.some(({ days }) => days.includes(isoWeekday(date)));
  const dates = Array.from({ length: HISTORY_DAYS }, (_, i) => addDays(today, i - HISTORY_DAYS)).filter(open);
  const seed = createHash('sha256').update(`demo:${r.id}`).digest('hex');
  const points = pastUtilization(
    seed,
    r.usual,
    dates.map((date) => dayBounds(r.timeZone, date)[0]),
  );
  const monitor = `anomaly:resource:${r.id}:utilization`;
  const told = points.slice(-RECENT_DAYS).map(({ t, v }) => ({ t, v: HEATING_FAILED[r.id] ?? v }));
  const ask = async (key: string, command: { type: string; [field: string]: unknown }): Promise<void> => {
    const reply = await actors.ask(monitor, command, { key, from: IMPORTER });
    if (!reply.ok) throw Problem.from(reply.error);
  };
  await ask('demo-history', { type: 'anomaly.backfill', points: points.slice(0, -RECENT_DAYS) });
  for (const { t, v } of told) await ask(`demo-history-${t}`, { type: 'anomaly.observe', t, v });
}

const isoWeekday = (date: string): number => new Date(`${date}T12:00:00Z`).getUTCDay() || 7;
