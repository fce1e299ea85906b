import type { Activation } from './activation.ts';
import type { NodeLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import type { JournalStore, Loaded } from './store/store.ts';
import type { Deferral } from './scheduler.ts';
import type { Clock, Log } from './types.ts';

const TRIES = 3;

/** Reads actors from the store, many with one query: while queries are under way, further requests gather for the next. */
export class Loader {
  readonly #store: JournalStore;
  readonly #relaxed: readonly string[];
  readonly #clock: Clock;
  readonly #deferral: Deferral;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #limits: NodeLimits;
  readonly #also: ((actorIds: readonly string[]) => Promise<void>) | undefined;
  #waiting: Activation[] = [];
  readonly #reading = new Set<readonly Activation[]>();
  #planned = false;

  /** @param o.relaxed kinds whose commits may be lost @param o.also done with those that have sent something, after the actors were read and before they run */
  constructor(o: {
    store: JournalStore;
    relaxed: readonly string[];
    clock: Clock;
    deferral: Deferral;
    log: Log;
    metrics: Metrics;
    limits: NodeLimits;
    also: ((actorIds: readonly string[]) => Promise<void>) | undefined;
  }) {
    this.#store = o.store;
    this.#relaxed = o.relaxed;
    this.#clock = o.clock;
    this.#deferral = o.deferral;
    this.#log = o.log;
    this.#metrics = o.metrics;
    this.#limits = o.limits;
    this.#also = o.also;
  }

  /** Actors that wait for a query or for its answer. */
  *pending(): Generator<Activation> {
    yield* this.#waiting;
    for (const batch of this.#reading) yield* batch;
  }

  load(a: Activation): void {
    this.#waiting.push(a);
    this.#plan();
  }

  #plan(): void {
    if (this.#planned || this.#reading.size >= this.#limits.loads || this.#waiting.length === 0) return;
    this.#planned = true;
    this.#deferral.soon(() => {
      this.#planned = false;
      const batch = this.#waiting.splice(0, this.#limits.loadActors);
      this.#reading.add(batch);
      void this.#read(batch, 1).finally(() => {
        this.#reading.delete(batch);
        this.#plan();
      });
      this.#plan();
    });
  }

  async #read(batch: readonly Activation[], attempt: number): Promise<void> {
    const started = this.#clock.mono();
    let found;
    try {
      found = await this.#store.load(
        batch.map((a) => a.actorId),
        this.#relaxed,
      );
      if (this.#also !== undefined) await this.#sent(found, this.#also);
    } catch (error) {
      this.#log.warn({ err: error, attempt, actors: batch.length }, 'actors could not be read');
      if (attempt < TRIES) {
        await new Promise<void>((resolve) => {
          this.#clock.setTimer(100 * 4 ** attempt, resolve);
        });
        await this.#read(batch, attempt + 1);
        return;
      }
      for (const a of batch) a.failedToLoad();
      return;
    }
    const took = (this.#clock.mono() - started) / 1_000;
    for (const a of batch) {
      const loaded = found.get(a.actorId);
      const from = loaded === undefined ? 'new' : 'cold';
      this.#metrics.activations.add(a.kind, from);
      this.#metrics.activationSeconds.observe({ from }, took);
      a.loaded(loaded);
    }
  }

  async #sent(found: ReadonlyMap<string, Loaded>, also: (actorIds: readonly string[]) => Promise<void>): Promise<void> {
    const senders: string[] = [];
    for (const [actorId, { sends }] of found) if (sends) senders.push(actorId);
    if (senders.length > 0) await also(senders);
  }
}
