/** Questions about topics at the node that serves their actors: who may read, where a subscriber stands. */
import type { Activation } from './activation.ts';
import { KernelProblem, refusal } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { Reads } from './reads.ts';
import type { Live, Runtime } from './runtime.ts';
import type { Cursor, ReadOptions, TopicSlice } from './system.ts';
import { parseTopic } from './topic-name.ts';
import type { ActorRef, Principal, Refusal, Reply } from './types.ts';

/** how often a state may be given up between an answer and its use */
const ATTEMPTS = 5;

const present = (live: Live | undefined): Reply => ({ ok: true, seq: live?.seq ?? 0, reply: null });

export class TopicDesk {
  readonly #k: Kernel;
  readonly #reads: Reads;
  readonly #target: (ref: ActorRef) => { rt: Runtime; a: Activation };

  /** @param target the activation of an actor, if the node runs; throws KernelProblem */
  constructor(kernel: Kernel, reads: Reads, target: (ref: ActorRef) => { rt: Runtime; a: Activation }) {
    this.#k = kernel;
    this.#reads = reads;
    this.#target = target;
  }

  /** The actor, in memory. @throws KernelProblem */
  async active(ref: ActorRef, level?: ReadOptions['level']): Promise<Activation> {
    for (let attempt = 1; ; attempt += 1) {
      const { a } = this.#target(ref);
      if (a.committed !== undefined && level === undefined) return a;
      const reply = await this.#reads.ask(a, { what: 'topic', run: present, work: 'query', level });
      if (!reply.ok) throw new KernelProblem(reply.error);
      // What was there when it answered may have been given up since, to be read anew: that is no absence.
      if (a.committed !== undefined || reply.seq === 0) return a;
      if (attempt === ATTEMPTS) throw new KernelProblem(refusal('RETRY', 'the actor is being read anew', undefined, 50));
    }
  }

  async refused(topic: string, readers: readonly Principal[]): Promise<ReadonlyMap<Principal, Refusal>> {
    const name = parseTopic(topic);
    const { topic: declared } = this.#k.topics.declared(name);
    const refused = new Map<Principal, Refusal>();
    // Nobody without credentials learns whether the subject of a private topic exists.
    for (const p of readers) if (declared.public !== true && p.kind === 'anonymous') refused.set(p, refusal('UNAUTHENTICATED'));
    if (refused.size === readers.length) return refused;
    const a = await this.active(`${name.kind}:${name.id}`);
    for (const p of readers) {
      try {
        this.#k.topics.authorize(a, declared, p);
      } catch (error) {
        if (!(error instanceof KernelProblem)) throw error;
        refused.set(p, error);
      }
    }
    return refused;
  }

  async slice(topic: string, cursor?: Cursor): Promise<TopicSlice> {
    const name = parseTopic(topic);
    this.#k.topics.declared(name);
    return this.#k.topics.slice(await this.active(`${name.kind}:${name.id}`), name, cursor);
  }

  async behind(heads: readonly { t: string; e: string; s: number }[]): Promise<string[]> {
    const moved = await Promise.all(
      heads.map(async ({ t, e, s }) => {
        const name = parseTopic(t);
        return this.#k.topics.moved(await this.active(`${name.kind}:${name.id}`), name, e, s) ? [t] : [];
      }),
    );
    return moved.flat();
  }
}
