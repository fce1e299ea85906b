/** What follows when an actor's machine fails: reports, later attempts, and the count that leads to quarantine. */
import type { Activation } from './activation.ts';
import { failed, plain, repeatedAnswer } from './command.ts';
import { answer, isAsked, refuse } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { KernelProblem, refusal } from './errors.ts';
import { derivedIdem } from './ids.ts';
import { letterOf } from './letter.ts';
import type { Kernel } from './kernel.ts';
import { knownOf, refusedRow } from './rows.ts';
import type { Loaded } from './store/store.ts';
import type { Refusal } from './types.ts';
import type { Unit, Verdict } from './unit.ts';

const FAULTS = 5;
const FAULT_WINDOW = 60_000;
/** waits before an internal event that failed is run again, ms */
const INTERNAL_RETRIES = [1_000, 5_000, 25_000];

/** a turn that takes longer than this is reported, and one that takes longer than the other closes the actor, ms */
export const SLOW_TURN = 100;
const STUCK_TURN = 1_000;

/** Whether an internal event has failed so often that it ends without the machine. */
export const poison = (e: Envelope): boolean => e.failures > INTERNAL_RETRIES.length;

/** Made at the first failure of an activation; forgotten with it. */
export class Supervision {
  readonly #k: Kernel;
  readonly #a: Activation;
  #faults: number[] = [];
  /** why it has closed the actor; what the store says of that may be older */
  closed: Refusal | undefined;

  constructor(kernel: Kernel, a: Activation) {
    this.#k = kernel;
    this.#a = a;
  }

  /** Faults of the last minute. */
  get faults(): number {
    const now = this.#k.clock.mono();
    return this.#faults.filter((t) => now - t < FAULT_WINDOW).length;
  }

