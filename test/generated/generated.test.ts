/**
 * Generated tests of every kind (kernel 16.2.1): shortest paths over representative events, run pure, through the kernel over memory and over
 * PGlite; every reachable state answers every command in a way that its declaration knows, and no state is a trap.
 */
import { rmSync } from 'node:fs';
import test from 'ava';
import type { AnyStateNode } from 'xstate';
import { registryOf } from '../../actors/companion.ts';
import { KernelProblem } from '../../actors/errors.ts';
import type { Runtime } from '../../actors/runtime.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import { createPgStore } from '../../actors/store/pg.ts';
import type { Taking } from '../../actors/transitions.ts';
import { openDatabase } from '../../server/db/database.ts';
import { embeddedDir } from '../support/embedded.ts';
import { quiet } from '../support/log.ts';
import { drive, kindsFor, wayOf } from './drive.ts';
import type { Way } from './drive.ts';
import { explore } from './explore.ts';
import type { Exploration, Tried } from './explore.ts';
import { runtimes } from './moves.ts';
import { samples } from './samples.ts';
import type { Samples } from './samples.ts';

/** answers of the kernel itself that any command may get in any state */
const ALWAYS = ['NOT_ALLOWED', 'NOT_FOUND', 'FORBIDDEN'];
/** ways of one kind that are gone through the kernel */
const WAYS = 160;

/** share of the transitions of a kind that generated paths take */
const LEAST_TAKEN = 0.7;

const explored = new Map<string, Exploration>();

function explorationOf(rt: Runtime, s: Samples): Exploration {
  const known = explored.get(rt.def.kind) ?? explore(rt, s);
  explored.set(rt.def.kind, known);
  return known;
}

function* atomic(node: AnyStateNode): Generator<AnyStateNode> {
  const children = Object.values(node.states);
  if (children.length === 0 && node.type !== 'history') yield node;
  for (const child of children) yield* atomic(child);
}

const pathOf = (node: AnyStateNode): string => node.path.join('.');
/** Left in the macrostep that enters it. */
const isPassing = (node: AnyStateNode): boolean => node.always?.some((t) => t.guard === undefined) === true;
/** Left by the command that makes the actor: nobody finds an actor there, but for the moment of its birth. */
const isBirthplace = (node: AnyStateNode): boolean => node.parent?.initial.target[0] === node && node.parent.parent?.type !== 'compound';

/** An end of its kind, or a state whose `meta.resting` says why an actor may stay in it for good. */
const isResting = (node: AnyStateNode): boolean =>
  node.tags.includes('terminal') || typeof (node.meta as { resting?: unknown } | undefined)?.resting === 'string';

const textOf = (x: Tried, what: string): string => `${x.from.state}: ${x.move.label} ${JSON.stringify(x.move.cause)}: ${what}`;

const nameOf = (x: Taking): string => `${x.source} ${x.event}${x.guard === null ? '' : ` [${x.guard}]`} -> ${x.targets.join()}`;

/** Distinct ways, shortest first: to every state, and every command and event that is accepted or refused there. */
function waysOf(rt: Runtime, s: Samples, { reached, tried }: Exploration): Way[] {
  const first = new Map(reached.map((r) => [r.state, r] as const).reverse());
  const paths = new Map<string, readonly string[]>([...first.values()].map((r) => [r.state, r.path]));
  for (const x of tried) {
    if (x.outcome instanceof Error || first.get(x.from.state) !== x.from) continue;
    const { reply } = x.outcome;
    const key = `${x.from.state} ${x.move.label.split('#')[0]} ${reply.ok ? x.to : reply.error.code}`;
    if (!paths.has(key)) paths.set(key, [...x.from.path, x.move.label]);
  }
  const all = [...paths.values()].filter((path) => path.length > 0);
  // Where there are more than can be gone, every n-th: the list runs through the states in order of their distance.
  const each = Math.max(1, all.length / WAYS);
  const chosen = all.filter((_, i) => Math.floor(i / each) !== Math.floor((i - 1) / each));
  return chosen.map((path, i) => wayOf(rt, s, path, i + 1));
}

