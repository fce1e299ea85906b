/**
 * Group commit: one serial pipeline per lane, with an open batch that collects while at most one batch is in flight.
 *
 * The rule of one: an actor's rows are in at most one statement under way. It holds because an actor's slot maps to one lane and a lane sends
 * one batch at a time. Together with the journal's primary key it makes every append a compare-and-set on the actor's tail, so two owners of
 * one actor can never both extend its history (kernel specification 7.3, 7.4).
 */
import { followedBy, OpenBatch, prefixOf } from './batch.ts';
import type { Prefix, Share } from './batch.ts';
import type { Registry } from './companion.ts';
import { componentsOf } from './components.ts';
import type { Component } from './components.ts';
import type { NodeLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import { StoreError } from './store/store.ts';
import type { EffectId, Housekeeping, JournalStore, Lane } from './store/store.ts';
import type { Clock, Log } from './types.ts';
import type { CommitUnit, UnitOwner, Verdict } from './unit.ts';
import { pause } from './within.ts';

export interface CommitterOptions {
  readonly lane: Lane;
  readonly number: number;
  /** commits do not wait for the disk, so a crash of the database may take back what was committed */
  readonly relaxed: boolean;
  readonly store: JournalStore;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits: Pick<NodeLimits, 'laneRows' | 'laneBytes' | 'standstill'>;
  /** room has become free, or a commit went through */
  readonly onProgress: () => void;
  /** outbox rows given to `finishOutbox` are gone from the store */
  readonly onDropped: (ids: readonly EffectId[]) => void;
  /** called before a statement is sent; may call {@link Committer.startAfresh} */
  readonly look: () => void;
}

const MAX_ROWS = 512;
const MIN_SHARE = 64;
const MAX_COMPANIONS = 4_096;
const MAX_BYTES = 1_048_576;
const IDLE_HOUSEKEEPING_MS = 200;
const SOLO_MS = 1_000;

/** as if another owner had written: whether the rows are there is asked, not tried */
const STALE = new StoreError('fence', 'the process stood still');

const NO_VERDICTS: ReadonlyMap<CommitUnit, Verdict> = new Map();

/** Ends a commit that waits for a database while the committer is stopped; nothing is decided about its events. */
class Stopped extends Error {}

/** A random 63-bit number as decimal text. */
export function newCid(random: () => number): string {
  const high = Math.floor(random() * 2 ** 31);
  const low = Math.floor(random() * 2 ** 32);
  return (BigInt(high) * 4_294_967_296n + BigInt(low)).toString();
}

export class Committer {
  readonly #o: CommitterOptions;
  readonly #open = new OpenBatch();
  #inflightRows = 0;
  #busy = false;
  #stopped = false;
  /** nothing is sent any more of what was open or under way when the process stood still */
  #stale = false;
  #done: EffectId[] = [];
  #gone: { actorId: string; timerId: string; armedSeq: number }[] = [];
  #idleTimer: unknown;
  #troubledSince: number | undefined;
  /** monotonic ms at which the statement under way was sent */
  #sentAt: number | undefined;
  /** its number, as a label */
  readonly #lane: string;
  #solo = new Map<string, number>();
  #idle: (() => void)[] = [];

  constructor(o: CommitterOptions) {
    this.#o = o;
    this.#lane = String(o.number);
  }

  /** Whether turns of this lane must wait for a commit. */
  get full(): boolean {
    const { laneRows, laneBytes } = this.#o.limits;
    return this.#open.rows + this.#inflightRows >= laneRows || this.#open.bytes >= laneBytes;
  }

  get uncommitted(): number {
    return this.#open.rows + this.#inflightRows;
  }

  /** Monotonic time of the first of the failures that still last; undefined while commits go through. */
  get troubledSince(): number | undefined {
    return this.#troubledSince;
  }

  /** Whether an answer may be overdue: commits fail, or one has been under way for so long. @param mono now, monotonic ms */
  late(mono: number, ms: number): boolean {
    const since = this.#troubledSince ?? this.#sentAt;
    return since !== undefined && mono - since >= ms;
  }

  submit(unit: CommitUnit): void {
    this.#open.push(unit);
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
    if (this.#busy || this.#stopped || this.#open.empty) return;
    void this.#run();
  }

  /**
   * What is not committed rests on states that others may have left behind and removed: it is sent no more. What was under way counts if it turns
   * out to be there; everything else goes back to its actors.
   */
  startAfresh(): void {
    this.#o.lane.drop?.();
    if (this.#busy) this.#stale = true;
    else this.#giveUp();
  }

  #giveUp(): void {
    this.#stale = false;
    this.#troubledSince = undefined;
    this.#rollback(this.#open.owners, NO_VERDICTS);
    this.#o.onProgress();
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async idle(): Promise<void> {
    if (!this.#busy && this.#open.empty && this.#done.length === 0 && this.#gone.length === 0) return;
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
        this.#o.look();
        // what a relaxed batch follows is known when the one before it is released
        if (this.#o.relaxed) {
          release?.();
          release = undefined;
        }
        if (this.#hasWork() && !this.#stale) release = await this.#sendNext(release);
        else {
          release?.();
          release = undefined;
          if (this.#stale) this.#giveUp();
        }
      }
    } catch (error) {
      if (!(error instanceof Stopped)) this.#o.log.error({ err: error, lane: this.#o.number }, 'committer failed');
    } finally {
      this.#busy = false;
      this.#stale = false;
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #hasWork(): boolean {
    return !this.#open.empty || this.#done.length > 0 || this.#gone.length > 0;
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
    const cid = newCid(this.#o.random);
    const prefix = this.#open.take(this.#share(), this.#o.registry, cid, housekeeping);
    const { units, batch, broken } = prefix;
    if (broken) return this.#giveBack(units, housekeeping, release);
    this.#inflightRows = batch.journal.length;
    const sent = this.#send(prefix);
    release?.();
    try {
      const failure = await sent;
      if (failure === undefined) return () => this.#release(units, cid, housekeeping);
      this.#done.push(...housekeeping.outboxDone);
      this.#gone.push(...housekeeping.timersGone);
      await this.#failed(units, cid, failure);
      this.#o.onProgress();
      return undefined;
    } finally {
      this.#inflightRows = 0;
    }
  }

  /** What must be committed together writes one key in a way that no single statement can. */
  #giveBack(units: readonly CommitUnit[], housekeeping: Housekeeping, release: (() => void) | undefined): undefined {
    release?.();
    this.#done.push(...housekeeping.outboxDone);
    this.#gone.push(...housekeeping.timersGone);
    this.#unwritable(units);
  }

  #release(units: readonly CommitUnit[], cid: string, housekeeping: Housekeeping): void {
    this.#settle(units, cid);
    if (housekeeping.outboxDone.length > 0) this.#o.onDropped(housekeeping.outboxDone);
    this.#o.onProgress();
  }

  /** Half of what waits, so that computing and committing overlap. */
  #share(): Share {
    return {
      rows: Math.min(MAX_ROWS, Math.max(MIN_SHARE, Math.ceil(this.#open.rows / 2))),
      companions: MAX_COMPANIONS,
      bytes: MAX_BYTES,
      alone: this.#mustGoAlone,
    };
  }

  readonly #mustGoAlone = (unit: CommitUnit): boolean => {
    if (this.#solo.size === 0 || unit.companions === 0) return false;
    const now = this.#o.clock.mono();
    return unit.events.some((e) => e.companions.some((c) => (this.#solo.get(`${e.kind}/${c.into}`) ?? 0) > now));
  };

  /** For an actor's birth and the command that caused it that is a fault of the kind; the members of a group try it each by itself. */
  #unwritable(units: readonly CommitUnit[]): void {
    const [first] = units;
    if (first === undefined) return;
    const verdict: Verdict = { why: 'refused', companion: undefined, n: undefined };
    this.#rollback([...(first.group?.members ?? [first.owner])], first.group === undefined ? new Map([[first, verdict]]) : NO_VERDICTS);
  }

  #prefix(units: readonly CommitUnit[], cid: string): Prefix {
    return prefixOf(units, this.#o.registry, cid);
  }

  /** Sends what was left of a batch, as one statement if it can. */
  async #commit(units: readonly CommitUnit[], cid: string): Promise<void> {
    const prefix = this.#prefix(units, cid);
    if (prefix.units.length < units.length || prefix.broken) {
      for (const one of componentsOf(units)) await this.#commitOne(one, cid);
      return;
    }
    const failure = await this.#send(prefix);
    if (failure === undefined) this.#settle(units, cid);
    else await this.#failed(units, cid, failure);
  }

  /** Nothing of the batch was applied as it stood: what can be saved of it is sent in parts. */
  async #failed(units: readonly CommitUnit[], cid: string, failure: StoreError): Promise<void> {
    if (failure.failure === 'refused') this.#noteRefusal(failure);
    const all = componentsOf(units);
    if (this.#stale) {
      for (const one of all) await this.#judge(one, cid, STALE);
      return;
    }
    const [first] = all;
    if (all.length === 1 && first !== undefined) {
      await this.#judge(first, cid, failure);
      return;
    }
    this.#o.metrics.batchSplits.add(failure.failure);
    if (failure.failure === 'refused') {
      const named = new Set(failure.rows.map(([actorId]) => actorId));
      const blamed = all.filter(({ owners }) => owners.some(({ actorId }) => named.has(actorId)));
      const lost = new Set(blamed.flatMap(({ owners }) => owners));
      const rest = units.filter(({ owner }) => !lost.has(owner));
      if (rest.length > 0) await this.#commit(rest, cid);
      for (const one of blamed) await this.#judge(one, cid, failure);
      return;
    }
    for (const one of all) await this.#commitOne(one, cid);
  }

  /** Sends the units of one component by themselves. True when they are committed; else its actors have been rolled back. */
  async #commitOne({ owners, units }: Component, cid: string): Promise<boolean> {
    for (let rest = units; rest.length > 0;) {
      const prefix = this.#prefix(rest, cid);
      if (prefix.broken) {
        this.#unwritable(prefix.units);
        return false;
      }
      const failure = await this.#send(prefix);
      if (failure === undefined) this.#settle(prefix.units, cid);
      else if (!(await this.#judge({ owners, units: prefix.units }, cid, failure))) return false;
      rest = rest.slice(prefix.units.length);
    }
    return true;
  }

  /**
   * The statement of one component failed: find out which event is to blame, keep what can be kept, let its actors start again from their
   * journals. True when it turns out that all of it had been committed.
   */
  async #judge({ owners, units }: Component, cid: string, failure: StoreError): Promise<boolean> {
    const [unit] = units;
    if (unit === undefined) return true;
    if (failure.failure === 'fence') {
      // Whatever statement of ours wrote the first row has written all of them.
      const stored = await this.#asked(() => this.#o.store.cidAt(unit.owner.actorId, unit.events[0]?.journal.seq ?? 0));
      if (stored === cid) {
        this.#settle(units, cid);
        return true;
      }
      this.#o.metrics.fenceConflicts.add();
    }
    const [owner] = owners;
    // What a verdict rests on is not saved when several actors fail together: run again, the event to blame meets it once more, alone.
    if (owner === undefined || owners.length > 1 || failure.failure === 'fence') {
      this.#rollback(owners, NO_VERDICTS);
      return false;
    }
    return this.#judgeActor(owner, units, cid, failure);
  }

  async #judgeActor(owner: UnitOwner, units: readonly CommitUnit[], cid: string, failure: StoreError): Promise<boolean> {
    switch (failure.failure) {
      case 'duplicate': {
        const verdicts = new Map<CommitUnit, Verdict>();
        for (const unit of units) {
          const { idem } = unit.events.at(-1)?.journal ?? {};
          const entry = idem == null ? undefined : await this.#asked(() => this.#o.store.byIdem(owner.actorId, idem));
          if (entry !== undefined) verdicts.set(unit, { why: 'duplicate', entry });
        }
        this.#rollback([owner], verdicts);
        return false;
      }
      case 'refused': {
        const seqs = failure.rows.filter(([actorId]) => actorId === owner.actorId);
        const k = Math.min(...seqs.map(([, seq]) => seq));
        const n = seqs.find(([, seq]) => seq === k)?.[2];
        const below = units.filter((unit) => (unit.events.at(-1)?.journal.seq ?? 0) < k);
        const refused = units[below.length];
        if (below.length > 0 && !(await this.#commitOne({ owners: [owner], units: below }, cid))) return false;
        const verdict: Verdict = { why: 'refused', companion: failure.companion, n };
        this.#rollback([owner], refused === undefined ? NO_VERDICTS : new Map([[refused, verdict]]));
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
      this.#rollback([owner], new Map([[unit, verdict]]));
      return false;
    }
    for (const one of units) if (!(await this.#commitOne({ owners: [owner], units: [one] }, cid))) return false;
    return true;
  }

  /** Sends one statement until its outcome is known. Gives the failure, or nothing when it is committed. */
  async #send({ units, batch: rows }: Prefix): Promise<StoreError | undefined> {
    const batch = this.#o.relaxed ? { ...rows, follows: followedBy(units) } : rows;
    for (let attempt = 0; !this.#stopped; attempt += 1) {
      const started = this.#o.clock.mono();
      if (started - (this.#troubledSince ?? started) > this.#o.limits.standstill) this.#stale = true;
      if (this.#stale) return STALE;
      this.#sentAt = started;
      try {
        await this.#o.lane.commit(batch);
        this.#o.metrics.commitSeconds.observe({ lane: this.#lane }, (this.#o.clock.mono() - started) / 1_000);
        this.#o.metrics.batchRows.observe({ lane: this.#lane }, batch.journal.length);
        this.#troubledSince = undefined;
        return undefined;
      } catch (cause) {
        // A lane knows what the database says; anything else was thrown over the batch, before it was sent.
        const error = cause instanceof StoreError ? cause : new StoreError('bad-row', String(cause), { cause });
        if (error.failure !== 'transient' && error.failure !== 'in-doubt') {
          this.#troubledSince = undefined;
          return error;
        }
        this.#troubledSince ??= started;
        if (error.failure === 'in-doubt') this.#o.metrics.indoubt.add();
        this.#o.log.warn({ lane: this.#o.number, attempt, failure: error.failure, err: error }, 'commit failed, sending it again');
        await this.#pause(attempt);
      } finally {
        this.#sentAt = undefined;
      }
    }
    throw new Stopped();
  }

  async #asked<T>(question: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const answer = await question();
        this.#troubledSince = undefined;
        return answer;
      } catch (error) {
        if (this.#stopped) throw error;
        this.#troubledSince ??= this.#o.clock.mono();
        await this.#pause(attempt);
      }
    }
  }

  #pause(attempt: number): Promise<void> {
    const ms = Math.min(1_000, 10 * 2 ** Math.min(attempt, 7)) * (0.5 + this.#o.random());
    return pause(this.#o.clock, ms);
  }

  #settle(units: readonly CommitUnit[], cid: string): void {
    for (const unit of units) {
      try {
        unit.owner.settled(unit, cid);
      } catch (error) {
        // It is committed all the same, and so are those behind it.
        this.#o.log.error({ err: error, actorId: unit.owner.actorId }, 'what follows a commit failed');
      }
    }
  }

  /** These actors lose everything that is not committed; others lose what rests on it. */
  #rollback(owners: readonly UnitOwner[], verdicts: ReadonlyMap<CommitUnit, Verdict>): void {
    for (const [owner, unit] of this.#open.withdraw(new Set(owners))) owner.cut(unit);
    for (const owner of owners) owner.rollback(verdicts);
  }

  #noteRefusal(failure: StoreError): void {
    const name = failure.companion;
    if (name === undefined) return;
    const declared = this.#o.registry.get(name);
    if (declared?.refuse?.alarm === false) this.#solo.set(name, this.#o.clock.mono() + SOLO_MS);
  }
}
