/**
 * Which slots this node serves, and how it knows (kernel specification 10.4, 10.7). A lease is believed for 4 of its 6 seconds, counted from before
 * the renewal was sent, and looked at before every turn: a process that was paused notices before it runs anything. A node whose lease has run out
 * and cannot be renewed roams: it runs what reaches it, reads every actor anew, and leaves the rest to the fence of the journal.
 */
import type { Activation } from './activation.ts';
import { Arrivals } from './arrivals.ts';
import type { ClusterOptions } from './cluster-options.ts';
import { DatabaseWatch } from './database-watch.ts';
import { refuse } from './envelope.ts';
import { refusal } from './errors.ts';
import { fenceOff } from './fence-off.ts';
import { grouped } from './grouped.ts';
import type { Handed, HandedActor } from './bus/bus.ts';
import { Handover } from './handover.ts';
import type { Kernel } from './kernel.ts';
import { Moves } from './moves.ts';
import type { Residents } from './residents.ts';
import { Members } from './shard/members.ts';
import type { Grant, NodeInfo, Owner, SlotTable } from './shard/leases.ts';
import { GIVEN_MS, Slots } from './slots.ts';
import { Strangers } from './strangers.ts';
import { Suspicion } from './suspicion.ts';
import type { WarmEntry } from './warm.ts';
import { pause, within } from './within.ts';

const TICK_MS = 1_000;
/** how long a lease is believed, ms after its renewal was sent */
const BELIEVED_MS = 4_000;
const ANSWER_MS = 1_000;
const TABLE_MS = 5_000;
/** between two attempts to give the slots away: leases that are out of reach may say so at once */
const AGAIN_MS = 50;

export class Placement {
  readonly me: string;
  readonly moves: Moves;
  readonly #k: Kernel;
  readonly #o: ClusterOptions;
  readonly #residents: Residents;
  readonly #handover: Handover;
  readonly #arrivals: Arrivals;
  #database: DatabaseWatch;
  readonly #started: number;
  readonly #slots: Slots;
  readonly #suspicion: Suspicion;
  readonly #strangers: Strangers;
  readonly #waiting = new Set<Activation>();
  readonly #onTakeover = new Set<(slots: number[]) => void>();
  #believedUntil = Number.NEGATIVE_INFINITY;
  /** the leases have not answered since they last did */
  #unheard = false;
  #roaming = false;
  readonly #members: Members;
  /** when the leases have told who lives, by the clock of the database */
  #heardAt = 0;
  #version = -1;
  #tableAt = Number.NEGATIVE_INFINITY;
  #busy: Promise<void> | undefined;
  /** somebody has said that the table has changed, after it may have been read */
  #again = false;
  #handle: unknown;
  #state: 'new' | 'running' | 'leaving' | 'stopped' = 'new';

