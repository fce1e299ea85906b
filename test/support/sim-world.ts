/** Simulated nodes over one database: they start, crash, drain and start again; whoever asks them may never hear an answer. */
import { Registry } from 'prom-client';
import { registryOf } from '../../actors/companion.ts';
import { actorIdOf, idemOf } from '../../actors/ids.ts';
import { REMEMBERED } from '../../actors/keys.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import type { MemoryStore } from '../../actors/store/mem.ts';
import { Cluster } from '../../actors/cluster.ts';
import { Node as Kernel } from '../../actors/node.ts';
import type { ActorSystem, CommandInput } from '../../actors/system.ts';
import type { ActorRef, Json, Log, Principal, Reply } from '../../actors/types.ts';
import { claimTables, holder, room } from './sim-claims.ts';
import './purity.ts';
import { withinBounds, withinStep } from './sim-bounds.ts';
import { gauge, visit } from './sim-ends.ts';
import { hold, holdEffects } from './sim-hold.ts';
import { account, list, pulse } from './sim-kinds.ts';
import { Chance, Faults, SimLoop, SimProcess } from './sim-loop.ts';
import { SimCluster } from './sim-cluster.ts';
import { simStore } from './sim-store.ts';
import { Disk } from './sim-disk.ts';
import type { Parked } from './sim-store.ts';
import { holds, sorted, Violation, Witness } from './sim-witness.ts';

export const kinds = [account, list, pulse, hold, room, holder, visit, gauge];

/** Errors that no fault of the simulation excuses. */
const BUGS = new Set([
  'committer failed',
  'a companion row was refused that the machine let pass',
  'activation failed',
  'actor quarantined',
  'a subscriber to publications failed',
]);

/** The list that explodes is told to so often by clients who hear no answer that it may be stopped. */
const meant = (fields: object): boolean => (fields as { ref?: string }).ref === 'list:solo';

export interface WorldOptions {
  readonly seed: number;
  /** only these faults happen; without it those that chance offers */
  readonly only?: ReadonlySet<string>;
  readonly trace?: (line: string) => void;
  /** which of the messages that could be fused are; default coin */
  readonly fuse?: Fuse;
  /** how many nodes share the actors; default 1, which is no cluster */
  readonly nodes?: number;
}

export type Fuse = 'never' | 'always' | 'coin';

interface Node {
  readonly number: number;
  readonly process: SimProcess;
  readonly system: ActorSystem;
  readonly kernel: Kernel;
  /** tells those who wait that the node is gone */
  readonly lost: Set<() => void>;
  ready: boolean;
}

/** Where a node runs; each has a clock of its own. */
interface Place {
  readonly index: number;
  node: Node | undefined;
  starting: boolean;
  /** of the wall clock, ms */
  offset: number;
}

/** by how much the clock of a place may be set wrong, forward or back: more than a node may be off that owns slots */
const CLOCK_MS = 9_000;
const LONG_PAUSE_MS = 660_000;
const START_AT = Date.UTC(2027, 2, 1, 8);

export class World {
  readonly chance: Chance;
  readonly faults: Faults;
  readonly loop: SimLoop;
  readonly store: MemoryStore;
  readonly witness: Witness;
  readonly intensity: number;
  readonly trace: (line: string) => void;
  readonly #fuse: Fuse;
  readonly #activations: number;
  readonly #warmAfter: number;
  readonly #lanes: number;
  readonly #memory: number;
  readonly #uncommitted: number;
  readonly #laneRows: number;
  /** statements under way, by node and actor */
  readonly #inFlight = new Map<string, object>();
  readonly #places: readonly Place[];
  readonly cluster: SimCluster | undefined;
  readonly #disk = new Disk();
  readonly #parked = new Set<Parked>();
  readonly #processes = new Map<string, SimProcess>();
  readonly #fenced = new Set<string>();
  readonly #bugs: Error[] = [];
  #nodes = 0;
  #downUntil = 0;
  /** ms by which the clock has gone on while nobody was there */
  #days = 0;
  readonly onStart: ((system: ActorSystem) => void)[] = [];
  readonly onCrash: (() => void)[] = [];

