/** Several kernels in one process over one store, with leases and a bus in memory and one clock; each node can be paused, cut off and killed. */
import { Registry } from 'prom-client';
import { createMemoryBus } from '../../actors/bus/mem.ts';
import type { Frame } from '../../actors/bus/bus.ts';
import { registryOf } from '../../actors/companion.ts';
import type { ActorKind } from '../../actors/define.ts';
import type { EffectFunctions } from '../../actors/effects.ts';
import { actorIdOf, slotOf } from '../../actors/ids.ts';
import type { ClusterOptions } from '../../actors/cluster-options.ts';
import type { Leases } from '../../actors/shard/leases.ts';
import { createMemoryLeases } from '../../actors/shard/mem.ts';
import type { MemoryLeases } from '../../actors/shard/mem.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import type { MemoryOptions, MemoryStore } from '../../actors/store/mem.ts';
import type { JournalStore, Lane } from '../../actors/store/store.ts';
import { createActorSystem } from '../../actors/system.ts';
import type { ActorSystem, ActorSystemOptions } from '../../actors/system.ts';
import type { ActorRef, Clock, TimerHandle } from '../../actors/types.ts';
import { seeded } from '../../calc/prng.ts';
import { FakeClock } from './clock.ts';
import { KeptLog } from './kernel.ts';

/** A clock whose process can stand still: what was due meanwhile comes at once when it goes on. */
class NodeClock implements Clock {
  readonly #clock: FakeClock;
  readonly #held: (() => void)[] = [];
  #paused = false;
  alive = true;
  /** ms by which its wall clock is ahead */
  ahead = 0;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  wall = (): number => this.#clock.wall() + this.ahead;
  mono = (): number => this.#clock.mono();
  clearTimer = (handle: TimerHandle): void => this.#clock.clearTimer(handle);

  setTimer(ms: number, fn: () => void): TimerHandle {
    return this.#clock.setTimer(ms, () => this.whenAwake(fn));
  }

