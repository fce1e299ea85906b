/** P5, P6 and P19: what needs no database. */
import { initialTransition, transition } from 'xstate';
import type { AnyMachineSnapshot } from 'xstate';
import { MachineRunner } from '../actors/machine.ts';
import { diffContext } from '../actors/patch.ts';
import { withScope } from '../actors/scope.ts';
import { alternate, bounded, compare } from './harness.ts';
import type { Contender, Plan, Row } from './harness.ts';
import { plainMachine, stepCommand } from './kind.ts';
import { nullStore } from './null-store.ts';
import { plainActors } from './plain.ts';
import { ACTORS, IN_FLIGHT, populate, stepSystem } from './system.ts';
import { everywhere } from './throughput.ts';

type Say = (line: string) => void;

/** P5. */
export async function nullKernel(plan: Plan, say: Say): Promise<Row[]> {
  const system = stepSystem(nullStore());
  await system.start();
  await populate(system, ACTORS, IN_FLIGHT);
  const rates = await alternate([everywhere('kernel', system), plainActors(ACTORS)], plan, say);
  await system.drain(5_000);
  return [compare(rates, { id: 'P5', what: 'kernel with a null store against plain XState actors', of: 'kernel', by: 'A', atLeast: 0.2 })];
}

const CHUNK = 1_000;

/** Events per second of a function from snapshot to snapshot, over as many snapshots as there are actors. */
function over(name: string, first: AnyMachineSnapshot, next: (s: AnyMachineSnapshot, i: number) => AnyMachineSnapshot): Contender {
  const all = Array.from({ length: ACTORS }, () => first);
  let i = 0;
  return {
    name,
    run: async (ms) => {
      const began = performance.now();
      let done = 0;
      while (performance.now() < began + ms) {
        for (let n = 0; n < CHUNK; n += 1) {
          i += 1;
          all[i % ACTORS] = next(all[i % ACTORS]!, i);
        }
        done += CHUNK;
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
      return done / ((performance.now() - began) / 1_000);
    },
  };
}

/** P6. */
export async function macrosteps(plan: Plan, say: Say): Promise<Row[]> {
  const runner = new MachineRunner(plainMachine);
  const [first] = initialTransition(plainMachine);
  const stamp = { at: 1, seq: 1, from: { kind: 'user', id: 'bench', roles: [] } } as const;
  const scope = { ref: 'step:bench', actorId: '0'.repeat(32), stamp, logs: {} } as const;
  const rates = await alternate(
    [
      over('macrostep', first, (s, i) => withScope(scope, () => runner.step(s, stepCommand(i))).snapshot),
      over('transition()', first, (s, i) => transition(plainMachine, s as typeof first, stepCommand(i))[0]),
      plainActors(ACTORS),
    ],
    plan,
    say,
  );
  return [
    compare(rates, { id: 'P6', what: 'macrosteps against plain XState actors', of: 'macrostep', by: 'A', atLeast: 0.8 }),
    compare(rates, { id: 'P6t', what: 'macrosteps against transition() of XState', of: 'macrostep', by: 'transition()', atLeast: 3 }),
  ];
}

const DAYS = 60;
const CLAIMS = 4_000;
const REPEATS = 2_000;

type Days = Record<string, Record<string, { from: number; to: number; by: string }>>;

const claimOf = (i: number) => ({ from: i * 60, to: i * 60 + 45, by: `user-${i}` });

/** P19: one new claim among 4,000 in 60 days. */
export async function depths(plan: Plan): Promise<Row[]> {
  const days: Days = {};
  for (let i = 0; i < CLAIMS; i += 1) (days[`2026-${i % DAYS}`] ??= {})[`claim-${i}`] = claimOf(i);
  const next: Days = { ...days, '2026-7': { ...days['2026-7'], new: claimOf(CLAIMS) } };
  const patch = (depth: 1 | 2): string => JSON.stringify(diffContext({ days }, { days: next }, { days: depth }));
  const time = (depth: 1 | 2): number => {
    const began = performance.now();
    for (let i = 0; i < REPEATS; i += 1) patch(depth);
    return ((performance.now() - began) / REPEATS) * 1_000;
  };
  const times: { one: number[]; two: number[] } = { one: [], two: [] };
  for (let round = 0; round < plan.rounds; round += 1) {
    times.one.push(time(1));
    times.two.push(time(2));
  }
  const bytes = { one: [patch(1).length], two: [patch(2).length] };
  const what = 'one new claim among 4,000 in 60 days, depth 2 against 1';
  return [
    bounded({ id: 'P19', what: `patch of ${what}`, values: bytes.two, by: bytes.one, unit: 'bytes', atMost: 0.1 }),
    bounded({ id: 'P19t', what: `diff and text of ${what}`, values: times.two, by: times.one, unit: 'us' }),
  ];
}
