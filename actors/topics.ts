/**
 * What subscribers see of actors: published views with their numbers, rings of recent publications, items of logs (kernel specification 8.6).
 *
 * A slice never shows a view that was not published: deltas lead from one published view to the next, so a client that started from anything in
 * between would be wrong for good.
 */
import { affordances, visibleTo } from './access.ts';
import type { Activation } from './activation.ts';
import type { LogTopic, StateTopic, Topic } from './define.ts';
import { KernelProblem, refusal } from './errors.ts';
import { grouped } from './grouped.ts';
import type { Kernel } from './kernel.ts';
import { diff } from '../calc/merge-patch.ts';
import type { Live, Runtime } from './runtime.ts';
import type { Step } from './step.ts';
import { Ring, Rings } from './ring.ts';
import type { Cursor, Followers, Publication, TopicSlice } from './system.ts';
import { epochOf, parseTopic, viewKey } from './topic-name.ts';
import type { TopicName } from './topic-name.ts';
import type { Json, Principal } from './types.ts';

const HOT_ITEMS = 256;
const PAGE = 500;
const PAGE_BYTES = 262_144;
const LATEST = 20;
const LATEST_MAX = 100;
const CONFLATE_MS = 100;
const MAX_BYTES = 32_768;
/** a longer delta is sent as a full view */
const DELTA_BYTES = 16_384;
/** a delta longer than this share of the full text is not worth it */
const FULL_SHARE = 0.7;

type View = { readonly [key: string]: Json };

interface HotState {
  readonly kind: 'state';
  readonly topic: StateTopic;
  readonly name: string;
  readonly key: string;
  readonly query: unknown;
  readonly e: string;
  s: number;
  view: View;
  bytes: number;
  readonly ring: Ring;
  /** the state that the view was last compared with */
  seen: Live;
  publishedAt: number;
  pending: { timer: unknown } | undefined;
  /** a reply has named this view: it is published even if the change was undone meanwhile */
  promised: boolean;
}

interface HotLog {
  readonly kind: 'log';
  readonly topic: LogTopic;
  readonly name: string;
  readonly e: string;
  /** smallest number kept when it was last asked for; retention only raises it */
  floor: number | undefined;
  /** newest items, contiguous up to the head */
  items: { n: number; item: Json }[];
  usedAt: number;
}

type Hot = HotState | HotLog;

export class Topics {
  readonly #k: Kernel;
  readonly #listeners = new Set<(p: Publication) => void>();
  readonly #hot = new Map<Activation, Map<string, Hot>>();
  #dataId = '';
  readonly #rings: Rings;
  #followers: Pick<Followers, 'of' | 'changed'> | undefined;

  constructor(kernel: Kernel) {
    this.#k = kernel;
    this.#rings = new Rings(() => kernel.limits.ringBytes);
  }

  /** bytes of the recent publications of all topics */
  get ringBytes(): number {
    return this.#rings.bytes;
  }

  /** names the history of the database that this node has read */
  get dataId(): string {
    return this.#dataId;
  }

  async start(): Promise<void> {
    this.#dataId = await this.#k.store.dataId();
  }

  onPublish(fn: (p: Publication) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  follow(followers: Pick<Followers, 'of' | 'changed'>): void {
    this.#followers = followers;
  }

  #emit(p: Publication): void {
    this.#k.metrics.publications.add(p.k === 'x' ? 'signal' : p.k === 'i' ? 'log' : 'state');
    for (const fn of this.#listeners) {
      try {
        fn(p);
      } catch (error) {
        this.#k.log.error({ err: error, topic: p.t }, 'a subscriber to publications failed');
      }
    }
  }

  // --------------------------------------------------------------------------------------------------------------- reading

