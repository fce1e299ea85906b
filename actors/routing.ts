/**
 * The way of a question to the node that serves its slot, and of those that come from other nodes (kernel specification 10.5). Everything may be
 * sent again: commands and messages carry keys, the rest changes nothing.
 */
import type { Answer, Asked, Bus, Frame, Question } from './bus/bus.ts';
import { KernelProblem, refusal } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { Placement } from './placement.ts';
import type { ActorRef, Json, Refusal, Reply } from './types.ts';

/** waits before a question is sent again to wherever the table then says, ms; the last one repeats until the deadline */
const AGAIN_MS = [10, 50, 100, 250, 500];
const PARK_MS = 2_000;
const PARKED = 1_000;

/** `moved`: not here, nothing was done. */
export type Here<T> = T | 'moved';

export interface Route<T> {
  readonly slot: number;
  /** ms until the one who asks gives up */
  readonly left: number;
  here(left: number): Promise<Here<T>>;
  frame(asked: Asked): Question;
  /** What an answer of another node means. @throws KernelProblem */
  got(answer: Exclude<Answer, { f: 'moved' }>): T;
  /** What is left of an answer when an earlier attempt may have been carried out without anybody's hearing of it. */
  doubted?(found: T): T;
}

/** The end of a question that got no answer: it was never run, or nobody knows. */
export type Lost = 'not run' | 'unknown';

/** What this node does with questions of others. */
export interface Serving {
  command(question: Question & { f: 'cmd' }): Promise<Reply>;
  tells(question: Question & { f: 'tell' }): Promise<readonly Reply[]>;
  ask(question: Question & { f: 'ask' }, from: string): Promise<Json>;
  followed(from: string, topics: readonly string[]): void;
  changed(refs: readonly ActorRef[]): void;
  written(refs: readonly ActorRef[]): Promise<void>;
  paused(): Promise<void>;
}

type Outcome = Answer | 'absent' | 'down' | 'silent';

export class Router {
  readonly #k: Kernel;
  readonly #placement: Placement;
  readonly #bus: Bus;
  readonly #serving: Serving;
  readonly #pending = new Map<number, { readonly to: string; readonly end: (outcome: Outcome) => void }>();
  /** questions that wait before they are sent again, by slot */
  readonly #asleep = new Map<number, Set<() => void>>();
  readonly #parked = new Map<number, { readonly from: string; readonly question: Question; readonly since: number }[]>();
  #rid = 0;

  constructor(kernel: Kernel, placement: Placement, bus: Bus, serving: Serving) {
    this.#k = kernel;
    this.#placement = placement;
    this.#bus = bus;
    this.#serving = serving;
  }

  start(): Promise<void> {
    return this.#bus.open(this.#placement.me, (from, frame) => this.#receive(from, frame));
  }

  stop(): Promise<void> {
    return this.#bus.close();
  }

  // -------------------------------------------------------------------------------------------------------------- asking

