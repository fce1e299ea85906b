/**
 * What people who look on are told of events as they happen (kernel specification 13.2). An event is told when its answer leaves, so nothing is
 * seen that is not durable. While nobody looks on, an event costs one boolean test.
 */
import type { Activation } from './activation.ts';
import type { Envelope } from './envelope.ts';
import type { Address, Live, Runtime } from './runtime.ts';
import type { Clock, Reply } from './types.ts';

/** One event and what became of it. */
export interface Sighting {
  readonly at: Address;
  readonly rt: Runtime;
  readonly event: Pick<Envelope, 'type' | 'payload' | 'from' | 'cause'>;
  readonly reply: Reply;
  /** the state after it; undefined: it was refused, or had become void */
  readonly next: Live | undefined;
  /** epoch ms */
  readonly seenAt: number;
  /** of the macrostep */
  readonly durationUs: number;
  /** from the end of the macrostep to the commit */
  readonly commitMs: number;
  /** numbers of the transitions taken, in document order of the machine */
  readonly transitions: readonly number[];
  /** events that wait */
  readonly mailbox: number;
  readonly uncommitted: number;
}

/** Who looks on. Both members are called on the hot path. */
export interface Observer<Wanted = unknown> {
  /** Asked before an event runs: for whom it is to be told. Undefined: for nobody. @param mono ms */
  wants(at: Address, kind: string, type: string, mono: number): Wanted | undefined;
  tell(sighting: Sighting, wanted: Wanted): void;
}

/** An event that somebody wants to be told of, on its way. */
export class Sight {
  readonly #feed: Feed;
  readonly #a: Activation;
  readonly #e: Envelope;
  readonly #wanted: unknown;
  #began = 0;
  #ended = 0;
  #transitions: number[] = [];
  #next: Live | undefined;

  constructor(feed: Feed, a: Activation, e: Envelope, wanted: unknown) {
    this.#feed = feed;
    this.#a = a;
    this.#e = e;
    this.#wanted = wanted;
  }

  /** The macrostep begins, perhaps not for the first time. @param mono ms */
  begin(mono: number): void {
    this.#began = mono;
    this.#ended = 0;
    this.#next = undefined;
    this.#transitions = [];
    this.#a.rt.transitions.heard = this.#transitions;
  }

  /** The macrostep is over and its event waits for the commit. */
  accepted(next: Live): void {
    this.#ended = this.#feed.clock.mono();
    this.#next = next;
  }

  /** The answer leaves. */
  told(reply: Reply): void {
    const { at, rt, committed, mailboxLength: mailbox, uncommitted } = this.#a;
    const now = this.#feed.clock.mono();
    const ended = this.#ended === 0 ? now : this.#ended;
    const sighting: Sighting = {
      at,
      rt,
      event: this.#e,
      reply,
      next: this.#next !== undefined && (committed?.seq ?? 0) >= this.#next.seq ? this.#next : undefined,
      seenAt: this.#feed.clock.wall(),
      durationUs: Math.round((ended - this.#began) * 1_000),
      commitMs: now - ended,
      transitions: this.#transitions,
      mailbox,
      uncommitted,
    };
    this.#feed.tell(sighting, this.#wanted);
  }
}

export class Feed {
  /** somebody looks on */
  on = false;
  readonly clock: Clock;
  #observer: Observer | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** One observer at most. Undefined: nobody looks on any more. */
  observe(observer: Observer | undefined): void {
    this.#observer = observer;
    this.on = observer !== undefined;
  }

  /** An event is about to run. */
  begin(a: Activation, e: Envelope): void {
    const mono = this.clock.mono();
    if (e.sight === undefined) {
      const wanted = this.#observer?.wants(a.at, a.kind, e.type, mono);
      if (wanted === undefined) return;
      a.rt.runner.tap ??= a.rt.transitions;
      e.sight = new Sight(this, a, e, wanted);
    }
    e.sight.begin(mono);
  }

  /** It has run, or was refused. */
  end(a: Activation): void {
    a.rt.transitions.heard = undefined;
  }

  tell(sighting: Sighting, wanted: unknown): void {
    this.#observer?.tell(sighting, wanted);
  }
}
