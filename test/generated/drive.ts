/** Paths through the kernel: every actor of a run goes its own way, all of them in step, and each gives what the pure machine gave. */
import { Registry } from 'prom-client';
import { setup } from 'xstate';
import { z } from 'zod';
import { seeded } from '../../calc/prng.ts';
import { command, defineActor } from '../../actors/define.ts';
import type { ActorKind } from '../../actors/define.ts';
import { internal } from '../../actors/envelope.ts';
import type { Kernel } from '../../actors/kernel.ts';
import type { Runtime } from '../../actors/runtime.ts';
import { emptyState, fold } from '../../actors/patch.ts';
import type { Patch } from '../../actors/patch.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import { createActorSystem } from '../../actors/system.ts';
import type { ActorSystem } from '../../actors/system.ts';
import type { Json, Reply } from '../../actors/types.ts';
import { FakeClock } from '../support/clock.ts';
import { KeptLog } from '../support/kernel.ts';
import { after, moveAt, placeOf, play, runtimes } from './moves.ts';
import type { Move, Outcome, Place } from './moves.ts';
import type { Samples } from './samples.ts';

/** One actor's way as the pure machine goes it. */
export interface Way {
  readonly place: Place;
  readonly done: readonly { readonly move: Move; readonly outcome: Outcome }[];
}

/** The path of labels for the n-th actor, run pure. @throws when a label of it leads nowhere */
export function wayOf(rt: Runtime, s: Samples, path: readonly string[], n: number): Way {
  let place = placeOf(rt, s, n);
  const done: { move: Move; outcome: Outcome }[] = [];
  for (const label of path) {
    const move = moveAt(rt, s, place, label);
    const outcome = play(rt, place, move);
    place = after(place, move, outcome);
    done.push({ move, outcome });
  }
  return { place, done };
}

/** A kind that takes every command of another and does nothing: where the messages of the kind under test end. */
function sinkOf({ kind, commands }: ActorKind): ActorKind {
  const types = Object.keys(commands);
  return defineActor({
    kind,
    version: 1,
    context: z.strictObject({}),
    machine: setup({}).createMachine({ id: kind, context: {}, on: Object.fromEntries(types.map((type) => [type, {}])) }),
    commands: Object.fromEntries(types.map((type) => [type, command({ input: z.record(z.string(), z.unknown()), reply: z.null() })])),
  });
}

export const kindsFor = (rt: Runtime): ActorKind[] => [...runtimes.values()].map((other) => (other === rt ? rt.def : sinkOf(other.def)));

/** An effect that never ends: its results come as moves. */
const pending = (): Promise<never> => new Promise(() => undefined);

interface Run {
  readonly system: ActorSystem;
  readonly clock: FakeClock;
  readonly log: KeptLog;
  readonly rt: Runtime;
}

async function start(rt: Runtime, store: JournalStore): Promise<Run> {
  const clock = new FakeClock();
  const effects = { [rt.def.kind]: Object.fromEntries(Object.keys(rt.def.effects ?? {}).map((name) => [name, pending])) };
  // Turns run at once, so that each event sees the time that was set for it.
  const deferral = { soon: (fn: () => void) => fn(), yield: (fn: () => void) => void setImmediate(fn) };
  const random = seeded('5eed0002'.repeat(4), 1);
  const log = new KeptLog();
  // The ways of the actors have times of their own.
  const limits = { standstill: Number.POSITIVE_INFINITY };
  const o = { kinds: kindsFor(rt), effects, store, clock, random, log, metrics: new Registry(), deferral, freeze: true, limits };
  const system = createActorSystem(o);
  await system.start();
  return { system, clock, log, rt };
}

/** Hands a move to the kernel at its time; resolves when what came of it is committed. */
function send({ system, clock, rt }: Run, { at }: Place, { cause, wall }: Move, key: string): Promise<Reply> {
  clock.setWall(wall);
  if (cause.kind === 'command') return system.ask(at.ref, { ...cause.payload, type: cause.type }, { key, from: cause.from });
  return new Promise((resolve) => {
    const kernel = system as unknown as Kernel;
    if (cause.kind === 'timer') {
      const { id, seq, type } = cause;
      kernel.deliver(at.ref, rt, { ...internal(type, {}), kind: 'timer', timer: { id, rowSeq: seq, seq }, resolve });
    } else if (cause.kind === 'result') {
      const { type, payload, invoke, id, failed } = cause;
      kernel.deliver(at.ref, rt, {
        ...internal(type, payload),
        kind: 'result',
        call: { invoke, id, src: invoke, input: null, failed },
        resolve,
      });
    } else {
      kernel.deliver(at.ref, rt, { ...internal('thrum.undelivered', cause.payload), kind: 'undelivered', done: cause.id, resolve });
    }
  });
}

const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value ?? null)) as Json;

/** What an answer comes to: the reply, or the refusal. `ch` depends on who reads topics. */
const answerOf = (r: Reply): Json => plain(r.ok ? { seq: r.seq, reply: r.reply } : { seq: r.seq, error: r.error });

/** Goes all ways over a store, and gives what differs from the pure machine: answers, journal rows, states. */
export async function drive(rt: Runtime, ways: readonly Way[], store: JournalStore): Promise<string[]> {
  const run = await start(rt, store);
  const faults: string[] = [];
  const differs = (way: Way, what: string, kernel: Json, pure: Json): void => {
    if (JSON.stringify(kernel, sorted) === JSON.stringify(pure, sorted)) return;
    const path = way.done.map((d) => d.move.label).join(', ');
    faults.push(`${way.place.at.ref} (${path}): ${what}\n  kernel ${JSON.stringify(kernel)}\n  pure   ${JSON.stringify(pure)}`);
  };
  await Promise.all(
    ways.map(({ place }) => run.system.allowed(place.at.ref, { kind: 'system', id: 'x', roles: [] }).catch(() => undefined)),
  );
  const longest = Math.max(0, ...ways.map((way) => way.done.length));
  for (let i = 0; i < longest; i += 1) {
    const round = ways.flatMap((way) => {
      const one = way.done[i];
      if (one === undefined) return [];
      return [
        send(run, way.place, one.move, `${i}`).then((reply) => differs(way, `answer ${i}`, answerOf(reply), answerOf(one.outcome.reply))),
      ];
    });
    await Promise.all(round);
  }
  for (const way of ways) {
    const rows = await store.scan.rows(way.place.at.actorId, { after: 0, limit: 500 });
    const steps = way.done.flatMap((d) => d.outcome.steps);
    const recorded = rows.map(({ seq, at, type, patch }) => ({ seq, at, type, patch }));
    differs(way, 'journal', plain(recorded), plain(steps.map((s) => ({ seq: s.stamp.seq, at: s.stamp.at, type: s.type, patch: s.patch }))));
    const folded = fold(
      emptyState,
      rows.map((row) => row.patch as Patch),
    );
    if (way.place.live !== undefined) differs(way, 'state', plain(folded), plain(way.place.live.state));
  }
  await run.system.drain(0);
  const failed = run.log.lines
    .filter((line) => line.message === 'a machine failed')
    .map((line) => String((line.fields as { err: unknown }).err));
  return [...faults, ...new Set(failed)];
}

/** Key order carries no meaning. */
const sorted = (_key: string, v: unknown): unknown =>
  typeof v === 'object' && v !== null && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))) : v;
