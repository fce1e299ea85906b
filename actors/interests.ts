/**
 * Who follows topics of actors that another node serves. A topic is projected after a commit only when somebody follows it, and that somebody may be
 * connected anywhere: so each node tells the owners what its subscribers follow, when they begin to, when a slot has come to another owner, and every
 * 20 s. What an owner has not heard of for a minute is forgotten. A publication that was missed while the owner did not know is made good by
 * announcing where the topic stands. And who has written an actor while it could not reach the owner tells it afterwards, which may know an older state.
 */
import type { Bus } from './bus/bus.ts';
import { grouped } from './grouped.ts';
import { actorIdOf, slotOf } from './ids.ts';
import type { Kernel } from './kernel.ts';
import type { Placement } from './placement.ts';
import type { Followers } from './system.ts';
import type { ActorRef } from './types.ts';

const REFRESH_MS = 20_000;
const BELIEVED_MS = 60_000;
/** tables change in bursts */
const MOVED_MS = 50;
const CHANGED_MS = 100;
/** actors with a commit so short before their node was lost may have changed without anybody's hearing of it */
const RECENT_MS = 30_000;
/** between attempts to find them, and how many there are: the database may be away just then */
const AGAIN_MS = 2_000;
const ATTEMPTS = 10;
const ROAMING_MS = 10_000;
/** of one frame, refs likewise */
const TOPICS = 500;
/** when a node that hears the others again tells them what it has written meanwhile: the bus may lose it once */
const RETURNED_MS = [1_000, 6_000];

function* pages<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += TOPICS) yield items.slice(i, i + TOPICS);
}

const refOf = (topic: string): ActorRef => topic.slice(0, topic.indexOf('/'));

export interface InterestsDeps {
  readonly kernel: Kernel;
  readonly placement: Placement;
  readonly bus: Bus;
  /** Actors of the slots with a commit in the last `ms`. */
  recent(slots: readonly number[], ms: number): AsyncIterable<{ readonly ref: ActorRef }>;
  /** Brings the actor into memory as it is in the journal now. */
  freshen(ref: ActorRef): Promise<unknown>;
}

export class Interests implements Pick<Followers, 'of' | 'changed'> {
  readonly #d: InterestsDeps;
  /** of actors served here: topic -> node -> mono ms until which it is believed */
  readonly #others = new Map<ActorRef, Map<string, Map<string, number>>>();
  /** slots of actors that are followed here */
  readonly #slots = new Map<ActorRef, number>();
  readonly #recent = new Map<ActorRef, number>();
  /** written here while the owner could not be reached */
  readonly #written = new Set<ActorRef>();
  #returns = 0;
  /** the node has been roaming a moment ago: commits may still be under way */
  #returning = false;
  /** slots have come a moment ago: mono ms until which subscribers elsewhere may not be known; 0 when they are */
  #unsureUntil = 0;
  readonly #moved = new Set<number>();
  readonly #changed = new Set<ActorRef>();
  #here: Followers | undefined;
  #timers: unknown[] = [];
  #telling = false;
  #running = false;

  constructor(d: InterestsDeps) {
    this.#d = d;
    d.placement.onTakeover((slots) => void this.#reannounce(slots, 1));
  }

  follow(followers: Followers): void {
    this.#here = followers;
  }

  start(): void {
    this.#running = true;
    this.#every(REFRESH_MS, () => this.#refresh());
    this.#every(ROAMING_MS, () => void this.#roam());
  }

  stop(): void {
    this.#running = false;
    for (const timer of this.#timers) this.#d.kernel.clock.clearTimer(timer as object);
  }

  #every(ms: number, work: () => void): void {
    const i = this.#timers.length;
    const arm = (): void => {
      this.#timers[i] = this.#d.kernel.clock.setTimer(ms, () => {
        if (!this.#running) return;
        arm();
        work();
      });
    };
    arm();
  }

  // ------------------------------------------------------------------------------------------------------ what the owner knows

