/**
 * Durable timers: a wheel of the deadlines of the next minute over the timer rows. A wake-up is only a hint; whether a timer fires is decided
 * at the actor's turn by what is armed in its state, so a cancelled timer never changes state and a postponed one is set back.
 */
import { slotOf, splitRef } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { ORPHAN_MS } from './orphans.ts';
import type { Address } from './runtime.ts';
import type { ArmedTimer } from './types.ts';
import type { DueTimer } from './store/store.ts';

const HORIZON_MS = 60_000;
const REFILL_MS = 30_000;
const PAGE = 5_000;
/** overdue timers fired per tick of 100 ms after a start: 2,000 a second */
const CATCH_UP = 200;
const CATCH_UP_MS = 100;
/** those left behind by others that are taken at once: as many as fire before somebody else may take them */
const ORPHAN_PAGES = 12;
const MAX_SLEEP_MS = 10_000;

/** `xstate.after.holdTtl.booking.held` is the timer of the delay `holdTtl`; other timers are named by their id. */
export const delayName = (id: string): string => (id.startsWith('xstate.after.') ? (id.split('.')[2] ?? id) : id);

interface Entry {
  readonly ref: string;
  readonly actorId: string;
  readonly id: string;
  readonly due: number;
  readonly seq: number;
  readonly type: string;
}

/** Binary heap by due time. */
class Heap {
  readonly #a: Entry[] = [];

  get top(): Entry | undefined {
    return this.#a[0];
  }

  push(e: Entry): void {
    const a = this.#a;
    let i = a.push(e) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = a[up] as Entry;
      if (parent.due <= e.due) break;
      a[i] = parent;
      i = up;
    }
    a[i] = e;
  }

  pop(): Entry | undefined {
    const a = this.#a;
    const first = a[0];
    const last = a.pop();
    if (first === undefined || last === undefined || a.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= a.length) break;
      if (child + 1 < a.length && (a[child + 1] as Entry).due < (a[child] as Entry).due) child += 1;
      if ((a[child] as Entry).due >= last.due) break;
      a[i] = a[child] as Entry;
      i = child;
    }
    a[i] = last;
    return first;
  }
}

export class Timers {
  readonly #k: Kernel;
  readonly #heap = new Heap();
  /** the entry in force per actor and timer; others in the heap are stale */
  readonly #current = new Map<string, Entry>();
  /** timers whose wake-up waits at its actor, perhaps for another attempt; their rows still stand and would wake it again */
  readonly #held = new Set<string>();
  #handle: unknown;
  #wakeAt = Number.POSITIVE_INFINITY;
  #refillHandle: unknown;
  #stopped = false;

  constructor(kernel: Kernel) {
    this.#k = kernel;
  }

  get pending(): number {
    return this.#current.size;
  }

