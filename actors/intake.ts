/** The way in for commands: what a stopping, full or troubled node would not carry out is refused before it waits, and every outcome is counted. */
import type { Activation } from './activation.ts';
import { outcomeOf } from './admission.ts';
import type { Admitted } from './admission.ts';
import { commandOf } from './envelope.ts';
import { KernelProblem, refusal } from './errors.ts';
import { splitRef } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { fails } from './lanes.ts';
import { workOf } from './overload.ts';
import type { Overload } from './overload.ts';
import { traced } from './spans.ts';
import type { ActorRef, Refusal, Reply } from './types.ts';

export class Intake {
  readonly #k: Kernel;
  readonly #overload: Overload;
  readonly #open: () => boolean;

  /** @param open whether the node runs */
  constructor(kernel: Kernel, overload: Overload, open: () => boolean) {
    this.#k = kernel;
    this.#overload = overload;
    this.#open = open;
  }

  /** Takes in a command that fits its schema, of a caller here or on another node. Rejects only on a bug. */
  accept(ref: ActorRef, c: Admitted): Promise<Reply> {
    const { rt, type } = c;
    if (!this.#open()) return this.#decline(ref, type, refusal('DRAINING', undefined, undefined, 1_000));
    const bytes = c.text.length;
    const shed = this.#overload.refusal(workOf(c.from), bytes);
    if (shed !== undefined) return this.#decline(ref, type, shed);
    let a: Activation;
    try {
      a = this.#k.activation(ref, rt);
    } catch (error) {
      if (error instanceof KernelProblem)
        return this.#decline(ref, type, refusal('OVERLOADED', error.detail, undefined, error.retryAfterMs));
      return Promise.reject(error);
    }
    const { lanes, clock, spans, metrics } = this.#k;
    const mono = clock.mono();
    if (fails(lanes.of(a.at.slot, rt.relaxed), mono)) return this.#decline(ref, type, refusal('UNAVAILABLE', undefined, undefined, 1_000));
    if (a.mailboxLength >= rt.def.limits.mailbox) return this.#decline(ref, type, refusal('MAILBOX_FULL', undefined, undefined, 100));
    this.#overload.begin(bytes);
    return new Promise((resolve) => {
      const told = (reply: Reply): void => {
        this.#overload.end(bytes);
        metrics.commands.add(rt.def.kind, type, reply.ok ? 'ok' : outcomeOf(reply.error.code));
        if ((this.#overload.inflight & 15) === 0) metrics.commandSeconds.observe({ kind: rt.def.kind }, (clock.mono() - mono) / 1_000);
        resolve(reply);
      };
      const e = commandOf(c, mono, told);
      a.deliver(spans === undefined ? e : traced(spans, a, e, c.traceparent));
    });
  }

  #decline(ref: ActorRef, type: string, error: Refusal): Promise<Reply> {
    return Promise.resolve(this.declined(ref, type, error));
  }

  /** The answer to a command that is not run. */
  declined(ref: ActorRef, type: string, error: Refusal): Reply {
    const kind = splitRef(ref)?.kind ?? '';
    const known = this.#k.kinds.get(kind)?.def;
    this.#k.metrics.commands.add(
      known === undefined ? 'unknown' : kind,
      known?.commands[type] === undefined ? 'unknown' : type,
      outcomeOf(error.code),
    );
    return { ok: false, seq: 0, error };
  }
}