  constructor(o: WorldOptions) {
    this.chance = new Chance(o.seed);
    this.faults = new Faults(this.chance, o.only);
    this.loop = new SimLoop(this.chance);
    this.trace = o.trace ?? (() => undefined);
    this.intensity = this.chance.pick('shape', [0.3, 1, 1, 2]);
    this.#fuse = o.fuse ?? 'coin';
    this.#activations = this.chance.pick('shape', [6, 12, 1_000, 1_000]);
    this.#warmAfter = this.chance.pick('warm', [300, 1_000, 30_000]);
    this.#lanes = this.chance.pick('shape', [1, 1, 2, 3]);
    this.#memory = this.chance.pick('shape', [2, 6, 256]);
    this.#uncommitted = this.chance.pick('bounds', [3, 512, 512]);
    this.#laneRows = this.chance.pick('bounds', [6, 8_192, 8_192]);
    this.#places = Array.from({ length: o.nodes ?? 1 }, (_, index) => ({ index, node: undefined, starting: false, offset: 0 }));
    const { chance, faults, loop, intensity, trace } = this;
    const fail = (error: unknown): void => this.fail(error);
    if (this.#places.length > 1) this.cluster = new SimCluster({ chance, faults, loop, intensity, trace, fail });
    this.store = createMemoryStore({ registry: registryOf(kinds), tables: claimTables, relaxes: true });
    this.witness = new Witness(this.store, () => this.wall());
  }

  /** By the clock that is most behind. */
  wall(): number {
    return Math.min(...this.#places.map((place) => this.#wallAt(place)));
  }

  #wallAt({ offset }: Place): number {
    return Math.floor(START_AT + this.#days + this.loop.time + offset);
  }

  fail(error: unknown): void {
    this.#bugs.push(error instanceof Error ? error : new Error(String(error)));
  }

  /** The first thing that has gone wrong so far. @throws it */
  check(): void {
    if (this.#bugs[0] !== undefined) throw this.#bugs[0];
  }

  get #ready(): Node[] {
    return this.#places.flatMap(({ node }) => (node?.ready === true ? [node] : []));
  }

  get up(): boolean {
    return this.#ready.length > 0;
  }

  runs(system: ActorSystem): boolean {
    return this.#ready.some((node) => node.system === system);
  }

  /** Brings a publication of a node to its subscribers: at once where there is one node, else by a line that is slow and loses some. */
  carry(fn: () => void): void {
    if (this.cluster === undefined) fn();
    else if (!this.faults.happens('publication lost', 0.02 * this.intensity)) this.loop.plan(0.5 + this.chance.stream('carry')() * 3, fn);
  }

  // ----------------------------------------------------------------------------------------------------------- life cycle

  start(): void {
    for (const place of this.#places) this.#start(place);
  }

  #start(place: Place): void {
    if (place.node !== undefined || place.starting) return;
    this.#nodes += 1;
    const number = this.#nodes;
    const random = this.chance.stream(`node ${number}`);
    const process = new SimProcess(this.loop, random, () => this.#wallAt(place));
    const id = `n${number}`;
    this.#processes.set(id, process);
    const joined = this.cluster?.join(id, process, place.index);
    const store = simStore({
      loop: this.loop,
      process,
      faults: this.faults,
      random: this.chance.stream(`store ${number}`),
      store: this.store,
      intensity: this.intensity,
      memory: this.#memory,
      parked: this.#parked,
      disk: this.#disk,
      node: id,
      fenced: this.#fenced,
      connected: () => [
        ...[...this.#processes].flatMap(([name, one]) => (one.alive ? [name] : [])),
        ...[...this.#parked].flatMap(({ node }) => (this.#fenced.has(node) ? [] : [node])),
      ],
      dead: () => [...this.#processes].flatMap(([name, one]) => (one.alive ? [] : [name])),
      wall: () => Math.floor(START_AT + this.#days + this.loop.time),
      down: () => this.loop.time < this.#downUntil || this.cluster?.cut(place.index, 'database') === true,
      onApplied: (batch) => {
        try {
          for (const s of batch.timersSet)
            this.trace(`timer ${s.timerId} of ${this.witness.refOf(s.actorId) ?? '?'} set to ${s.set.due} (${s.set.armedSeq})`);
          for (const s of batch.timersGone)
            this.trace(`timer ${s.timerId} of ${this.witness.refOf(s.actorId) ?? '?'} removed (${s.armedSeq ?? 'any'})`);
          this.trace(`applied ${batch.journal.map((r) => `${this.witness.refOf(r.actorId) ?? '?'}#${r.seq} ${r.type}`).join(', ')}`);
          withinStep(batch);
          this.witness.applied(batch);
        } catch (error) {
          this.fail(error);
        }
      },
      onPruned: () => this.#checked(() => this.witness.pruned()),
      onConcluded: (actorId) => this.#checked(() => this.witness.concluded(actorId)),
      onSaved: (rows) => this.#checked(() => this.witness.saved(rows)),
      onStatement: (batch, phase) => {
        for (const { actorId } of batch.journal) {
          const key = `${number} ${actorId}`;
          const other = this.#inFlight.get(key);
          if (phase === 'ended') this.#inFlight.delete(key);
          else if (other !== undefined && other !== batch) this.fail(new Violation(`rule of one: two statements of ${actorId} under way`));
          else this.#inFlight.set(key, batch);
        }
      },
    });
    const metrics = new Registry();
    const kernel = new Kernel({
      kinds,
      effects: holdEffects(this, process),
      store,
      clock: process,
      random,
      log: this.#log(),
      metrics,
      lanes: this.#lanes,
      freeze: true,
      deferral: process,
      ...(this.#fuse === 'never' ? {} : { fuse: () => this.#fuse === 'always' || this.chance.below('fuse', 2) === 0 }),
      limits: {
        activations: this.#activations,
        inflight: 200,
        warmAfter: this.#warmAfter,
        uncommitted: this.#uncommitted,
        laneRows: this.#laneRows,
      },
      ...(joined === undefined ? {} : { node: id, cluster: { ...joined, build: 1 } }),
    });
    const { placement, router } = kernel;
    const system = placement === undefined || router === undefined ? kernel : new Cluster(kernel, placement, router);
    const node: Node = { number, process, system, kernel, lost: new Set(), ready: false };
    place.node = node;
    this.trace(`node ${number} starts`);
    this.loop.as(process, () => void this.#launch(place, node));
  }

  #checked(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.fail(error);
    }
  }

  async #launch(place: Place, node: Node): Promise<void> {
    try {
      await node.system.start();
    } catch (error) {
      this.trace(`node ${node.number} cannot start: ${String(error)}`);
      this.#crash(place);
      return;
    }
    node.ready = true;
    for (const fn of this.onStart) fn(node.system);
  }

  crash(): void {
    this.#crash(this.#any());
  }

  /** Kills the process whose code runs now. False when that is not known. */
  crashRunning(): boolean {
    const place = this.#places.find(({ node }) => node !== undefined && node.process === this.loop.running);
    if (place !== undefined) this.#crash(place);
    return place !== undefined;
  }

  #any(): Place {
    return this.#places.length === 1 ? (this.#places[0] as Place) : this.chance.pick('place', this.#places);
  }

  #crash(place: Place): void {
    const { node } = place;
    if (node === undefined) return;
    this.trace(`crash of node ${node.number}`);
    this.#gone(place, node);
    this.#startLater(place, 20 + this.chance.stream('restart')() * (this.chance.below('restart', 2) === 0 ? 200 : 5_000));
  }

  #gone(place: Place, node: Node): void {
    node.process.alive = false;
    place.node = undefined;
    for (const key of this.#inFlight.keys()) if (key.startsWith(`${node.number} `)) this.#inFlight.delete(key);
    for (const fn of this.onCrash) fn();
    for (const fn of node.lost) fn();
  }

  #startLater(place: Place, ms: number): void {
    place.starting = true;
    this.loop.plan(ms, () => {
      place.starting = false;
      this.#start(place);
    });
  }

  /** An orderly stop and a new start. */
  async restart(): Promise<void> {
    const place = this.#any();
    const { node } = place;
    if (node?.ready !== true) return;
    this.trace(`drain of node ${node.number}`);
    await node.system.drain(5_000);
    if (place.node !== node) return;
    this.trace(`node ${node.number} is drained`);
    this.#gone(place, node);
    this.#startLater(place, 20);
  }

  /** The process stands still and does not know it. @param slept ms more that its own clock says */
  #pause(slept = 0): void {
    const { node } = this.#any();
    if (node === undefined) return;
    const ms = 100 + this.chance.stream('pause')() * (this.chance.below('pause', 3) === 0 && slept === 0 ? 60_000 : 6_000);
    node.process.pausedUntil = this.loop.time + ms;
    node.process.slept += slept;
    this.trace(`node ${node.number} stands still for ${Math.round(ms + slept)} ms`);
  }

  /** The node of a statement under way dies. */
  #crashInCommit(): void {
    const number = Number([...this.#inFlight.keys()][0]?.split(' ')[0]);
    const place = this.#places.find(({ node }) => node?.number === number);
    if (place !== undefined) this.#crash(place);
  }

  /** Every process and every statement under way has ended when the clock goes on by a day. */
  async nextDay(): Promise<void> {
    const stop = (): void => {
      for (const place of this.#places) if (place.node !== undefined) this.#gone(place, place.node);
    };
    stop();
    for (const until = this.loop.time + 12_000; this.loop.time < until;) await this.step();
    stop();
    this.#days += 25 * 3_600_000;
    this.trace('a day has passed');
    this.start();
  }

  /** One step of the loop, and perhaps a misfortune after it. */
  async step(): Promise<void> {
    const more = await this.loop.step();
    for (const { node } of this.#places) if (node !== undefined) withinBounds(node.kernel, this.witness.refs);
    this.check();
    if (!more) throw new Violation('the world stands still');
    if (this.faults.over) return;
    if (this.faults.happens('crash', 0.001 * this.intensity)) this.crash();
    if (this.#inFlight.size > 0 && this.faults.happens('crash in a commit', 0.003 * this.intensity)) this.#crashInCommit();
    if (this.faults.happens('drain', 0.0002 * this.intensity)) void this.restart().catch((error: unknown) => this.fail(error));
    if (this.faults.happens('clock jump', 0.001 * this.intensity)) {
      const place = this.#any();
      place.offset = this.chance.stream('clock')() * 2 * CLOCK_MS - CLOCK_MS;
      this.trace(`the wall clock of place ${place.index} is ${Math.round(place.offset)} ms off`);
    }
    if (this.faults.happens('outage', 0.0004 * this.intensity)) {
      const ms = 500 + this.chance.stream('outage')() * (this.chance.below('outage', 3) === 0 ? 15_000 : 1_500);
      this.#downUntil = this.loop.time + ms;
      this.trace(`the database is out of reach for ${Math.round(ms)} ms`);
    }
    if (this.faults.happens('long pause', 0.0002 * this.intensity)) this.#pause(LONG_PAUSE_MS);
    if (this.#disk.loose(this.loop.time) > 0 && this.faults.happens('database crash', 0.02 * this.intensity)) this.#databaseCrash();
    if (this.cluster !== undefined) this.#apart(this.cluster);
  }

  /** What was acknowledged without waiting for the disk is lost from some commit on. */
  #databaseCrash(): void {
    const lost = this.#disk.crash(this.chance.below('crash', this.#disk.loose(this.loop.time)));
    for (const [actorId, seq] of lost) {
      this.trace(`the events after ${seq} of ${this.witness.refOf(actorId) ?? '?'} are lost`);
      this.store.takeBack(actorId, seq);
      this.#checked(() => this.witness.takenBack(actorId, seq));
    }
    this.#downUntil = Math.max(this.#downUntil, this.loop.time + 50 + this.chance.stream('outage')() * 1_000);
  }

  /** What can happen to one of several nodes, and between them. */
  #apart(cluster: SimCluster): void {
    if (this.faults.happens('pause', 0.0006 * this.intensity)) this.#pause();
    cluster.step(this.#places.length);
  }

  /** Faults happen again. */
  reopen(): void {
    this.faults.over = false;
  }

  /** No more faults, and whatever was broken works again. */
  heal(): void {
    this.faults.over = true;
    this.#downUntil = 0;
    this.cluster?.heal();
    this.trace('healed');
    this.start();
  }

  #log(): Log {
    const quiet = (): void => undefined;
    return {
      debug: quiet,
      info: quiet,
      warn: (fields, message) => this.trace(`warn ${message} ${(fields as { err?: Error }).err?.message ?? ''}`),
      error: (fields, message) => {
        const { err } = fields as { err?: unknown };
        this.trace(`error ${message} ${err instanceof Error ? (err.stack ?? err.message) : JSON.stringify(fields)}`);
        if (BUGS.has(message) && !meant(fields))
          this.fail(new Violation(`${message}: ${err instanceof Error ? err.stack : JSON.stringify(fields)}`));
      },
    };
  }

  // --------------------------------------------------------------------------------------------------------------- asking

  /** What comes of talking to the node: an answer, or nothing because the node or the line is gone. */
  talk<T>(what: (system: ActorSystem) => Promise<T>): Promise<T | 'lost'> {
    const ready = this.#ready;
    const node = ready.length > 1 ? this.chance.pick('asked', ready) : ready[0];
    if (node === undefined) return this.loop.sleep(20).then(() => 'lost');
    return new Promise((resolve, reject) => {
      const lost = (): void => resolve('lost');
      node.lost.add(lost);
      const heard = async (): Promise<void> => {
        try {
          const value = await what(node.system);
          if (node.lost.delete(lost) && node.process.alive) resolve(value);
        } catch (error) {
          if (node.lost.delete(lost) && node.process.alive) reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      if (this.cluster === undefined) this.loop.as(node.process, () => void heard());
      else node.process.later(0.2, () => void heard());
    });
  }

  /** Sends a command; the answer is compared with the journal at the moment it leaves. */
  ask(ref: ActorRef, input: CommandInput, from: Principal, key: string, first: boolean, deadline?: number): Promise<Reply | 'lost'> {
    return this.talk(async (system) => {
      const reply = await system.ask(ref, input, { key, from, ...(deadline === undefined ? {} : { deadline }) });
      this.#answered(ref, input, idemOf(from, key), reply, first);
      return reply;
    });
  }

  #answered(ref: ActorRef, input: CommandInput, idem: string, reply: Reply, first: boolean): void {
    try {
      const rows = this.witness.rows(actorIdOf(ref));
      const text = (): string => `${ref} ${input.type} got ${JSON.stringify(reply)}`;
      const known = rows.find((r) => r.idem === idem);
      if (!reply.ok) {
        // Who has forgotten the key may decide again; that only 256 keys are remembered, and the journal asked beyond them, is what the kernel rests on.
        const forgotten = this.#memory < REMEMBERED && this.cluster?.sent.has(idem) === true;
        const unsure = reply.error.code === 'COMMIT_UNKNOWN' || !first || forgotten || this.cluster?.unsure.has(idem) === true;
        holds(unsure || known === undefined, 'I11', () => `${text()}, but row ${known?.seq} holds it`);
        const lost = this.witness.losses(ref) > 0;
        holds(unsure || lost || reply.seq <= rows.length, 'I5', () => `${text()}, but only ${rows.length} rows are committed`);
        return;
      }
      if (this.witness.wasLost(ref, idem)) return;
      const row = rows[reply.seq - 1];
      holds(row !== undefined, 'I5', () => `${text()}, but only ${rows.length} rows are committed`);
      holds(row.idem === idem && row.type === input.type, 'I3', () => `${text()}, but row ${row.seq} is ${row.type}`);
      const stored = JSON.stringify(sorted(JSON.parse(row.reply ?? 'null') as Json));
      holds(stored === JSON.stringify(sorted(reply.reply)), 'I5', () => `${text()}, but the journal holds ${stored}`);
    } catch (error) {
      this.fail(error);
    }
  }
}
