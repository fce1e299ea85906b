/** Effects with a result: run after the commit that asked for them, repeated until they succeed or are given up, answered to the actor as an event. */
import { storable } from './columns.ts';
import type { Effect } from './define.ts';
import { internal } from './envelope.ts';
import { NonRetryable } from './errors.ts';
import { effectKey, slotOf } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { AHEAD_MS, aheadOf } from './orphans.ts';
import type { Spans } from './spans.ts';
import type { EffectId } from './store/store.ts';
import type { ActorRef, Json, Log } from './types.ts';

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

/** wait before a result that its actor could not take is delivered again, ms */
const HELD_MS = 30_000;
/** characters of a failure's message that are kept */
const MESSAGE = 2_000;
const defaults = { timeout: 15_000, concurrency: 32, retry: { attempts: 8, base: 500, factor: 2, max: 60_000 } } as const;

const messageOf = (error: unknown): string => storable((error instanceof Error ? error.message : String(error)).slice(0, MESSAGE));

interface Call {
  readonly id: EffectId;
  readonly ref: ActorRef;
  readonly kind: string;
  readonly invoke: string;
  readonly src: string;
  readonly input: Json;
  /** of the command that asked for it */
  readonly traceparent?: string | undefined;
  readonly abort: AbortController;
  attempt: number;
  /** of its row, epoch ms */
  nextAt: number;
  /** this node does not work on it (any more) */
  over: boolean;
}

/** What is known of an effect when it begins. `attempt`: how often it was tried before. */
export type EffectCallOf = Omit<Call, 'abort' | 'over'>;

export class Effects {
  readonly #k: Kernel;
  readonly #effects: EffectFunctions;
  /** nobody works on the row any more */
  readonly #finished: (id: EffectId) => void;
  readonly #calls = new Map<string, Call>();
  readonly #running = new Map<string, { active: number; waiting: Call[] }>();
  #stopped = false;

  constructor(kernel: Kernel, effects: EffectFunctions, finished: (id: EffectId) => void) {
    this.#k = kernel;
    this.#effects = effects;
    this.#finished = finished;
  }

  stop(): void {
    this.#stopped = true;
    for (const call of this.#calls.values()) call.abort.abort(new Error('the server stops'));
  }

  /** Starts an effect whose event is committed. */
  begin(c: EffectCallOf): void {
    const call: Call = { ...c, abort: new AbortController(), over: false };
    this.#calls.set(`${call.id.actorId}/${call.invoke}`, call);
    const gate = this.#gate(call);
    if (gate.active >= this.#declared(call).concurrency) gate.waiting.push(call);
    else this.#attempt(call, gate);
  }

  /** Another node works on it, or will: only its name is known here, for the event that leaves the call. */
  note(c: EffectCallOf): void {
    this.#calls.set(`${c.id.actorId}/${c.invoke}`, { ...c, abort: new AbortController(), over: true });
  }

  /** What lasts must not look as if it were left behind: the rows of what this node still works on are moved. */
  async keep(): Promise<void> {
    const { placement, clock, store } = this.#k;
    if (placement === undefined) return;
    const nextAt = clock.wall() + aheadOf(placement);
    const lasting: Call[] = [];
    for (const [key, call] of this.#calls) {
      if (!call.over && call.nextAt < nextAt - AHEAD_MS / 2) lasting.push(call);
      // Were its row still there, the sweep would have begun with it.
      if (call.over && !placement.roaming && call.nextAt < nextAt - AHEAD_MS) this.#calls.delete(key);
    }
    if (lasting.length === 0) return;
    await store.hold(
      lasting.map((call) => call.id),
      nextAt,
    );
    for (const call of lasting) call.nextAt = Math.max(call.nextAt, nextAt);
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
    const { spans } = this.#k;
    (spans === undefined ? this.#perform(call) : this.#traced(spans, call))
      .then(
        (output) => this.#succeeded(call, output),
        (error: unknown) => this.#attemptFailed(call, error),
      )
      .finally(() => {
        gate.active -= 1;
        const next = gate.waiting.find((one) => !one.over);
        gate.waiting.splice(0, next === undefined ? gate.waiting.length : gate.waiting.indexOf(next) + 1);
        if (next !== undefined && !this.#stopped) this.#attempt(next, gate);
      });
  }

  /** One attempt, with its span. */
  async #traced(spans: Spans, call: Call): Promise<unknown> {
    const { kind, ref: actor, src: name, traceparent: parent } = call;
    const span = spans.begin({ name, actor, kind, cause: effectKey(call.id), parent, by: 'effect' });
    try {
      const output = await this.#perform(call);
      span.end('ok', call.id.seq);
      return output;
    } catch (error) {
      span.end('failed', call.id.seq);
      throw error;
    }
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
      this.#k.metrics.effectSeconds.observe({ effect: call.src }, (this.#k.clock.mono() - started) / 1_000);
    }
  }

  #succeeded(call: Call, given: unknown): void {
    let output: Json;
    try {
      output = this.#outputOf(call, given);
    } catch (error) {
      this.#attemptFailed(call, new NonRetryable(`the result does not fit: ${messageOf(error)}`));
      return;
    }
    this.#k.metrics.effects.add(call.src, 'ok');
    this.#result(call, `xstate.done.actor.${call.invoke}`, { output, actorId: call.invoke }, false);
  }

  /** The result as the journal will have it. @throws Error when it does not fit its schema, is no JSON or is too large for an event */
  #outputOf({ kind, src }: Call, given: unknown): Json {
    const def = this.#k.kinds.get(kind)?.def;
    const text = JSON.stringify(def?.effects?.[src]?.output.parse(given ?? null) ?? null);
    const bytes = Buffer.byteLength(text);
    if (def !== undefined && bytes > def.limits.eventBytes) throw new Error(`it has ${bytes} bytes`);
    return JSON.parse(text) as Json;
  }

