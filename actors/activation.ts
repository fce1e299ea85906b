/** One actor in memory: its mailbox and its turns, from being loaded to being dropped. */
import { decide, failed, plain, repeatedAnswer } from './command.ts';
import type { Decider } from './command.ts';
import { answer, breakFrame, fused, isAsked, mayRunAgain, refuse } from './envelope.ts';
import type { Envelope, Message } from './envelope.ts';
import { adopt, thawed } from './frozen.ts';
import { kernelProblems, KernelProblem, refusal } from './errors.ts';
import { fusedRows, handledAtOnce } from './fusion.ts';
import { arisenAt, internalStep, skipStep } from './internal.ts';
import type { Kernel } from './kernel.ts';
import { migrationEvent } from './migrate.ts';
import { mayHave, recall } from './recall.ts';
import { Keys } from './keys.ts';
import { closedBy, isReleased, journaled, restoreLive } from './rows.ts';
import type { Restored } from './rows.ts';
import type { Address, Live, Runtime } from './runtime.ts';
import { expire, release, sampled } from './release.ts';
import { Speculation } from './speculation.ts';
import { deepFreeze } from './step.ts';
import type { Step } from './step.ts';
import { ENDED } from './store/lifecycle.ts';
import type { EffectId, Loaded } from './store/store.ts';
import { poison, SLOW_TURN, Supervision } from './supervision.ts';
import { unitOf } from './unit.ts';
import type { CommitUnit, Unit, UnitOwner, Verdict } from './unit.ts';
import type { Refusal, Reply } from './types.ts';

const TURN_EVENTS = 32;

/** `ending`: some uncommitted events are lost; those before them are awaited, then the state is read anew */
type Status = 'cold' | 'loading' | 'ready' | 'broken' | 'ending';

export class Activation implements UnitOwner {
  readonly at: Address;
  readonly rt: Runtime;
  readonly spec = new Speculation();
  readonly #k: Kernel;
  #status: Status = 'cold';
  /** why no command runs: quarantine, pause, erasure, a failed load */
  #closed: Refusal | undefined;
  /** events of the kernel itself that wait for the end of a pause or quarantine */
  #parked: Envelope[] | undefined;
  #mailbox: Envelope[] | undefined;
  #supervision: Supervision | undefined;
  #rowsDue: Map<string, number> | undefined;
  /** fused messages since the last turn, while others wait in the mailbox */
  #outOfTurn = 0;
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
  /** why no command runs for a while, whatever the store says: the actor is being erased */
  held: Refusal | undefined;

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

  get cid(): string | undefined {
    return this.spec.cid;
  }

  get committed(): Live | undefined {
    return this.spec.committed;
  }