  /** The declaration behind a name and its parsed query. @throws KernelProblem UNKNOWN_TOPIC, VALIDATION */
  declared(name: TopicName): { rt: Runtime; topic: Topic; query: unknown } {
    const rt = this.#k.kinds.get(name.kind);
    const topic = rt?.def.topics?.find((t) => t.view === name.view);
    if (rt === undefined || topic === undefined)
      throw new KernelProblem(refusal('UNKNOWN_TOPIC', `${name.kind} has no topic ${name.view}`));
    const schema = topic.kind === 'state' ? topic.query : undefined;
    const keys = Object.keys(name.query);
    if (schema === undefined) {
      if (keys.length > 0) throw badQuery([{ path: keys[0] ?? '', message: 'not declared for this topic' }]);
      return { rt, topic, query: {} };
    }
    const parsed = schema.safeParse(name.query);
    if (!parsed.success) throw badQuery(parsed.error.issues.map((i) => ({ path: i.path.join('.'), message: i.message })));
    for (const key of keys) {
      if (!Object.hasOwn(parsed.data as object, key)) throw badQuery([{ path: key, message: 'not declared for this topic' }]);
    }
    return { rt, topic, query: parsed.data };
  }

  /** @throws KernelProblem UNAUTHENTICATED, NOT_FOUND, FORBIDDEN */
  authorize(a: Activation, topic: Topic, p: Principal): void {
    const live = a.committed;
    if (topic.public !== true && p.kind === 'anonymous') throw new KernelProblem(refusal('UNAUTHENTICATED'));
    if (live === undefined || (topic.public !== true && !visibleTo(a.rt, a.at, live, p))) throw new KernelProblem(refusal('NOT_FOUND'));
    if (topic.public !== true && !topic.authorize(p, { id: a.at.id, snap: live.snap })) throw new KernelProblem(refusal('FORBIDDEN'));
  }

  /** Where a subscriber stands. The actor must be active. */
  async slice(a: Activation, name: TopicName, cursor: Cursor | undefined): Promise<TopicSlice> {
    const { topic, query } = this.declared(name);
    const t = `${a.at.ref}/${viewKey(name.view, name.query)}`;
    if (topic.kind === 'signal') return { t, kind: 'signal' };
    if (a.committed === undefined) throw new KernelProblem(refusal('NOT_FOUND'));
    if (topic.kind === 'log') return this.#sliceLog(a, topic, t, cursor);
    return this.#sliceState(this.#hotState(a, topic, name, t, query), cursor);
  }

