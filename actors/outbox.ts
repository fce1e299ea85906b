/** What leaves an actor after its commit: messages to other actors and effects with a result. The rows are the record; this works from memory. */
import type { Activation } from './activation.ts';
import { Effects } from './effects.ts';
import type { EffectCallOf, EffectFunctions } from './effects.ts';
import { internal } from './envelope.ts';
import type { Frame } from './envelope.ts';
import { kernelProblems, KernelProblem } from './errors.ts';
import { actorIdOf, derivedIdem, effectKey, slotOf, splitRef } from './ids.ts';
import type { Kernel } from './kernel.ts';
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

interface Message {
  readonly tell: Tell;
  readonly source: { readonly ref: ActorRef; readonly actorId: string };
}

/** Messages of one sender to one receiver: FIFO, one frame under way. */
interface Pair {
  readonly queue: Message[];
  busy: boolean;
  failures: number;
  faults: number;
}

export class Outbox {
  readonly #k: Kernel;
  readonly #effects: Effects;
  readonly #pairs = new Map<string, Pair>();
  /** effect ids of every message and effect that this node works on */
  readonly #known = new Set<string>();
  /** effect ids that are over and whose rows still stand */
  readonly #over = new Set<string>();
  /** rows that went while pages were being read: such a page may still show them */
  #gone: Set<string> | undefined;
  #reading: Promise<void> = Promise.resolve();
  #sweepTimer: unknown;
  #stopped = false;

  constructor(kernel: Kernel, effects: EffectFunctions) {
    this.#k = kernel;
    this.#effects = new Effects(kernel, effects, (id) => this.finished(id));
  }

  get pending(): number {
    return this.#known.size;
  }

  /** Takes up what a former process left. */
  async start(): Promise<void> {
    await this.#readPending(Number.MAX_SAFE_INTEGER);
    this.#planSweep();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#sweepTimer !== undefined) this.#k.clock.clearTimer(this.#sweepTimer as object);
    this.#effects.stop();
  }