  /** Topics of the actor that somebody follows, here or elsewhere. */
  of(ref: ActorRef): Iterable<string> {
    const here = this.#here?.of(ref) ?? [];
    const others = this.#others.get(ref);
    return others === undefined ? here : new Set([...here, ...others.keys()]);
  }

  /** Whether somebody follows a topic of the actor. */
  follows(ref: ActorRef): boolean {
    for (const _ of this.of(ref)) return true;
    return false;
  }

  changed(ref: ActorRef): void {
    this.#here?.changed(ref);
    if (this.#returning || this.#d.placement.roaming) this.#written.add(ref);
    if (this.#unsureUntil > 0) this.#recent.set(ref, this.#unsureUntil);
    if (!this.#others.has(ref)) return;
    this.#changed.add(ref);
    if (this.#telling) return;
    this.#telling = true;
    this.#d.kernel.clock.setTimer(CHANGED_MS, () => this.#tellChanged());
  }

  /** Nodes whose subscribers follow the actor hear that it has changed: they may have lost the right to. */
  #tellChanged(): void {
    this.#telling = false;
    const due = [...this.#changed].flatMap((ref) => [...this.#nodesOf(ref)].map((node) => ({ node, ref })));
    this.#changed.clear();
    for (const [node, told] of grouped(due, (x) => x.node))
      this.#d.bus.send(node, { f: 'changed', refs: told.map(({ ref }) => ref) }).catch(() => undefined);
  }

  /** Nodes that follow some topic of the actor. */
  #nodesOf(ref: ActorRef): Set<string> {
    return new Set([...(this.#others.get(ref)?.values() ?? [])].flatMap((nodes) => [...nodes.keys()]));
  }

  /** What `changed` of another node tells. */
  told(refs: readonly ActorRef[]): void {
    for (const ref of refs) this.#here?.changed(ref);
  }

  /** Subscribers of a node follow these topics. @param read they have just been told where the topics stand */
  heard(node: string, topics: readonly string[], read: boolean): void {
    const until = this.#d.kernel.clock.mono() + BELIEVED_MS;
    const missed: string[] = [];
    for (const topic of topics) {
      const ref = refOf(topic);
      let byTopic = this.#others.get(ref);
      if (byTopic === undefined) this.#others.set(ref, (byTopic = new Map()));
      let nodes = byTopic.get(topic);
      if (nodes === undefined) byTopic.set(topic, (nodes = new Map()));
      if (!read && !nodes.has(node) && this.#mayHaveChanged(ref)) missed.push(topic);
      nodes.set(node, until);
    }
    if (missed.length === 0) return;
    this.#announce(missed);
    this.#d.bus.send(node, { f: 'changed', refs: [...new Set(missed.map(refOf))] }).catch(() => undefined);
  }

  /** Slots have come here. Who follows their actors will be heard of, perhaps later than what they commit next. */
  acquired(): void {
    this.#unsureUntil = this.#d.kernel.clock.mono() + RECENT_MS;
  }

  /** Others have written these actors, as they or the journal tell: it is ahead of what is known here, perhaps. */
  async written(refs: readonly ActorRef[]): Promise<void> {
    await Promise.allSettled(refs.map((ref) => this.#d.freshen(ref)));
    this.#announce(refs.flatMap((ref) => [...this.of(ref)]));
  }

  #mayHaveChanged(ref: ActorRef): boolean {
    return this.#recent.has(ref) || this.#d.kernel.active(ref)?.committed !== undefined;
  }

  #announce(topics: readonly string[]): void {
    for (const page of pages(topics)) this.#here?.announce(page);
  }

  /** Slots of a crashed node have come: what it committed last may not have been published. */
  async #reannounce(slots: readonly number[], attempt: number): Promise<void> {
    const { kernel } = this.#d;
    const until = kernel.clock.mono() + RECENT_MS;
    const topics: string[] = [];
    try {
      for await (const { ref } of this.#d.recent(slots, RECENT_MS + AGAIN_MS * (attempt - 1))) {
        this.#recent.set(ref, until);
        topics.push(...this.of(ref));
      }
    } catch (error) {
      kernel.log.warn({ err: error, attempt }, 'publications of a crashed node could not be made good');
      if (attempt < ATTEMPTS) kernel.clock.setTimer(AGAIN_MS, () => void (this.#running && this.#reannounce(slots, attempt + 1)));
    }
    this.#announce(topics);
  }

  // ------------------------------------------------------------------------------------------------------- what this node tells

  /** The node hears the others again. Owners of what it has written meanwhile are to look into the journal. */
  returned(): void {
    this.#returning = true;
    this.#returns += 1;
    const turn = this.#returns;
    for (const ms of RETURNED_MS)
      this.#d.kernel.clock.setTimer(ms, () => this.#tellWritten(turn === this.#returns && ms === RETURNED_MS.at(-1)));
  }

  /** @param last nothing that was written while roaming can still be under way */
  #tellWritten(last: boolean): void {
    const { placement, bus } = this.#d;
    if (placement.roaming) return;
    const byNode = grouped(this.#written, (ref) => placement.owner(this.#slotOf(ref))?.node ?? placement.me);
    for (const [node, refs] of byNode) {
      for (const page of pages(refs)) {
        if (node === placement.me) void this.written(page);
        else bus.send(node, { f: 'written', refs: page }).catch(() => undefined);
      }
    }
    if (!last) return;
    this.#written.clear();
    this.#returning = false;
  }

  /** The topic is followed here from now on, and nobody has asked for it. */
  began(topic: string): void {
    const { placement, bus } = this.#d;
    const owner = placement.owner(this.#slotOf(refOf(topic)))?.node;
    if (owner !== undefined && owner !== placement.me) bus.send(owner, { f: 'follow', topics: [topic] }).catch(() => undefined);
  }

  /** Other nodes own these slots now. */
  moved(slots: Iterable<number>): void {
    const idle = this.#moved.size === 0;
    for (const slot of slots) this.#moved.add(slot);
    if (idle && this.#moved.size > 0) this.#d.kernel.clock.setTimer(MOVED_MS, () => this.#tellMoved());
  }

  #tellMoved(): void {
    const slots = new Set(this.#moved);
    this.#moved.clear();
    this.#tell((slot) => slots.has(slot));
  }

  #slotOf(ref: ActorRef): number {
    let slot = this.#slots.get(ref);
    if (slot === undefined) this.#slots.set(ref, (slot = slotOf(actorIdOf(ref))));
    return slot;
  }

  #tell(concerns: (slot: number) => boolean): void {
    const { placement, bus } = this.#d;
    const byOwner = grouped(this.#here?.topics() ?? [], (topic) => {
      const slot = this.#slotOf(refOf(topic));
      return concerns(slot) ? placement.owner(slot)?.node : undefined;
    });
    for (const [node, topics] of byOwner) {
      if (node === undefined || node === placement.me) continue;
      for (const page of pages(topics)) bus.send(node, { f: 'follow', topics: page }).catch(() => undefined);
    }
  }

  #refresh(): void {
    const now = this.#d.kernel.clock.mono();
    for (const [ref, byTopic] of this.#others) {
      for (const [topic, nodes] of byTopic) {
        for (const [node, until] of nodes) if (until < now) nodes.delete(node);
        if (nodes.size === 0) byTopic.delete(topic);
      }
      if (byTopic.size === 0) this.#others.delete(ref);
    }
    for (const [ref, until] of this.#recent) if (until < now) this.#recent.delete(ref);
    if (this.#unsureUntil < now) this.#unsureUntil = 0;
    this.#slots.clear();
    this.#tell(() => true);
  }

  /** While nodes cannot hear each other, what subscribers here follow is compared with the journal. */
  async #roam(): Promise<void> {
    const topics = this.#d.placement.roaming ? [...(this.#here?.topics() ?? [])] : [];
    for (const page of pages(topics)) {
      await Promise.allSettled([...new Set(page.map(refOf))].map((ref) => this.#d.freshen(ref)));
      this.#announce(page);
    }
  }
}
