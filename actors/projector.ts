/**
 * Keeps the tables that follow the actors: the directory, and the projections that kinds declare (kernel specification 8.4). Nothing of it is on
 * the way of a command: a commit marks its actor, and a while later the newest state of all marked ones is written at once. Every row carries its
 * seq, so what comes twice or late changes nothing.
 *
 * A crash loses the marks. Therefore each slot has a cursor, the time before which everything is shown, and whoever takes a slot shows again the
 * actors that have moved on since then.
 */
import type { Activation } from './activation.ts';
import { Backlog } from './backlog.ts';
import { SLOTS, splitRef } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { stateText, valueOf } from './machine.ts';
import { MARGIN_MS, projectedRow, projectionReport, shownOf, STATE_CHARS, writeRows } from './projection.ts';
import type { Declared, ProjectionReport, Shown } from './projection.ts';
import { rebuild } from './rebuild.ts';
import type { Residents } from './residents.ts';
import { relaxedKinds } from './runtime.ts';
import type { Runtime } from './runtime.ts';
import type { Deferral } from './scheduler.ts';
import type { ProjectedRow } from './store/projections.ts';
import type { JournalStore } from './store/store.ts';

const SHOW_MS = 200;
/** an update of the directory costs about as much as a journal row, so a busy actor's entry is written once in a while */
const LIST_MS = 4_000;
const CURSOR_MS = 5_000;
/** also the cursors of slots without events move on, so that the next owner does not look through the whole journal for them */
const ALL_CURSORS_MS = 600_000;
const AGAIN_MS = 1_000;
/** time after which no statement of a former owner is under way any more */
const LATE_MS = 15_000;
const MAX_WAIT_MS = 5_000;
const PAGE = 256;
/** the slot whose owner builds new projections */
const BUILDER = 0;

type Entry = Parameters<JournalStore['touch']>[0][number];

const allSlots = Array.from({ length: SLOTS }, (_, slot) => slot);

export class Projector {
  readonly #k: Kernel;
  readonly #residents: Residents;
  readonly #deferral: Deferral;
  readonly #relaxed: readonly string[];
  readonly #unlisted = new Backlog();
  readonly #unshown = new Backlog();
  readonly #timers = new Map<string, unknown>();
  /** what is under way, by name */
  readonly #turns = new Map<string, Promise<void>>();
  /** slots with events since their cursor was written */
  readonly #touched = new Set<number>();
  /** slots that were taken and are not caught up with, and until when (monotonic ms) late commits are awaited: their cursors stay */
  readonly #behind = new Map<number, number>();
  /** `kind/name` and actor id of rows that cannot be written */
  readonly #failed = new Set<string>();
  #showFailures = 0;
  #allAt = Number.NEGATIVE_INFINITY;
  #building = false;
  #stopped = false;

  constructor(kernel: Kernel, residents: Residents, deferral: Deferral) {
    this.#k = kernel;
    this.#residents = residents;
    this.#deferral = deferral;
    this.#relaxed = relaxedKinds(kernel.kinds);
  }