  /** Asks whoever serves the slot until there is an answer. @throws KernelProblem what the other node threw */
  async run<T>(r: Route<T>): Promise<T | Lost> {
    const end = this.#k.clock.mono() + r.left;
    let lost: Lost = 'not run';
    for (let tries = 0; ; tries += 1) {
      const left = end - this.#k.clock.mono();
      if (left <= 0) return lost;
      const owner = this.#placement.owner(r.slot);
      let wait = AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)] ?? 0;
      if (this.#placement.serves(r.slot)) {
        const found = await r.here(left);
        if (found !== 'moved') return lost === 'unknown' && r.doubted !== undefined ? r.doubted(found) : found;
      } else if (owner !== undefined && owner.node !== this.#placement.me) {
        // Silence is waited for until half of the time is over, and once more until the end.
        const outcome = await this.#exchange(owner.node, r, owner.epoch, left, lost === 'unknown' ? left : left / 2);
        if (outcome === 'silent' || outcome === 'down') lost = 'unknown';
        if (outcome === 'silent') wait = 0;
        else if (outcome === 'absent') this.#placement.suspect(owner.node);
        else if (outcome !== 'down' && outcome.f !== 'moved') {
          const found = r.got(outcome);
          return lost === 'unknown' && r.doubted !== undefined ? r.doubted(found) : found;
        } else if (outcome !== 'down' && outcome.owner !== null) {
          this.#placement.hear(r.slot, outcome.owner, outcome.epoch);
          if (tries === 0) wait = 0;
        }
      }
      if (tries > 0 && wait > 0) this.#placement.refresh();
      await this.#sleep(r.slot, Math.min(wait, end - this.#k.clock.mono()));
    }
  }

  /** Waits, but not longer than until the slot has changed hands. */
  #sleep(slot: number, ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (ms <= 0) return resolve();
      const asleep = this.#asleep.get(slot) ?? new Set();
      this.#asleep.set(slot, asleep);
      const wake = (): void => {
        this.#k.clock.clearTimer(timer);
        asleep.delete(wake);
        if (asleep.size === 0) this.#asleep.delete(slot);
        resolve();
      };
      const timer = this.#k.clock.setTimer(ms, wake);
      asleep.add(wake);
    });
  }

  /** Slots have changed hands: what waits for them goes on, what came too early is answered. */
  moved(slots: readonly number[]): void {
    for (const slot of slots) for (const wake of this.#asleep.get(slot) ?? []) wake();
    this.unpark(slots);
  }

  /** The node answers no more: whoever waits for it asks whoever has its slots now. */
  lost(node: string): void {
    for (const { to, end } of this.#pending.values()) if (to === node) end('silent');
  }

  #exchange(
    to: string,
    r: { slot: number; frame(asked: Asked): Question },
    epoch: number,
    left: number,
    patience: number,
  ): Promise<Outcome> {
    this.#rid += 1;
    const rid = this.#rid;
    const started = this.#k.clock.mono();
    return new Promise((resolve) => {
      const end = (outcome: Outcome): void => {
        if (!this.#pending.delete(rid)) return;
        this.#k.clock.clearTimer(timer);
        if (typeof outcome === 'object') this.#k.metrics.busSeconds.observe((this.#k.clock.mono() - started) / 1_000);
        resolve(outcome);
      };
      const timer = this.#k.clock.setTimer(patience, () => end('silent'));
      this.#pending.set(rid, { to, end });
      const sent = (receivers: number): void => void (receivers === 0 && end('absent'));
      this.#bus.send(to, r.frame({ rid, slot: r.slot, epoch, left })).then(sent, () => end('down'));
    });
  }

  // ------------------------------------------------------------------------------------------------------------ answering

  #receive(from: string, frame: Frame): void {
    switch (frame.f) {
      case 'cmd':
      case 'tell':
      case 'ask':
        return this.#question(from, frame);
      case 'ack':
      case 'nak':
      case 'replies':
      case 'moved':
        return this.#pending.get(frame.rid)?.end(frame);
      case 'table':
        return this.#placement.refresh();
      case 'coming':
        for (const slot of frame.slots) this.#placement.hear(slot, this.#placement.me);
        return;
      case 'given':
        return this.#placement.given(from, frame.handed);
      case 'warm':
        return this.#placement.arrived(from, frame.format, frame.actors);
      case 'follow':
        return this.#serving.followed(from, frame.topics);
      case 'changed':
        return this.#serving.changed(frame.refs);
      case 'written':
        return void this.#serving.written(frame.refs);
      case 'pauses':
        this.#serving.paused().catch((error: unknown) => this.#k.log.warn({ err: error }, 'the pauses could not be read'));
        return;
      case 'suspect':
        return void this.#placement.confirm(frame.node, false);
      case 'ping':
    }
  }

  #question(from: string, question: Question): void {
    if (this.#placement.serves(question.slot)) return void this.#serve(from, question);
    if (!this.#placement.expects(question.slot)) return this.#moved(from, question);
    const waiting = this.#parked.get(question.slot);
    const early = { from, question, since: this.#k.clock.mono() };
    if (waiting === undefined) {
      this.#parked.set(question.slot, [early]);
      this.#k.clock.setTimer(PARK_MS, () => this.unpark([question.slot]));
    } else if (waiting.length < PARKED) waiting.push(early);
    else this.#moved(from, question);
  }

  /** The table of pauses has changed. */
  announcePauses(): void {
    this.#bus
      .broadcast({ f: 'pauses' })
      .catch((error: unknown) => this.#k.log.warn({ err: error }, 'other nodes were not told of a pause'));
  }

  /** The slots have come, or are not expected any more. */
  unpark(slots: readonly number[]): void {
    const now = this.#k.clock.mono();
    for (const slot of slots) {
      const waiting = this.#parked.get(slot) ?? [];
      this.#parked.delete(slot);
      for (const { from, question, since } of waiting) {
        const left = question.left - (now - since);
        if (this.#placement.serves(slot) && left > 0) void this.#serve(from, { ...question, left });
        else this.#moved(from, question);
      }
    }
  }

  #moved(to: string, { rid, slot }: Question): void {
    const owner = this.#placement.owner(slot);
    const elsewhere = owner !== undefined && owner.node !== this.#placement.me;
    this.#answer(to, { f: 'moved', rid, slot, owner: elsewhere ? owner.node : null, epoch: owner?.epoch ?? 0 });
  }

  #answer(to: string, answer: Answer): void {
    // Whoever asked will ask again.
    this.#bus.send(to, answer).catch(() => undefined);
  }

  async #serve(from: string, question: Question): Promise<void> {
    const { rid } = question;
    try {
      if (question.f === 'ask') {
        this.#answer(from, { f: 'ack', rid, value: await this.#serving.ask(question, from) });
        return;
      }
      const replies = question.f === 'cmd' ? [await this.#serving.command(question)] : await this.#serving.tells(question);
      if (replies.some((reply) => !reply.ok && goesOn(reply.error))) this.#moved(from, question);
      else this.#answer(from, { f: 'replies', rid, replies });
    } catch (error) {
      if (error instanceof KernelProblem && goesOn(error)) this.#moved(from, question);
      else if (error instanceof KernelProblem) this.#answer(from, { f: 'nak', rid, error: plainRefusal(error) });
      else {
        this.#k.log.error({ err: error, frame: question.f }, 'a question of another node failed');
        this.#answer(from, { f: 'nak', rid, error: refusal('UNAVAILABLE') });
      }
    }
  }
}

/** Whether another node answers, now or as soon as this one has stopped. */
const goesOn = ({ code }: Refusal): boolean => code === 'MOVED' || code === 'DRAINING';

export const isMoved = (reply: Reply): boolean => !reply.ok && reply.error.code === 'MOVED';

/** An error as data. */
export const plainRefusal = ({ code, detail, details, retryAfterMs }: Refusal): Refusal => ({
  code,
  ...(detail === undefined ? {} : { detail }),
  ...(details === undefined ? {} : { details }),
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});
