/** What is done beside the commits: snapshots, the passivation of idle actors, retention. All of it can be lost without harm. */
import type { Activation } from './activation.ts';
import { Coverage } from './coverage.ts';
import { frozenSnapshot, keeps } from './frozen.ts';
import { splitRef } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { followPauses } from './pause.ts';
import type { Evicted, Residents } from './residents.ts';
import type { Retention } from './retention.ts';
import type { Deferral } from './scheduler.ts';
import type { SnapshotRow } from './store/store.ts';
import type { WarmEntry } from './warm.ts';

const SNAPSHOT_FLUSH_MS = 200;
const SWEEP_MS = 5_000;
const RETENTION_MS = 3_600_000;
const COVERAGE_MS = 10_000;
const VITALS_MS = 30_000;
/** a node that is started more often than that must do it too */
const FIRST_RETENTION_MS = 60_000;
const DATA_ID_MS = 30_000;
/** a heavy tail is no reason for a snapshot before it has this many rows */
const HEAVY_ROWS = 16;
const PAGE = 256;
/** how long the upkeep of very many actors lasts before others get their turn */
const SLICE_MS = 2;

export class Keeper {
  readonly #k: Kernel;
  readonly #residents: Residents;
  readonly #deferral: Deferral;
  readonly #snapshots = new Map<string, Activation>();
  readonly #handles = new Map<string, unknown>();
  readonly #coverage: Coverage;
  #flushing = false;
  /** dead letters that nobody has resolved, as the store told it last */
  deadUnresolved = 0;
  #stopped = false;

  readonly #retention: Retention | undefined;
  readonly #onReplaced: () => void;

  /** @param o.onReplaced called when the database under the running node has been replaced by a restored one */
  constructor(
    kernel: Kernel,
    residents: Residents,
    o: { readonly deferral: Deferral; readonly retention: Retention | undefined; readonly onReplaced: () => void },
  ) {
    this.#k = kernel;
    this.#residents = residents;
    this.#coverage = new Coverage(kernel);
    this.#deferral = o.deferral;
    this.#retention = o.retention;
    this.#onReplaced = o.onReplaced;
  }

  start(): void {
    this.#k.projector.start();
    this.#coverage.start();
    this.#every('coverage', COVERAGE_MS, () => this.#coverage.save());
    this.#every('vitals', VITALS_MS, () => this.look());
    // The word of another node about a pause may have been lost.
    this.#every('pauses', VITALS_MS, () => followPauses(this.#k, this.#residents));
    this.#every('passivation', SWEEP_MS, () => this.#sweep());
    const retention = this.#retention;
    if (retention !== undefined) this.#every('retention', RETENTION_MS, () => retention.run(), FIRST_RETENTION_MS);
    this.#every('data id', DATA_ID_MS, () => this.#checkDataId());
  }

  /** Asks the store how it is, and what time. */
  async look(): Promise<void> {
    const asked = this.#k.clock.mono();
    const { dead, wall } = await this.#k.store.admin.vitals();
    this.deadUnresolved = dead;
    this.#k.skew.told(wall, asked);
  }