  whenAwake(fn: () => void): void {
    if (!this.alive) return;
    if (this.#paused) this.#held.push(fn);
    else fn();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const fn of this.#held.splice(0)) fn();
  }
}

export interface TestNode {
  readonly id: string;
  readonly system: ActorSystem;
  readonly log: KeptLog;
  readonly clock: NodeClock;
  /** what it has asked of the store to take over slots, in order: `fence n1`, `outboxDue`, `timersDue` */
  readonly takeovers: readonly string[];
  /** the process dies without a word */
  kill(): void;
  /** neither leases nor the bus can be reached, until `true` */
  connect(on: boolean): void;
  metric(name: string): Promise<number>;
}

export interface TestCluster {
  readonly clock: FakeClock;
  readonly store: MemoryStore;
  readonly leases: MemoryLeases;
  readonly nodes: TestNode[];
  add(o?: NodeOptions): Promise<TestNode>;
  /** The node whose lease names the actor's slot. */
  owner(ref: ActorRef): TestNode;
  /** A ref `kind:…` that this node owns. */
  refOf(node: TestNode, kind: string, n?: number): ActorRef;
}

export interface NodeOptions extends Partial<Omit<ClusterOptions, 'leases' | 'bus'>> {
  readonly kinds?: readonly ActorKind[];
  readonly effects?: EffectFunctions;
  readonly limits?: ActorSystemOptions['limits'];
  readonly spans?: ActorSystemOptions['spans'];
  /** what happens to its commits */
  readonly commit?: (lane: Lane) => Lane['commit'];
  /** what it sees of the store */
  readonly view?: (store: JournalStore) => JournalStore;
}

export interface TestClusterOptions {
  readonly kinds: readonly ActorKind[];
  readonly nodes?: number;
  readonly effects?: EffectFunctions;
  readonly tables?: MemoryOptions['tables'];
  readonly node?: NodeOptions;
  /** Sees every frame on its way; true: it never arrives. `land` brings it to its node, perhaps once more. */
  readonly drop?: (transit: { from: string; to: string; frame: Frame }, land: () => void) => boolean;
}

/** Started nodes that share the slots. */
export async function testCluster(o: TestClusterOptions): Promise<TestCluster> {
  const clock = new FakeClock();
  const store = createMemoryStore({ registry: registryOf(o.kinds), ...(o.tables === undefined ? {} : { tables: o.tables }) });
  const leases = createMemoryLeases(() => clock.wall());
  const nodes: TestNode[] = [];
  const clocks = new Map<string, NodeClock>();
  const offline = new Set<string>();
  const dead = new Set<string>();
  const stopped = new Set<string>();
  const newBus = createMemoryBus({
    later: (fn) => void setImmediate(fn),
    fault: (transit, land) => {
      const { from, to } = transit;
      if (offline.has(from)) return 'down';
      if (offline.has(to) || dead.has(to)) return 'absent';
      const arrive = (): void => void setImmediate(() => clocks.get(to)?.whenAwake(land));
      if (dead.has(from) || o.drop?.(transit, arrive) === true) return 'sent';
      arrive();
      return 'sent';
    },
  });

  /** who has a connection to the database */
  const connected = (): string[] => nodes.flatMap(({ id }) => (dead.has(id) || stopped.has(id) ? [] : [id]));

  async function add(more: NodeOptions = {}): Promise<TestNode> {
    const {
      kinds = o.kinds,
      effects = o.effects ?? {},
      limits,
      spans,
      commit,
      view = (seen) => seen,
      ...cluster
    }: NodeOptions = { ...o.node, ...more };
    const id = `n${nodes.length + 1}`;
    const own = new NodeClock(clock);
    clocks.set(id, own);
    const takeovers: string[] = [];
    const log = new KeptLog();
    const metrics = new Registry();
    const system = createActorSystem({
      kinds,
      effects,
      node: id,
      store: view(storeOf(store, own, commit, { takeovers, connected, stop: () => stopped.add(id) })),
      clock: own,
      random: seeded('5eed0002'.repeat(4), nodes.length),
      log,
      metrics,
      freeze: true,
      deferral: { soon: (fn) => queueMicrotask(() => own.whenAwake(fn)), yield: (fn) => setImmediate(() => own.whenAwake(fn)) },
      ...(limits === undefined ? {} : { limits }),
      ...(spans === undefined ? {} : { spans }),
      cluster: { build: 1, ...cluster, leases: leasesOf(leases, () => offline.has(id)), bus: newBus() },
    });
    const node: TestNode = {
      id,
      system,
      log,
      clock: own,
      takeovers,
      kill: () => {
        own.alive = false;
        dead.add(id);
      },
      connect: (on) => void (on ? offline.delete(id) : offline.add(id)),
      metric: async (name) => {
        const found = (await metrics.getMetricsAsJSON()).find((m) => m.name === `thrum_kernel_${name}`);
        return ((found?.values ?? []) as { value: number }[]).reduce((sum, v) => sum + v.value, 0);
      },
    };
    nodes.push(node);
    await system.start();
    return node;
  }

  const cluster: TestCluster = {
    clock,
    store,
    leases,
    nodes,
    add,
    owner: (ref) => {
      const { node } = leases.state().slots.get(slotOf(actorIdOf(ref))) ?? {};
      const found = nodes.find((n) => n.id === node);
      if (found === undefined) throw new Error(`nobody owns ${ref}`);
      return found;
    },
    refOf: (node, kind, n = 0) => {
      const mine: ActorRef[] = [];
      for (let i = 0; mine.length <= n; i += 1) if (cluster.owner(`${kind}:${i}`) === node) mine.push(`${kind}:${i}`);
      return mine[n] ?? '';
    },
  };
  for (let i = 0; i < (o.nodes ?? 2); i += 1) await add();
  await clock.advance(3_000);
  return cluster;
}

/** A paused process hears no answers. */
function storeOf(
  store: MemoryStore,
  clock: NodeClock,
  commit: NodeOptions['commit'],
  { takeovers, connected, stop }: { takeovers: string[]; connected: () => string[]; stop: () => void },
): JournalStore {
  return {
    ...store,
    kernels: async () => connected(),
    admin: { ...store.admin, vitals: async () => ({ ...(await store.admin.vitals()), wall: clock.wall() - clock.ahead }) },
    fence: async (former) => {
      takeovers.push(`fence ${former?.nodes.join() ?? 'all'}`);
      return store.fence(former);
    },
    outboxDue: async (...q) => {
      takeovers.push('outboxDue');
      return store.outboxDue(...q);
    },
    timersDue: async (...q) => {
      takeovers.push('timersDue');
      return store.timersDue(...q);
    },
    openLane: async (n) => {
      const lane = await store.openLane(n);
      const send = commit?.(lane) ?? ((batch) => lane.commit(batch));
      return {
        close: async () => stop(),
        commit: (batch) =>
          new Promise((resolve, reject) => {
            if (!clock.alive) return;
            send(batch).then(
              () => clock.whenAwake(() => resolve()),
              (error: Error) => clock.whenAwake(() => reject(error)),
            );
          }),
      };
    },
  };
}

/** An answer takes as long as a frame there and one back. */
function leasesOf(leases: Leases, away: () => boolean): Leases {
  const frame = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const reach = async <T>(question: () => Promise<T>): Promise<T> => {
    if (away()) throw new Error('the leases are out of reach');
    await frame();
    const answer = await question();
    await frame();
    return answer;
  };
  return {
    renew: (info) => reach(() => leases.renew(info)),
    table: () => reach(() => leases.table()),
    claim: (slots, me, suspect) => reach(() => leases.claim(slots, me, suspect)),
    transfer: (slots, me, to) => reach(() => leases.transfer(slots, me, to)),
    leave: (me) => reach(() => leases.leave(me)),
  };
}

/** Lets time pass until there is an answer. @throws Error when `most` ms bring none */
export async function answered<T>(c: Pick<TestCluster, 'clock'>, reply: Promise<T>, most = 40_000): Promise<T> {
  const heard: T[] = [];
  void reply.then((value) => heard.push(value));
  for (let ms = 0; heard.length === 0 && ms < most; ms += 50) await c.clock.advance(50);
  if (heard.length === 0) throw new Error('no answer');
  return reply;
}
