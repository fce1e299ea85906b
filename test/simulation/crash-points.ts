/** Where the kernel waits, and in which runs of the simulation it gets there (kernel specification 16.2.7). */
import type { Kill } from '../support/sim-kill.ts';
import { awaitsOf, withQuestions } from './awaits.ts';
import { compiledText, kernelCopy } from './kernel-copy.ts';
import type { KernelCopy } from './kernel-copy.ts';

export type { KernelCopy } from './kernel-copy.ts';

/** The files of the kernel that wait for anything on behalf of an actor; the others only answer questions of people. */
export const FILES = [
  'cluster',
  'committer',
  'effects',
  'handover',
  'keeper',
  'lanes',
  'loader',
  'moves',
  'node',
  'outbox',
  'placement',
  'projector',
  'rebuild',
  'retention',
  'routing',
  'strangers',
  'suspicion',
  'timers',
  'topics',
  'within',
];

const path = (name: string): string => `actors/${name}.js`;

export const crashPoints: readonly string[] = FILES.flatMap((name) => awaitsOf(name, compiledText(path(name))).map((point) => point.name));

/** A copy of the kernel that asks at each await. */
export const askingKernel = (): Promise<KernelCopy> =>
  kernelCopy('crash-points', FILES.map(path), (text, file) => withQuestions(file.slice('actors/'.length, -'.js'.length), text));

/** A run that reaches an await so many times. */
export interface Visit {
  readonly seed: number;
  readonly nodes: number;
  readonly times: number;
}

/** Which runs reach each await: seeds with one node, and a fifth as many with three. */
export async function survey(kernel: KernelCopy, seeds: number): Promise<Map<string, Visit[]>> {
  const found = new Map<string, Visit[]>(crashPoints.map((name) => [name, []]));
  const runs = [1, 3].flatMap((nodes) =>
    Array.from({ length: nodes === 1 ? seeds : Math.ceil(seeds / 5) }, (_, i) => ({ seed: i + 1, nodes })),
  );
  for (const run of runs) {
    const { reached } = await kernel.simulate(run);
    for (const [name, times] of reached) found.get(name)?.push({ ...run, times });
  }
  return found;
}

/** Points that no run of the simulation reaches, and why that is no gap. */
export const UNREACHED: { readonly [name: string]: string } = {
  'committer: await this.#commitOne(one, cid)':
    'a part of a batch that one statement could hold fits into one; the branch is there in case that ever changes',
  'keeper: await new Promise((resolve) => this.#deferral.yield(resolve))': 'between two idle actors of very many; nothing is under way',
  'keeper: await this.#save(this.#snapshotOf(a, {}))': 'an operator asks for it; a snapshot can be lost without harm',
  "node: await this.#reads.ask(a, { what: 'allowed', run, work: readBy(p) })": 'a question; the node does nothing after it',
  'cluster: await node.act(args[0], left)': 'an operator acts; an act has a name, under which it is done once',
  'cluster: await this.#router.run({ slot: slotOfRef(act.ref), left: ACT_MS, here: (left) => or...':
    'an operator acts; an act has a name, under which it is done once',
  'effects: await store.hold(lasting.map((call) => call.id), nextAt)':
    'only for effects that last; if the row is not moved another node may begin it, as it does after any death',
  'effects: await this.#perform(call)': 'only where somebody traces; without that the same call is reached',
  'cluster: await Promise.allSettled(asked)': 'an operator asks; it changes nothing',
  'cluster: await this.#placement.leave(ms / 2)': 'an orderly stop; it waits for handovers, and those are killed',
  'placement: await this.#look() (2)': 'an orderly stop; it waits for handovers, and those are killed',
  'cluster: await node.refused(topic, readers)': 'a question; the node does nothing after it',
  'cluster: await refusedBy(node, topic, readers)': 'a question; nothing that lasts comes after it',
  "cluster: await this.#question(slotOfTopic(topic), { method: 'refused', args }, () => refused...":
    'a question; the node does nothing after it',
  'projector: await projectionReport(this.#k.store.projections, this.#k.kinds.values())': 'an operator asks; it changes nothing',
  'projector: await this.#k.store.projections.begin(declared.name, declared.projection.version)':
    'an operator asks for a table to be made anew; the work itself is reached',
  'projector: await new Promise((resolve) => this.#deferral.yield(resolve))': 'between two of very many; nothing is under way',
  'rebuild: await o.next(actors)': 'between two pages; the next one begins where the last was noted',
  'retention: await this.#conclude(a, now)':
    'in few runs of the simulation an actor is gone; one statement, and nothing of it is in memory',
  'retention: await store.lifecycle.conclude(farewell)': 'an actor that ended long ago; one statement, and nothing of it is in memory',
  'topics: await reachable(this.#k.store.topicFloor(a.actorId, topic.view)) (2)': 'a question; the node does nothing after it',
};

export interface Death extends Kill {
  readonly seed: number;
  readonly nodes: number;
}

/** Deaths at one point: in several runs, early, in the middle and late, while it is waited for and after that. */
export function deathsAt(name: string, visits: readonly Visit[], count: number): Death[] {
  const alone = visits.filter(({ nodes }) => nodes === 1);
  // a run with several nodes takes several times as long: only for what one node does not do
  const runs = alone.length > 0 ? alone : visits;
  return Array.from({ length: runs.length === 0 ? 0 : count }, (_, i) => {
    const { seed, nodes, times } = runs[Math.floor((i * runs.length) / count)] as Visit;
    return { at: name, seed, nodes, nth: 1 + ((i * 7) % times), when: i % 2 === 0 ? 'while' : 'after' };
  });
}