  #sliceState(hot: HotState, cursor: Cursor | undefined): TopicSlice {
    const { name: t, e, s } = hot;
    if (cursor?.e === e && cursor.s === s) return { t, kind: 'state', e, s, m: 'same' };
    const d = cursor?.e === e && cursor.s !== undefined ? hot.ring.since(cursor.s, hot.bytes) : undefined;
    if (d !== undefined) return { t, kind: 'state', e, s, m: 'delta', d };
    return { t, kind: 'state', e, s, m: 'snap', d: hot.view };
  }

  async #sliceLog(a: Activation, topic: LogTopic, t: string, cursor: Cursor | undefined): Promise<TopicSlice> {
    const head = a.committed?.state.logs[topic.view] ?? 0;
    const hot = this.#hotLog(a, topic, t);
    const known = cursor?.e === hot.e && cursor.s !== undefined;
    const latest = Math.min(LATEST_MAX, Math.max(1, cursor?.n ?? LATEST));
    const after = known ? Math.min(cursor.s ?? 0, head) : Math.max(0, head - latest);
    const oldest = hot.items[0]?.n ?? head + 1;
    let items: readonly { n: number; item: Json }[] = hot.items;
    hot.floor ??= (await reachable(this.#k.store.topicFloor(a.actorId, topic.view))) ?? head + 1;
    if (oldest > after + 1 && after < head) {
      items = await reachable(this.#k.store.topicItems(a.actorId, topic.view, { after, limit: PAGE }));
      if (items[0]?.n !== after + 1) hot.floor = (await reachable(this.#k.store.topicFloor(a.actorId, topic.view))) ?? head + 1;
      if (a.committed !== undefined && items.at(-1)?.n === head && hot.items.length === 0) hot.items = items.slice(-HOT_ITEMS);
    }
    const wanted = items.filter((x) => x.n > after && x.n <= head).slice(0, PAGE);
    let bytes = 0;
    const page = wanted.filter((x, i) => (bytes += JSON.stringify(x.item).length) <= PAGE_BYTES || i === 0);
    const s = page.at(-1)?.n ?? head;
    return {
      t,
      kind: 'log',
      e: hot.e,
      s,
      m: 'items',
      d: page.map((x) => x.item),
      floor: hot.floor,
      more: s < head,
      ...(known && hot.floor > after + 1 ? { gap: { from: after + 1, to: hot.floor - 1 } } : {}),
    };
  }

  /** Whether the head of a topic is beyond `s`, or of another epoch. */
  moved(a: Activation, name: TopicName, e: string, s: number): boolean {
    const { topic, query } = this.declared(name);
    if (topic.kind === 'signal' || a.committed === undefined) return false;
    const t = `${a.at.ref}/${viewKey(name.view, name.query)}`;
    if (topic.kind === 'log') return this.#hotLog(a, topic, t).e !== e || (a.committed.state.logs[topic.view] ?? 0) > s;
    const hot = this.#hotState(a, topic, name, t, query);
    return hot.e !== e || hot.s > s;
  }

  #hotOf(a: Activation): Map<string, Hot> {
    let hot = this.#hot.get(a);
    if (hot === undefined) this.#hot.set(a, (hot = new Map()));
    return hot;
  }

  #hotState(a: Activation, topic: StateTopic, name: TopicName, t: string, query: unknown): HotState {
    const hot = this.#hotOf(a);
    const key = viewKey(name.view, name.query);
    const standing = hot.get(key);
    const live = a.committed;
    if (live === undefined) throw new KernelProblem(refusal('NOT_FOUND'));
    if (standing?.kind === 'state') {
      standing.ring.usedAt = this.#k.clock.mono();
      return standing;
    }
    const { view, bytes } = this.#bounded(topic, t, this.#project(a, topic, query, live));
    const e = this.#epoch(a, topic);
    const fresh: HotState = {
      kind: 'state',
      topic,
      name: t,
      key: `${topic.view}@${topic.version}${key.slice(topic.view.length)}`,
      query,
      e,
      s: live.seq,
      view,
      bytes,
      ring: new Ring(this.#rings, this.#k.clock.mono()),
      seen: live,
      publishedAt: Number.NEGATIVE_INFINITY,
      pending: undefined,
      promised: false,
    };
    // A head that came with the snapshot counts while no event followed it: the view then is the published one.
    const head = a.heads?.[fresh.key];
    if (head !== undefined) fresh.s = head;
    this.#makeRoom(a, hot);
    hot.set(key, fresh);
    return fresh;
  }

  /** Numbers of an actor with relaxed durability may be given a second time, after some were lost: nothing is compared across that. */
  #epoch(a: Activation, { view, version }: StateTopic): string {
    return epochOf(a.rt.relaxed ? String(this.#k.random()) : this.#dataId, a.kind, view, version);
  }

  #hotLog(a: Activation, topic: LogTopic, t: string): HotLog {
    const hot = this.#hotOf(a);
    const standing = hot.get(topic.view);
    if (standing?.kind === 'log') {
      standing.usedAt = this.#k.clock.mono();
      return standing;
    }
    const e = epochOf(this.#dataId, a.kind, topic.view, topic.version);
    const fresh: HotLog = { kind: 'log', topic, name: t, e, floor: undefined, items: [], usedAt: this.#k.clock.mono() };
    this.#makeRoom(a, hot);
    hot.set(topic.view, fresh);
    return fresh;
  }

  #makeRoom(a: Activation, hot: Map<string, Hot>): void {
    if (hot.size < a.rt.def.limits.hotTopics) return;
    const [oldest] = [...hot].sort(([, x], [, y]) => usedAt(x) - usedAt(y));
    if (oldest === undefined) return;
    if (oldest[1].kind === 'state') this.#cool(oldest[1]);
    hot.delete(oldest[0]);
  }

  #project(a: Activation, topic: StateTopic, query: unknown, live: Live): View {
    const view = topic.project(live.snap, query) as View;
    if (topic.can !== true) return view;
    return { ...view, can: affordances(a.rt, a.at, live, this.#k.clock.wall()) };
  }

  /** What is published for a view: a view that is too large is replaced, so that every client stands on the same thing. */
  #bounded(topic: StateTopic, name: string, view: View): { view: View; bytes: number } {
    const bytes = JSON.stringify(view).length;
    if (bytes <= (topic.maxBytes ?? MAX_BYTES)) return { view, bytes };
    this.#k.log.warn({ topic: name, bytes }, 'a view is larger than it may be');
    return { view: { truncated: true, href: `/v1/topics/${name}` }, bytes: 0 };
  }

  // ------------------------------------------------------------------------------------------------------------ publishing

  /** The actor is in memory: views that have subscribers are taken up where they were left, so that the next commit is compared with them. */
  activated(a: Activation): void {
    if (a.committed === undefined) return;
    if (this.#hot.has(a)) this.committed(a, []);
    else for (const topic of this.#followers?.of(a.at.ref) ?? []) this.#resume(a, topic);
  }

  #resume(a: Activation, followed: string): void {
    try {
      const name = parseTopic(followed);
      const { topic, query } = this.declared(name);
      if (topic.kind === 'state') this.#hotState(a, topic, name, followed, query);
      else if (topic.kind === 'log') this.#hotLog(a, topic, followed);
    } catch (error) {
      // the edge has topics of the actor that no journal backs
      if (error instanceof KernelProblem && error.code === 'UNKNOWN_TOPIC') return;
      this.#k.log.error({ topic: followed, err: error }, 'a view could not be projected');
    }
  }

  /** The activation is read anew from the journal. What was published stays published; nothing uncommitted ever was. */
  evicted(a: Activation): void {
    for (const hot of this.#hot.get(a)?.values() ?? []) {
      if (hot.kind === 'log') hot.items = [];
      else if (a.rt.relaxed) this.#cool(hot);
    }
    if (a.rt.relaxed) this.#hot.delete(a);
  }

  /** After a commit: items and signals go out, hot views are compared. Gives the hot views that changed, with their queries. */
  committed(a: Activation, steps: readonly Step[]): string[] {
    const changed: string[] = [];
    const live = a.committed;
    const now = this.#k.clock.wall();
    for (const s of steps) {
      if (s.items.length > 0) this.#publishItems(a, s, now, changed);
      for (const { view, item } of s.signals) this.#emit({ t: `${a.at.ref}/${view}`, k: 'x', d: item, at: now });
    }
    if (live === undefined) return changed;
    for (const [key, hot] of this.#hot.get(a) ?? []) {
      if (hot.kind === 'state' && this.#safely(a, hot, () => this.#changed(a, hot, live))) changed.push(key);
    }
    this.#tell(a);
    return changed;
  }

  #publishItems(a: Activation, s: Step, now: number, changed: string[]): void {
    this.#k.metrics.topicItems.by(s.items.length);
    for (const [view, items] of grouped(s.items, viewOf)) {
      const topic = a.rt.logs.get(view);
      const first = items[0]?.n ?? 1;
      if (topic === undefined) continue;
      const t = `${a.at.ref}/${view}`;
      const hot = this.#hot.get(a)?.get(view);
      if (hot?.kind === 'log') {
        hot.items = (hot.items.at(-1)?.n === first - 1 ? [...hot.items, ...items] : items).slice(-HOT_ITEMS);
        changed.push(view);
      }
      const e = epochOf(this.#dataId, a.kind, view, topic.version);
      this.#emit({ t, e, s: first + items.length - 1, p: first - 1, k: 'i', d: items.map((x) => x.item), at: now });
    }
  }

  /** Its followers may ask anew who may read it. */
  #tell(a: Activation): void {
    try {
      this.#followers?.changed(a.at.ref);
    } catch (error) {
      this.#k.log.error({ err: error, ref: a.at.ref }, 'a follower failed');
    }
  }

  /** A projection that throws is a fault of its kind: its view goes cold, and the commit that it follows goes on. */
  #safely<T>(a: Activation, hot: HotState, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.#k.log.error({ topic: hot.name, err: error }, 'a view could not be projected');
      this.#cool(hot);
      this.#hot.get(a)?.delete(hot.name.slice(a.at.ref.length + 1));
      return undefined;
    }
  }

  /** Whether the view will be published for this state. Input that is the same by reference cannot have changed it. */
  #changed(a: Activation, hot: HotState, live: Live): boolean {
    if (hot.pending !== undefined) {
      hot.promised = true;
      return true;
    }
    const { seen } = hot;
    hot.seen = live;
    const same = seen.state.context === live.state.context && seen.snap.value === live.snap.value;
    if (same || diff(hot.view, this.#project(a, hot.topic, hot.query, live)) === undefined) return false;
    const wait = hot.publishedAt + (hot.topic.conflateMs ?? CONFLATE_MS) - this.#k.clock.mono();
    if (wait <= 0) {
      this.#publish(a, hot);
      return true;
    }
    hot.promised = true;
    hot.pending = {
      timer: this.#k.clock.setTimer(wait, () => {
        hot.pending = undefined;
        if (this.#hot.get(a)?.get(hot.name.slice(a.at.ref.length + 1)) === hot) this.#safely(a, hot, () => this.#publish(a, hot));
      }),
    };
    return true;
  }

  #publish(a: Activation, hot: HotState): void {
    const live = a.committed;
    // While the actor is read anew there is no committed state at hand; activation compares again.
    if (live === undefined) return;
    hot.seen = live;
    const { view, bytes } = this.#bounded(hot.topic, hot.name, this.#project(a, hot.topic, hot.query, live));
    const d = (diff(hot.view, view) ?? (hot.promised ? {} : undefined)) as View | undefined;
    hot.promised = false;
    if (d === undefined || live.seq <= hot.s) return;
    const { name: t, e, s: p } = hot;
    const s = live.seq;
    const size = JSON.stringify(d).length;
    hot.view = view;
    hot.bytes = bytes;
    hot.s = s;
    hot.publishedAt = this.#k.clock.mono();
    a.published = true;
    hot.ring.push({ p, s, bytes: size, d });
    const full = size > bytes * FULL_SHARE || size > DELTA_BYTES;
    this.#emit(full ? { t, e, s, p, k: 'f', d: view, at: live.at } : { t, e, s, p, k: 'd', d, at: live.at });
  }

  #cool(hot: HotState): void {
    if (hot.pending !== undefined) this.#k.clock.clearTimer(hot.pending.timer as object);
    hot.pending = undefined;
    hot.ring.clear();
  }

  /** The topics that are hot, by the part of their names behind the actor. */
  hotNames(a: Activation): string[] {
    return [...(this.#hot.get(a)?.keys() ?? [])];
  }

  /** Topics that were hot when the actor became warm are so again, at the heads that it has kept. */
  resumed(a: Activation, names: readonly string[]): void {
    for (const key of names) this.#resume(a, `${a.at.ref}/${key}`);
  }

  /** The actor is no more: nothing is published, nothing is kept, and its followers may ask what has become of it. */
  erased(a: Activation): void {
    for (const hot of this.#hot.get(a)?.values() ?? []) if (hot.kind === 'state') this.#cool(hot);
    this.#hot.delete(a);
    this.#tell(a);
  }

  /** Publishes what is pending and forgets the actor. Gives the heads to keep beside its snapshot. */
  passivated(a: Activation): { [key: string]: number } {
    const heads: Record<string, number> = {};
    for (const hot of this.#hot.get(a)?.values() ?? []) {
      if (hot.kind !== 'state') continue;
      if (hot.pending !== undefined) {
        this.#k.clock.clearTimer(hot.pending.timer as object);
        hot.pending = undefined;
        this.#safely(a, hot, () => this.#publish(a, hot));
      }
      this.#cool(hot);
      heads[hot.key] = hot.s;
    }
    this.#hot.delete(a);
    return heads;
  }
}

/** @throws KernelProblem UNAVAILABLE when the store does not answer */
const reachable = <T>(question: Promise<T>): Promise<T> =>
  question.catch((error: unknown) => {
    throw new KernelProblem(refusal('UNAVAILABLE', undefined, undefined, 1_000), error);
  });

const viewOf = ({ view }: Step['items'][number]): string => view;

const usedAt = (hot: Hot): number => (hot.kind === 'state' ? hot.ring.usedAt : hot.usedAt);

const badQuery = (issues: { path: string; message: string }[]): KernelProblem =>
  new KernelProblem(refusal('VALIDATION', 'malformed query', { issues }));
