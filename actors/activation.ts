/** One actor in memory: its mailbox, its speculative and committed state, and what waits for the commit. */
import { decide, failed, plain, repeatedAnswer } from './command.ts';
import type { Decider } from './command.ts';
import type { CommitUnit, UnitOwner, Verdict } from './committer.ts';
import { answer, breakFrame, refuse } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { frozenText, thawed } from './frozen.ts';
import type { Frozen } from './frozen.ts';
import { kernelProblems, KernelProblem, refusal } from './errors.ts';
import { internalStep, skipStep } from './internal.ts';
import type { Kernel } from './kernel.ts';
import { migrationEvent } from './migrate.ts';
import { closedBy, eventRows, isReleased, knownOf, refusedRow, restoreLive, ringOf } from './rows.ts';
import type { Known, Restored } from './rows.ts';
import type { Address, Live, Runtime } from './runtime.ts';
import { deepFreeze } from './step.ts';
import type { Step } from './step.ts';
import type { EffectId, Loaded } from './store/store.ts';
import { poison, Supervision } from './supervision.ts';
import type { Unit } from './unit.ts';
import type { WarmEntry } from './warm.ts';
import type { Refusal, Reply } from './types.ts';

const TURN_EVENTS = 32;
const RING = 256;
const RERUNS = 3;
const SLOW_TURN = 100;
const STUCK_TURN = 1_000;
/** a snapshot is kept at the end of an activation when this many rows follow the last one */
const SNAPSHOT_ROWS = 16;
/** heap bytes of an idle actor beside its context, of each byte of JSON in it, and of each remembered command */
const BASE_WEIGHT = 1_024;
const JSON_WEIGHT = 2;
const KEY_WEIGHT = 320;

type Status = 'cold' | 'loading' | 'ready' | 'broken';

export class Activation implements UnitOwner {
  readonly at: Address;
  readonly rt: Runtime;
  readonly #k: Kernel;
  #status: Status = 'cold';
  /** why no command runs: quarantine, pause, erasure, a failed load */
  #closed: Refusal | undefined;
  #spec: Live | undefined;
  #committed: Live | undefined;
  #mailbox: Envelope[] | undefined;
  #units: Unit[] | undefined;
  #ring: Map<string, Known> | undefined;
  #supervision: Supervision | undefined;
  /** effect ids of the invocations that this activation started */
  #callIds: Map<string, EffectId> | undefined;
  #rowsDue: Map<string, number> | undefined;
  scheduled = false;
  lastUsed = 0;
  rowsSinceSnapshot = 0;
  bytesSinceSnapshot = 0;
  snapshotBytes = 0;
  /** heads of published views that came with the snapshot; valid while it is the tail */
  heads: { readonly [view: string]: number } | undefined;
  published = false;
  /** the weight that the node has taken into account */
  weighed = 0;

  constructor(kernel: Kernel, at: Address, rt: Runtime) {
    this.#k = kernel;
    this.at = at;
    this.rt = rt;
  }

  get actorId(): string {
    return this.at.actorId;
  }

  get kind(): string {
    return this.rt.def.kind;
  }

  get committed(): Live | undefined {
    return this.#committed;
  }

