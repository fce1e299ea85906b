/**
 * Fused delivery (kernel specification 15.4): a message whose receiver is at hand is applied at once and committed by the statement that
 * commits the event that sends it. An optimisation behind the semantics of the outbox: whatever does not fit goes the ordinary way.
 */
import type { Activation } from './activation.ts';
import { decide } from './command.ts';
import type { Decider, Decision } from './command.ts';
import { message } from './envelope.ts';
import type { Envelope, Message } from './envelope.ts';
import type { Feed } from './feed.ts';
import { splitRef } from './ids.ts';
import { payloadOf } from './inbox.ts';
import type { Kernel } from './kernel.ts';
import { pairKey } from './outbox.ts';
import { journaled } from './rows.ts';
import type { Live } from './runtime.ts';
import { traced } from './spans.ts';
import type { Step, Tell } from './step.ts';
import type { EventRows } from './store/store.ts';
import type { Reply } from './types.ts';
import type { Group, Unit } from './unit.ts';

const MAX_EVENTS = 8;
const MAX_ACTORS = 4;

/** Why a message takes the ordinary way. */
type Skip = 'undeclared' | 'again' | 'absent' | 'self' | 'elsewhere' | 'order' | 'bounds' | 'off' | 'outcome';

/** What a message does to its receiver out of turn; undefined when it is not handled: plain delivery meets the refusal or the error again. */
export function handledAtOnce(feed: Feed, a: Activation, d: Decider, spec: Live | undefined, e: Envelope): Decision | undefined {
  if (feed.on) feed.begin(a, e);
  try {
    const decision = decide(d, spec, e);
    return decision.reply.ok ? decision : undefined;
  } catch {
    return undefined;
  } finally {
    if (feed.on) feed.end(a);
  }
}

/** The rows of a message that is handled at once; undefined when the database could not keep them: plain delivery finds out why. */
export function fusedRows(a: Activation, e: Envelope, steps: readonly Step[], reply: Reply): EventRows[] | undefined {
  try {
    return journaled(a, e, steps, reply);
  } catch {
    return undefined;
  }
}

const ignored = (): void => undefined;

export class Fusion {
  readonly #k: Kernel;
  readonly #wanted: () => boolean;
  /** messages of uncommitted events that are not fused, by pair, in order */
  readonly #waiting = new Map<string, Tell[]>();

  /** @param wanted asked for each message that could be fused */
  constructor(kernel: Kernel, wanted: () => boolean) {
    this.#k = kernel;
    this.#wanted = wanted;
  }

  /** Delivers what it can of the messages of an event that was just appended to the open batch: in order, each with what it causes in turn. */
  deliver(a: Activation, unit: Unit): void {
    let done = false;
    for (const s of unit.steps) for (const tell of s.tells) this.#wait(pairKey(a.actorId, tell.to), tell);
    for (const s of unit.steps) {
      for (const tell of s.tells) {
        const skip = this.#try(a, unit, tell);
        if (skip === undefined) {
          tell.fused = true;
          done = true;
          this.#k.metrics.fused.add();
        } else if (skip !== 'undeclared') this.#k.metrics.fuseSkipped.add(skip);
      }
    }
    if (done) withoutFused(unit);
  }

  /** The event is durable or lost: its messages are with the outbox, or will never be sent. */
  over(a: Activation, unit: Unit): void {
    for (const s of unit.steps) for (const tell of s.tells) if (tell.fused !== true) this.#forget(pairKey(a.actorId, tell.to), tell);
  }

  #wait(pair: string, tell: Tell): void {
    const queue = this.#waiting.get(pair);
    if (queue === undefined) this.#waiting.set(pair, [tell]);
    else queue.push(tell);
  }

  #forget(pair: string, tell: Tell): void {
    const queue = this.#waiting.get(pair);
    if (queue === undefined) return;
    if (queue.length === 1) this.#waiting.delete(pair);
    else queue.splice(queue.indexOf(tell), 1);
  }

  #try(a: Activation, unit: Unit, tell: Tell): Skip | undefined {
    const rt = this.#k.kinds.get(splitRef(tell.to)?.kind ?? '');
    const declared = rt?.def.commands[tell.type];
    if (declared?.fuse !== true) return 'undeclared';
    if (unit.envelope.tries > 0) return 'again';
    const b = this.#k.active(tell.to);
    if (b === a) return 'self';
    if (b?.atHand !== true) return 'absent';
    const { lanes } = this.#k;
    const committer = lanes.of(a.at.slot, a.rt.relaxed);
    if (committer !== lanes.of(b.at.slot, b.rt.relaxed) || !this.#k.steady(a.at.slot) || !this.#k.steady(b.at.slot)) return 'elsewhere';
    const pair = pairKey(a.actorId, tell.to);
    if (this.#waiting.get(pair)?.[0] !== tell || this.#k.outbox.busy(pair)) return 'order';
    const group = unit.group ?? { members: new Set([a]), events: unit.events.length };
    if (committer.full || b.crowded || !fits(group, b)) return 'bounds';
    if (!this.#wanted()) return 'off';
    const parsed = payloadOf(declared, tell.payload);
    if ('code' in parsed) return 'outcome';
    const plain: Envelope & Message = {
      ...message(tell, a.at.ref, parsed.payload),
      kind: 'tell',
      frame: { broken: false },
      group,
      resolve: ignored,
    };
    const { spans } = this.#k;
    const e = spans === undefined ? plain : traced(spans, b, plain, unit.envelope.span?.traceparent);
    // From here on it is delivered: what the receiver causes in turn stands behind it.
    this.#forget(pair, tell);
    if (b.takeFused(e)) {
      unit.group = group;
      return undefined;
    }
    this.#waiting.set(pair, [tell, ...(this.#waiting.get(pair) ?? [])]);
    return 'outcome';
  }
}

const fits = (group: Group, b: Activation): boolean =>
  group.events + (b.spec.latest === undefined ? 2 : 1) <= MAX_EVENTS && (group.members.has(b) || group.members.size < MAX_ACTORS);

/** A message that is committed with its event has no row. */
function withoutFused(unit: Unit): void {
  for (const [i, event] of unit.events.entries()) {
    const fused = new Set(unit.steps[i]?.tells.flatMap((tell) => (tell.fused === true ? [tell.id.n] : [])));
    if (fused.size > 0) event.outbox = event.outbox.filter((row) => !fused.has(row.n));
  }
}