  #attemptFailed(call: Call, error: unknown): void {
    if (call.over || this.#stopped) return;
    const { retry } = this.#declared(call);
    const message = messageOf(error);
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
    const wait = Math.ceil(this.#k.random() * Math.min(retry.max, retry.base * retry.factor ** (call.attempt - 1)));
    call.nextAt = this.#k.clock.wall() + Math.max(wait, aheadOf(this.#k.placement));
    this.#k.store
      .postpone([{ ...call.id, attempts: call.attempt, nextAt: call.nextAt, error: message }])
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
    this.#k.deliver(call.ref, rt, {
      ...internal(type, payload),
      kind: 'result',
      call: { invoke: call.invoke, id: call.id, src: call.src, input: call.input, failed: isError },
      cause: effectKey(call.id),
      resolve: (reply) => {
        if (reply.ok || reply.error.code === 'ACTOR_ERASED') this.#end(call);
        // paused or quarantined: the result is kept and comes again
        else this.#k.clock.setTimer(HELD_MS, () => this.#result(call, type, payload, isError));
      },
    });
  }

  #end(call: Call): void {
    call.over = true;
    const key = `${call.id.actorId}/${call.invoke}`;
    if (this.#calls.get(key) === call) this.#calls.delete(key);
    this.#finished(call.id);
  }

  /** The state that invoked the effect was left: nobody wants the result any more. */
  abort(actorId: string, invoke: string, seq: number): void {
    const call = this.#calls.get(`${actorId}/${invoke}`);
    if (call === undefined || call.id.seq !== seq) return;
    this.#end(call);
    call.abort.abort(new Error('the state that asked for it was left'));
  }

  /** Gives up the effects of the slots that are another node's work now; that one starts them again. */
  release(keep: (slot: number) => boolean): void {
    const now = this.#k.clock.wall();
    const ahead: EffectId[] = [];
    for (const call of this.#calls.values()) {
      if (keep(slotOf(call.id.actorId))) continue;
      if (!call.over && call.nextAt > now) ahead.push(call.id);
      this.#end(call);
      call.abort.abort(new Error('another node goes on with it'));
    }
    if (ahead.length === 0) return;
    this.#k.store.hold(ahead, now).catch((error: unknown) => {
      this.#k.log.warn({ err: error }, 'effects were given up; another node goes on with them half a minute later');
    });
  }

  /** The effect id of a live invocation that this node works on. */
  idOf(actorId: string, invoke: string, seq: number): EffectId | undefined {
    const call = this.#calls.get(`${actorId}/${invoke}`);
    return call?.id.seq === seq ? call.id : undefined;
  }
}
