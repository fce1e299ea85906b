/** One simulated node over its database: it starts, crashes, drains and starts again; whoever asks it may never hear an answer. */
import { Registry } from 'prom-client';
import { registryOf } from '../../actors/companion.ts';
import { KernelProblem, NonRetryable } from '../../actors/errors.ts';
import { actorIdOf, idemOf } from '../../actors/ids.ts';
import type { EffectFunctions } from '../../actors/effects.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import type { MemoryStore } from '../../actors/store/mem.ts';
import { createActorSystem } from '../../actors/system.ts';
import type { ActorSystem, CommandInput, ReadOptions } from '../../actors/system.ts';
import type { ActorRef, Json, Log, Principal, Reply } from '../../actors/types.ts';
import { claimTables, holder, room } from './sim-claims.ts';
import './purity.ts';
import { account, hold, list, pulse } from './sim-kinds.ts';
import { Chance, Faults, SimLoop, SimProcess } from './sim-loop.ts';
import { simStore } from './sim-store.ts';
import type { Parked } from './sim-store.ts';
import { holds, sorted, Violation, Witness } from './sim-witness.ts';

export const kinds = [account, list, pulse, hold, room, holder];

/** Errors that no fault of the simulation excuses. */
const BUGS = new Set([
  'committer failed',
  'a companion row was refused that the machine let pass',
  'activation failed',
  'actor quarantined',
  'a subscriber to publications failed',
]);

export interface WorldOptions {
  readonly seed: number;
  /** only these faults happen; without it those that chance offers */
  readonly only?: ReadonlySet<string>;
  readonly trace?: (line: string) => void;
  /** which of the messages that could be fused are; default coin */
  readonly fuse?: Fuse;
}

export type Fuse = 'never' | 'always' | 'coin';

