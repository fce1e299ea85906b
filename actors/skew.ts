/**
 * How far this node's clock is off that of the database (kernel specification 9). The database is asked twice a minute; in between the monotonic
 * clock tells, so a clock that is set is noticed at once.
 */
import type { Clock, Log } from './types.ts';

/** off by more: people are told, ms */
const REPORT_MS = 500;
/** off by more: the times of its events would lead others astray, ms */
const UNFIT_MS = 5_000;

export class Skew {
  readonly #clock: Clock;
  readonly #log: Log;
  /** what the database's clock showed when the monotonic one stood at 0, epoch ms; undefined until it has told */
  #origin: number | undefined;
  #reported = false;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * The database was asked at `asked` and has answered now (mono ms); its clock was read in the middle. An answer that took long tells too little.
   *
   * @param wall epoch ms; undefined when it has no clock of its own
   */
  told(wall: number | undefined, asked: number): void {
    const heard = this.#clock.mono();
    if (wall === undefined || heard - asked > REPORT_MS) return;
    this.#origin = wall - (asked + heard) / 2;
    const { ms } = this;
    const off = Math.abs(ms) > REPORT_MS;
    if (off) this.#log.warn({ skewMs: Math.round(ms), alert: 'clock_skew' }, 'the clock of this node is not that of the database');
    else if (this.#reported) this.#log.info({ skewMs: Math.round(ms) }, 'the clock of this node is that of the database again');
    this.#reported = off;
  }

  /** Epoch ms by the database's clock, or by the own one as long as it has not told; whole ones, because the database's columns are. */
  get now(): number {
    return this.#origin === undefined ? this.#clock.wall() : Math.floor(this.#origin + this.#clock.mono());
  }

  /** by how much this node's clock is ahead, ms */
  get ms(): number {
    return this.#clock.wall() - this.now;
  }

  /** Whether the node may own slots. */
  get fit(): boolean {
    return Math.abs(this.ms) <= UNFIT_MS;
  }
}
