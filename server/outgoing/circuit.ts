/**
 * A node's own copy of a circuit (readings 4.3): it lets a call out or refuses it at once, without asking anybody. It opens by what this node has
 * seen, by the arithmetic of the actor `breaker:{hash}`, and follows the actor where that knows more.
 */
import { addCounts, counted, noCounts, totalOf, trips, waitMs } from '../../calc/breaker/window.ts';
import type { Buckets, Counts, Rules } from '../../calc/breaker/window.ts';
import type { BreakerState, Standing } from '../../machines/breaker/schema.ts';

/** Leave for one call; its outcome is told with {@link Circuit.settle}. `of`: the change that let a probe through. */
export interface Leave {
  readonly ok: true;
  readonly term: number;
  readonly of: number | undefined;
}
export type Admission = Leave | { readonly ok: false; readonly retryAfterMs: number };

/** `ignored`: it says nothing about the dependency, as a call that its caller has cancelled. */
export type Verdict = 'ok' | 'failed' | 'ignored';

/** Calls since the last report. */
export interface Batch extends Counts {
  readonly streak: number;
  readonly broken: boolean;
}

/** What the actor is to hear: batches may wait a second, the rest is news. */
export interface Reporter {
  counted(batch: Batch): void;
  tripped(batch: Batch): void;
  probed(ok: boolean, of: number): void;
}

/** a refused caller is told to wait at least so long */
const LEAST_WAIT_MS = 1_000;

export interface CircuitOptions {
  readonly rules: Rules;
  /** epoch ms */
  readonly wall: () => number;
  /** uniform in [0, 1) */
  readonly random: () => number;
  readonly report: Reporter;
}

export class Circuit {
  readonly #o: CircuitOptions;
  #state: BreakerState = 'closed';
  #until = 0;
  #openings = 0;
  #closedAt: number | undefined;
  /** of the actor, as far as it is known */
  #rev = 0;
  /** grows with every change of state: outcomes of calls that began before do not count */
  #term = 0;
  #buckets: Buckets = {};
  #streak = 0;
  #probing = 0;
  #succeeded = 0;

  constructor(o: CircuitOptions) {
    this.#o = o;
  }

  /** How it stands now; a wait that is over makes it half open. */
  get state(): BreakerState {
    const isOver = this.#until !== 0 && this.#until <= this.#o.wall();
    if (isOver && this.#state === 'open') this.#become('half_open', 0);
    if (isOver && this.#state === 'forced_closed') this.#become('closed', 0);
    return this.#state;
  }

  /** End of the wait, epoch ms. */
  get until(): number | undefined {
    return this.#until === 0 ? undefined : this.#until;
  }

  /** Calls of the window. */
  get counts(): Counts {
    return totalOf(this.#buckets, this.#o.rules, this.#o.wall());
  }

  admit(): Admission {
    switch (this.state) {
      case 'closed':
      case 'forced_closed':
        return { ok: true, term: this.#term, of: undefined };
      case 'half_open':
        if (this.#probing + this.#succeeded >= this.#o.rules.probes) return { ok: false, retryAfterMs: LEAST_WAIT_MS };
        this.#probing += 1;
        return { ok: true, term: this.#term, of: this.#rev };
      case 'open':
        return { ok: false, retryAfterMs: Math.max(LEAST_WAIT_MS, this.#until - this.#o.wall()) };
      default:
        return { ok: false, retryAfterMs: this.#o.rules.openMs };
    }
  }

  /** @param ms that the call took */
  settle(leave: Leave, verdict: Verdict, ms: number): void {
    if (leave.term !== this.#term) return;
    if (leave.of !== undefined) this.#probed(verdict, leave.of);
    else if (this.#state === 'closed' && verdict !== 'ignored') this.#count(verdict === 'failed', ms > this.#o.rules.slowMs);
  }

  #count(failed: boolean, slow: boolean): void {
    const { rules, wall, report } = this.#o;
    const counts = addCounts(noCounts, { calls: 1, failures: failed ? 1 : 0, slow: slow ? 1 : 0 });
    const batch = { ...counts, streak: failed ? 1 : 0, broken: !failed };
    this.#buckets = counted(this.#buckets, rules, wall(), counts);
    this.#streak = failed ? this.#streak + 1 : 0;
    if (!trips(rules, this.counts, this.#streak)) return report.counted(batch);
    this.#open();
    report.tripped(batch);
  }

  #probed(verdict: Verdict, of: number): void {
    this.#probing -= 1;
    if (verdict === 'ignored') return;
    if (verdict === 'failed') this.#open();
    else {
      this.#succeeded += 1;
      if (this.#succeeded >= this.#o.rules.probes) this.#become('closed', 0);
    }
    this.#o.report.probed(verdict === 'ok', of);
  }

  /** For as long as this node thinks right; the actor will say how long it is. */
  #open(): void {
    const { rules, wall, random } = this.#o;
    const calm = this.#closedAt !== undefined && wall() - this.#closedAt >= rules.calmMs;
    this.#openings = calm ? 1 : this.#openings + 1;
    this.#become('open', wall() + waitMs(rules, this.#openings, random()));
  }

  #become(state: BreakerState, until: number): void {
    if (state === 'closed') this.#closedAt = this.#o.wall();
    this.#state = state;
    this.#until = until;
    this.#term += 1;
    this.#buckets = {};
    this.#streak = 0;
    this.#probing = 0;
    this.#succeeded = 0;
  }

  /** How the actor stands. What is not newer than what was heard before is no news. */
  hear({ state, until = 0, openings, rev }: Standing): void {
    if (rev <= this.#rev) return;
    const was = this.state;
    this.#rev = rev;
    this.#openings = openings;
    // a node that has closed its own has seen it work since; one that is half open has probes under way
    if (state === 'half_open' && was !== 'open') return;
    if (state === was) this.#until = until;
    else this.#become(state, until);
  }
}