  /** Seconds since the oldest commit that a projection does not show. */
  get lag(): number {
    const { oldest } = this.#unshown;
    return oldest === Number.POSITIVE_INFINITY ? 0 : Math.max(0, this.#k.clock.wall() - oldest) / 1_000;
  }

  /** actors whose row in some projection cannot be written */
  get failed(): number {
    return this.#failed.size;
  }

  start(): void {
    this.#every(CURSOR_MS, () => this.#advance());
    if (this.#k.placement === undefined) this.acquire(allSlots);
  }

  stop(): void {
    this.#stopped = true;
    for (const handle of this.#timers.values()) this.#k.clock.clearTimer(handle as object);
  }

  /** After every commit. */
  committed(a: Activation): void {
    const { committed: live } = a;
    if (live === undefined) return;
    this.#unlisted.add(a, live.at);
    this.#once('directory', LIST_MS, this.#list);
    if (a.rt.projections.length === 0) return;
    this.#unshown.add(a, live.at);
    this.#once('projections', SHOW_MS, this.#show);
  }

  /** Takes up what the former owner of the slots has not shown. */
  acquire(slots: readonly number[]): void {
    for (const slot of slots) this.#behind.set(slot, Number.POSITIVE_INFINITY);
    this.#once('catch-up', 0, () => this.#catchUp());
    if (slots.includes(BUILDER)) this.#once('builds', 0, () => this.#build());
  }

  /** Writes everything that is due, and the cursors; for an orderly stop. */
  async flush(): Promise<void> {
    await this.#list();
    await this.#show();
    for (const slot of this.#mine()) this.#touched.add(slot);
    await this.#advance();
  }

  // ------------------------------------------------------------------------------------------------------------------ time

  #once(name: string, ms: number, work: () => Promise<void>): void {
    if (this.#timers.has(name) || this.#stopped) return;
    const handle = this.#k.clock.setTimer(ms, () => {
      this.#timers.delete(name);
      work().catch((error: unknown) => {
        this.#k.log.warn({ err: error, work: name }, 'upkeep failed');
        this.#once(name, AGAIN_MS, work);
      });
    });
    this.#timers.set(name, handle);
  }

  #every(ms: number, work: () => Promise<void>): void {
    this.#once('cursors', ms, async () => {
      try {
        await work();
      } finally {
        this.#every(ms, work);
      }
    });
  }

  /** One after the other, of those with one name. */
  #inTurn(name: string, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(work, work);
    this.#turns.set(name, turn);
    return turn;
  }

  // --------------------------------------------------------------------------------------------------------------- writing

  // Made once: every commit asks for them.
  readonly #list = (): Promise<void> => this.#inTurn('directory', () => this.#listNow());
  readonly #show = (): Promise<void> => this.#inTurn('projections', () => this.#showNow());

  async #listNow(): Promise<void> {
    const taken = this.#unlisted.take();
    const entries: Entry[] = [];
    const unread: string[] = [];
    for (const a of taken) {
      this.#touched.add(a.at.slot);
      if (a.committed === undefined) unread.push(a.actorId);
      else entries.push(entryOf(a.actorId, a.committed, a.rt.def.version, a.cid));
    }
    try {
      await this.refresh([...unread, ...(await this.#touch(entries))]);
      this.#unlisted.done();
    } catch (error) {
      this.#unlisted.back(taken);
      throw error;
    }
  }

  /** Gives the actors whose last event a crash of the database has taken: they are to be shown as they are there. */
  async #touch(entries: readonly Entry[]): Promise<string[]> {
    const lost: string[] = [];
    for (let i = 0; i < entries.length; i += PAGE) lost.push(...(await this.#k.store.touch(entries.slice(i, i + PAGE))));
    return lost;
  }

  async #showNow(): Promise<void> {
    const taken = this.#unshown.take();
    const rows = new Map<Declared, ProjectedRow[]>();
    const unread: string[] = [];
    for (const a of taken) {
      this.#touched.add(a.at.slot);
      if (a.committed === undefined) unread.push(a.actorId);
      else this.#rows(a.rt, a.at, a.committed, rows);
    }
    try {
      await this.#write(rows);
      await this.refresh(unread);
      this.#unshown.done();
      this.#showFailures = 0;
    } catch (error) {
      this.#unshown.back(taken);
      this.#showFailures += 1;
      this.#k.log.warn({ err: error, actors: taken.length }, 'projections could not be written; they will be');
    }
    if (this.#unshown.size === 0) return;
    this.#once('projections', Math.min(MAX_WAIT_MS, SHOW_MS * 2 ** Math.min(this.#showFailures, 5)), this.#show);
  }

  /** Adds what the actor shows to `rows`. */
  #rows(rt: Runtime, at: { actorId: string; id: string }, shown: Omit<Shown, 'mver'>, rows: Map<Declared, ProjectedRow[]>): void {
    for (const declared of rt.projections) {
      try {
        const row = projectedRow(declared, at, shown);
        const list = rows.get(declared);
        if (list === undefined) rows.set(declared, [row]);
        else list.push(row);
      } catch (error) {
        this.#fail(declared, at.actorId, error);
      }
    }
  }

  async #write(rows: ReadonlyMap<Declared, readonly ProjectedRow[]>): Promise<void> {
    const { store, metrics } = this.#k;
    for (const [declared, list] of rows) {
      for (let i = 0; i < list.length; i += PAGE) {
        const page = list.slice(i, i + PAGE);
        const refused = await writeRows(store.projections, declared.name, page);
        for (const { actorId } of page) {
          metrics.projected.add(declared.name);
          if (this.#failed.size > 0) this.#failed.delete(failureOf(declared, actorId));
        }
        for (const { row, error } of refused) this.#fail(declared, row.actorId, error);
      }
    }
  }

  /** The row stays as it is until the actor moves on or the projection is built anew. */
  #fail(declared: Declared, actorId: string, error: unknown): void {
    const key = failureOf(declared, actorId);
    this.#k.metrics.projectionFailures.add(declared.name);
    // Told once, not at every event of the actor.
    if (this.#failed.has(key)) return;
    this.#failed.add(key);
    this.#k.log.error(
      { err: error, projection: declared.name, actorId, alert: 'PROJECTION_FAILED' },
      'the row of an actor cannot be written',
    );
  }

  // -------------------------------------------------------------------------------------------------------------- catching up

  /** Shows actors as the store has them, whoever has written them. */
  async refresh(actorIds: readonly string[]): Promise<void> {
    const { store, kinds } = this.#k;
    for (let i = 0; i < actorIds.length; i += PAGE) {
      const page = actorIds.slice(i, i + PAGE);
      const [loaded, refs] = await Promise.all([store.load(page, this.#relaxed), store.refs(page)]);
      const rows = new Map<Declared, ProjectedRow[]>();
      const entries: Entry[] = [];
      for (const actorId of page) {
        const address = splitRef(refs.get(actorId) ?? '');
        const rt = kinds.get(address?.kind ?? '');
        if (address === undefined || rt === undefined) continue;
        const found = loaded.get(actorId);
        const shown = this.#shown(rt, actorId, found);
        if (shown === undefined) continue;
        // The version in the entry of a quarantined actor is that of the build that failed on it.
        if (found?.status !== 'quarantined') entries.push(entryOf(actorId, shown, shown.mver, found?.cid));
        this.#rows(rt, { actorId, id: address.id }, shown, rows);
      }
      await this.refresh(await this.#touch(entries));
      await this.#write(rows);
    }
  }

  /** Undefined for what this build cannot read: its activation says why. */
  #shown(rt: Runtime, actorId: string, found: Parameters<typeof shownOf>[1]): Shown | undefined {
    try {
      return shownOf(rt, found);
    } catch (error) {
      this.#k.log.warn({ err: error, kind: rt.def.kind, actorId }, 'an actor cannot be shown');
      return undefined;
    }
  }

  /**
   * Among several nodes twice: at once, and when what the former owner had in doubt has been committed or is lost. Such a commit has the time of its event, which may
   * be long ago when the database was away, and its owner may be gone before showing it.
   */
  async #catchUp(): Promise<void> {
    for (const slot of this.#behind.keys()) if (!this.#k.works(slot)) this.#behind.delete(slot);
    // The second time is when nobody is there any more who could commit late.
    const strangers = this.#strangersSince < Number.POSITIVE_INFINITY;
    const slots = [...this.#behind].flatMap(([slot, until]) => (strangers && until < Number.POSITIVE_INFINITY ? [] : [slot]));
    const projected = [...this.#k.kinds.values()].filter((rt) => rt.projections.length > 0).map(({ def }) => def.kind);
    if (slots.length > 0) await this.refresh(await this.#k.store.projections.behind(slots, MARGIN_MS, projected));
    const now = this.#k.clock.mono();
    const alone = this.#k.placement === undefined;
    for (const slot of slots) {
      const until = this.#behind.get(slot);
      if (alone || (until !== undefined && until <= now)) {
        this.#behind.delete(slot);
        this.#touched.add(slot);
      } else if (until === Number.POSITIVE_INFINITY) this.#behind.set(slot, now + LATE_MS);
    }
    if (this.#behind.size > 0) this.#once('late', LATE_MS, () => this.#catchUp());
  }

  get #strangersSince(): number {
    return this.#k.placement?.strangersSince ?? Number.POSITIVE_INFINITY;
  }

  #mine(): number[] {
    return allSlots.filter((slot) => this.#k.works(slot) && !this.#behind.has(slot));
  }

  /** Everything before the oldest event that is not shown, or not even committed, is shown. */
  async #advance(): Promise<void> {
    const { clock, store, placement, skew } = this.#k;
    // Others may write to the slots that are ours, or have them already.
    if (placement !== undefined && (placement.roaming || placement.leaseLeft === 0)) return;
    // By the clock that all nodes have in common: those of others may be behind this one's.
    let at = Math.min(clock.wall(), skew.now, this.#unlisted.oldest, this.#unshown.oldest, this.#strangersSince);
    for (const a of this.#residents.hot.values()) if (a.uncommitted > 0) at = Math.min(at, a.spec.oldestUncommitted);
    const all = clock.mono() - this.#allAt >= ALL_CURSORS_MS;
    const touched = [...this.#touched];
    const slots = all ? this.#mine() : touched.filter((slot) => this.#k.works(slot) && !this.#behind.has(slot));
    if (slots.length === 0) return;
    this.#touched.clear();
    try {
      await store.projections.advance(slots, at);
      if (all) this.#allAt = clock.mono();
    } catch (error) {
      for (const slot of touched) this.#touched.add(slot);
      throw error;
    }
  }

  // -------------------------------------------------------------------------------------------------------------- building

  /** Every declared projection, with the number of actors whose row this node could not write. */
  async report(): Promise<(ProjectionReport & { readonly failed: number })[]> {
    const report = await projectionReport(this.#k.store.projections, this.#k.kinds.values());
    const failed = [...this.#failed];
    return report.map((p) => ({ ...p, failed: failed.filter((key) => key.startsWith(`${p.projection} `)).length }));
  }

  /** Builds a projection again from all actors, beside everything else. Resolves when the build has begun. */
  async rebuild(rt: Runtime, declared: Declared): Promise<void> {
    await this.#k.store.projections.begin(declared.name, declared.projection.version);
    this.#buildOne(rt, declared, () => true).catch((error: unknown) => {
      this.#k.log.warn({ err: error, projection: declared.name }, 'a projection could not be built; the next start goes on with it');
    });
  }

  /** Projections that are new, or of a new version, are built from all actors; a build that was interrupted goes on. */
  async #build(): Promise<void> {
    if (this.#building || this.#stopped || !this.#k.works(BUILDER)) return;
    this.#building = true;
    try {
      const standing = new Map((await this.#k.store.projections.builds()).map((b) => [b.projection, b]));
      for (const rt of this.#k.kinds.values()) {
        for (const declared of rt.projections) {
          const build = standing.get(declared.name);
          const { version } = declared.projection;
          const done = build !== undefined && (build.version > version || (build.version === version && build.doneAt !== null));
          if (!done) await this.#buildOne(rt, declared, () => this.#k.works(BUILDER));
        }
      }
    } finally {
      this.#building = false;
    }
  }

  /** @param mine whether it is still this node's work */
  async #buildOne(rt: Runtime, declared: Declared, mine: () => boolean): Promise<void> {
    const { store, log, clock } = this.#k;
    const fields = { projection: declared.name, version: declared.projection.version };
    const built = await rebuild({
      store,
      rt,
      declared,
      now: () => clock.wall(),
      failed: ({ actorId }, error) => this.#fail(declared, actorId, error),
      next: async () => {
        await new Promise<void>((resolve) => this.#deferral.yield(resolve));
        return !this.#stopped && mine();
      },
    });
    if (built.finished && built.actors > 0) log.info({ ...fields, ...built }, 'a projection was built');
  }
}

const failureOf = (declared: Declared, actorId: string): string => `${declared.name} ${actorId}`;

const entryOf = (actorId: string, { snap, seq, at }: Omit<Shown, 'mver'>, mver: number, cid: string | undefined): Entry => ({
  actorId,
  state: stateText(valueOf(snap)).slice(0, STATE_CHARS),
  lastSeq: seq,
  lastAt: at,
  done: snap.status === 'done',
  cid,
  mver,
});