  /** due of the timer rows that are known to stand in the database */
  get rowsDue(): Map<string, number> {
    return (this.#rowsDue ??= new Map());
  }

  get mailboxLength(): number {
    return this.#mailbox?.length ?? 0;
  }

  /** mono ms since which its oldest event waits for a turn */
  get waitsSince(): number {
    return this.#mailbox?.[0]?.since ?? Number.POSITIVE_INFINITY;
  }

  /** events that are accepted and not yet durable */
  get uncommitted(): number {
    return this.spec.uncommitted;
  }

  get closed(): Refusal | undefined {
    return this.held ?? this.#closed;
  }

  /** Operators stop it with a reason, or let it run: faults are forgotten, what was held comes first, a broken history is read anew. */
  set closed(why: Refusal | undefined) {
    const opens = why === undefined && this.#closed !== undefined;
    this.#closed = why;
    if (!opens) return;
    this.#supervision = undefined;
    if (this.#status === 'broken') this.#load();
    if (this.#parked === undefined) return;
    this.#mailbox = this.drain();
    this.#k.schedule(this);
  }

  /** It cannot be trusted any more. @param why asked unless it is closed already */
  close(why: () => Refusal): void {
    this.#closed ??= why();
  }

  /** Nothing waits, nothing is uncommitted: the activation may be dropped. */
  get quiet(): boolean {
    const { held, spec } = this;
    return (held ?? this.#mailbox ?? spec.units ?? this.#parked) === undefined && (this.#restored || this.#status === 'cold');
  }

  /** Quiet, and no effect will come back to it soon. */
  get resting(): boolean {
    if (!this.quiet) return false;
    for (const _ in this.committed?.state.calls) return false;
    return true;
  }

  /** Takes up where the frozen activation of this actor ended. */
  thaw(text: string): void {
    const { frozen, state, keys } = thawed(text);
    const { seq, at, size, cid } = frozen;
    const live: Live = { snap: this.rt.runner.restore(state), state, seq, at, size };
    this.spec.begin(live, live, keys, cid);
    adopt(this, frozen);
    this.#status = 'ready';
    this.#closed = this.#k.pauses.of(this.kind, this.at.slot);
    if (this.#k.freeze) deepFreeze(state.context);
    if (frozen.hot !== undefined) this.#k.topics.resumed(this, frozen.hot);
  }

  /** Puts an event into the mailbox. The caller has checked the bounds. */
  deliver(e: Envelope): void {
    (this.#mailbox ??= []).push(e);
    this.lastUsed = this.#k.clock.mono();
    e.since = this.lastUsed;
    if (this.#status === 'cold') this.#load();
    else if (this.#status !== 'loading') this.#k.schedule(this);
  }

  #load(): void {
    this.#status = 'loading';
    this.#k.load(this);
  }

  /** Folds what the store gave; `undefined` means that the actor has no history. */
  loaded(stored: Loaded | undefined): void {
    if (this.#k.active(this.at.ref) !== this) return this.#superseded();
    const found = stored === undefined || ENDED.has(stored.status) ? undefined : stored;
    this.#rowsDue = undefined;
    try {
      const restored = found === undefined ? undefined : restoreLive(this.rt, found, this.#k.clock.wall());
      const committed = restored?.migration === undefined ? restored?.live : undefined;
      this.spec.begin(restored?.live, committed, found === undefined ? undefined : new Keys(found.keys), found?.cid);
      this.rowsSinceSnapshot = found?.tail.length ?? 0;
      this.bytesSinceSnapshot = 0;
      this.snapshotBytes = restored?.live.size ?? 0;
      this.heads = restored?.heads;
      const released = found !== undefined && isReleased(this.rt, found);
      const own = released ? undefined : (closedBy(stored?.status) ?? this.#supervision?.closed);
      this.#closed = own ?? this.#k.pauses.of(this.kind, this.at.slot);
      this.#status = 'ready';
      if (released) this.#supervisor.endQuarantine();
      if (restored?.migration !== undefined) this.#migrate(restored.migration);
    } catch (error) {
      this.#status = 'broken';
      this.#closed = this.#supervisor.unrestored(error, found);
      if (found !== undefined && this.#k.placement?.moves.handOn(this, found) === true) return;
    }
    if (this.#k.freeze) deepFreeze(this.spec.latest?.state.context);
    this.#k.topics.activated(this);
    this.#k.grown(this);
    this.#k.placement?.loaded(this);
    this.#k.schedule(this);
  }

  /** While it was read another one has taken its place, which alone may write: nothing of this one is kept. */
  #superseded(): void {
    this.#status = 'cold';
    for (const e of this.drain()) this.#k.deliver(this.at.ref, this.rt, e);
  }

  /** What comes meanwhile runs on the migrated state; like everything that is not durable, it is not seen before the commit. */
  #migrate({ step, from }: NonNullable<Restored['migration']>): void {
    this.#k.metrics.migrations.add(this.kind, 'ok');
    this.#accept(migrationEvent(this.rt, this.at, step, from), [step], { ok: true, seq: step.next.seq, reply: null });
  }

  /** The store cannot be read: what waits is answered; the next event tries again. */
  failedToLoad(): void {
    this.#status = 'cold';
    for (const e of this.drain()) refuse(e, refusal('UNAVAILABLE', undefined, undefined, 1_000));
  }

  /** Takes out what waits. */
  drain(): Envelope[] {
    const waiting = [...(this.#parked ?? []), ...(this.#mailbox ?? [])];
    this.#parked = undefined;
    this.#mailbox = undefined;
    return waiting;
  }

  get #restored(): boolean {
    return this.#status === 'ready' || this.#status === 'broken';
  }

  /** Runs what waits, at most 32 events or until `until` (mono ms). True when more waits and could run. */
  turn(until: number): boolean {
    if (!this.#restored) return false;
    if (this.#k.placement?.mayRun(this) === false) return false;
    const committer = this.#k.lanes.of(this.at.slot, this.rt.relaxed);
    const started = this.#k.clock.mono();
    this.#outOfTurn = 0;
    for (let n = 0; this.#mailbox !== undefined; n += 1) {
      if (committer.full || this.uncommitted >= this.#k.limits.uncommitted) {
        this.#k.lanes.waitForRoom(this);
        return false;
      }
      if (n >= TURN_EVENTS) return true;
      const e = this.#mailbox.shift();
      if (this.#mailbox.length === 0) this.#mailbox = undefined;
      if (e !== undefined) this.#process(e);
      if (!this.#restored) return false;
      const now = this.#k.clock.mono();
      if (n === 0 && (this.rt.runner.steps & 15) === 0) sampled(this.#k.metrics, this.kind, e, { started, now });
      if (e !== undefined && this.#closed === undefined && now - started > SLOW_TURN) this.#supervisor.slowTurn(e, now - started);
      if (now >= until && this.#mailbox !== undefined) return true;
    }
    return false;
  }

  #process(e: Envelope): void {
    if (e.answered && e.kind !== 'timer' && e.kind !== 'result' && e.kind !== 'undelivered') return;
    if (e.deadline < this.#k.clock.mono()) return refuse(e, refusal('TIMEOUT'));
    if (e.kind === 'read') {
      if (this.#status === 'broken' && this.#closed !== undefined) return refuse(e, this.#closed);
      if (e.min > this.spec.seq) return this.#behind(e);
      return this.gated(e, this.#read(e));
    }
    if (e.kind === 'tell' && e.frame.broken) return refuse(e, refusal('RETRY', 'a message before it must be repeated'));
    const { closed } = this;
    if (closed !== undefined) return this.#stopped(e, closed);
    if (e.kind === 'tell' && e.min !== undefined && e.min > this.spec.seq) return this.#behind(e);
    if (e.idem !== null) {
      const known = this.spec.known(e.idem);
      if (known !== undefined) {
        this.#k.metrics.duplicates.add('ring');
        return this.gated(e, repeatedAnswer(e, known));
      }
      if (this.spec.keys?.marked(e.idem) === true && recall(this.#k, this, e)) return this.#k.metrics.duplicates.add('ring');
    }
    const { feed } = this.#k;
    if (feed.on) feed.begin(this, e);
    try {
      if (poison(e)) this.#skip(e);
      else if (e.kind === 'command' || e.kind === 'tell') this.#command(e);
      else this.#internal(e);
    } catch (error) {
      this.#threw(e, error);
    }
    if (feed.on) feed.end(this);
  }

  #read(e: Envelope & { kind: 'read' }): Reply {
    try {
      return e.run(this.spec.latest);
    } catch (error) {
      return failed(this.spec.seq, this.#supervisor.told(e, error, 'a read failed'));
    }
  }

  /** A read, or an event of the kernel, rests on a state that this activation has not seen: somebody else has written, or there is no such state. */
  #behind(e: Envelope): void {
    const none = failed(this.spec.seq, refusal('RETRY', 'the actor has no such state', undefined, 50));
    // What is under way rests on an old state: it will be rolled back, and the read runs again with it.
    if (e.tries > 0 || this.uncommitted > 0) return this.gated(e, none);
    e.tries += 1;
    this.#mailbox = [e, ...this.drain()];
    this.#evict();
  }

  /** Timers and results of a paused or quarantined actor are held; everything else is refused. */
  #stopped(e: Envelope, why: Refusal): void {
    if (!isAsked(e) && (why.code === 'ACTOR_PAUSED' || why.code === 'ACTOR_QUARANTINED')) (this.#parked ??= []).push(e);
    else refuse(e, why, this.spec.seq);
  }

  #command(e: Envelope): void {
    const { reply, steps } = decide(this.#decider(), this.spec.latest, e);
    if (steps === undefined) {
      if (!reply.ok && mayHave(this, e) && recall(this.#k, this, e)) return;
      if (!reply.ok && !(reply.error.code in kernelProblems)) this.#k.metrics.rejected.add(this.kind, reply.error.code);
      this.gated(e, reply);
    } else this.#accept(e, steps, reply);
  }

  #decider(): Decider {
    return { rt: this.rt, at: this.at, wall: this.#k.clock.wall(), kinds: this.#k.kinds, freeze: this.#k.freeze };
  }

  /** Ready to take a message at once. */
  get atHand(): boolean {
    return this.#status === 'ready' && this.closed === undefined;
  }

  /** Present where other nodes may work on the actor too. */
  get placement(): Kernel['placement'] {
    return this.#k.placement;
  }

  /** Whether events out of turn would pass a bound, or keep the mailbox waiting. */
  get crowded(): boolean {
    return this.uncommitted >= this.#k.limits.uncommitted || (this.#mailbox !== undefined && this.#outOfTurn >= TURN_EVENTS);
  }

  /** Runs a message of another actor out of turn. False: it was not handled, and nothing of it is kept. */
  takeFused(e: Envelope & Message): boolean {
    if (e.idem !== null && this.spec.keys?.knows(e.idem) === true) return false;
    const decision = handledAtOnce(this.#k.feed, this, this.#decider(), this.spec.latest, e);
    if (decision?.steps === undefined) return false;
    const { steps, reply } = decision;
    const rows = fusedRows(this, e, steps, reply);
    if (rows === undefined) return false;
    this.#outOfTurn = this.#mailbox === undefined ? 0 : this.#outOfTurn + 1;
    this.lastUsed = this.#k.clock.mono();
    this.#accept(e, steps, reply, rows);
    return true;
  }

  #internal(e: Envelope): void {
    const base = this.spec.latest;
    // Another node has gone on with the actor: what this one has not seen is not void.
    if (arisenAt(e) > this.spec.seq) return this.#behind(e);
    const done = base === undefined ? undefined : internalStep({ k: this.#k, a: this, decider: this.#decider(), base }, e);
    if (done === undefined) this.gated(e, { ok: true, seq: this.spec.seq, reply: null });
    else this.#accept(e, [done], { ok: true, seq: done.next.seq, reply: null });
  }

  /** @throws MachineFault when the database could not keep it; nothing has changed then */
  #accept(e: Envelope, steps: readonly Step[], reply: Reply, rows = journaled(this, e, steps, reply)): void {
    if (e.sight !== undefined) e.sight.accepted((steps.at(-1) as Step).next);
    const unit = unitOf(this, e, rows, steps, reply);
    this.spec.accept(unit);
    this.#k.lanes.of(this.at.slot, this.rt.relaxed).submit(unit);
    this.#k.fusion?.deliver(this, unit);
  }

  /** Effect id of an invocation, of this activation or of the one before it. */
  callId(invoke: string, seq: number): EffectId | undefined {
    return this.spec.callId(invoke, seq) ?? this.#k.outbox.idOf(this.actorId, invoke, seq);
  }

  /** An answer computed on the speculative state leaves when that state is committed. */
  gated(e: Envelope, reply: Reply): void {
    if (!reply.ok) breakFrame(e);
    const last = this.spec.units?.at(-1);
    if (last === undefined) answer(e, reply);
    else last.waiters.push({ envelope: e, reply });
  }

  settled(unit: CommitUnit, cid: string): void {
    const own = this.spec.settle(unit, this.rt.relaxed ? cid : undefined);
    this.rowsSinceSnapshot += own.events.length;
    for (const s of own.steps) this.bytesSinceSnapshot += s.patchText.length;
    this.heads = undefined;
    const changed = this.#k.topics.committed(this, own.steps);
    answer(own.envelope, own.reply.ok && changed.length > 0 ? { ...own.reply, ch: changed } : own.reply);
    for (const waiter of own.waiters) answer(waiter.envelope, waiter.reply);
    release(this.#k, this, own, this.#status === 'ending');
    this.#k.committed(this);
    if (this.#status === 'ending' && this.uncommitted === 0) this.#evict();
    else if (this.mailboxLength > 0) this.#k.schedule(this);
  }

  rollback(verdicts: ReadonlyMap<CommitUnit, Verdict>): void {
    this.#runAgain(this.spec.lose(), verdicts);
    this.#evict();
  }

  /** Events under way learn the truth by their own commit; after it the actor is read anew, before anything else of it runs. */
  renew(): void {
    this.#status = 'ending';
  }

  cut(from: CommitUnit): void {
    this.#runAgain(this.spec.lose(from), new Map());
    if (this.uncommitted === 0) this.#evict();
    else this.#status = 'ending';
  }

  /** What was computed on states that never will be goes back to the front of the mailbox. */
  #runAgain(lost: readonly Unit[], verdicts: ReadonlyMap<CommitUnit, Verdict>): void {
    const again: Envelope[] = [];
    for (const unit of lost) {
      const verdict = verdicts.get(unit);
      const repeat = verdict === undefined ? !fused(unit.envelope) : this.#supervisor.judge(unit, verdict);
      if (repeat) again.push(unit.envelope);
      this.#k.fusion?.over(this, unit);
      for (const waiter of unit.waiters) again.push(waiter.envelope);
    }
    const waiting = [...again.filter(mayRunAgain), ...this.drain()];
    if (waiting.length > 0) this.#mailbox = waiting;
  }

  /** Forgets the state and reads it anew. */
  #evict(): void {
    this.spec.forget();
    this.#k.topics.evicted(this);
    this.#load();
  }

  #threw(e: Envelope, error: unknown): void {
    if (!isAsked(e)) {
      // Not even what ends it without the machine can be done: whoever brings it will bring it again.
      if (poison(e)) refuse(e, this.#supervisor.told(e, error, 'an event cannot be ended'));
      else if (!this.#supervisor.retryLater(e, error)) this.#process(e);
    } else if (error instanceof KernelProblem) this.gated(e, failed(this.spec.seq, plain(error)));
    else this.#supervisor.fault(e, error);
  }

  get #supervisor(): Supervision {
    return (this.#supervision ??= new Supervision(this.#k, this));
  }

  /** A poison internal event ends: its timer or call is removed without the machine, and a dead letter says so. */
  #skip(e: Envelope): void {
    this.#supervisor.giveUp(e);
    const base = this.spec.latest;
    if (base === undefined) return;
    const done = skipStep({ k: this.#k, a: this, decider: this.#decider(), base }, e);
    this.#accept(e, [done], { ok: true, seq: done.next.seq, reply: null });
  }

  /** Answers commands whose deadline has passed while they wait for the database. */
  expire(o: Parameters<typeof expire>[2]): void {
    expire(this.spec.units, this.#mailbox, o);
  }

  /** of the last minute */
  get faults(): number {
    return this.#supervision?.faults ?? 0;
  }
}
