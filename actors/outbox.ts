/** What leaves an actor after its commit: messages to other actors and effects with a result. The rows are the record; this works from memory. */
import type { Activation } from './activation.ts';
import type { Effect } from './define.ts';
import type { Envelope, Frame } from './envelope.ts';
import { kernelProblems, KernelProblem, NonRetryable } from './errors.ts';
import { actorIdOf, derivedIdem, effectKey, slotOf, splitRef } from './ids.ts';
import type { Kernel } from './kernel.ts';
import type { Step, Tell } from './step.ts';
import type { EffectId, PendingOutbox } from './store/store.ts';
import type { ActorRef, Json, Log, Reply } from './types.ts';

/** The function behind a declared effect. `key` is stable over all attempts: hand it to the outside world as idempotency key. */
export type EffectFunction = (c: {
  readonly key: string;
  readonly ref: ActorRef;
  // oxlint-disable-next-line typescript/no-explicit-any -- parsed by the declared input schema before the call
  readonly input: any;
  readonly signal: AbortSignal;
  readonly attempt: number;
  /** epoch ms */
  readonly deadline: number;
  readonly log: Log;
}) => Promise<unknown>;

export interface EffectFunctions {
  readonly [kind: string]: { readonly [name: string]: EffectFunction };
}

const FRAME = 32;
const TELL_FAULTS = 10;
const SWEEP_MS = 5_000;
const SWEEP_AGE = 2_000;
const PAGE = 500;
const defaults = { timeout: 15_000, concurrency: 32, retry: { attempts: 8, base: 500, factor: 2, max: 60_000 } } as const;

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

interface Call {
  readonly id: EffectId;
  readonly ref: ActorRef;
  readonly kind: string;
  readonly invoke: string;
  readonly src: string;
  readonly input: Json;
  readonly abort: AbortController;
  attempt: number;
  over: boolean;
}

export class Outbox {
  readonly #k: Kernel;
  readonly #effects: EffectFunctions;
  readonly #pairs = new Map<string, Pair>();
  /** effect ids of every message and effect that this node works on */
  readonly #known = new Set<string>();
  readonly #calls = new Map<string, Call>();
  readonly #running = new Map<string, { active: number; waiting: Call[] }>();
  #sweepTimer: unknown;
  #stopped = false;