const dataDir = await embeddedDir();
const database = await openDatabase({ dataDir }, quiet);
test.after.always(async () => {
  await database.close();
  rmSync(dataDir, { recursive: true, force: true });
});

for (const [kind, rt] of runtimes) {
  const s = samples[kind];
  if (s === undefined) {
    test(`${kind} has samples in test/generated/samples.ts`, (t) => t.fail());
    continue;
  }

  test.serial(
    `${kind}: every reachable state answers every command by its reply, a declared refusal or NOT_ALLOWED, and no event is a fault`,
    (t) => {
      const { tried } = explorationOf(rt, s);
      const wrong = new Set<string>();
      for (const x of tried) {
        if (x.outcome instanceof KernelProblem) continue;
        if (x.outcome instanceof Error) wrong.add(textOf(x, x.outcome.message));
        else if (!x.outcome.reply.ok && x.move.cause.kind === 'command') {
          const { code } = x.outcome.reply.error;
          const declared = rt.def.commands[x.move.cause.type]?.rejects ?? [];
          if (!declared.includes(code) && !ALWAYS.includes(code)) wrong.add(textOf(x, code));
        }
      }
      t.deepEqual([...wrong], []);
    },
  );

  test.serial(
    `${kind}: every state is reached, its context and views fit their schemas, and it has an exit, a timer, an effect or an end`,
    (t) => {
      const { reached, tried } = explorationOf(rt, s);
      for (const { place, state } of reached) {
        if (place.live === undefined) continue;
        const { snap } = place.live;
        t.true(rt.def.context.safeParse(JSON.parse(JSON.stringify(place.live.state.context))).success, state);
        for (const topic of rt.states.values()) {
          const query = topic.query?.safeParse({});
          if (query?.success === false) continue;
          const view = topic.schema.safeParse(JSON.parse(JSON.stringify(topic.project(snap as never, query?.data ?? {}))));
          t.true(view.success, `${topic.view} in ${state}: ${view.error?.message}`);
        }
      }
      const places = new Map<string, boolean>();
      for (const { state } of reached) for (const leaf of state.split('|')) places.set(leaf, false);
      for (const x of tried) {
        if (x.outcome instanceof Error || x.outcome.steps.length === 0) continue;
        const kept = new Set(x.to.split('|'));
        for (const leaf of x.from.state.split('|')) if (!kept.has(leaf)) places.set(leaf, true);
      }
      for (const node of atomic(rt.def.machine.root)) {
        const leaf = pathOf(node);
        if (places.has(leaf)) {
          const waits = node.invoke.length > 0 || node.after.length > 0 || node.type === 'final' || isResting(node);
          t.true(
            places.get(leaf) === true || waits,
            `${leaf} is a trap: nothing leads out of it, and its meta does not say why it may rest`,
          );
        } else t.true(isPassing(node) || isBirthplace(node), `${leaf} is never reached; samples.ts can say how`);
      }
    },
  );

  test.serial(`${kind}: of its transitions at least ${Math.round(LEAST_TAKEN * 100)} % are taken; the others are named`, (t) => {
    const { takings } = explorationOf(rt, s);
    const never = takings.filter((x) => x.taken === 0);
    t.log(`${takings.length - never.length} of ${takings.length} transitions taken`);
    for (const x of never) t.log(`never: ${nameOf(x)}`);
    t.true(never.length <= takings.length * (1 - LEAST_TAKEN));
  });

  test.serial(`${kind}: the kernel over memory gives on every way what the machine gives alone`, async (t) => {
    const ways = waysOf(rt, s, explorationOf(rt, s));
    t.log(`${ways.length} ways, ${ways.reduce((sum, way) => sum + way.done.length, 0)} events`);
    t.deepEqual(await drive(rt, ways, createMemoryStore({ registry: registryOf(kindsFor(rt)) })), []);
  });

  test.serial(`${kind}: the kernel over PGlite gives on every way what the machine gives alone`, async (t) => {
    const ways = waysOf(rt, s, explorationOf(rt, s));
    const store = createPgStore(database, registryOf(kindsFor(rt)));
    await store.start();
    t.deepEqual(await drive(rt, ways, store), []);
    await store.stop();
  });
}