interface Node {
  readonly process: SimProcess;
  readonly system: ActorSystem;
  /** tells those who wait that the node is gone */
  readonly lost: Set<() => void>;
  ready: boolean;
}

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
  readonly #inFlight = new Map<string, object>();
  readonly #parked = new Set<Parked>();
  readonly #bugs: Error[] = [];
  #node: Node | undefined;
  #nodes = 0;
  #offset = 0;
  #downUntil = 0;
  #starting = false;
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
    this.store = createMemoryStore({ registry: registryOf(kinds), tables: claimTables });
    this.witness = new Witness(this.store, () => this.wall());
  }

  wall(): number {
    return Math.floor(START_AT + this.loop.time + this.#offset);
  }

  fail(error: unknown): void {
    this.#bugs.push(error instanceof Error ? error : new Error(String(error)));
  }

  /** The first thing that has gone wrong so far. @throws it */
  check(): void {
    if (this.#bugs[0] !== undefined) throw this.#bugs[0];
  }

  get up(): boolean {
    return this.#node?.ready === true;
  }

  get system(): ActorSystem | undefined {
    return this.#node?.ready === true ? this.#node.system : undefined;
  }

  // ----------------------------------------------------------------------------------------------------------- life cycle

  start(): void {
    if (this.#node !== undefined || this.#starting) return;
    this.#nodes += 1;
    const number = this.#nodes;
    const random = this.chance.stream(`node ${number}`);
    const process = new SimProcess(this.loop, random, () => this.wall());
    const store = simStore({
      loop: this.loop,
      process,
      faults: this.faults,
      random: this.chance.stream(`store ${number}`),
      store: this.store,
      intensity: this.intensity,
      memory: this.#memory,
      parked: this.#parked,
      succeeded: () => this.#nodes > number,
      down: () => this.loop.time < this.#downUntil,
      onApplied: (batch) => {
        try {
          for (const s of batch.timersSet)
            this.trace(`timer ${s.timerId} of ${this.witness.refOf(s.actorId) ?? '?'} set to ${s.set.due} (${s.set.armedSeq})`);
          for (const s of batch.timersGone)
            this.trace(`timer ${s.timerId} of ${this.witness.refOf(s.actorId) ?? '?'} removed (${s.armedSeq ?? 'any'})`);
          this.trace(`applied ${batch.journal.map((r) => `${this.witness.refOf(r.actorId) ?? '?'}#${r.seq} ${r.type}`).join(', ')}`);
          this.witness.applied(batch);
        } catch (error) {
          this.fail(error);
        }
      },
      onStatement: (batch, phase) => {
        for (const { actorId } of batch.journal) {
          const other = this.#inFlight.get(actorId);
          if (phase === 'ended') this.#inFlight.delete(actorId);
          else if (other !== undefined && other !== batch) this.fail(new Violation(`rule of one: two statements of ${actorId} under way`));
          else this.#inFlight.set(actorId, batch);
        }
      },
    });
    const metrics = new Registry();
    const system = createActorSystem({
      kinds,
      effects: this.#effects(process),
      store,
      clock: process,
      random,
      log: this.#log(),
      metrics,
      lanes: this.#lanes,
      freeze: true,
      deferral: process,
      ...(this.#fuse === 'never' ? {} : { fuse: () => this.#fuse === 'always' || this.chance.below('fuse', 2) === 0 }),
      limits: { activations: this.#activations, inflight: 200, warmAfter: this.#warmAfter },
    });
    const node: Node = { process, system, lost: new Set(), ready: false };
    this.#node = node;
    this.trace(`node ${number} starts`);
    void this.#launch(node, number);
  }

  async #launch(node: Node, number: number): Promise<void> {
    try {
      await node.system.start();
    } catch (error) {
      this.trace(`node ${number} cannot start: ${String(error)}`);
      this.crash();
      return;
    }
    node.ready = true;
    for (const fn of this.onStart) fn(node.system);
  }

  crash(): void {
    const node = this.#node;
    if (node === undefined) return;
    this.trace('crash');
    node.process.alive = false;
    this.#node = undefined;
    this.#inFlight.clear();
    for (const fn of this.onCrash) fn();
    for (const fn of node.lost) fn();
    this.#startLater(20 + this.chance.stream('restart')() * (this.chance.below('restart', 2) === 0 ? 200 : 5_000));
  }

  #startLater(ms: number): void {
    this.#starting = true;
    this.loop.plan(ms, () => {
      this.#starting = false;
      this.start();
    });
  }

  /** An orderly stop and a new start. */
  async restart(): Promise<void> {
    const node = this.#node;
    if (node?.ready !== true) return;
    this.trace('drain');
    await node.system.drain(5_000);
    if (this.#node !== node) return;
    this.trace('drained');
    node.process.alive = false;
    this.#node = undefined;
    this.#inFlight.clear();
    for (const fn of this.onCrash) fn();
    for (const fn of node.lost) fn();
    this.#startLater(20);
  }

  /** One step of the loop, and perhaps a misfortune after it. */
  async step(): Promise<void> {
    const more = await this.loop.step();
    this.check();
    if (!more) throw new Violation('the world stands still');
    if (this.faults.over) return;
    if (this.faults.happens('crash', 0.001 * this.intensity)) this.crash();
    if (this.#inFlight.size > 0 && this.faults.happens('crash in a commit', 0.003 * this.intensity)) this.crash();
    if (this.faults.happens('drain', 0.0002 * this.intensity)) void this.restart().catch((error: unknown) => this.fail(error));
    if (this.faults.happens('clock jump', 0.001 * this.intensity)) {
      this.#offset = this.chance.stream('clock')() * 10_000 - 5_000;
      this.trace(`the wall clock is ${Math.round(this.#offset)} ms off`);
    }
    if (this.faults.happens('outage', 0.0004 * this.intensity)) {
      const ms = 500 + this.chance.stream('outage')() * (this.chance.below('outage', 3) === 0 ? 15_000 : 1_500);
      this.#downUntil = this.loop.time + ms;
      this.trace(`the database is out of reach for ${Math.round(ms)} ms`);
    }
  }

  /** No more faults, and whatever was broken works again. */
  heal(): void {
    this.faults.over = true;
    this.#downUntil = 0;
    this.trace('healed');
    if (this.#node === undefined) this.start();
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
        if (BUGS.has(message)) this.fail(new Violation(`${message}: ${err instanceof Error ? err.stack : JSON.stringify(fields)}`));
      },
    };
  }

  #effects(process: SimProcess): EffectFunctions {
    const world = this.chance.stream('outside');
    const waits = (ms: number): Promise<void> =>
      new Promise((resolve) => {
        process.later(ms, resolve);
      });
    return {
      hold: {
        capture: async ({ key, ref, input }) => {
          const seq = Number(key.split('/')[1]);
          const { token } = input as { token: number };
          if (this.witness.tail(ref) < seq)
            this.fail(new Violation(`I5: the effect ${key} of ${ref} starts before row ${seq} is committed`));
          const fate = world();
          await waits(world() * 80);
          if (fate < 0.15) throw new Error('try again');
          if (fate < 0.22) throw new NonRetryable('never');
          if (fate < 0.3) await waits(2_500);
          else if (fate < 0.4) await waits(world() * 1_500);
          return { token };
        },
      },
    };
  }

  // --------------------------------------------------------------------------------------------------------------- asking

  /** What comes of talking to the node: an answer, or nothing because the node or the line is gone. */
  talk<T>(what: (system: ActorSystem) => Promise<T>): Promise<T | 'lost'> {
    const node = this.#node;
    if (node?.ready !== true) return this.loop.sleep(20).then(() => 'lost');
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
      void heard();
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
      const rows = this.store.journal(actorIdOf(ref));
      const text = (): string => `${ref} ${input.type} got ${JSON.stringify(reply)}`;
      const known = rows.find((r) => r.idem === idem);
      if (!reply.ok) {
        const unsure = reply.error.code === 'COMMIT_UNKNOWN' || !first;
        holds(unsure || known === undefined, 'I11', () => `${text()}, but row ${known?.seq} holds it`);
        holds(unsure || reply.seq <= rows.length, 'I5', () => `${text()}, but only ${rows.length} rows are committed`);
        return;
      }
      const row = rows[reply.seq - 1];
      holds(row !== undefined, 'I5', () => `${text()}, but only ${rows.length} rows are committed`);
      holds(row.idem === idem && row.type === input.type, 'I3', () => `${text()}, but row ${row.seq} is ${row.type}`);
      const stored = JSON.stringify(sorted(JSON.parse(row.reply ?? 'null') as Json));
      holds(stored === JSON.stringify(sorted(reply.reply)), 'I5', () => `${text()}, but the journal holds ${stored}`);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Reads the whole context; what comes must be the fold of the journal at the number that comes with it. */
  async peek(ref: ActorRef, from: Principal, level: NonNullable<ReadOptions['level']>, atLeast: number): Promise<void> {
    try {
      await this.talk(async (system) => {
        const { seq, value } = await system.read(ref, 'peek', {}, { from, level });
        const state = this.witness.state(ref, seq);
        holds(state !== undefined, 'I5', () => `a read of ${ref} shows row ${seq}, which is not committed`);
        const [seen, folded] = [value, state.context].map((c) => JSON.stringify(sorted(c)));
        holds(seen === folded, 'I2', () => `a read of ${ref} at ${seq} shows ${seen}, the journal says ${folded}`);
        holds(
          level === 'eventual' || seq >= atLeast,
          'I4',
          () => `a read of ${ref} shows row ${seq}, row ${atLeast} was acknowledged before`,
        );
      });
    } catch (error) {
      if (!(error instanceof KernelProblem)) throw error;
      const absent = error.code === 'NOT_FOUND' && atLeast > 0;
      holds(!absent, 'I4', () => `a read of ${ref} found nothing, row ${atLeast} was acknowledged before`);
    }
  }
}
