/** Where the kernel waits, and in which runs of the simulation it gets there (kernel specification 16.2.7). */
import type { Kill } from '../support/sim-kill.ts';
import { awaitsOf, withQuestions } from './awaits.ts';
import { compiledText, kernelCopy } from './kernel-copy.ts';
import type { KernelCopy } from './kernel-copy.ts';

export type { KernelCopy } from './kernel-copy.ts';

/** The files of the kernel that wait for anything on behalf of an actor; the others only answer questions of people. */
export const FILES = ['committer', 'effects', 'keeper', 'loader', 'node', 'outbox', 'timers', 'topics'];

const path = (name: string): string => `actors/${name}.js`;

export const crashPoints: readonly string[] = FILES.flatMap((name) => awaitsOf(name, compiledText(path(name))).map((point) => point.name));

/** A copy of the kernel that asks at each await. */
export const askingKernel = (): Promise<KernelCopy> =>
  kernelCopy('crash-points', FILES.map(path), (text, file) => withQuestions(file.slice('actors/'.length, -'.js'.length), text));

/** How often each await is reached, by seed. */
export async function survey(kernel: KernelCopy, seeds: number): Promise<Map<string, Map<number, number>>> {
  const found = new Map<string, Map<number, number>>(crashPoints.map((name) => [name, new Map()]));
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { reached } = await kernel.simulate({ seed });
    for (const [name, n] of reached) found.get(name)?.set(seed, n);
  }
  return found;
}

/** Points that no run of the simulation reaches, and why that is no gap. */
export const UNREACHED: { readonly [name: string]: string } = {
  'committer: await this.#commitOne(one, cid)':
    'a part of a batch that one statement could hold fits into one; the branch is there in case that ever changes',
  'keeper: await new Promise((resolve) => this.#deferral.yield(resolve))': 'between two idle actors of very many; nothing is under way',
  'node: await this.store.recent(this.clock.wall() - ms - CLOCKS_MS, slots)': 'a question of a node that has taken over slots',
  'node: await this.store.refs(page.map((r) => r.actorId))': 'a question of a node that has taken over slots',
  'outbox: await this.#takeUpDue(clock.wall() - ORPHAN_MS)': 'only with several nodes',
  'outbox: await router.run({ slot: slotOf(actorIdOf(tells.to)), left: FRAME_MS, here: async (...': 'only with several nodes',
  'outbox: await this.receive(tells)': 'only with several nodes',
  'timers: await this.#read(clock.wall() - ORPHAN_MS, undefined)': 'only with several nodes',
  "node: await this.#evaluate(a, 'allowed', run, 'session')": 'a question; the node does nothing after it',
  'node: await this.#active(`${name.kind}:${name.id}`)': 'a question; the node does nothing after it',
  'node: await this.#active(`${name.kind}:${name.id}`) (2)': 'a question; the node does nothing after it',
  'topics: await reachable(this.#k.store.topicFloor(a.actorId, topic.view)) (2)': 'a question; the node does nothing after it',
};

/** Points that only a world reaches that goes on for more than an hour. */
const HOURLY = /trimTopic/;
export const quietMsOf = (name: string): { quietMs?: number } => (HOURLY.test(name) ? { quietMs: 3_700_000 } : {});

export interface Death extends Kill {
  readonly seed: number;
}

/** Deaths at one point: in several runs, early, in the middle and late, while it is waited for and after that. */
export function deathsAt(name: string, reached: ReadonlyMap<number, number>, count: number): Death[] {
  const seeds = HOURLY.test(name) ? [[1, 1] as const] : [...reached];
  return Array.from({ length: seeds.length === 0 ? 0 : count }, (_, i) => {
    const [seed, times] = seeds[Math.floor((i * seeds.length) / count)] as readonly [number, number];
    return { at: name, seed, nth: 1 + ((i * 7) % times), when: i % 2 === 0 ? 'while' : 'after' };
  });
}
