/** What leaves an actor after its commit: messages to other actors and effects with a result. The rows are the record; this works from memory. */
import type { Activation } from './activation.ts';
import type { RemoteTells } from './bus/bus.ts';
import { storable } from './columns.ts';
import { Effects } from './effects.ts';
import type { EffectCallOf, EffectFunctions } from './effects.ts';
import { internal } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { kernelProblems } from './errors.ts';
import { actorIdOf, derivedIdem, effectKey, slotOf, splitRef } from './ids.ts';
import { receive, received } from './inbox.ts';
import type { Kernel } from './kernel.ts';
import { effectLetter, messageLetter } from './letter.ts';
import { AHEAD_MS, aheadOf, ORPHAN_MS } from './orphans.ts';
import { isMoved } from './routing.ts';
import type { Router } from './routing.ts';
import type { Runtime } from './runtime.ts';
import type { Step, Tell } from './step.ts';
import type { DeadRow, EffectId, PendingOutbox } from './store/store.ts';
import type { ActorRef, Json, Reply } from './types.ts';

const FRAME = 32;
const TELL_FAULTS = 10;
const SWEEP_MS = 5_000;
const SWEEP_AGE = 2_000;
const PAGE = 500;
const REPORT_MS = 1_000;
/** wait for the answer to a frame from another node */
const FRAME_MS = 10_000;

interface Message {
  readonly tell: Tell;
  readonly source: { readonly ref: ActorRef; readonly actorId: string };
  /** the receiver's tail after a refusal that may have rested on an older state */
  min?: number;
  readonly traceparent?: string | undefined;
}

/** Messages of one sender to one receiver: FIFO, one frame under way. */
interface Pair {
  readonly queue: Message[];
  /** of the sender: who serves it delivers */
  readonly slot: number;
  busy: boolean;
  failures: number;
  faults: number;
  /** the sender is another node's work now */
  over: boolean;
}

/** Names a sender and a receiver. */
export const pairKey = (actorId: string, to: ActorRef): string => `${actorId}>${to}`;

export class Outbox {
  readonly #k: Kernel;
  readonly #effects: Effects;
  readonly #pairs = new Map<string, Pair>();
  /** effect ids of every message and effect that this node works on */
  readonly #known = new Set<string>();
  /** effect ids that are over and whose rows still stand */
  readonly #over = new Set<string>();
  /** one for each reading under way: rows that went meanwhile, which its pages may still show */
  readonly #gone = new Set<Set<string>>();
  #sweepTimer: unknown;
  #stopped = false;

  constructor(kernel: Kernel, effects: EffectFunctions) {
    this.#k = kernel;
    this.#effects = new Effects(kernel, effects, (id) => this.finished(id));
  }

  get pending(): number {
    return this.#known.size;
  }