  /** Reads what is overdue or due within a minute; overdue timers fire in order of their deadline, 2,000 a second. */
  async start(): Promise<void> {
    if (this.#k.placement === undefined) await this.#refill();
    this.#planRefill();
  }

  /** Takes up the timers of slots that have come to this node. */
  acquire(slots: readonly number[]): void {
    this.#read(this.#k.clock.wall() + HORIZON_MS, slots).catch((error: unknown) => {
      this.#k.log.warn({ err: error }, 'the timers of new slots could not be read; the next refill finds them');
    });
  }

  /** Reads anew what is due: a pause has ended, and what came due meanwhile was left in its row. */
  resume(): void {
    this.#refill().catch((error: unknown) => this.#k.log.warn({ err: error }, 'the timers could not be read'));
  }

  stop(): void {
    this.#stopped = true;
    this.#k.clock.clearTimer(this.#handle as object);
    this.#k.clock.clearTimer(this.#refillHandle as object);
  }

  #planRefill(): void {
    this.#refillHandle = this.#k.clock.setTimer(REFILL_MS, () => {
      this.#refill()
        .catch((error: unknown) => this.#k.log.warn({ err: error }, 'the timers could not be read'))
        .finally(() => {
          if (!this.#stopped) this.#planRefill();
        });
    });
  }

  async #refill(): Promise<void> {
    const { placement, clock } = this.#k;
    await this.#read(clock.wall() + HORIZON_MS, placement?.slots);
    if (placement?.roaming === true) await this.#takeOrphans();
  }

  /** While this node roams nobody may be there for a slot: what is overdue by half a minute is taken up wherever it belongs. */
  async #takeOrphans(): Promise<void> {
    const now = this.#k.clock.wall();
    for (let page = 0; page < ORPHAN_PAGES; page += 1) {
      const rows = await this.#k.store.takeTimers(now - ORPHAN_MS, now, PAGE);
      if (rows.length > 0) this.#k.log.info({ timers: rows.length }, 'overdue timers taken up while roaming');
      this.#found(rows);
      if (rows.length < PAGE) return;
    }
  }

  async #read(before: number, slots: readonly number[] | undefined): Promise<void> {
    let after: { due: number; actorId: string; timerId: string } | undefined;
    for (;;) {
      const rows: DueTimer[] = await this.#k.store.timersDue(before, PAGE, after, slots);
      this.#found(rows);
      after = rows.at(-1);
      if (rows.length < PAGE) return;
    }
  }

  #found(rows: readonly DueTimer[]): void {
    for (const row of rows) {
      this.#put({ ref: `${row.kind}:${row.id}`, actorId: row.actorId, id: row.timerId, due: row.due, seq: row.armedSeq, type: row.type });
    }
  }

  /** A timer was armed by a committed event. Later deadlines than the horizon come back by the refill. */
  add(at: Address, id: string, timer: ArmedTimer): void {
    if (timer.due - this.#k.clock.wall() < HORIZON_MS) {
      this.#put({ ref: at.ref, actorId: at.actorId, id, due: timer.due, seq: timer.seq, type: timer.type });
    }
  }

  /** Moves the row that woke its actor too early. The row is changed only if it still is the one that woke it. */
  postpone(at: Address, id: string, rowSeq: number, timer: ArmedTimer): void {
    this.#k.store.rearm({ actorId: at.actorId, timerId: id, rowSeq, due: timer.due, armedSeq: timer.seq }).catch((error: unknown) => {
      this.#k.log.warn({ err: error, ref: at.ref }, 'a timer row was not moved; it will wake its actor again');
    });
  }

  #put(e: Entry): void {
    const key = `${e.actorId}/${e.id}`;
    const standing = this.#current.get(key);
    if (this.#held.has(key) || (standing !== undefined && standing.due <= e.due)) return;
    this.#current.set(key, e);
    this.#heap.push(e);
    this.#wake();
  }

  #wake(): void {
    const top = this.#heap.top;
    if (top === undefined || this.#stopped) return;
    const at = Math.max(top.due, this.#k.clock.wall());
    if (at >= this.#wakeAt) return;
    this.#sleepUntil(at);
  }

  #sleepUntil(at: number): void {
    this.#k.clock.clearTimer(this.#handle as object);
    this.#wakeAt = at;
    const ms = Math.min(MAX_SLEEP_MS, Math.max(0, at - this.#k.clock.wall()));
    this.#handle = this.#k.clock.setTimer(ms, () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#fireDue();
    });
  }

  #fireDue(): void {
    const now = this.#k.clock.wall();
    let fired = 0;
    for (let top = this.#heap.top; top !== undefined && top.due <= now; top = this.#heap.top) {
      if (fired >= CATCH_UP && now - top.due > HORIZON_MS) {
        this.#sleepUntil(now + CATCH_UP_MS);
        return;
      }
      this.#heap.pop();
      const key = `${top.actorId}/${top.id}`;
      if (this.#current.get(key) !== top) continue;
      this.#current.delete(key);
      this.#fire(top);
      fired += 1;
    }
    this.#wake();
  }

  #fire(e: Entry): void {
    // Whoever serves the slot now has the timer too.
    if (this.#k.placement?.serves(slotOf(e.actorId)) === false) return;
    const target = splitRef(e.ref);
    const rt = target === undefined ? undefined : this.#k.kinds.get(target.kind);
    if (rt === undefined) {
      this.#k.log.error({ ref: e.ref, timer: e.id }, 'a timer of an unknown kind');
      return;
    }
    // The row stands, and the first refill after the pause finds it.
    if (this.#k.pauses.of(rt.def.kind, slotOf(e.actorId)) !== undefined) return;
    const key = `${e.actorId}/${e.id}`;
    try {
      const a = this.#k.activation(e.ref, rt);
      this.#held.add(key);
      a.deliver({
        kind: 'timer',
        timer: { id: e.id, rowSeq: e.seq, seq: e.seq },
        type: e.type,
        payload: {},
        text: '{}',
        idem: null,
        chk: 0,
        from: { kind: 'system', id: 'timer', roles: [] },
        deadline: Number.POSITIVE_INFINITY,
        since: 0,
        tries: 0,
        failures: 0,
        answered: false,
        resolve: () => this.#held.delete(key),
      });
    } catch {
      // No room in memory: the row stands, and the next refill finds it.
      this.#k.log.warn({ ref: e.ref, slot: slotOf(e.actorId) }, 'a timer waits for room');
    }
  }
}