  #planSweep(): void {
    this.#sweepTimer = this.#k.clock.setTimer(SWEEP_MS, () => {
      this.#readPending(this.#k.clock.wall() - SWEEP_AGE)
        .catch((error: unknown) => this.#k.log.warn({ err: error }, 'the outbox could not be read'))
        .finally(() => {
          if (!this.#stopped) this.#planSweep();
        });
    });
  }

  /** Takes up rows that nobody works on; one reading at a time. */
  #readPending(before: number): Promise<void> {
    const next = this.#reading.then(() => this.#read(before));
    this.#reading = next.catch(() => undefined);
    return next;
  }

  /** All pages are read first: a message on a later page must not be overtaken by one that its sender sends meanwhile. */
  async #read(before: number): Promise<void> {
    const found: PendingOutbox[] = [];
    const gone = (this.#gone = new Set<string>());
    try {
      for (let rows: PendingOutbox[] | undefined; rows === undefined || rows.length === PAGE; found.push(...rows)) {
        rows = await this.#k.store.outboxDue(before, PAGE, rows?.at(-1));
      }
    } finally {
      this.#gone = undefined;
    }
    for (const row of found) {
      const key = effectKey(row);
      if (!this.#known.has(key) && !this.#over.has(key) && !gone.has(key)) this.#takeUp(row);
    }
  }

  #takeUp(row: PendingOutbox): void {
    const id: EffectId = { actorId: row.actorId, seq: row.seq, n: row.n };
    const ref = `${row.kind}:${row.id}`;
    const payload = JSON.parse(row.payload) as { type: string; payload: object; src: string; input: Json };
    if (row.op === 'tell')
      this.#enqueue({ tell: { id, to: row.target, type: payload.type, payload: payload.payload }, source: { ref, actorId: row.actorId } });
    else this.#effect({ id, ref, kind: row.kind, invoke: row.target, src: payload.src, input: payload.input, attempt: row.attempts });
  }

  /** Sends the messages and starts the effects of a committed event. */
  dispatch(a: Activation, s: Step): void {
    const source = { ref: a.at.ref, actorId: a.actorId };
    for (const tell of s.tells) this.#enqueue({ tell, source });
    for (const e of s.effects)
      this.#effect({ id: e.id, ref: a.at.ref, kind: a.kind, invoke: e.invoke, src: e.src, input: e.input, attempt: 0 });
  }

  /** Nobody works on it any more: its row has gone, or will be found again. */
  finished(id: EffectId): void {
    const key = effectKey(id);
    this.#known.delete(key);
    this.#gone?.add(key);
  }

  /** It is over, and its row goes with a later commit of the lane. A row that still stands must not be taken up again. */
  drop(id: EffectId): void {
    this.#over.add(effectKey(id));
    this.finished(id);
    this.#k.committer(slotOf(id.actorId)).finishOutbox(id);
  }

  /** These rows are gone from the store. */
  dropped(ids: readonly EffectId[]): void {
    for (const id of ids) {
      const key = effectKey(id);
      this.#over.delete(key);
      this.#gone?.add(key);
    }
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

  // ------------------------------------------------------------------------------------------------------------- messages

  #enqueue(m: Message): void {
    this.#known.add(effectKey(m.tell.id));
    const key = `${m.source.actorId}>${m.tell.to}`;
    let pair = this.#pairs.get(key);
    if (pair === undefined) this.#pairs.set(key, (pair = { queue: [], busy: false, failures: 0, faults: 0 }));
    pair.queue.push(m);
    if (!pair.busy) this.#sendFrame(key, pair);
  }

  #sendFrame(key: string, pair: Pair): void {
    if (this.#stopped) return;
    const messages = pair.queue.slice(0, pair.failures > 0 ? 1 : FRAME);
    if (messages.length === 0) {
      this.#pairs.delete(key);
      return;
    }
    pair.busy = true;
    const frame: Frame = { broken: false };
    let left = messages.length;
    const replies: Reply[] = [];
    for (const [i, m] of messages.entries()) {
      this.#deliver(m, frame, (reply) => {
        replies[i] = reply;
        left -= 1;
        if (left === 0) this.#frameDone(key, pair, messages, replies);
      });
    }
  }

  #deliver(m: Message, frame: Frame, resolve: (reply: Reply) => void): void {
    const { tell, source } = m;
    const target = splitRef(tell.to);
    const rt = target === undefined ? undefined : this.#k.kinds.get(target.kind);
    const declared = rt?.def.commands[tell.type];
    const error = (code: string, details?: { [key: string]: Json }): Reply => {
      frame.broken = true;
      return { ok: false, seq: 0, error: { code, ...(details ? { details } : {}) } };
    };
    if (rt === undefined) return resolve(error('UNKNOWN_KIND'));
    if (declared === undefined) return resolve(error('UNKNOWN_COMMAND'));
    if (frame.broken) return resolve(error('RETRY'));
    const parsed = declared.input.safeParse(tell.payload);
    if (!parsed.success)
      return resolve(error('VALIDATION', { issues: parsed.error.issues.map((i) => ({ path: i.path.join('.'), message: i.message })) }));
    let receiver;
    try {
      receiver = this.#k.activation(tell.to, rt);
    } catch (problem) {
      return resolve(error(problem instanceof KernelProblem ? problem.code : 'OVERLOADED'));
    }
    if (receiver.mailboxLength >= rt.def.limits.mailbox) return resolve(error('MAILBOX_FULL'));
    const text = JSON.stringify(parsed.data);
    receiver.deliver({
      kind: 'tell',
      frame,
      type: tell.type,
      payload: parsed.data as object,
      text,
      idem: derivedIdem(effectKey(tell.id)),
      chk: 0,
      from: { kind: 'actor', id: source.ref, roles: [] },
      cause: effectKey(tell.id),
      deadline: Number.POSITIVE_INFINITY,
      tries: 0,
      failures: 0,
      answered: false,
      resolve,
    });
  }

  #frameDone(key: string, pair: Pair, messages: readonly Message[], replies: readonly Reply[]): void {
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

  /** A refusal counts unless the journal knows the message: it had been applied, and its key is older than those that the actor remembers. */
  async #refused(key: string, pair: Pair, m: Message, reply: Reply & { ok: false }, next: () => void): Promise<void> {
    try {
      const applied = await this.#k.store.byIdem(actorIdOf(m.tell.to), derivedIdem(effectKey(m.tell.id)));
      pair.queue.shift();
      if (applied === undefined) return this.#undelivered(m, reply, next);
      this.drop(m.tell.id);
      next();
    } catch (error) {
      this.#k.log.warn({ err: error }, 'a refused message could not be looked up');
      this.#again(key, pair);
    }
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
        'tell',
        { to: tell.to, type: tell.type, payload: tell.payload as Json },
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
    this.#k.deliver(ref, rt, {
      ...internal('thrum.undelivered', payload),
      kind: 'undelivered',
      done: id,
      idem: derivedIdem(effectKey(id), 'undelivered'),
      cause: effectKey(id),
      resolve: (reply) => {
        if (reply.ok) {
          this.finished(id);
          next();
        } else this.#k.clock.setTimer(REPORT_MS, () => this.#report(ref, rt, id, payload, next));
      },
    });
  }

  // --------------------------------------------------------------------------------------------------------- dead letters

  /** An effect failed for good and the machine has no transition for it. */
  unhandled(a: Activation, invoke: string, id: EffectId, payload: object): void {
    this.#k.log.error({ ref: a.at.ref, invoke, alert: 'EFFECT_UNHANDLED' }, 'an effect failed and its machine does not handle the failure');
    this.#bury(a.at.ref, 'effect', { invoke, key: effectKey(id) }, (payload as { error?: Json }).error ?? null, 1, undefined);
  }

  bury(a: Activation, source: string, event: Json, error: unknown, attempts: number): void {
    const stack = error instanceof Error ? { message: error.message, stack: error.stack ?? '' } : { message: String(error), stack: '' };
    this.#bury(a.at.ref, source, event, stack, attempts, undefined);
  }

  #bury(ref: ActorRef, source: string, event: Json, error: Json, attempts: number, outbox: EffectId | undefined, next?: () => void): void {
    const { kind, id } = splitRef(ref) ?? { kind: '', id: ref };
    void this.#write({ actorId: actorIdOf(ref), kind, id, source, event, error, attempts }, outbox, next);
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