  constructor(kernel: Kernel, residents: Residents, o: ClusterOptions) {
    this.#k = kernel;
    this.#o = o;
    this.#residents = residents;
    this.me = kernel.node;
    this.#started = kernel.clock.wall();
    this.#members = new Members(kernel);
    this.#slots = new Slots(this.me);
    this.#suspicion = new Suspicion(kernel.clock, o.bus);
    this.#handover = new Handover(kernel, residents, o);
    this.moves = new Moves({
      kernel,
      residents,
      slots: this.#slots,
      members: this.#members,
      handover: this.#handover,
      build: o.build,
      cut: () => !this.#database.answers,
      lose: (slots, reason) => this.#lose(slots, reason),
      refresh: () => this.refresh(),
    });
    this.#arrivals = new Arrivals(kernel, () => residents.room);
    this.#database = new DatabaseWatch(kernel);
    const slots = () => this.slots.map((slot) => [slot, this.#slots.gained(slot)] as const);
    this.#strangers = new Strangers({ kernel, residents, slots });
  }

  // ----------------------------------------------------------------------------------------------------------- questions

  get roaming(): boolean {
    return this.#roaming;
  }

  /** Whether events for the slot are taken in here. */
  serves(slot: number): boolean {
    return this.#roaming || this.#slots.state(slot) === 'mine';
  }

  /** Whether this node may decide for the slot at once: it owns it beyond doubt and keeps it. */
  steady(slot: number): boolean {
    return this.#slots.state(slot) === 'mine' && this.#k.clock.mono() < this.#believedUntil;
  }

  /** Whether timers, messages and effects of the slot are this node's work. */
  works(slot: number): boolean {
    return this.#roaming || this.#slots.state(slot) !== 'none';
  }

  /** The slots that this node owns. */
  get slots(): number[] {
    return this.#slots.mine;
  }

  /** Where the slot is served or about to be, as far as this node knows. */
  owner(slot: number): Owner | undefined {
    return this.#slots.owner(slot, this.#k.clock.mono());
  }

  /** Since when, by the clock of the database, nodes without a lease may have written without this one's knowing; infinite when there are none. */
  get strangersSince(): number {
    return this.#strangers.since;
  }

  get members(): Pick<Members, 'list' | 'gone'> {
    return this.#members;
  }

  /** ms for which the lease is still believed */
  get leaseLeft(): number {
    return Math.max(0, this.#believedUntil - this.#k.clock.mono());
  }

  /** Mono ms before which nothing that was kept in memory of the slot's actors may be used. */
  trustedSince(slot: number): number {
    return this.#roaming ? Number.POSITIVE_INFINITY : this.#slots.since(slot);
  }

  /** Whether the slot is about to be served here: it is being given to this node, or taken. */
  expects(slot: number): boolean {
    return this.#slots.state(slot) === 'none' && (this.#slots.taking.has(slot) || this.owner(slot)?.node === this.me);
  }

  /** Whether an actor may run now. If not, its events are answered `MOVED`, or run when it is known whose they are. */
  mayRun(a: Activation): boolean {
    const { slot } = a.at;
    if (this.#roaming) return true;
    if (this.#slots.state(slot) === 'none') for (const e of a.drain()) refuse(e, refusal('MOVED'));
    else if (this.#k.clock.mono() < this.#believedUntil) return true;
    else {
      this.#waiting.add(a);
      void this.#look();
    }
    return false;
  }

  // ------------------------------------------------------------------------------------------------------------ life cycle

  async start(): Promise<void> {
    this.#database = new DatabaseWatch(this.#k);
    this.#state = 'running';
    await this.#look();
    this.#plan();
  }

  #plan(): void {
    if (this.#state === 'stopped') return;
    this.#handle = this.#k.clock.setTimer(TICK_MS, () => {
      this.#plan();
      this.#database.ask();
      if (this.leaseLeft > 0) this.#watch();
      void this.#look();
    });
  }

  /** Looks after the other nodes. */
  #watch(): void {
    if (this.#o.eager !== false) this.#suspicion.watch(this.#members.list, this.me, (node) => void this.confirm(node, true));
    this.#strangers
      .watch(() => this.#members.ids)
      .catch((error: unknown) => {
        this.#k.log.warn({ err: error }, 'it is not known what nodes without a lease have written; it will be asked again');
      });
  }

  /** Gives every slot to the nodes that stay, and leaves. Others may take what is left after `ms`. */
  async leave(ms: number): Promise<void> {
    if (this.#state !== 'running' && this.#state !== 'leaving') return;
    this.#state = 'leaving';
    const until = this.#k.clock.mono() + ms;
    await this.#look();
    while (this.slots.length > 0 && this.#members.target.length > 0 && this.#k.clock.mono() < until) {
      await this.moves.empty();
      if (this.slots.length > 0) await Promise.all([this.#look(), pause(this.#k.clock, AGAIN_MS)]);
    }
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#k.clock.clearTimer(this.#handle as object);
    await this.#within(this.#o.leases.leave(this.me)).catch(() => undefined);
    this.#o.bus.broadcast({ f: 'table' }).catch(() => undefined);
  }

  // -------------------------------------------------------------------------------------------------------------- renewal

  /** Renews, looks at the table, takes what is free and gives away what belongs elsewhere; one at a time. */
  #look(): Promise<void> {
    this.#busy ??= this.#round()
      .catch((error: unknown) => this.#unreachable(error))
      .finally(() => {
        this.#busy = undefined;
        if (this.#again) this.refresh();
        // The process was paused while it waited for the answer: what it has learnt is old.
        if (this.#state !== 'stopped' && this.leaseLeft === 0 && this.#waiting.size > 0) void this.#look();
      });
    return this.#busy;
  }

  /** Somebody has said that slots have changed hands. */
  refresh(): void {
    this.#again = this.#busy !== undefined;
    this.#tableAt = Number.NEGATIVE_INFINITY;
    void this.#look();
  }

  async #round(): Promise<void> {
    if (this.#state === 'stopped' || this.#state === 'new') return;
    const { leases } = this.#o;
    const lapsed = this.leaseLeft === 0;
    const sent = this.#k.clock.mono();
    const renewed = await this.#within(leases.renew(this.#info()));
    this.#meet(renewed.nodes);
    this.#heardAt = this.#k.skew.now;
    const stale = lapsed || renewed.version !== this.#version || sent - this.#tableAt > TABLE_MS;
    const table = stale ? await this.#within(leases.table()) : undefined;
    if (table !== undefined) this.#apply(table, sent);
    this.#believedUntil = sent + BELIEVED_MS;
    this.#unheard = false;
    if (lapsed) this.#regained();
    await this.#claim();
    if (this.#state === 'running') this.moves.rebalance();
  }

  #info(): NodeInfo {
    return {
      id: this.me,
      started: this.#started,
      build: this.#o.build,
      versions: Object.fromEntries([...this.#k.kinds.values()].map(({ def }) => [def.kind, def.version])),
      weight: this.#state === 'running' && !this.#database.givesWay(this.#members.list) ? (this.#o.weight ?? 1) : 0,
      database: this.#database.answers,
      clock: this.#k.skew.fit,
      address: this.#o.address ?? '',
    };
  }

  #within<T>(question: Promise<T>): Promise<T> {
    return within(this.#k.clock, ANSWER_MS, question);
  }

  /** Learns who lives, and where every slot should be. */
  #meet(nodes: readonly NodeInfo[]): void {
    const heard = nodes.filter((n) => !this.#suspicion.shuns(n.id));
    const before = this.#members.ids;
    if (!this.#members.meet(heard)) return;
    const lives = this.#members.ids;
    for (const id of before) {
      if (lives.has(id)) continue;
      this.#k.router?.lost(id);
      this.#strangers.missed(id, this.#heardAt);
    }
    if (!this.#members.list.some((n) => n.build > this.#o.build)) return;
    // Somebody may be able now to run what this build cannot.
    const ahead = [...this.#residents.hot.values()].filter((a) => a.closed?.code === 'VERSION_AHEAD');
    for (const a of ahead) this.#residents.leave(a);
  }

  #unreachable(error: unknown): void {
    this.#suspicion.outage();
    if (!this.#unheard) this.#k.log.warn({ err: error }, 'the leases could not be renewed');
    this.#unheard = true;
    if (this.leaseLeft > 0 || this.#roaming || this.#state === 'stopped') return;
    this.#roaming = true;
    this.#k.log.warn({ alert: 'warning' }, 'roaming: the store of leases is out of reach');
    this.#distrust();
    this.#release();
  }

  /** The lease is believed again: others may have written meanwhile, or have got the slots. */
  #regained(): void {
    if (this.#roaming) {
      this.#k.log.info({}, 'the lease is held again');
      this.#k.interests?.returned();
    }
    this.#roaming = false;
    this.#distrust();
    this.#k.outbox.release((slot) => this.works(slot));
    this.#release();
  }

  #distrust(): void {
    this.#slots.distrust(this.#k.clock.mono());
    const hot = [...this.#residents.hot.values()];
    for (const a of hot) this.#residents.replace(a);
  }

  /** Gives a turn to those who wait to hear whether they may run. */
  #release(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const a of waiting) this.#k.schedule(a);
  }

  // ---------------------------------------------------------------------------------------------------------------- slots

  #apply(table: SlotTable, sent: number): void {
    this.#version = table.version;
    this.#tableAt = sent;
    const { got, lost, elsewhere, announced } = this.#slots.apply(table, sent, (slot) => this.#handover.moving(slot));
    this.#lose(lost, 'lost');
    this.#k.interests?.moved(elsewhere);
    if (announced) this.#k.clock.setTimer(GIVEN_MS, () => this.refresh());
    this.#acquire(got, 'given');
    // Of nodes that are gone, so the answer to this one's claim was lost.
    const { ids: lives } = this.#members;
    this.#tookOver(got.flatMap(({ slot, from }) => (from === undefined || from === this.me || lives.has(from) ? [] : [slot])));
    this.#k.router?.moved(elsewhere);
  }

  /** Takes the slots that nobody serves and that should be here. */
  async #claim(): Promise<void> {
    const { target, ids: lives } = this.#members;
    const wanted = this.#slots.claimable({ target, lives, now: this.#k.clock.mono() });
    const suspects = grouped(wanted, (slot) => this.#suspicion.doubts(this.#slots.known(slot)?.node));
    for (const [suspect, slots] of suspects) await this.#take(slots, suspect);
  }

  async #take(wanted: readonly number[], suspect?: string): Promise<void> {
    for (const slot of wanted) this.#slots.taking.add(slot);
    try {
      const grants = await this.#within(this.#o.leases.claim(wanted, this.me, suspect));
      await this.#got(grants, suspect);
    } finally {
      for (const slot of wanted) this.#slots.taking.delete(slot);
      this.#tableAt = Number.NEGATIVE_INFINITY;
      this.#k.router?.unpark(wanted);
    }
  }

  async #got(grants: readonly Grant[], suspect: string | undefined): Promise<void> {
    const crashed = grants.filter(({ slot }) => {
      const before = this.#slots.known(slot);
      return this.#slots.state(slot) === 'none' && before !== undefined && before.node !== this.me;
    });
    await fenceOff(this.#k, new Set(crashed.flatMap(({ slot }) => this.#slots.known(slot)?.node ?? [])));
    // Meanwhile the table may have told of later owners.
    this.#acquire(
      grants.filter(({ slot, epoch }) => (this.#slots.known(slot)?.epoch ?? 0) <= epoch),
      'claimed',
    );
    if (grants.length > 0) this.#o.bus.broadcast({ f: 'table' }).catch(() => undefined);
    this.#tookOver(
      crashed.map(({ slot }) => slot),
      suspect,
    );
  }

  #tookOver(slots: number[], suspect?: string): void {
    if (slots.length === 0) return;
    this.#k.log.warn({ slots: slots.length, suspect }, 'slots of a lost node taken');
    for (const fn of this.#onTakeover) fn(slots);
  }

  onTakeover(fn: (slots: number[]) => void): () => void {
    this.#onTakeover.add(fn);
    return () => this.#onTakeover.delete(fn);
  }

  /** @param warm what came with the slots */
  #acquire(grants: readonly Grant[], reason: string, warm: readonly WarmEntry[] = []): void {
    const fresh = this.#slots.gain(grants, this.#k.clock.mono());
    for (const _ of fresh) this.#k.metrics.slotsMoved.add(reason);
    if (fresh.size === 0) return;
    this.#k.interests?.acquired();
    for (const slot of fresh) this.#arrivals.drop(slot);
    for (const entry of warm) this.#k.metrics.handedActors.add(this.#residents.adopt(entry) ? 'warm' : 'dropped');
    const hot = [...this.#residents.hot.values()];
    for (const a of hot) if (fresh.has(a.at.slot)) this.#residents.replace(a);
    const slots = [...fresh];
    this.#k.outbox.acquire(slots);
    this.#k.timers.acquire(slots);
    this.#k.projector.acquire(slots);
    this.#k.router?.moved(slots);
  }

  /** A node has given slots to this one. The store has told it so: what the table will say is known already. */
  given(from: string, handed: readonly Handed[]): void {
    if (this.#state === 'stopped' || this.leaseLeft === 0) return;
    const news = this.#slots.news(handed);
    this.#acquire(news, 'given', this.#arrivals.take(from, news));
  }

  /** A node that is about to give slots to this one has sent actors of theirs. */
  arrived(from: string, format: number, actors: readonly HandedActor[]): void {
    this.#arrivals.put(from, format, actors, (slot) => this.expects(slot));
  }

  #lose(slots: readonly number[], reason: string): void {
    if (slots.length === 0) return;
    for (const slot of slots) {
      this.#slots.lose(slot);
      this.#k.metrics.slotsMoved.add(reason);
    }
    this.#k.outbox.release((slot) => this.works(slot));
    for (const a of this.#residents.hot.values()) if (a.mailboxLength > 0 && this.#slots.state(a.at.slot) === 'none') this.#k.schedule(a);
  }

  /** A node has told where a slot is, or will be in a moment. @param epoch of the ownership that it knows of */
  hear(slot: number, node: string, epoch?: number): void {
    this.#slots.hear(slot, node, this.#k.clock.mono(), epoch);
  }

  /** An actor was read: timers that another node has armed since this one has read those of the slot. */
  loaded(a: Activation): void {
    for (const [id, timer] of Object.entries(a.committed?.state.timers ?? {})) this.#k.timers.add(a.at, id, timer);
  }

  // ------------------------------------------------------------------------------------------------------------ suspicion

  /** Nobody has received what was sent to the node. */
  suspect(node: string): void {
    if (this.#o.eager === false || this.#roaming || node === this.me) return;
    this.#suspicion.raise(node, () => void this.confirm(node, true));
  }

  /** Takes this node's part of the slots of a node that cannot be reached. @param tell whether the others shall do so too */
  async confirm(node: string, tell: boolean): Promise<void> {
    try {
      if (this.#state !== 'running' || this.leaseLeft === 0 || !(await this.#suspicion.confirm(node))) return;
      if (tell) this.#o.bus.broadcast({ f: 'suspect', node }).catch(() => undefined);
      this.#meet(this.#members.list);
      await this.#claim();
    } catch (error) {
      this.#k.log.warn({ err: error, suspect: node }, 'the slots of a lost node could not be taken');
    }
  }
}
