import type { Clock, TimerHandle } from '../../actors/types.ts';

interface Planned {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** A clock that stands still until it is advanced; timers run in order of their time, each followed by what it causes. */
export class FakeClock implements Clock {
  #wall: number;
  #mono = 1_000;
  #order = 0;
  readonly #timers = new Set<Planned>();

  constructor(wall = Date.UTC(2027, 2, 1, 8)) {
    this.#wall = wall;
  }

  /** whole ms, as a real one; the monotonic one has fractions when it is advanced by such */
  wall(): number {
    return Math.floor(this.#wall);
  }

  mono(): number {
    return this.#mono;
  }

  setTimer(ms: number, fn: () => void): TimerHandle {
    this.#order += 1;
    const planned: Planned = { at: this.#mono + Math.max(0, ms), order: this.#order, fn };
    this.#timers.add(planned);
    return planned;
  }

  clearTimer(handle: TimerHandle): void {
    this.#timers.delete(handle as Planned);
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Sets the wall clock alone, as an operator or NTP would. */
  setWall(wall: number): void {
    this.#wall = wall;
  }

  /** The process stands still: time goes by, and what was due comes when the clock is advanced next. @param wall how far the wall clock has gone */
  sleep(ms: number, wall = ms): void {
    this.#mono += ms;
    this.#wall += wall;
  }

  async advance(ms: number): Promise<void> {
    const until = this.#mono + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers].filter((t) => t.at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      const passed = Math.max(0, next.at - this.#mono);
      this.#wall += passed;
      this.#mono += passed;
      next.fn();
      await settle();
    }
    this.#wall += until - this.#mono;
    this.#mono = until;
    await settle();
  }
}