  /** A command failed: it is reported, its caller hears of it, and an actor that fails too often is closed. */
  fault(e: Envelope, error: unknown): void {
    const told = this.told(e, error, 'a machine failed');
    this.#bury(e, error);
    const now = this.#k.clock.mono();
    this.#faults = [...this.#faults.filter((t) => now - t < FAULT_WINDOW), now];
    this.#a.gated(e, failed(this.#a.spec.seq, told));
    if (this.#faults.length >= FAULTS) this.#quarantine(`${FAULTS} faults in ${FAULT_WINDOW / 1_000} s`);
  }

  /** What the one who waits is told of a failure; the log has the rest under the same id. By itself it counts for nothing. */
  told(e: Envelope, error: unknown, what: string): Refusal {
    const { at, actorId, kind, spec } = this.#a;
    const faultId = derivedIdem(actorId, spec.seq, this.#k.clock.wall(), e.type).slice(0, 12);
    this.#k.metrics.faults.add(kind);
    this.#k.log.error({ ref: at.ref, type: e.type, faultId, err: error }, what);
    return refusal('ACTOR_FAULT', undefined, { faultId });
  }

  /** An internal event failed. True when it will come again. */
  retryLater(e: Envelope, error: unknown): boolean {
    const wait = INTERNAL_RETRIES[e.failures];
    this.#k.log.error({ ref: this.#a.at.ref, type: e.type, failures: e.failures, err: error }, 'an internal event failed');
    this.#k.metrics.faults.add(this.#a.kind);
    e.failures += 1;
    if (wait === undefined) return false;
    this.#k.clock.setTimer(wait, () => this.#k.deliver(this.#a.at.ref, this.#a.rt, e));
    return true;
  }

  /** Deals with an event that cannot be committed as it stands. True when it runs again. */
  judge(unit: Unit, verdict: Verdict): boolean {
    const { kind, at, rt } = this.#a;
    const e = unit.envelope;
    if (verdict.why === 'duplicate') {
      this.#k.metrics.duplicates.add('index');
      answer(e, repeatedAnswer(e, knownOf(verdict.entry)));
      return false;
    }
    if (verdict.why === 'bad-row') {
      this.fault(e, verdict.cause);
      this.#quarantine('the database refused a row of the kernel');
      return false;
    }
    const { name, declared, error } = refusedRow(rt.def, unit.events, verdict);
    this.#k.metrics.companionConflicts.add(kind, name);
    if (declared?.alarm !== false) {
      const fields = { ref: at.ref, companion: name, type: e.type, alert: 'critical' };
      this.#k.log.error(fields, 'a companion row was refused that the machine let pass');
    }
    const fault = new Error(`companion ${name} refused`);
    if (!isAsked(e)) return !this.retryLater(e, fault);
    if (error === undefined) this.fault(e, fault);
    else {
      this.#k.metrics.rejected.add(kind, error.code);
      refuse(e, error, (unit.events[0]?.journal.seq ?? 1) - 1);
    }
    return false;
  }

  /** A poison event is over: the dead letter says so. */
  giveUp(e: Envelope): void {
    this.#bury(e, new Error('failed after every retry'));
  }

  /** The history cannot be run by this build. It stays as it is; the actor is closed for this version, unless only an older build met it. */
  unrestored(error: unknown, found: Loaded | undefined): Refusal {
    const problem = error instanceof KernelProblem ? error : undefined;
    const ahead = problem?.code === 'VERSION_AHEAD' || problem?.code === 'FORMAT_AHEAD';
    if (ahead || problem?.code === 'MIGRATION_FAILED') this.#k.metrics.migrations.add(this.#a.kind, ahead ? 'ahead' : 'failed');
    const fields = { ref: this.#a.at.ref, err: error, ...(ahead ? {} : { alert: 'critical' }) };
    this.#k.log.error(fields, 'activation failed');
    const written = found?.status === 'quarantined' && found.mver === this.#a.rt.def.version;
    if (!ahead && !written && found?.status !== 'paused') this.#writeQuarantine();
    return problem === undefined ? refusal('ACTOR_QUARANTINED', 'the state could not be restored') : plain(problem);
  }

  /** A turn kept the loop busy: it is reported, and an actor that does so for too long is closed. */
  slowTurn(e: Envelope, ms: number): void {
    const stood = this.#k.stood(ms);
    this.#k.log.warn({ ref: this.#a.at.ref, type: e.type, ms: Math.round(ms), stood }, 'slow turn');
    // Nobody is to blame for a process that was stopped.
    if (ms > STUCK_TURN && !stood) this.#quarantine(`a turn took ${Math.round(ms)} ms`);
  }

  #quarantine(reason: string): void {
    this.#a.close(() => {
      this.#k.log.error({ ref: this.#a.at.ref, reason, alert: 'critical' }, 'actor quarantined');
      // Without history there is nothing to write it to.
      if (this.#a.spec.latest !== undefined) this.#writeQuarantine();
      return (this.closed = refusal('ACTOR_QUARANTINED', reason, undefined, 30_000));
    });
  }

  /** Remembers with the quarantine the version that failed, so that the next one may try. */
  #writeQuarantine(): void {
    this.#k.store.setStatus(this.#a.actorId, 'quarantined', this.#a.rt.def.version).catch((error: unknown) => {
      this.#k.log.error({ ref: this.#a.at.ref, err: error }, 'quarantine was not written');
    });
  }

  /** A build with another version than the one that failed may try again. */
  endQuarantine(): void {
    const { at, actorId, rt } = this.#a;
    this.#k.log.info({ ref: at.ref, version: rt.def.version }, 'quarantine ended by another version');
    this.#k.store.setStatus(actorId, 'active', rt.def.version).catch((error: unknown) => {
      this.#k.log.error({ ref: at.ref, err: error }, 'the end of a quarantine was not written');
    });
  }

  #bury(e: Envelope, error: unknown): void {
    if (e.letter !== true) this.#k.outbox.bury(this.#a, e.kind, letterOf(e), error, e.tries + 1);
  }
}
