/**
 * Group commit: one serial pipeline per lane, with an open batch that collects while at most one batch is in flight.
 *
 * The rule of one: an actor's rows are in at most one statement under way. It holds because an actor's slot maps to one lane and a lane sends
 * one batch at a time. Together with the journal's primary key it makes every append a compare-and-set on the actor's tail, so two owners of
 * one actor can never both extend its history (kernel specification 7.3, 7.4).
 */
import { planBatch } from './companion.ts';
import type { Registry } from './companion.ts';
import type { NodeLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import { StoreError } from './store/store.ts';
import type { Batch, EffectId, EventRows, Housekeeping, JournalStore, Lane, RingEntry } from './store/store.ts';
import type { Clock, Log } from './types.ts';

/** Why an event of an actor will never be committed as it stands. */
export type Verdict =
  | { readonly why: 'refused'; readonly companion: string | undefined; readonly n: number | undefined }
  | { readonly why: 'duplicate'; readonly entry: RingEntry }
  | { readonly why: 'bad-row'; readonly cause: StoreError };

/** Events that stand or fall together: usually one, two when the first brings the actor into being. */
export interface CommitUnit {
  readonly owner: UnitOwner;
  readonly events: readonly EventRows[];
  readonly bytes: number;
  readonly companions: number;
}

/** The activation whose events a unit holds. */
export interface UnitOwner {
  readonly actorId: string;
  readonly kind: string;
  /** The unit is durable. Called in order. */
  settled(unit: CommitUnit): void;
  /** None of the actor's unsettled units will be committed; those with a verdict are answered by it, the others run again. */
  rollback(verdicts: ReadonlyMap<CommitUnit, Verdict>): void;
}

export interface CommitterOptions {
  readonly lane: Lane;
  readonly number: number;
  readonly store: JournalStore;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits: Pick<NodeLimits, 'laneRows' | 'laneBytes'>;
  /** room has become free, or a commit went through */
  readonly onProgress: () => void;
  /** outbox rows given to `finishOutbox` are gone from the store */
  readonly onDropped: (ids: readonly EffectId[]) => void;
}

const MAX_ROWS = 512;
const MIN_SHARE = 64;
const MAX_COMPANIONS = 4_096;
const MAX_BYTES = 1_048_576;
const IDLE_HOUSEKEEPING_MS = 200;
const SOLO_MS = 1_000;

/** Ends a commit that waits for a database while the committer is stopped; nothing is decided about its events. */
class Stopped extends Error {}

export class Committer {
  readonly #o: CommitterOptions;
  #open: CommitUnit[] = [];
  #openRows = 0;
  #openBytes = 0;
  #inflight: readonly CommitUnit[] = [];
  #busy = false;
  #stopped = false;
  #done: EffectId[] = [];
  #gone: { actorId: string; timerId: string; armedSeq: number }[] = [];
  #idleTimer: unknown;
  #troubledSince: number | undefined;
  #solo = new Map<string, number>();
  #idle: (() => void)[] = [];

  constructor(o: CommitterOptions) {
    this.#o = o;
  }

  /** Whether turns of this lane must wait for a commit. */
  get full(): boolean {
    return this.#openRows >= this.#o.limits.laneRows || this.#openBytes >= this.#o.limits.laneBytes;
  }

  get uncommitted(): number {
    return this.#openRows + this.#inflight.reduce((sum, unit) => sum + unit.events.length, 0);
  }

  /** Monotonic time of the first of the failures that still last; undefined while commits go through. */
  get troubledSince(): number | undefined {
    return this.#troubledSince;
  }

  submit(unit: CommitUnit): void {
    this.#open.push(unit);
    this.#openRows += unit.events.length;
    this.#openBytes += unit.bytes;
  }

  finishOutbox(id: EffectId): void {
    this.#done.push(id);
    this.#wakeLater();
  }

  dropTimerRow(row: { actorId: string; timerId: string; armedSeq: number }): void {
    this.#gone.push(row);
    this.#wakeLater();
  }

  /** Sends what is open, unless a batch is in flight: then it goes when that one is settled. */
  kick(): void {
    if (this.#busy || this.#stopped || this.#open.length === 0) return;
    void this.#run();
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async idle(): Promise<void> {
    if (!this.#busy && this.#open.length === 0 && this.#done.length === 0 && this.#gone.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
      if (!this.#busy) void this.#run();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#idleTimer !== undefined) this.#o.clock.clearTimer(this.#idleTimer as object);
    await this.#o.lane.close();
  }

  #wakeLater(): void {
    if (this.#busy || this.#idleTimer !== undefined || this.#stopped) return;
    this.#idleTimer = this.#o.clock.setTimer(IDLE_HOUSEKEEPING_MS, () => {
      this.#idleTimer = undefined;
      if (!this.#busy && !this.#stopped) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    let release: (() => void) | undefined;
    try {
      while (!this.#stopped && (this.#hasWork() || release !== undefined)) {
        if (this.#hasWork()) release = await this.#sendNext(release);
        else {
          release?.();
          release = undefined;
        }
      }
    } catch (error) {
      if (!(error instanceof Stopped)) this.#o.log.error({ err: error, lane: this.#o.number }, 'committer failed');
    } finally {
      this.#busy = false;
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #hasWork(): boolean {
    return this.#open.length > 0 || this.#done.length > 0 || this.#gone.length > 0;
  }

  /**
   * Sends the next batch, then releases what the one before it has committed, so that the database works while the answers go out. Gives
   * what releases this one.
   */
  async #sendNext(release: (() => void) | undefined): Promise<(() => void) | undefined> {
    const housekeeping: Housekeeping = {
      outboxDone: this.#done.splice(0, MAX_COMPANIONS),
      timersGone: this.#gone.splice(0, MAX_COMPANIONS),
    };
    const cid = this.#cid();
    const { units, batch, broken } = this.#take(cid, housekeeping);
    if (broken) return this.#giveBack(units, housekeeping, release);
    this.#inflight = units;
    const sent = this.#send(batch);
    release?.();
    try {
      const failure = await sent;
      if (failure === undefined) return () => this.#release(units, housekeeping);
      this.#done.push(...housekeeping.outboxDone);
      this.#gone.push(...housekeeping.timersGone);
      await this.#failed(units, cid, failure);
      this.#o.onProgress();
      return undefined;
    } finally {
      this.#inflight = [];
    }
  }

  /** An actor's birth and the command that caused it write one key in a way that no single statement can: a fault of the kind. */
  #giveBack(units: readonly CommitUnit[], housekeeping: Housekeeping, release: (() => void) | undefined): undefined {
    release?.();
    this.#done.push(...housekeeping.outboxDone);
    this.#gone.push(...housekeeping.timersGone);
    for (const unit of units) this.#rollback(unit.owner, new Map([[unit, { why: 'refused', companion: undefined, n: undefined }]]));
  }

  #release(units: readonly CommitUnit[], housekeeping: Housekeeping): void {
    this.#settle(units);
    if (housekeeping.outboxDone.length > 0) this.#o.onDropped(housekeeping.outboxDone);
    this.#o.onProgress();
  }

  #cid(): string {
    const high = Math.floor(this.#o.random() * 2 ** 31);
    const low = Math.floor(this.#o.random() * 2 ** 32);
    return (BigInt(high) * 4_294_967_296n + BigInt(low)).toString();
  }

  /** The oldest prefix of the open units that one statement should carry: half of what waits, so that computing and committing overlap. */
  #take(cid: string, housekeeping: Housekeeping): { units: CommitUnit[]; batch: Batch; broken: boolean } {
    const most = Math.min(MAX_ROWS, Math.max(MIN_SHARE, Math.ceil(this.#openRows / 2)));
    let count = 0;
    let rows = 0;
    let bytes = 0;
    let companions = 0;
    for (const unit of this.#open) {
      const alone = this.#mustGoAlone(unit);
      const over = rows + unit.events.length > most || bytes + unit.bytes > MAX_BYTES || companions + unit.companions > MAX_COMPANIONS;
      if (count > 0 && (alone || over)) break;
      count += 1;
      rows += unit.events.length;
      bytes += unit.bytes;
      companions += unit.companions;
      if (alone) break;
    }
    for (;;) {
      const units = this.#open.slice(0, count);
      const events = units.length === rows ? units.map((u) => u.events[0] as EventRows) : units.flatMap((u) => u.events);
      const plan = planBatch(events, this.#o.registry, cid, housekeeping);
      if (plan.take >= events.length || count <= 1) {
        this.#open.splice(0, count);
        for (const unit of units) {
          this.#openRows -= unit.events.length;
          this.#openBytes -= unit.bytes;
        }
        return { units, batch: plan.batch, broken: plan.take < events.length };
      }
      // A later event touches a key in a way that one statement cannot hold: it waits for the next.
      let fits = 0;
      let events_ = 0;
      while (fits < count && events_ + (units[fits]?.events.length ?? 0) <= plan.take) events_ += units[fits++]?.events.length ?? 0;
      count = Math.max(1, fits);
      rows = events_;
    }
  }

  #mustGoAlone(unit: CommitUnit): boolean {
    if (this.#solo.size === 0 || unit.companions === 0) return false;
    const now = this.#o.clock.mono();
    return unit.events.some((e) => e.companions.some((c) => (this.#solo.get(`${e.kind}/${c.into}`) ?? 0) > now));
  }

  async #commit(units: readonly CommitUnit[], cid: string): Promise<void> {
    const failure = await this.#send(this.#planAll(units, cid));
    if (failure === undefined) this.#settle(units);
    else await this.#failed(units, cid, failure);
  }

  /** Nothing of the batch was applied as it stood: what can be saved of it is sent in parts. */
  async #failed(units: readonly CommitUnit[], cid: string, failure: StoreError): Promise<void> {
    if (failure.failure === 'refused') this.#noteRefusal(failure);
    const byOwner = new Map<UnitOwner, CommitUnit[]>();
    for (const unit of units) {
      const own = byOwner.get(unit.owner);
      if (own === undefined) byOwner.set(unit.owner, [unit]);
      else own.push(unit);
    }
    const [first] = byOwner;
    if (byOwner.size === 1 && first !== undefined) {
      await this.#judge(first[0], first[1], cid, failure);
      return;
    }
    this.#o.metrics.batchSplits.add(failure.failure);
    if (failure.failure === 'refused') {
      const named = new Set(failure.rows.map(([actorId]) => actorId));
      const rest = units.filter((unit) => !named.has(unit.owner.actorId));
      if (rest.length > 0) await this.#commit(rest, cid);
      for (const [owner, own] of byOwner) if (named.has(owner.actorId)) await this.#judge(owner, own, cid, failure);
      return;
    }
    for (const [owner, own] of byOwner) await this.#commitOwner(owner, own, cid);
  }

  #planAll(units: readonly CommitUnit[], cid: string): Batch {
    return planBatch(
      units.flatMap((u) => u.events),
      this.#o.registry,
      cid,
    ).batch;
  }

  /** True when the units are committed; else the actor has been rolled back. */
  async #commitOwner(owner: UnitOwner, units: readonly CommitUnit[], cid: string): Promise<boolean> {
    const failure = await this.#send(this.#planAll(units, cid));
    if (failure === undefined) {
      this.#settle(units);
      return true;
    }
    return this.#judge(owner, units, cid, failure);
  }

  /**
   * One actor's statement failed: find out which event is to blame, keep what can be kept, let the actor start again from its journal.
   * True when it turns out that all of it had been committed.
   */
  async #judge(owner: UnitOwner, units: readonly CommitUnit[], cid: string, failure: StoreError): Promise<boolean> {
    const firstSeq = units[0]?.events[0]?.journal.seq ?? 0;
    switch (failure.failure) {
      case 'fence': {
        const stored = await this.#asked(() => this.#o.store.cidAt(owner.actorId, firstSeq));
        if (stored === cid) {
          this.#settle(units);
          return true;
        }
        this.#o.metrics.fenceConflicts.add();
        this.#rollback(owner, new Map());
        return false;
      }
      case 'duplicate': {
        const verdicts = new Map<CommitUnit, Verdict>();
        for (const unit of units) {
          const { idem } = unit.events.at(-1)?.journal ?? {};
          const entry = idem == null ? undefined : await this.#asked(() => this.#o.store.byIdem(owner.actorId, idem));
          if (entry !== undefined) verdicts.set(unit, { why: 'duplicate', entry });
        }
        this.#rollback(owner, verdicts);
        return false;
      }
      case 'refused': {
        const seqs = failure.rows.filter(([actorId]) => actorId === owner.actorId);
        const k = Math.min(...seqs.map(([, seq]) => seq));
        const n = seqs.find(([, seq]) => seq === k)?.[2];
        const below = units.filter((unit) => (unit.events.at(-1)?.journal.seq ?? 0) < k);
        const refused = units[below.length];
        if (below.length > 0 && !(await this.#commitOwner(owner, below, cid))) return false;
        this.#rollback(
          owner,
          refused === undefined ? new Map() : new Map([[refused, { why: 'refused', companion: failure.companion, n }]]),
        );
        return false;
      }
      default:
        return this.#oneByOne(owner, units, cid, failure);
    }
  }

  async #oneByOne(owner: UnitOwner, units: readonly CommitUnit[], cid: string, failure: StoreError): Promise<boolean> {
    const [unit, ...rest] = units;
    if (unit === undefined) return true;
    if (rest.length === 0) {
      const verdict: Verdict =
        failure.failure === 'companion'
          ? { why: 'refused', companion: failure.companion, n: undefined }
          : { why: 'bad-row', cause: failure };
      this.#rollback(owner, new Map([[unit, verdict]]));
      return false;
    }
    for (const one of units) if (!(await this.#commitOwner(owner, [one], cid))) return false;
    return true;
  }

  /** Sends one statement until its outcome is known. Gives the failure, or nothing when it is committed. */
  async #send(batch: Batch): Promise<StoreError | undefined> {
    for (let attempt = 0; !this.#stopped; attempt += 1) {
      const started = this.#o.clock.mono();
      try {
        await this.#o.lane.commit(batch);
        this.#o.metrics.commitSeconds.observe((this.#o.clock.mono() - started) / 1_000);
        this.#o.metrics.batchRows.observe(batch.journal.length);
        this.#troubledSince = undefined;
        return undefined;
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        if (error.failure !== 'transient' && error.failure !== 'in-doubt') {
          this.#troubledSince = undefined;
          return error;
        }
        this.#troubledSince ??= started;
        if (error.failure === 'in-doubt') this.#o.metrics.indoubt.add();
        this.#o.log.warn({ lane: this.#o.number, attempt, failure: error.failure, err: error }, 'commit failed, sending it again');
        await this.#pause(attempt);
      }
    }
    throw new Stopped();
  }

  async #asked<T>(question: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await question();
      } catch (error) {
        if (this.#stopped) throw error;
        this.#troubledSince ??= this.#o.clock.mono();
        await this.#pause(attempt);
      }
    }
  }

  #pause(attempt: number): Promise<void> {
    const ms = Math.min(1_000, 10 * 2 ** Math.min(attempt, 7)) * (0.5 + this.#o.random());
    return new Promise((resolve) => {
      this.#o.clock.setTimer(ms, resolve);
    });
  }

  #settle(units: readonly CommitUnit[]): void {
    for (const unit of units) unit.owner.settled(unit);
  }

  #rollback(owner: UnitOwner, verdicts: ReadonlyMap<CommitUnit, Verdict>): void {
    this.withdraw(owner);
    owner.rollback(verdicts);
  }

  /** Takes an actor's units out of the open batch. */
  withdraw(owner: UnitOwner): void {
    this.#open = this.#open.filter((unit) => {
      if (unit.owner !== owner) return true;
      this.#openRows -= unit.events.length;
      this.#openBytes -= unit.bytes;
      return false;
    });
  }

  #noteRefusal(failure: StoreError): void {
    const name = failure.companion;
    if (name === undefined) return;
    const declared = this.#o.registry.get(name);
    if (declared?.refuse?.alarm === false) this.#solo.set(name, this.#o.clock.mono() + SOLO_MS);
  }
}
