/**
 * Reads of actors (kernel specification 10.8). `eventual`: what is committed on this node. `session`: what the commands before it have done, as soon
 * as that is durable. `linearizable`: the same, but not older than the journal's tail at a moment after the question; so the state was current
 * at some moment between question and answer, whoever else writes.
 */
import type { Activation } from './activation.ts';
import type { Envelope } from './envelope.ts';
import { KernelProblem, refusal } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { Overload, Work } from './overload.ts';
import type { Live } from './runtime.ts';
import type { ReadOptions } from './system.ts';
import type { Reply } from './types.ts';

const DEADLINE = 10_000;
/** a read that asks for the tail waits this long for others to share its query */
const GATHER_MS = 2;
const PAGE = 256;

export interface Question {
  /** for the log */
  readonly what: string;
  readonly run: (live: Live | undefined) => Reply;
  readonly work: Work;
  readonly level?: ReadOptions['level'] | undefined;
  /** the answer reflects at least this seq */
  readonly min?: number | undefined;
}

export class Reads {
  readonly #k: Kernel;
  readonly #overload: Overload;
  /** actors whose tail is asked for by the next query */
  #gathering: Map<string, ((tail: Promise<Map<string, number>>) => void)[]> | undefined;

  constructor(kernel: Kernel, overload: Overload) {
    this.#k = kernel;
    this.#overload = overload;
  }

  /** @throws KernelProblem OVERLOADED, MAILBOX_FULL; UNAVAILABLE when the store cannot tell the tail */
  async ask(a: Activation, q: Question): Promise<Reply> {
    const min = q.min ?? 0;
    if (q.level === 'eventual' && a.committed !== undefined && a.committed.seq >= min) {
      a.lastUsed = this.#k.clock.mono();
      return q.run(a.committed);
    }
    if (q.level !== 'linearizable') return this.#session(a, q, min);
    const tail = await this.#tail(a.actorId);
    // While the store was asked, the activation may have left memory.
    return this.#session(this.#k.activation(a.at.ref, a.rt), q, Math.max(min, tail));
  }

  #session(a: Activation, q: Question, min: number): Promise<Reply> {
    const shed = this.#overload.refusal(q.work, 0);
    if (shed !== undefined) throw new KernelProblem(shed);
    if (a.mailboxLength >= a.rt.def.limits.mailbox) throw new KernelProblem(refusal('MAILBOX_FULL', undefined, undefined, 100));
    this.#overload.begin(0);
    return new Promise((resolve) => {
      const e: Envelope = {
        kind: 'read',
        run: q.run,
        min,
        type: q.what,
        payload: {},
        text: '{}',
        idem: null,
        chk: 0,
        from: { kind: 'system', id: 'read', roles: [] },
        deadline: this.#k.clock.mono() + DEADLINE,
        since: 0,
        tries: 0,
        failures: 0,
        answered: false,
        resolve: (reply) => {
          this.#overload.end(0);
          resolve(reply);
        },
      };
      a.deliver(e);
    });
  }

  /** The seq of the actor's newest journal row, asked for after this call; 0 without history. */
  async #tail(actorId: string): Promise<number> {
    const tails = await new Promise<Map<string, number>>((resolve) => {
      if (this.#gathering === undefined) {
        this.#gathering = new Map();
        this.#k.clock.setTimer(GATHER_MS, () => this.#askTails());
      }
      const waiting = this.#gathering.get(actorId);
      if (waiting === undefined) this.#gathering.set(actorId, [resolve]);
      else waiting.push(resolve);
    });
    return tails.get(actorId) ?? 0;
  }

  #askTails(): void {
    const all = [...(this.#gathering ?? [])];
    this.#gathering = undefined;
    for (let i = 0; i < all.length; i += PAGE) {
      const page = all.slice(i, i + PAGE);
      const tails = this.#k.store.tails(page.map(([actorId]) => actorId)).catch((error: unknown) => {
        throw new KernelProblem(refusal('UNAVAILABLE', undefined, undefined, 1_000), error);
      });
      for (const [, waiting] of page) for (const resolve of waiting) resolve(tails);
    }
  }
}