  constructor(kernel: Kernel, effects: EffectFunctions) {
    this.#k = kernel;
    this.#effects = effects;
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
    for (const call of this.#calls.values()) call.abort.abort(new Error('the server stops'));
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

  async #readPending(before: number): Promise<void> {
    let after: EffectId | undefined;
    for (;;) {
      const rows = await this.#k.store.outboxDue(before, PAGE, after);
      for (const row of rows) if (!this.#known.has(effectKey(row))) this.#takeUp(row);
      after = rows.at(-1);
      if (rows.length < PAGE) return;
    }
  }

  #takeUp(row: PendingOutbox): void {
    const id: EffectId = { actorId: row.actorId, seq: row.seq, n: row.n };
    const ref = `${row.kind}:${row.id}`;
    const payload = JSON.parse(row.payload) as { type: string; payload: object; src: string; input: Json };
    if (row.op === 'tell')
      this.#enqueue({ tell: { id, to: row.target, type: payload.type, payload: payload.payload }, source: { ref, actorId: row.actorId } });
    else this.#begin({ id, ref, kind: row.kind, invoke: row.target, src: payload.src, input: payload.input, attempt: row.attempts });
  }

  /** Sends the messages and starts the effects of a committed event. */
  dispatch(a: Activation, s: Step): void {
    const source = { ref: a.at.ref, actorId: a.actorId };
    for (const tell of s.tells) this.#enqueue({ tell, source });
    for (const e of s.effects)
      this.#begin({ id: e.id, ref: a.at.ref, kind: a.kind, invoke: e.invoke, src: e.src, input: e.input, attempt: 0 });
  }

  /** The row is done and leaves with the next commit of the lane. */
  finished(id: EffectId): void {
    this.#known.delete(effectKey(id));
  }

  #finish(id: EffectId): void {
    this.finished(id);
    this.#k.committer(slotOf(id.actorId)).finishOutbox(id);
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
    const error = (code: string, details?: { [key: string]: Json }): Reply => ({
      ok: false,
      seq: 0,
      error: { code, ...(details ? { details } : {}) },
    });
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
      frame.broken = true;
      return resolve(error(problem instanceof KernelProblem ? problem.code : 'OVERLOADED'));
    }
    if (receiver.mailboxLength >= rt.def.limits.mailbox) {
      frame.broken = true;
      return resolve(error('MAILBOX_FULL'));
    }
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
    let done = 0;
    let retry = false;
    for (const [i, m] of messages.entries()) {
      const reply = replies[i] as Reply;
      if (reply.ok) pair.faults = 0;
      else {
        const retryable = kernelProblems[reply.error.code as keyof typeof kernelProblems]?.retryable ?? false;
        const fault = reply.error.code === 'ACTOR_FAULT';
        if (fault) pair.faults += 1;
        if (retryable || (fault && pair.faults < TELL_FAULTS)) {
          retry = true;
          break;
        }
        pair.faults = 0;
        this.#undelivered(m, reply);
        done += 1;
        continue;
      }
      this.#finish(m.tell.id);
      done += 1;
    }
    pair.queue.splice(0, done);
    if (!retry) {
      pair.failures = 0;
      pair.busy = false;
      this.#sendFrame(key, pair);
      return;
    }
    const wait = Math.min(5_000, 50 * 2 ** Math.min(pair.failures, 7));
    pair.failures += 1;
    this.#k.clock.setTimer(wait, () => this.#sendFrame(key, pair));
  }

  /** The message is over. The sender hears of it if its machine wants to; else it is a dead letter. */
  #undelivered(m: Message, reply: Reply & { ok: false }): void {
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
      );
      return;
    }
    this.#k.activation(source.ref, rt).deliver({
      ...internal('thrum.undelivered', payload),
      kind: 'undelivered',
      done: tell.id,
      idem: derivedIdem(effectKey(tell.id), 'undelivered'),
      cause: effectKey(tell.id),
      resolve: () => this.finished(tell.id),
    });
  }

  // -------------------------------------------------------------------------------------------------------------- effects

  #begin(c: Omit<Call, 'abort' | 'over'>): void {
    const call: Call = { ...c, abort: new AbortController(), over: false };
    this.#known.add(effectKey(call.id));
    this.#calls.set(`${call.id.actorId}/${call.invoke}`, call);
    const gate = this.#gate(call);
    if (gate.active >= this.#declared(call).concurrency) gate.waiting.push(call);
    else this.#attempt(call, gate);
  }

  #gate(call: Call): { active: number; waiting: Call[] } {
    const name = `${call.kind}/${call.src}`;
    let gate = this.#running.get(name);
    if (gate === undefined) this.#running.set(name, (gate = { active: 0, waiting: [] }));
    return gate;
  }

  #declared(call: Call): Required<Pick<Effect, 'timeout' | 'concurrency' | 'retry'>> {
    const e = this.#k.kinds.get(call.kind)?.def.effects?.[call.src];
    return {
      timeout: e?.timeout ?? defaults.timeout,
      concurrency: e?.concurrency ?? defaults.concurrency,
      retry: e?.retry ?? defaults.retry,
    };
  }

  #attempt(call: Call, gate: { active: number; waiting: Call[] }): void {
    gate.active += 1;
    call.attempt += 1;
    this.#perform(call)
      .then(
        (output) => this.#succeeded(call, output),
        (error: unknown) => this.#attemptFailed(call, error),
      )
      .finally(() => {
        gate.active -= 1;
        const next = gate.waiting.shift();
        if (next !== undefined && !this.#stopped) this.#attempt(next, gate);
      });
  }

  async #perform(call: Call): Promise<unknown> {
    const { timeout } = this.#declared(call);
    const run = this.#effects[call.kind]?.[call.src];
    if (run === undefined) throw new NonRetryable(`the effect ${call.src} has no function`);
    const abort = new AbortController();
    const onAbort = (): void => abort.abort(call.abort.signal.reason);
    if (call.abort.signal.aborted) onAbort();
    call.abort.signal.addEventListener('abort', onAbort);
    const started = this.#k.clock.mono();
    let timer: unknown;
    try {
      return await Promise.race([
        run({
          key: effectKey(call.id),
          ref: call.ref,
          input: call.input,
          signal: abort.signal,
          attempt: call.attempt,
          deadline: this.#k.clock.wall() + timeout,
          log: this.#k.log,
        }),
        new Promise((_, reject) => {
          timer = this.#k.clock.setTimer(timeout, () => {
            const late = new Error(`no result within ${timeout} ms`);
            abort.abort(late);
            reject(late);
          });
        }),
      ]);
    } finally {
      this.#k.clock.clearTimer(timer as object);
      call.abort.signal.removeEventListener('abort', onAbort);
      this.#k.metrics.effectSeconds.observe((this.#k.clock.mono() - started) / 1_000);
    }
  }

  #succeeded(call: Call, output: unknown): void {
    const schema = this.#k.kinds.get(call.kind)?.def.effects?.[call.src]?.output;
    const parsed = schema?.safeParse(output ?? null);
    if (parsed?.success === false) {
      this.#attemptFailed(call, new NonRetryable(`the result does not fit its schema: ${parsed.error.message}`));
      return;
    }
    this.#k.metrics.effects.add(call.src, 'ok');
    this.#result(call, `xstate.done.actor.${call.invoke}`, { output: (parsed?.data ?? null) as Json, actorId: call.invoke }, false);
  }

  #attemptFailed(call: Call, error: unknown): void {
    if (call.over || this.#stopped) return;
    const { retry } = this.#declared(call);
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof NonRetryable || call.attempt >= retry.attempts) {
      this.#k.metrics.effects.add(call.src, 'failed');
      const code = error instanceof NonRetryable ? error.code : 'EFFECT_FAILED';
      this.#result(
        call,
        `xstate.error.actor.${call.invoke}`,
        { error: { code, message, attempts: call.attempt }, actorId: call.invoke },
        true,
      );
      return;
    }
    this.#k.metrics.effects.add(call.src, 'retried');
    const wait = this.#k.random() * Math.min(retry.max, retry.base * retry.factor ** (call.attempt - 1));
    this.#k.store
      .postpone([{ ...call.id, attempts: call.attempt, nextAt: this.#k.clock.wall() + wait, error: message.slice(0, 500) }])
      .catch((cause: unknown) => this.#k.log.warn({ err: cause }, 'the failed attempt was not remembered'));
    this.#k.clock.setTimer(wait, () => {
      if (call.over || this.#stopped) return;
      const gate = this.#gate(call);
      if (gate.active >= this.#declared(call).concurrency) gate.waiting.push(call);
      else this.#attempt(call, gate);
    });
  }

  #result(call: Call, type: string, payload: { [key: string]: Json }, isError: boolean): void {
    const rt = this.#k.kinds.get(call.kind);
    if (call.over || this.#stopped || rt === undefined) return;
    this.#k.activation(call.ref, rt).deliver({
      ...internal(type, payload),
      kind: 'result',
      call: { invoke: call.invoke, id: call.id, failed: isError },
      cause: effectKey(call.id),
      resolve: () => this.#end(call),
    });
  }

  #end(call: Call): void {
    call.over = true;
    const key = `${call.id.actorId}/${call.invoke}`;
    if (this.#calls.get(key) === call) this.#calls.delete(key);
    this.finished(call.id);
  }

  /** The state that invoked the effect was left: nobody wants the result any more. */
  abort(actorId: string, invoke: string, seq: number): void {
    const call = this.#calls.get(`${actorId}/${invoke}`);
    if (call === undefined || call.id.seq !== seq) return;
    this.#end(call);
    call.abort.abort(new Error('the state that asked for it was left'));
  }

  /** The effect id of a live invocation that this node works on. */
  idOf(actorId: string, invoke: string, seq: number): EffectId | undefined {
    const call = this.#calls.get(`${actorId}/${invoke}`);
    return call?.id.seq === seq ? call.id : undefined;
  }

  /** An effect failed for good and the machine has no transition for it. */
  unhandled(a: Activation, invoke: string, id: EffectId, payload: object): void {
    this.#k.log.error({ ref: a.at.ref, invoke, alert: 'EFFECT_UNHANDLED' }, 'an effect failed and its machine does not handle the failure');
    this.#bury(a.at.ref, 'effect', { invoke, key: effectKey(id) }, (payload as { error?: Json }).error ?? null, 1, undefined);
  }

  // --------------------------------------------------------------------------------------------------------- dead letters

  bury(a: Activation, source: string, event: Json, error: unknown, attempts: number): void {
    const stack = error instanceof Error ? { message: error.message, stack: error.stack ?? '' } : { message: String(error), stack: '' };
    this.#bury(a.at.ref, source, event, stack, attempts, undefined);
  }

  #bury(ref: ActorRef, source: string, event: Json, error: Json, attempts: number, outbox: EffectId | undefined): void {
    const { kind, id } = splitRef(ref) ?? { kind: '', id: ref };
    if (outbox !== undefined) {
      this.finished(outbox);
      this.#k.metrics.outboxDead.add();
    }
    this.#k.store.bury({ actorId: actorIdOf(ref), kind, id, source, event, error, attempts }, outbox).catch((cause: unknown) => {
      this.#k.log.error({ ref, err: cause }, 'a dead letter was not written');
    });
  }
}

function internal(type: string, payload: object): Omit<Envelope, 'kind' | 'resolve'> {
  return {
    type,
    payload,
    text: JSON.stringify(payload),
    idem: null,
    chk: 0,
    from: { kind: 'system', id: 'kernel', roles: [] },
    deadline: Number.POSITIVE_INFINITY,
    tries: 0,
    failures: 0,
    answered: false,
  };
}