  /** due of the timer rows that are known to stand in the database */
  get rowsDue(): Map<string, number> {
    return (this.#rowsDue ??= new Map());
  }

  get mailboxLength(): number {
    return this.#mailbox?.length ?? 0;
  }

  /** events that are accepted and not yet durable */
  get uncommitted(): number {
    return this.#units?.length ?? 0;
  }

  get closed(): Refusal | undefined {
    return this.#closed;
  }

  /** Nothing waits, nothing is uncommitted: the activation may be dropped. */
  get quiet(): boolean {
    return this.mailboxLength === 0 && this.#units === undefined && (this.#status === 'ready' || this.#status === 'broken');
  }

  /** Quiet, and no effect will come back to it soon. */
  get resting(): boolean {
    if (!this.quiet) return false;
    for (const _ in this.#committed?.state.calls) return false;
    return true;
  }

  /** Whether a snapshot is due when the activation ends: the tail has grown, or somebody has seen a published view. */
  get keep(): boolean {
    return this.rowsSinceSnapshot >= SNAPSHOT_ROWS || this.published;
  }

  /** Estimated bytes in memory. */
  get weight(): number {
    return BASE_WEIGHT + JSON_WEIGHT * (this.snapshotBytes + this.bytesSinceSnapshot) + KEY_WEIGHT * (this.#ring?.size ?? 0);
  }

  /** The actor as text, with which another activation can go on; undefined when there is nothing to keep or it must be read anew. */
  freeze(): WarmEntry | undefined {
    const live = this.#committed;
    const clean = this.#status === 'ready' && this.#closed === undefined && (this.#supervision?.faults ?? 0) === 0;
    if (live === undefined || !clean || !this.resting) return undefined;
    const hot = this.#k.topics.hotNames(this);
    const heads = { ...this.heads, ...this.#k.topics.passivated(this) };
    const frozen: Frozen = {
      seq: live.seq,
      at: live.at,
      size: live.size,
      rowsSinceSnapshot: this.rowsSinceSnapshot,
      bytesSinceSnapshot: this.bytesSinceSnapshot,
      snapshotBytes: this.snapshotBytes,
      published: this.published,
      heads,
      ...(hot.length === 0 ? {} : { hot }),
      ...(this.#ring === undefined ? {} : { ring: [...this.#ring] }),
    };
    return { ref: this.at.ref, text: frozenText(frozen, live.state), keep: this.keep };
  }

  /** Takes up where the frozen activation of this actor ended. */
  thaw(text: string): void {
    const { frozen, state } = thawed(text);
    const { seq, at, size } = frozen;
    this.#spec = { snap: this.rt.runner.restore(state), state, seq, at, size };
    this.#committed = this.#spec;
    this.rowsSinceSnapshot = frozen.rowsSinceSnapshot;
    this.bytesSinceSnapshot = frozen.bytesSinceSnapshot;
    this.snapshotBytes = frozen.snapshotBytes;
    this.published = frozen.published;
    this.heads = frozen.heads;
    if (frozen.ring !== undefined) this.#ring = new Map(frozen.ring);
    this.#status = 'ready';
    if (this.#k.freeze) deepFreeze(state.context);
    if (frozen.hot !== undefined) this.#k.topics.resumed(this, frozen.hot);
  }

  /** Puts an event into the mailbox. The caller has checked the bounds. */
  deliver(e: Envelope): void {
    (this.#mailbox ??= []).push(e);
    this.lastUsed = this.#k.clock.mono();
    if (this.#status === 'cold') this.#load();
    else if (this.#status !== 'loading') this.#k.schedule(this);
  }

  #load(): void {
    this.#status = 'loading';
    this.#k.load(this);
  }

  /** Folds what the store gave; `undefined` means that the actor has no history. */
  loaded(found: Loaded | undefined): void {
    this.#rowsDue = undefined;
    let restored: Restored | undefined;
    try {
      restored = found === undefined ? undefined : restoreLive(this.rt, found, this.#k.clock.wall());
      this.#spec = restored?.live;
      this.#committed = restored?.migration === undefined ? restored?.live : undefined;
      this.rowsSinceSnapshot = found?.tail.length ?? 0;
      this.bytesSinceSnapshot = 0;
      this.snapshotBytes = restored?.live.size ?? 0;
      this.heads = restored?.heads;
      this.#ring = found === undefined ? undefined : ringOf(found.ring);
      this.#closed = closedBy(found?.status);
      this.#status = 'ready';
      if (found !== undefined && isReleased(this.rt, found)) this.#letGo();
      if (restored?.migration !== undefined) this.#migrate(restored.migration);
    } catch (error) {
      this.#status = 'broken';
      this.#closed = this.#supervisor.unrestored(error, found);
    }
    if (this.#spec !== undefined && this.#k.freeze) deepFreeze(this.#spec.state.context);
    this.#k.topics.activated(this);
    this.#k.grown(this);
    this.#k.schedule(this);
  }

  /** A build with another version than the one that failed may try again. */
  #letGo(): void {
    this.#closed = undefined;
    this.#k.log.info({ ref: this.at.ref, version: this.rt.def.version }, 'quarantine ended by another version');
    this.#k.store.setStatus(this.actorId, 'active', this.rt.def.version).catch((error: unknown) => {
      this.#k.log.error({ ref: this.at.ref, err: error }, 'the end of a quarantine was not written');
    });
  }

  /** What comes meanwhile runs on the migrated state; like everything that is not durable, it is not seen before the commit. */
  #migrate({ step, from }: NonNullable<Restored['migration']>): void {
    this.#k.metrics.migrations.add(this.kind, 'ok');
    this.#accept(migrationEvent(this.rt, this.at, step, from), [step], { ok: true, seq: step.next.seq, reply: null });
  }

  /** The store cannot be read: what waits is answered; the next event tries again. */
  failedToLoad(): void {
    this.#status = 'cold';
    for (const e of this.#drainMailbox()) refuse(e, refusal('UNAVAILABLE', undefined, undefined, 1_000));
  }

  #drainMailbox(): Envelope[] {
    const waiting = this.#mailbox ?? [];
    this.#mailbox = undefined;
    return waiting;
  }

  /** Runs what waits, at most 32 events or until `until` (mono ms). True when more waits and could run. */
  turn(until: number): boolean {
    if (this.#status !== 'ready' && this.#status !== 'broken') return false;
    const committer = this.#k.committer(this.at.slot);
    const started = this.#k.clock.mono();
    for (let n = 0; this.#mailbox !== undefined; n += 1) {
      if (committer.full || this.uncommitted >= this.#k.limits.uncommitted) {
        this.#k.waitForRoom(this);
        return false;
      }
      if (n >= TURN_EVENTS) return true;
      const e = this.#mailbox.shift();
      if (this.#mailbox.length === 0) this.#mailbox = undefined;
      if (e !== undefined) this.#process(e);
      const now = this.#k.clock.mono();
      if (e !== undefined && now - started > SLOW_TURN) this.#slowTurn(e, now - started);
      if (now >= until && this.#mailbox !== undefined) return true;
    }
    return false;
  }

  #slowTurn(e: Envelope, ms: number): void {
    this.#k.log.warn({ ref: this.at.ref, type: e.type, ms }, 'slow turn');
    if (ms > STUCK_TURN) this.#quarantine(`a turn took ${Math.round(ms)} ms`);
  }

  #process(e: Envelope): void {
    if (e.answered && e.kind !== 'timer' && e.kind !== 'result' && e.kind !== 'undelivered') return;
    if (e.deadline < this.#k.clock.mono()) return refuse(e, refusal('TIMEOUT'));
    if (e.kind === 'read') {
      if (this.#status === 'broken' && this.#closed !== undefined) return refuse(e, this.#closed);
      return this.#gated(e, e.run(this.#spec));
    }
    if (e.kind === 'tell' && e.frame.broken) return refuse(e, refusal('RETRY', 'a message before it must be repeated'));
    if (this.#closed !== undefined) return this.#refuseInternal(e, this.#closed);
    if (e.idem !== null) {
      const known = this.#ring?.get(e.idem);
      if (known !== undefined) return this.#repeat(e, known);
    }
    try {
      if (poison(e)) this.#skip(e);
      else if (e.kind === 'command' || e.kind === 'tell') this.#command(e);
      else this.#internal(e);
    } catch (error) {
      this.#threw(e, error);
    }
  }

  #refuseInternal(e: Envelope, why: Refusal): void {
    refuse(e, why, this.#spec?.seq);
  }

  #repeat(e: Envelope, known: Known): void {
    this.#k.metrics.duplicates.add('ring');
    this.#gated(e, repeatedAnswer(e, known));
  }

  #command(e: Envelope): void {
    const { reply, steps } = decide(this.#decider(), this.#spec, e);
    if (steps === undefined) {
      if (!reply.ok && this.#mayHaveForgotten(e)) return this.#lookUp(e, e.idem);
      if (!reply.ok && !(reply.error.code in kernelProblems)) this.#k.metrics.rejected.add(this.kind, reply.error.code);
      this.#gated(e, reply);
    } else this.#accept(e, steps, reply);
  }

  /** A refusal may be that of a repeated command whose key is older than the ring. */
  #mayHaveForgotten(e: Envelope): e is Envelope & { readonly idem: string } {
    return e.kind === 'command' && e.idem !== null && e.looked !== true && (this.#ring?.size ?? 0) >= RING;
  }

  #lookUp(e: Envelope, idem: string): void {
    e.looked = true;
    this.#k.store.byIdem(this.actorId, idem).then(
      (entry) => (entry === undefined ? this.#k.deliver(this.at.ref, this.rt, e) : answer(e, repeatedAnswer(e, knownOf(entry)))),
      () => this.#k.deliver(this.at.ref, this.rt, e),
    );
  }

  #decider(): Decider {
    return { rt: this.rt, at: this.at, wall: this.#k.clock.wall(), kinds: this.#k.kinds, freeze: this.#k.freeze };
  }

  #internal(e: Envelope): void {
    const base = this.#spec;
    const done = base === undefined ? undefined : internalStep({ k: this.#k, a: this, decider: this.#decider(), base }, e);
    if (done === undefined) this.#over(e);
    else this.#accept(e, [done], { ok: true, seq: done.next.seq, reply: null });
  }

  /** An internal event that changes nothing. */
  #over(e: Envelope): void {
    answer(e, { ok: true, seq: this.#spec?.seq ?? 0, reply: null });
  }

  #accept(e: Envelope, steps: readonly Step[], reply: Reply): void {
    const { next } = steps.at(-1) as Step;
    const events = steps.map((s, i) =>
      eventRows(this, s, i === 0 && steps.length === 2 ? undefined : e, reply, (invoke, seq) => this.#callId(invoke, seq)),
    );
    let bytes = 0;
    let companions = 0;
    for (const event of events) {
      bytes += event.journal.patch.length + event.journal.event.length + 256 * (1 + event.companions.length);
      companions += event.companions.length;
    }
    const unit: Unit = { owner: this, events, bytes, companions, envelope: e, steps, next, reply, waiters: [] };
    if (e.idem !== null) {
      const ring = (this.#ring ??= new Map());
      ring.set(e.idem, { seq: next.seq, type: e.type, chk: e.chk, reply });
      if (ring.size > RING) ring.delete(ring.keys().next().value as string);
    }
    for (const s of steps) for (const call of s.effects) (this.#callIds ??= new Map()).set(call.invoke, call.id);
    this.#spec = next;
    (this.#units ??= []).push(unit);
    this.#k.committer(this.at.slot).submit(unit);
  }

  #callId(invoke: string, seq: number): EffectId | undefined {
    const own = this.#callIds?.get(invoke);
    return own?.seq === seq ? own : this.#k.outbox.idOf(this.actorId, invoke, seq);
  }

  /** An answer computed on the speculative state leaves when that state is committed. */
  #gated(e: Envelope, reply: Reply): void {
    if (!reply.ok) breakFrame(e);
    const last = this.#units?.at(-1);
    if (last === undefined) answer(e, reply);
    else last.waiters.push({ envelope: e, reply });
  }

  settled(unit: CommitUnit): void {
    const own = unit as Unit;
    if (this.#units?.[0] !== own) throw new Error(`${this.at.ref}: units were settled out of order`);
    this.#units.shift();
    if (this.#units.length === 0) this.#units = undefined;
    this.#committed = own.next;
    this.rowsSinceSnapshot += own.events.length;
    for (const s of own.steps) this.bytesSinceSnapshot += s.patchText.length;
    this.heads = undefined;
    const changed = this.#k.topics.committed(this, own.steps);
    answer(own.envelope, own.reply.ok && changed.length > 0 ? { ...own.reply, ch: changed } : own.reply);
    for (const waiter of own.waiters) answer(waiter.envelope, waiter.reply);
    for (const s of own.steps) this.#release(s);
    this.#k.committed(this);
    if (this.mailboxLength > 0) this.#k.schedule(this);
  }

  #release(s: Step): void {
    for (const stop of s.stopped) this.#k.outbox.abort(this.actorId, stop.invoke, stop.seq);
    if (s.tells.length > 0 || s.effects.length > 0) this.#k.outbox.dispatch(this, s);
    for (const queue of s.queues) this.#k.onJob(queue);
    if (s.patch.t?.set !== undefined) {
      for (const [id, [seq, due, type]] of Object.entries(s.patch.t.set)) this.#k.timers.add(this.at, id, { seq, due, type });
    }
    for (const c of s.companions) this.#k.metrics.companionRows.add(c.into);
  }

  rollback(verdicts: ReadonlyMap<CommitUnit, Verdict>): void {
    const again: Envelope[] = [];
    for (const unit of this.#units ?? []) {
      const verdict = verdicts.get(unit);
      if (verdict === undefined || this.#judge(unit, verdict) === 'again') again.push(unit.envelope);
      for (const waiter of unit.waiters) again.push(waiter.envelope);
    }
    this.#units = undefined;
    this.#mailbox = [...again.filter((e) => this.#mayRunAgain(e)), ...this.#drainMailbox()];
    if (this.#mailbox.length === 0) this.#mailbox = undefined;
    this.#spec = undefined;
    this.#committed = undefined;
    this.#ring = undefined;
    this.#callIds = undefined;
    this.#k.topics.evicted(this);
    this.#load();
  }

  #mayRunAgain(e: Envelope): boolean {
    e.tries += 1;
    if (e.kind === 'migration') return false; // what is loaded anew tells whether one is needed
    if (e.kind !== 'command') return true;
    if (e.tries <= RERUNS) return !e.answered;
    refuse(e, refusal('RETRY', undefined, undefined, 50));
    return false;
  }

  /** What becomes of an event that cannot be committed as it stands. */
  #judge(unit: Unit, verdict: Verdict): 'over' | 'again' {
    const e = unit.envelope;
    const seq = unit.events[0]?.journal.seq ?? 1;
    if (verdict.why === 'duplicate') {
      this.#k.metrics.duplicates.add('index');
      answer(e, repeatedAnswer(e, knownOf(verdict.entry)));
      return 'over';
    }
    if (verdict.why === 'bad-row') {
      this.#fault(e, verdict.cause);
      this.#quarantine('the database refused a row of the kernel');
      return 'over';
    }
    const { name, declared, error } = refusedRow(this.rt.def, unit.events, verdict);
    this.#k.metrics.companionConflicts.add(this.kind, name);
    if (declared?.alarm !== false) {
      const fields = { ref: this.at.ref, companion: name, type: e.type, alert: 'critical' };
      this.#k.log.error(fields, 'a companion row was refused that the machine let pass');
    }
    if (e.kind !== 'command' && e.kind !== 'tell')
      return this.#supervisor.retryLater(e, new Error(`companion ${name} refused`)) ? 'over' : 'again';
    if (error === undefined) this.#fault(e, new Error(`companion ${name} refused`));
    else {
      this.#k.metrics.rejected.add(this.kind, error.code);
      refuse(e, error, seq - 1);
    }
    return 'over';
  }

  #threw(e: Envelope, error: unknown): void {
    if (error instanceof KernelProblem && (e.kind === 'command' || e.kind === 'tell'))
      return this.#gated(e, failed(this.#spec?.seq ?? 0, plain(error)));
    if (e.kind === 'command' || e.kind === 'tell') return this.#fault(e, error);
    if (!this.#supervisor.retryLater(e, error)) this.#process(e);
  }

  get #supervisor(): Supervision {
    return (this.#supervision ??= new Supervision(this.#k, this));
  }

  #fault(e: Envelope, error: unknown): void {
    const seq = this.#spec?.seq ?? 0;
    const { refusal: why, quarantine } = this.#supervisor.fault(e, seq, error);
    this.#gated(e, failed(seq, why));
    if (quarantine !== undefined) this.#quarantine(quarantine);
  }

  /** A poison internal event ends: its timer or call is removed without the machine, and a dead letter says so. */
  #skip(e: Envelope): void {
    this.#supervisor.giveUp(e);
    const base = this.#spec;
    if (base === undefined) return;
    const done = skipStep({ k: this.#k, a: this, decider: this.#decider(), base }, e);
    this.#accept(e, [done], { ok: true, seq: done.next.seq, reply: null });
  }

  #quarantine(reason: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = refusal('ACTOR_QUARANTINED', reason, undefined, 30_000);
    this.#k.log.error({ ref: this.at.ref, reason, alert: 'critical' }, 'actor quarantined');
    if (this.#spec !== undefined) this.#supervisor.writeQuarantine();
  }

  /** Answers commands whose deadline has passed while the database is away. */
  expire(mono: number): void {
    for (const unit of this.#units ?? []) {
      if (unit.envelope.deadline < mono) refuse(unit.envelope, refusal('COMMIT_UNKNOWN'), unit.next.seq);
      for (const w of unit.waiters) if (w.envelope.deadline < mono) refuse(w.envelope, refusal('TIMEOUT'));
    }
    for (const e of this.#mailbox ?? []) if (e.deadline < mono) refuse(e, refusal('UNAVAILABLE', undefined, undefined, 1_000));
  }

  /** A view of the speculative or committed state for people; not part of any guarantee. */
  inspect(): { seq: number; committedSeq: number; mailbox: number; uncommitted: number; faults: number; status: string } {
    return {
      seq: this.#spec?.seq ?? 0,
      committedSeq: this.#committed?.seq ?? 0,
      mailbox: this.mailboxLength,
      uncommitted: this.uncommitted,
      faults: this.#supervision?.faults ?? 0,
      status: this.#closed?.code ?? this.#status,
    };
  }
}
