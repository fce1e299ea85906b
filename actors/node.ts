import type { Activation } from './activation.ts';
import { allowedTo, visibleTo } from './access.ts';
import { servingOf } from './cluster.ts';
import type { Front } from './cluster-view.ts';
import { frontOf, glanceAt } from './glance.ts';
import type { Glance } from './glance.ts';
import { createActs } from './acts.ts';
import type { Perform } from './acts.ts';
import { admit } from './admission.ts';
import { eventLoop } from './clock.ts';
import { registryOf } from './companion.ts';
import { refuse } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { eraseActor } from './erase.ts';
import type { EraseOptions, Erased } from './erase.ts';
import { KernelProblem, refusal } from './errors.ts';
import { actorIdOf, slotOf } from './ids.ts';
import { Intake } from './intake.ts';
import { Interests } from './interests.ts';
import { createInspect } from './inspect.ts';
import type { Inspect } from './inspect.ts';
import { Feed } from './feed.ts';
import type { Observer } from './feed.ts';
import { Fusion } from './fusion.ts';
import { Keeper } from './keeper.ts';
import type { Kernel } from './kernel.ts';
import { Lanes } from './lanes.ts';
import { defaultLimits } from './limits.ts';
import type { NodeLimits } from './limits.ts';
import { levelsOf } from './levels.ts';
import { Loader } from './loader.ts';
import { createMetrics } from './metrics.ts';
import type { Levels } from './metrics.ts';
import { createOperate } from './operate.ts';
import type { Operate } from './operate.ts';
import { Outbox } from './outbox.ts';
import { sampleReplay } from './replay.ts';
import { Placement } from './placement.ts';
import { Projector } from './projector.ts';
import { Overload, queueAge, readBy } from './overload.ts';
import { Reads } from './reads.ts';
import { recentActors } from './recent.ts';
import { Residents } from './residents.ts';
import { Retention } from './retention.ts';
import { readingOf } from './query.ts';
import { Router } from './routing.ts';
import { Pauses } from './pause.ts';
import { relaxedKinds, runtimeOf } from './runtime.ts';
import type { Live, Runtime } from './runtime.ts';
import { runtimeNamed } from './target.ts';
import { Scheduler } from './scheduler.ts';
import type { Spans } from './spans.ts';
import { Skew } from './skew.ts';
import { Standstill } from './standstill.ts';
import type { JournalStore } from './store/store.ts';
import { Timers } from './timers.ts';
import { TopicDesk } from './topic-desk.ts';
import { Topics } from './topics.ts';
import type { ActorRef, Clock, Json, Log, Principal, Refusal, Reply } from './types.ts';

import type {
  ActorSystem,
  ActorSystemOptions,
  AskOptions,
  CommandInput,
  Cursor,
  Followers,
  Following,
  Publication,
  ReadOptions,
  TopicSlice,
  Unsubscribe,
} from './system.ts';

const EXPIRE_MS = 250;
const ROOM_MS = 500;
/** one activation in so many has its latest events handled once more */
const REPLAY_SAMPLE = 10_000;

/** The kernel on one node: the parts put together, what is asked of them, start and stop. */
export class Node implements ActorSystem, Kernel {
  readonly node: string;
  readonly started: number;
  readonly store: JournalStore;
  readonly registry;
  readonly kinds: ReadonlyMap<string, Runtime>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly metrics;
  readonly topics: Topics;
  readonly outbox: Outbox;
  readonly timers: Timers;
  readonly feed: Feed;
  readonly spans: Spans | undefined;
  readonly skew: Skew;
  readonly projector: Projector;
  readonly fusion: Fusion | undefined;
  readonly pauses = new Pauses();
  readonly freeze: boolean;
  readonly onJob: (queue: string) => void;
  readonly inspect: Inspect;
  readonly operate: Operate;
  readonly act: Perform;
  /** where commands of operators go in */
  front: Front;
  readonly glance: Glance;
  readonly placement: Placement | undefined;
  readonly interests: Interests | undefined;
  readonly router: Router | undefined;
  readonly #o: ActorSystemOptions;
  readonly levels: Levels;
  readonly limits: NodeLimits;
  readonly lanes: Lanes;
  readonly intake: Intake;
  readonly #residents: Residents;
  readonly #overload: Overload;
  readonly #reads: Reads;
  readonly #desk: TopicDesk;
  readonly #scheduler: Scheduler;
  readonly #standstill: Standstill;
  readonly #loader: Loader;
  readonly #keeper: Keeper;
  #loads = 0;
  #state: 'new' | 'running' | 'draining' | 'stopped' = 'new';
  /** what a former process left to be sent is in the outbox */
  #takenUp = false;
  #expiry: unknown;

