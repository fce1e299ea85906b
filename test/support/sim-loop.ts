/**
 * The event loop of a simulation: virtual time, and an order of everything that is ready at the same time which the seed decides.
 * Promises run between two steps, as in the real loop; so one step is what happens between two awaits.
 */
import { createHash } from 'node:crypto';
import { seeded } from '../../calc/prng.ts';
import type { Deferral } from '../../actors/scheduler.ts';
import type { Clock, TimerHandle } from '../../actors/types.ts';

/** Independent streams of chance by name, so that taking one fault away does not change the rest. */
export class Chance {
  readonly #digest: string;
  readonly #streams = new Map<string, () => number>();

  constructor(seed: number) {
    this.#digest = createHash('sha256').update(`simulation ${seed}`).digest('hex');
  }

  stream(name: string): () => number {
    let next = this.#streams.get(name);
    if (next === undefined) {
      const number = Number.parseInt(createHash('sha256').update(name).digest('hex').slice(0, 8), 16);
      this.#streams.set(name, (next = seeded(this.#digest, number)));
    }
    return next;
  }

  /** Uniform integer from 0 to n - 1. */
  below(name: string, n: number): number {
    return Math.floor(this.stream(name)() * n);
  }

  pick<T>(name: string, list: readonly T[]): T {
    return list[this.below(name, list.length)] as T;
  }
}

/** Which of the faults that chance offers happen. A fault is named `kind#i`, the i-th offer of its kind. */
export class Faults {
  readonly #chance: Chance;
  readonly #only: ReadonlySet<string> | undefined;
  readonly #offers = new Map<string, number>();
  readonly fired: string[] = [];
  /** from now on there are none */
  over = false;

  constructor(chance: Chance, only?: ReadonlySet<string>) {
    this.#chance = chance;
    this.#only = only;
  }

  happens(kind: string, probability: number): boolean {
    const i = (this.#offers.get(kind) ?? 0) + 1;
    this.#offers.set(kind, i);
    const drawn = this.#chance.stream(`fault ${kind}`)() < probability;
    const name = `${kind}#${i}`;
    if (this.over || !drawn || (this.#only !== undefined && !this.#only.has(name))) return false;
    this.fired.push(name);
    return true;
  }
}

interface Task {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
  gone: boolean;
}

const before = (a: Task, b: Task): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

export class SimLoop {
  readonly #order: () => number;
  readonly #heap: Task[] = [];
  #now = 0;
  steps = 0;
  /** the process whose code this step runs, as far as that is known */
  running: SimProcess | undefined;

  constructor(chance: Chance) {
    this.#order = chance.stream('order');
  }

  /** Virtual ms. Reading the clock takes some: so work takes time, and turns end. */
  now(): number {
    this.#now += 0.01;
    return this.#now;
  }

  /** The time without passing any. */
  get time(): number {
    return this.#now;
  }

  plan(ms: number, fn: () => void): Task {
    const task: Task = { at: this.#now + Math.max(0, ms), order: this.#order(), fn, gone: false };
    const a = this.#heap;
    let i = a.push(task) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (!before(task, a[up] as Task)) break;
      a[i] = a[up] as Task;
      i = up;
    }
    a[i] = task;
    return task;
  }

  #pop(): Task | undefined {
    const a = this.#heap;
    const first = a[0];
    const last = a.pop();
    if (first === undefined || last === undefined || a.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= a.length) break;
      if (child + 1 < a.length && before(a[child + 1] as Task, a[child] as Task)) child += 1;
      if (!before(a[child] as Task, last)) break;
      a[i] = a[child] as Task;
      i = child;
    }
    a[i] = last;
    return first;
  }

  /** Runs the next thing and everything that its promises cause. False when nothing is planned. */
  async step(): Promise<boolean> {
    const task = this.#pop();
    if (task === undefined) return false;
    if (task.gone) return true;
    if (task.at > this.#now) this.#now = task.at;
    this.steps += 1;
    this.running = undefined;
    task.fn();
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    return true;
  }

  /** Runs the code of a process; what its promises cause in the same step is the process's too. */
  as(process: SimProcess, fn: () => void): void {
    this.running = process;
    fn();
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.plan(ms, resolve);
    });
  }
}

/** Clock and deferral of one process: when it dies, nothing that it has planned happens. */
export class SimProcess implements Clock, Deferral {
  readonly #loop: SimLoop;
  readonly #random: () => number;
  readonly #wall: () => number;
  alive = true;
  /** until then the process stands still, virtual ms */
  pausedUntil = 0;
  /** ms by which its monotonic clock is ahead: it stood still for longer than the world had patience */
  slept = 0;

  constructor(loop: SimLoop, random: () => number, wall: () => number) {
    this.#loop = loop;
    this.#random = random;
    this.#wall = wall;
  }

  wall(): number {
    return this.#wall();
  }

  mono(): number {
    return this.#loop.now() + this.slept;
  }

  /** Runs unless the process has died meanwhile. */
  later(ms: number, fn: () => void): TimerHandle {
    const task = this.#loop.plan(ms, () => this.#awake(task, fn));
    return task;
  }

  /** Runs when the process is awake; what was due while it stood still comes at once when it goes on. */
  #awake(task: Task, fn: () => void): void {
    if (!this.alive || task.gone) return;
    if (this.pausedUntil <= this.#loop.time) this.#loop.as(this, fn);
    else this.#loop.plan(this.pausedUntil - this.#loop.time, () => this.#awake(task, fn));
  }

  /** Like those of the platform, timers are never early and seldom exact. */
  setTimer(ms: number, fn: () => void): TimerHandle {
    return this.later(Math.max(1, ms) + this.#random() * 1.5, fn);
  }

  clearTimer(handle: TimerHandle | undefined): void {
    if (handle !== undefined) (handle as Task).gone = true;
  }

  soon(fn: () => void): void {
    this.later(this.#random() * 0.2, fn);
  }

  yield(fn: () => void): void {
    this.later(this.#random() * 0.5, fn);
  }
}