  /** Ids of the actors whose messages are under way. */
  get senders(): ReadonlySet<string> {
    return new Set([...this.#pairs.keys()].map((key) => key.slice(0, key.indexOf('>'))));
  }

  /** Takes up what a former process left. */
  async start(): Promise<void> {
    if (this.#k.placement === undefined) await this.#takeUpDue(Number.MAX_SAFE_INTEGER);
    this.#planSweep();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#sweepTimer !== undefined) this.#k.clock.clearTimer(this.#sweepTimer as object);
    this.#effects.stop();
  }

  #planSweep(): void {
    this.#sweepTimer = this.#k.clock.setTimer(SWEEP_MS, () => {
      this.#sweep()
        .catch((error: unknown) => this.#k.log.warn({ err: error }, 'the outbox could not be read'))
        .finally(() => {
          if (!this.#stopped) this.#planSweep();
        });
    });
  }

  /** While this node roams others may have its slots, and nobody others: what is overdue by half a minute is taken up wherever it belongs. */
  async #sweep(): Promise<void> {
    const { placement, clock, store } = this.#k;
    await this.#effects.keep();
    const now = clock.wall();
    if (placement?.roaming !== true) return this.#takeUpDue(now - SWEEP_AGE, placement?.slots);
    await this.#takeUp(async () => {
      const rows = await store.takeOutbox(now - ORPHAN_MS, now + AHEAD_MS, PAGE);
      if (rows.length > 0) this.#k.log.info({ rows: rows.length }, 'overdue messages and effects taken up while roaming');
      return rows;
    });
  }

  /** Takes up what the former owner of the slots has left. */
  acquire(slots: readonly number[]): void {
    this.#takeUpDue(Number.MAX_SAFE_INTEGER, slots).catch((error: unknown) => {
      this.#k.log.warn({ err: error }, 'the outbox of new slots could not be read; the next sweep finds them');
    });
  }

  /**
   * Takes up what other nodes have left of actors that this one has just read: nothing that they send may overtake it. Effects that a node may be
   * busy with are left to it, or to the sweep.
   */
  takeUpOf(actorIds: readonly string[]): Promise<void> {
    const elsewhere = (row: PendingOutbox): boolean => this.#k.placement?.roaming === true || row.nextAt > this.#k.clock.wall();
    return this.#takeUp(() => this.#k.store.outboxOf(actorIds), elsewhere);
  }

  /** Forgets the messages and effects of slots that are another node's work now. */
  release(keep: (slot: number) => boolean): void {
    for (const [key, pair] of this.#pairs) {
      if (keep(pair.slot)) continue;
      pair.over = true;
      this.#pairs.delete(key);
      for (const m of pair.queue) this.#known.delete(effectKey(m.tell.id));
    }
    this.#effects.release(keep);
  }

  /** All pages are read first: a message on a later page must not be overtaken by one that its sender sends meanwhile. */
  #takeUpDue(before: number, slots?: readonly number[]): Promise<void> {
    return this.#takeUp(async () => {
      const found: PendingOutbox[] = [];
      for (let rows: PendingOutbox[] | undefined; rows === undefined || rows.length === PAGE; found.push(...rows)) {
        rows = await this.#k.store.outboxDue(before, PAGE, rows?.at(-1), slots);
      }
      return found;
    });
  }

  /** Works on the rows that nobody works on. @param elsewhere effects that it does not start */
  async #takeUp(read: () => Promise<PendingOutbox[]>, elsewhere: (row: PendingOutbox) => boolean = () => false): Promise<void> {
    const gone = new Set<string>();
    this.#gone.add(gone);
    let found: PendingOutbox[];
    try {
      found = await read();
    } finally {
      this.#gone.delete(gone);
    }
    for (const row of found) {
      if (!this.#k.works(row.slot)) continue;
      const key = effectKey(row);
      if (this.#takenUp(key) || gone.has(key)) continue;
      this.#begin(row, row.op === 'effect' && elsewhere(row));
    }
  }

  #begin(row: PendingOutbox, elsewhere: boolean): void {
    const id: EffectId = { actorId: row.actorId, seq: row.seq, n: row.n };
    const ref = `${row.kind}:${row.id}`;
    const payload = JSON.parse(row.payload) as { type: string; payload: object; src: string; input: Json };
    if (row.op === 'tell')
      this.#enqueue({ tell: { id, to: row.target, type: payload.type, payload: payload.payload }, source: { ref, actorId: row.actorId } });
    else {
      const { kind, target: invoke, attempts: attempt, nextAt } = row;
      const call = { id, ref, kind, invoke, src: payload.src, input: payload.input, attempt, nextAt };
      if (elsewhere) this.#effects.note(call);
      else this.#effect(call);
    }
  }

  /** Sends the messages and starts the effects of a committed event, which has this span. */
  dispatch(a: Activation, s: Step, traceparent?: string): void {
    // Whoever serves the slot now finds the rows.
    if (!this.#k.works(a.at.slot)) return;
    const source = { ref: a.at.ref, actorId: a.actorId };
    for (const tell of s.tells) if (tell.fused !== true && !this.#takenUp(effectKey(tell.id))) this.#enqueue({ tell, source, traceparent });
    if (s.effects.length === 0) return;
    const nextAt = s.next.at + aheadOf(this.#k.placement);
    for (const e of s.effects) {
      if (this.#takenUp(effectKey(e.id))) continue;
      this.#effect({
        id: e.id,
        ref: a.at.ref,
        kind: a.kind,
        invoke: e.invoke,
        src: e.src,
        input: e.input,
        attempt: 0,
        nextAt,
        traceparent,
      });
    }
  }

  /** Whether it is under way or over. While a commit was in doubt a reading of the outbox may have found what it wrote. */
  #takenUp(key: string): boolean {
    return this.#known.has(key) || this.#over.has(key);
  }

  /** Nobody works on it any more: its row has gone, or will be found again. */
  finished(id: EffectId): void {
    const key = effectKey(id);
    this.#known.delete(key);
    for (const gone of this.#gone) gone.add(key);
  }

  /** It is over, and its row goes with a later commit of the lane. A row that still stands must not be taken up again. */
  drop(id: EffectId): void {
    this.#over.add(effectKey(id));
    this.finished(id);
    this.#k.lanes.of(slotOf(id.actorId)).finishOutbox(id);
  }

  /** These rows are gone from the store. */
  dropped(ids: readonly EffectId[]): void {
    for (const id of ids) {
      const key = effectKey(id);
      this.#over.delete(key);
      for (const gone of this.#gone) gone.add(key);
    }
  }

  /** Whether committed messages of the pair are under way. */
  busy(pair: string): boolean {
    return this.#pairs.has(pair);
  }

  #effect(call: EffectCallOf): void {
    this.#known.add(effectKey(call.id));
    this.#effects.begin(call);
  }

  /** The state that invoked the effect was left: nobody wants the result any more. */
  abort(actorId: string, invoke: string, seq: number): void {
    this.#effects.abort(actorId, invoke, seq);
  }

  /** The effect id of a live invocation that this node works on. */
  idOf(actorId: string, invoke: string, seq: number): EffectId | undefined {
    return this.#effects.idOf(actorId, invoke, seq);
  }

  /** The rows of an actor have gone with it: its messages that are not under way are not sent any more. */
  forget(actorId: string): void {
    for (const [key, pair] of this.#pairs) {
      if (!key.startsWith(`${actorId}>`)) continue;
      for (const m of pair.queue.splice(0)) this.finished(m.tell.id);
    }
  }

  // ------------------------------------------------------------------------------------------------------------- messages

  #enqueue(m: Message): void {
    this.#known.add(effectKey(m.tell.id));
    const key = pairKey(m.source.actorId, m.tell.to);
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      pair = { queue: [], slot: slotOf(m.source.actorId), busy: false, failures: 0, faults: 0, over: false };
      this.#pairs.set(key, pair);
    }
    pair.queue.push(m);
    if (!pair.busy) this.#sendFrame(key, pair);
  }

  #sendFrame(key: string, pair: Pair): void {
    if (this.#stopped || pair.over) return;
    const messages = pair.queue.slice(0, pair.failures > 0 ? 1 : FRAME);
    if (messages.length === 0) {
      this.#pairs.delete(key);
      return;
    }
    pair.busy = true;
    const [{ tell, source }] = messages as [Message];
    const tells: RemoteTells = {
      source: source.ref,
      to: tell.to,
      messages: messages.map(({ tell: { id, type, payload }, min, traceparent }) => ({
        id,
        type,
        payload: payload as Json,
        ...(min === undefined ? {} : { min }),
        ...(traceparent === undefined ? {} : { traceparent }),
      })),
    };
    const done = (replies: readonly Reply[]): void => this.#frameDone(key, pair, messages, replies);
    if (this.#k.router === undefined) receive(this.#k, tells, done);
    else void this.#route(this.#k.router, tells, done);
  }

  /** To the node that serves the receiver. Without an answer the messages are sent again; their keys make that harmless. */
  async #route(router: Router, tells: RemoteTells, done: (replies: readonly Reply[]) => void): Promise<void> {
    const again: Reply = { ok: false, seq: 0, error: { code: 'RETRY' } };
    const replies = await router.run<readonly Reply[]>({
      slot: slotOf(actorIdOf(tells.to)),
      left: FRAME_MS,
      here: async () => {
        const here = await received(this.#k, tells);
        return here.some(isMoved) ? 'moved' : here;
      },
      frame: (asked) => ({ f: 'tell', ...asked, tells }),
      got: (answer) => (answer.f === 'replies' ? answer.replies : []),
    });
    done(typeof replies === 'string' || replies.length !== tells.messages.length ? tells.messages.map(() => again) : replies);
  }

  #frameDone(key: string, pair: Pair, messages: readonly Message[], replies: readonly Reply[]): void {
    if (pair.over) return;
    const next = (): void => {
      pair.failures = 0;
      pair.faults = 0;
      pair.busy = false;
      this.#sendFrame(key, pair);
    };
    const failed = replies.findIndex((reply) => !reply.ok);
    const done = pair.queue.splice(0, failed < 0 ? messages.length : failed);
    for (const m of done) this.drop(m.tell.id);
    if (done.length > 0) pair.faults = 0;
    const [m, reply] = [messages[failed], replies[failed]];
    if (m === undefined || reply === undefined || reply.ok) return next();
    const retryable = kernelProblems[reply.error.code as keyof typeof kernelProblems]?.retryable ?? false;
    const fault = reply.error.code === 'ACTOR_FAULT';
    if (fault) pair.faults += 1;
    if (!retryable && (!fault || pair.faults >= TELL_FAULTS)) {
      void this.#refused(key, pair, m, reply, next);
      return;
    }
    this.#again(key, pair);
  }

  #again(key: string, pair: Pair): void {
    const wait = Math.min(5_000, 50 * 2 ** Math.min(pair.failures, 7));
    pair.failures += 1;
    this.#k.clock.setTimer(wait, () => this.#sendFrame(key, pair));
  }

  /**
   * A refusal counts unless the journal knows the message: it had been applied, and its key is older than those that the actor remembers. Where
   * other nodes may deliver it too, for a while or late, the refusal takes the key: whoever comes with it then is refused as well. And where
   * another node may have written meanwhile, the receiver is asked once more, with the tail that its answer has to know of.
   */
  async #refused(key: string, pair: Pair, m: Message, reply: Reply & { ok: false }, next: () => void): Promise<void> {
    try {
      const receiver = actorIdOf(m.tell.to);
      const idem = derivedIdem(effectKey(m.tell.id));
      const refused = { idem, at: this.#k.clock.wall(), type: m.tell.type, error: storable(reply.error) };
      const alone = this.#k.placement === undefined;
      if (!alone && (await this.#outdated(m, receiver, reply.seq))) return this.#again(key, pair);
      const applied = await (alone ? this.#k.store.byIdem(receiver, idem) : this.#k.store.refuse(receiver, refused));
      if (pair.over) return;
      pair.queue.shift();
      if (applied === undefined) return this.#undelivered(m, reply, next);
      this.drop(m.tell.id);
      next();
    } catch (error) {
      this.#k.log.warn({ err: error }, 'a refused message could not be looked up');
      this.#again(key, pair);
    }
  }

  /** Whether the first refusal of a message rests on an older state than the receiver's newest. */
  async #outdated(m: Message, receiver: string, seq: number): Promise<boolean> {
    if (m.min !== undefined) return false;
    m.min = (await this.#k.store.tails([receiver])).get(receiver) ?? 0;
    return seq < m.min;
  }

  /**
   * The message is over. The sender hears of it if its machine wants to; else it is a dead letter. `next` when that is durable: until then a
   * crash would have the message sent again, and it must not arrive after those behind it.
   */
  #undelivered(m: Message, reply: Reply & { ok: false }, next: () => void): void {
    const { tell, source } = m;
    const from = splitRef(source.ref);
    const rt = from === undefined ? undefined : this.#k.kinds.get(from.kind);
    const payload = {
      to: tell.to,
      command: tell.type,
      code: reply.error.code,
      ...(reply.error.details === undefined ? {} : { details: reply.error.details }),
    };
    if (rt === undefined || !rt.def.machine.events.includes('thrum.undelivered')) {
      this.#bury(
        source.ref,
        'message',
        messageLetter(tell.to, tell.type, tell.payload, tell.id),
        reply.error as unknown as Json,
        1,
        tell.id,
        next,
      );
      return;
    }
    this.#report(source.ref, rt, tell.id, payload, next);
  }

  /** Tells the sender until it has heard. Were the message sent again instead, it could arrive after all. */
  #report(ref: ActorRef, rt: Runtime, id: EffectId, payload: object, next: () => void): void {
    if (this.#stopped) return;
    // Whoever serves the slot now finds the row; so does this node, should it get the slot back.
    if (!this.#k.works(slotOf(id.actorId))) return this.finished(id);
    this.#k.deliver(ref, rt, {
      ...internal('thrum.undelivered', payload),
      kind: 'undelivered',
      done: id,
      idem: derivedIdem(effectKey(id), 'undelivered'),
      cause: effectKey(id),
      resolve: (reply) => {
        if (reply.ok || reply.error.code === 'ACTOR_ERASED') {
          this.finished(id);
          next();
        } else this.#k.clock.setTimer(REPORT_MS, () => this.#report(ref, rt, id, payload, next));
      },
    });
  }

  // --------------------------------------------------------------------------------------------------------- dead letters

  /** An effect failed for good and the machine has no transition for it. */
  unhandled(a: Activation, { call, payload }: Envelope & { kind: 'result' }): void {
    const { invoke, id, src, input } = call;
    this.#k.log.error({ ref: a.at.ref, invoke, alert: 'EFFECT_UNHANDLED' }, 'an effect failed and its machine does not handle the failure');
    const { error } = payload as { error: { attempts: number } & { [key: string]: Json } };
    this.#bury(a.at.ref, 'effect', effectLetter({ id, invoke, src, input }), error, error.attempts, undefined);
  }

  bury(a: Activation, source: string, event: Json, error: unknown, attempts: number): void {
    const stack = error instanceof Error ? { message: error.message, stack: error.stack ?? '' } : { message: String(error), stack: '' };
    this.#bury(a.at.ref, source, event, stack, attempts, undefined);
  }

  #bury(ref: ActorRef, source: string, event: Json, error: Json, attempts: number, outbox: EffectId | undefined, next?: () => void): void {
    const { kind, id } = splitRef(ref) ?? { kind: '', id: ref };
    void this.#write({ actorId: actorIdOf(ref), kind, id, source, event: storable(event), error: storable(error), attempts }, outbox, next);
  }

  /** With an outbox row it is tried until it is written: the row must go, or its message would be sent again. */
  async #write(letter: DeadRow, outbox: EffectId | undefined, next: (() => void) | undefined): Promise<void> {
    if (this.#stopped) return;
    try {
      await this.#k.store.bury(letter, outbox);
    } catch (cause) {
      this.#k.log.error({ ref: `${letter.kind}:${letter.id}`, err: cause }, 'a dead letter was not written');
      if (outbox !== undefined) this.#k.clock.setTimer(REPORT_MS, () => void this.#write(letter, outbox, next));
      return;
    }
    if (outbox === undefined) return;
    this.finished(outbox);
    this.#k.metrics.outboxDead.add();
    next?.();
  }
}