  constructor(o: ActorSystemOptions) {
    this.#o = o;
    this.node = o.node ?? 'solo';
    this.limits = { ...defaultLimits, ...o.limits };
    const deferral = o.deferral ?? eventLoop;
    this.store = o.store;
    this.registry = registryOf(o.kinds);
    this.kinds = new Map(o.kinds.map((def) => [def.kind, runtimeOf(def)]));
    this.clock = o.clock;
    this.started = o.clock.wall();
    this.feed = new Feed(o.clock);
    this.spans = o.spans;
    this.skew = new Skew(o.clock, o.log);
    this.random = o.random;
    this.log = o.log;
    this.freeze = o.freeze ?? false;
    this.onJob = o.onJob ?? (() => undefined);
    this.levels = levelsOf(this, () => ({
      residents: this.#residents,
      overload: this.#overload,
      loader: this.#loader,
      keeper: this.#keeper,
    }));
    this.metrics = createMetrics(o.metrics, this.levels);
    this.#residents = new Residents(this, this.limits, (evicted) => this.#keeper.evicted(evicted));
    this.#overload = new Overload({ limits: this.limits, random: o.random, metrics: this.metrics });
    this.#reads = new Reads(this, this.#overload);
    this.#desk = new TopicDesk(this, this.#reads, (ref) => this.#target(ref));
    this.topics = new Topics(this);
    this.outbox = new Outbox(this, o.effects);
    this.timers = new Timers(this);
    this.projector = new Projector(this, this.#residents, deferral);
    this.fusion = o.fuse === undefined ? undefined : new Fusion(this, o.fuse);
    const look = (): void => this.#standstill.look();
    this.lanes = new Lanes(this, { count: o.lanes ?? 1, look });
    this.intake = new Intake(this, this.#overload, () => this.#state === 'running');
    this.#scheduler = new Scheduler({ clock: o.clock, deferral, kick: () => this.lanes.kick(), look });
    this.#standstill = new Standstill({
      clock: o.clock,
      log: o.log,
      longest: this.limits.standstill,
      residents: this.#residents,
      lanes: this.lanes,
    });
    if (o.cluster !== undefined) {
      const { bus } = o.cluster;
      const placement = new Placement(this, this.#residents, o.cluster);
      const recent = (slots: readonly number[], ms: number) => this.recent(slots, ms);
      const freshen = (ref: ActorRef) => this.#desk.active(ref, 'linearizable');
      this.placement = placement;
      this.interests = new Interests({ kernel: this, placement, bus, recent, freshen });
      this.router = new Router(this, placement, bus, servingOf(this, this.interests));
    }
    const also = this.placement === undefined ? undefined : (ids: readonly string[]) => this.outbox.takeUpOf(ids);
    this.#loader = new Loader({
      store: o.store,
      relaxed: relaxedKinds(this.kinds),
      clock: o.clock,
      deferral,
      log: o.log,
      metrics: this.metrics,
      limits: this.limits,
      also,
    });
    const { retention: kept = { anchorDays: 90 } } = o;
    const retention = kept === 'off' ? undefined : new Retention(this, this.#residents, kept);
    this.#keeper = new Keeper(this, this.#residents, { deferral, retention, onReplaced: o.onReplaced ?? (() => undefined) });
    this.glance = glanceAt(this, this.#residents, this.levels);
    this.front = frontOf(this);
    this.inspect = createInspect(this, { overload: this.#overload, front: () => this.front });
    this.act = createActs({ k: this, residents: this.#residents, keeper: this.#keeper });
    this.operate = createOperate({ k: this, front: () => this.front, residents: this.#residents });
  }

  // ------------------------------------------------------------------------------------------------------- parts' view of it

  active(ref: ActorRef): Activation | undefined {
    return this.#residents.hot.get(ref);
  }

  steady(slot: number): boolean {
    return this.#state === 'running' && this.#takenUp && (this.placement === undefined || this.placement.steady(slot));
  }

  activation(ref: ActorRef, rt: Runtime): Activation {
    return this.#residents.enter(ref, rt);
  }

  grown(a: Activation): void {
    this.#residents.grown(a);
  }

  deliver(ref: ActorRef, rt: Runtime, e: Envelope): void {
    if (this.#state === 'stopped') return;
    if (!this.works(slotOf(actorIdOf(ref)))) return refuse(e, refusal('MOVED'));
    let a: Activation;
    try {
      a = this.activation(ref, rt);
    } catch (error) {
      if (!(error instanceof KernelProblem)) throw error;
      this.clock.setTimer(ROOM_MS, () => this.deliver(ref, rt, e));
      return;
    }
    a.deliver(e);
  }

  works(slot: number): boolean {
    return this.placement === undefined || this.placement.works(slot);
  }

  passivate(list: readonly Activation[], reason: string): Promise<void> {
    return this.#keeper.passivate(list, reason);
  }

  schedule(a: Activation): void {
    this.#scheduler.schedule(a);
  }

  stood(ms: number): boolean {
    return this.#scheduler.stood(ms);
  }

  load(a: Activation): void {
    this.#loader.load(a);
    this.#loads += 1;
    if (this.#loads % REPLAY_SAMPLE === 0) void sampleReplay(this, a.rt, a.at);
  }

  committed(a: Activation): void {
    this.#residents.grown(a);
    this.#keeper.committed(a);
  }

  // ------------------------------------------------------------------------------------------------------------- commands

  ask(ref: ActorRef, command: CommandInput, o: AskOptions): Promise<Reply> {
    const admitted = admit(this, ref, command, o);
    return 'code' in admitted ? Promise.resolve(this.intake.declined(ref, command.type, admitted)) : this.intake.accept(ref, admitted);
  }

  // ---------------------------------------------------------------------------------------------------------------- reads

  async read(ref: ActorRef, query: string, input: unknown, o: ReadOptions): Promise<{ seq: number; value: Json }> {
    const { rt, a } = this.#target(ref);
    const run = readingOf(rt, a.at, { query, input, from: o.from, now: () => this.clock.wall() });
    const { level, min } = o;
    const reply = await this.#reads.ask(a, { what: query, run, work: readBy(o.from), level, min });
    if (!reply.ok) throw new KernelProblem(reply.error);
    return { seq: reply.seq, value: reply.reply };
  }

  #target(ref: ActorRef): { rt: Runtime; a: Activation } {
    const rt = runtimeNamed(this.kinds, ref);
    this.#standstill.look();
    if (this.#state !== 'running') throw new KernelProblem(refusal('DRAINING', undefined, undefined, 1_000));
    return { rt, a: this.activation(ref, rt) };
  }

  async erase(ref: ActorRef, o: EraseOptions): Promise<Erased> {
    const { a } = this.#target(ref);
    const run = (live: Live | undefined): Reply => ({ ok: true, seq: live?.seq ?? 0, reply: null });
    const settle = (): Promise<Reply> => this.#reads.ask(a, { what: 'erase', work: 'admin', run });
    return eraseActor({ kernel: this, key: this.#o.erasureKey, settle }, a, o);
  }

  async allowed(ref: ActorRef, p: Principal): Promise<{ seq: number; commands: string[] }> {
    const { rt, a } = this.#target(ref);
    const run = (live: Live | undefined): Reply => {
      if (live === undefined || !visibleTo(rt, a.at, live, p)) return { ok: false, seq: 0, error: refusal('NOT_FOUND') };
      return { ok: true, seq: live.seq, reply: allowedTo(rt, a.at, live, p, this.clock.wall()) };
    };
    const reply = await this.#reads.ask(a, { what: 'allowed', run, work: readBy(p) });
    if (!reply.ok) throw new KernelProblem(reply.error);
    return { seq: reply.seq, commands: reply.reply as string[] };
  }

  // --------------------------------------------------------------------------------------------------------------- topics

  refused(topic: string, readers: readonly Principal[]): Promise<ReadonlyMap<Principal, Refusal>> {
    return this.#desk.refused(topic, readers);
  }

  slice(topic: string, cursor?: Cursor): Promise<TopicSlice> {
    return this.#desk.slice(topic, cursor);
  }

  behind(heads: readonly { t: string; e: string; s: number }[]): Promise<string[]> {
    return this.#desk.behind(heads);
  }

  onPublish(fn: (p: Publication) => void): Unsubscribe {
    return this.topics.onPublish(fn);
  }

  /** The sockets of a single node die with it: there is nobody to tell. */
  onTakeover(): Unsubscribe {
    return () => undefined;
  }

  async *recent(slots: readonly number[], ms: number): AsyncIterable<{ ref: ActorRef; seq: number }> {
    yield* recentActors(this.store, this.clock.wall() - ms, slots);
  }

  observe(observer: Observer | undefined): void {
    this.feed.observe(observer);
  }

  follow(followers: Followers): Following {
    this.interests?.follow(followers);
    this.topics.follow(this.interests ?? followers);
    return (topic) => this.interests?.began(topic);
  }

  // ------------------------------------------------------------------------------------------------------------ life cycle

  trouble(): string | undefined {
    if (this.#state !== 'running') return `the kernel is ${this.#state}`;
    const { failing } = this.lanes;
    return failing.length === 0 ? undefined : `commits fail on lane ${failing.join(', ')}`;
  }

  async start(): Promise<void> {
    if (this.#state !== 'new') throw new Error('the actor system was started before');
    await this.store.start();
    if (this.placement === undefined) {
      const ended = await this.store.fence();
      if (ended > 0) this.log.info({ connections: ended }, 'connections of a former process were ended');
    }
    await this.pauses.reload(() => this.store.admin.pauses());
    await this.#keeper.look();
    await this.topics.start();
    await this.lanes.open();
    this.#state = 'running';
    this.#keeper.start();
    this.#planExpiry();
    await this.outbox.start();
    this.#takenUp = true;
    await this.timers.start();
  }

  #planExpiry(): void {
    this.#expiry = this.clock.setTimer(EXPIRE_MS, () => {
      this.#standstill.look();
      const mono = this.clock.mono();
      const late = this.lanes.late(mono);
      const away = !late || this.lanes.all.some((c) => c.troubledSince !== undefined);
      for (const a of late ? this.#residents.hot.values() : this.#loader.pending()) a.expire({ mono, away });
      // Actors that are being read have a bound of their own.
      this.#overload.sample(queueAge(mono, this.#scheduler.ready, this.lanes.waiting), mono);
      this.#planExpiry();
    });
  }

  async handOver(): Promise<void> {
    // there is nobody to take them
  }

  async drain(ms: number): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'draining';
    const until = this.clock.mono() + ms;
    this.timers.stop();
    while (this.#overload.inflight > 0 && this.clock.mono() < until) {
      await new Promise<void>((resolve) => {
        this.clock.setTimer(5, resolve);
      });
    }
    this.outbox.stop();
    this.#keeper.stop();
    const rest = Math.max(100, until - this.clock.mono());
    let timer: unknown;
    const finish = (async () => {
      await this.lanes.idle();
      await this.#keeper.flush();
    })();
    await Promise.race([
      finish.catch((error: unknown) => this.log.warn({ err: error }, 'not everything could be written at the end')),
      new Promise<void>((resolve) => {
        timer = this.clock.setTimer(rest, resolve);
      }),
    ]);
    this.clock.clearTimer(timer as object);
    this.#state = 'stopped';
    this.clock.clearTimer(this.#expiry as object);
    await this.lanes.stop();
  }
}