  stop(): void {
    this.#stopped = true;
    this.#retention?.stop();
    this.#k.projector.stop();
    for (const handle of this.#handles.values()) this.#k.clock.clearTimer(handle as object);
  }

  #every(name: string, ms: number, work: () => Promise<void>, first = ms): void {
    this.#once(name, first, async () => {
      try {
        await work();
      } finally {
        this.#every(name, ms, work);
      }
    });
  }

  #once(name: string, ms: number, work: () => Promise<void>): void {
    if (this.#handles.has(name) || this.#stopped) return;
    const handle = this.#k.clock.setTimer(ms, () => {
      this.#handles.delete(name);
      work().catch((error: unknown) => this.#k.log.warn({ err: error, work: name }, 'upkeep failed'));
    });
    this.#handles.set(name, handle);
  }

  /** After every commit: the tables that follow the actor are due, and a snapshot when the tail has grown long. */
  committed(a: Activation): void {
    this.#k.projector.committed(a);
    const { every, bytes } = a.rt.def.snapshot;
    const long = a.rowsSinceSnapshot >= every;
    const heavy = a.rowsSinceSnapshot >= HEAVY_ROWS && a.bytesSinceSnapshot > bytes * Math.max(4_096, a.snapshotBytes);
    if ((!long && !heavy) || this.#flushing) return;
    this.#snapshots.set(a.actorId, a);
    this.#once('snapshots', SNAPSHOT_FLUSH_MS, () => this.#flushSnapshots());
  }

  async #flushSnapshots(): Promise<void> {
    const due = [...this.#snapshots.values()];
    this.#snapshots.clear();
    this.#flushing = true;
    await this.#write(due, (a) => this.#snapshotOf(a, {})).finally(() => (this.#flushing = false));
  }

  /** Writes what each of very many leaves, page by page. */
  async #write<T>(list: readonly T[], rowsOf: (one: T) => readonly SnapshotRow[]): Promise<void> {
    for (let i = 0; i < list.length; i += PAGE) {
      const rows: SnapshotRow[] = [];
      await this.#each(list.slice(i, i + PAGE), (one) => rows.push(...rowsOf(one)));
      await this.#save(rows);
    }
  }

  /** Commands get their turn after every two milliseconds of it. */
  async #each<T>(list: readonly T[], work: (one: T) => void): Promise<void> {
    let until = this.#k.clock.mono() + SLICE_MS;
    for (const one of list) {
      work(one);
      if (this.#k.clock.mono() < until) continue;
      await new Promise<void>((resolve) => this.#deferral.yield(resolve));
      until = this.#k.clock.mono() + SLICE_MS;
    }
  }

  async #save(rows: readonly SnapshotRow[]): Promise<void> {
    for (let i = 0; i < rows.length; i += PAGE) await this.#k.store.saveSnapshots(rows.slice(i, i + PAGE));
  }

  #snapshotOf(a: Activation, heads: { [key: string]: number }): SnapshotRow[] {
    const live = a.committed;
    if (live === undefined) return [];
    const state = JSON.stringify(live.state);
    a.rowsSinceSnapshot = 0;
    a.bytesSinceSnapshot = 0;
    a.snapshotBytes = state.length;
    const { actorId, cid, rt, spec } = a;
    return [{ actorId, seq: live.seq, at: live.at, cid, mver: rt.def.version, state, heads, keys: spec.marks }];
  }

  /** Idle actors become warm, and those that have been idle for longer become cold. */
  async #sweep(): Promise<void> {
    const now = this.#k.clock.mono();
    const { warmAfter } = this.#k.limits;
    const idle: Activation[] = [];
    const resting: Activation[] = [];
    for (const a of this.#residents.hot.values()) {
      const unused = now - a.lastUsed;
      if (unused <= Math.min(warmAfter, a.rt.def.passivateAfter) || !a.resting) continue;
      // Of an actor without history there is nothing to keep.
      if (unused > a.rt.def.passivateAfter || a.committed === undefined) idle.push(a);
      else resting.push(a);
    }
    // They may have been used since they were found idle.
    await this.#write(idle, (a) => (a.lastUsed > now ? [] : this.#dropped(a, 'idle')));
    await this.#each(resting, (a) => {
      if (a.lastUsed <= now) this.#residents.cool(a);
    });
    await this.#expire((passivateAfter) => now - passivateAfter, 'idle');
  }

  /** Warm actors that were last used before a time become cold. */
  async #expire(before: (passivateAfter: number) => number, reason: string): Promise<void> {
    for (const { def } of this.#k.kinds.values()) {
      const entries = this.#residents.expire(def.kind, before(def.passivateAfter));
      await this.#write(entries, (entry) => this.#cooled(entry, reason));
    }
  }

  #cooled({ ref, text, keep }: WarmEntry, reason: string): SnapshotRow[] {
    this.#k.metrics.passivations.add(reason);
    const rt = this.#k.kinds.get(splitRef(ref)?.kind ?? '');
    return keep && rt !== undefined ? [frozenSnapshot(ref, text, rt.def.version)] : [];
  }

  /** Actors had to leave to make room for others. */
  evicted({ hot, warm }: Evicted): void {
    const rows = warm.flatMap((entry) => this.#cooled(entry, 'pressure'));
    Promise.all([this.passivate(hot, 'pressure'), this.#save(rows)]).catch((error: unknown) => {
      this.#k.log.warn({ err: error }, 'snapshots of passivated actors were not written');
    });
  }

  async #checkDataId(): Promise<void> {
    if ((await this.#k.store.dataId()) === this.#k.topics.dataId) return;
    this.#k.log.error({ alert: 'critical' }, 'the database was replaced under the running node');
    this.#onReplaced();
  }

  /** Drops those that are quiet, at once. */
  async passivate(list: readonly Activation[], reason: string): Promise<void> {
    await this.#save(list.flatMap((a) => this.#dropped(a, reason)));
  }

  /** A snapshot is kept where the tail is long or somebody has seen a published view. */
  #dropped(a: Activation, reason: string): SnapshotRow[] {
    if (!a.quiet) return [];
    const heads = { ...a.heads, ...this.#k.topics.passivated(a) };
    const rows = keeps(a) ? this.#snapshotOf(a, heads) : [];
    this.#residents.leave(a);
    this.#k.metrics.passivations.add(reason);
    return rows;
  }

  /** A snapshot of what is committed now. */
  async snapshot(a: Activation): Promise<void> {
    await this.#save(this.#snapshotOf(a, {}));
  }

  /** Writes everything that is due; for an orderly stop. */
  async flush(): Promise<void> {
    await this.#k.projector.flush();
    await this.#coverage.save();
    await this.#write([...this.#residents.hot.values()], (a) => this.#dropped(a, 'drain'));
    await this.#expire(() => Number.POSITIVE_INFINITY, 'drain');
  }
}
