/**
 * Notices that the process stood still for so long that what it remembers may have been removed meanwhile (kernel specification 7.3). An append is
 * fenced by the row that another owner has written, and no row younger than an hour is removed; so after a long pause nothing in memory is used any more.
 */
import type { Lanes } from './lanes.ts';
import type { Residents } from './residents.ts';
import type { Clock, Log } from './types.ts';

/** Longer: it is told, because it explains what follows, such as connections that have timed out and slots that others have taken; ms. */
const TOLD_MS = 2_000;

export interface StandstillOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** ms; far above what a busy or swapped-out process takes for a turn */
  readonly longest: number;
  readonly residents: Residents;
  readonly lanes: Lanes;
}

export class Standstill {
  readonly #o: StandstillOptions;
  #mono: number;
  #wall: number;

  constructor(o: StandstillOptions) {
    this.#o = o;
    this.#mono = o.clock.mono();
    this.#wall = o.clock.wall();
  }

  /**
   * Asked before turns and before a statement is sent, and every quarter of a second. Either clock may tell: the monotonic one stands while a machine
   * sleeps, the other one may be set.
   */
  look(): void {
    const mono = this.#o.clock.mono();
    const wall = this.#o.clock.wall();
    const ms = Math.max(mono - this.#mono, wall - this.#wall);
    this.#mono = mono;
    this.#wall = wall;
    if (ms > this.#o.longest) this.#startAfresh(ms);
    else if (ms > TOLD_MS) this.#o.log.warn({ ms: Math.round(ms) }, 'the process stood still');
  }

  /** What is not committed runs again, or is answered, on states that are read anew. */
  #startAfresh(ms: number): void {
    const { log, residents, lanes } = this.#o;
    log.warn({ ms: Math.round(ms), actors: residents.hot.size + residents.warm }, 'the process stood still: every actor is read anew');
    for (const c of lanes.all) c.startAfresh();
    residents.forget();
  }
}
