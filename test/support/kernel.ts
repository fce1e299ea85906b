import { Registry } from 'prom-client';
import { seeded } from '../../calc/prng.ts';
import { registryOf } from '../../actors/companion.ts';
import type { ActorKind } from '../../actors/define.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import type { MemoryOptions, MemoryStore } from '../../actors/store/mem.ts';
import type { EffectFunctions } from '../../actors/effects.ts';
import { createActorSystem } from '../../actors/system.ts';
import type { ActorSystem, ActorSystemOptions } from '../../actors/system.ts';
import type { Log, Principal } from '../../actors/types.ts';
import { FakeClock } from './clock.ts';
import './purity.ts';

/** of server/observe/database.ts */
export const LATE = 'the database does not answer';

/** A log that keeps its lines. */
export class KeptLog implements Log {
  readonly lines: { readonly level: string; readonly fields: object; readonly message: string }[] = [];
  debug = (fields: object, message: string): void => void this.lines.push({ level: 'debug', fields, message });
  info = (fields: object, message: string): void => void this.lines.push({ level: 'info', fields, message });
  warn = (fields: object, message: string): void => void this.lines.push({ level: 'warn', fields, message });
  error = (fields: object, message: string): void => void this.lines.push({ level: 'error', fields, message });

  /** Errors, but for a database that was late: on a machine that does much else an answer may take its five seconds. */
  get faults(): KeptLog['lines'] {
    return this.lines.filter(({ level, message }) => level === 'error' && message !== LATE);
  }
}

export interface TestKernel {
  readonly system: ActorSystem;
  readonly store: MemoryStore;
  readonly clock: FakeClock;
  readonly log: KeptLog;
  readonly metrics: Registry;
  /** The process dies: nothing is flushed. Gives a new one over the same store, with the same clock. */
  restart(): Promise<TestKernel>;
  metric(name: string, labels?: { readonly [label: string]: string }): Promise<number>;
}

export interface TestKernelOptions extends Partial<Omit<ActorSystemOptions, 'store' | 'clock' | 'kinds'>> {
  readonly kinds: readonly ActorKind[];
  readonly effects?: EffectFunctions;
  readonly tables?: MemoryOptions['tables'];
  readonly fault?: MemoryOptions['fault'];
  readonly clock?: FakeClock;
  readonly store?: MemoryStore;
}

export const system: Principal = { kind: 'system', id: 'test', roles: [] };
export const user = (id: string, ...roles: string[]): Principal => ({ kind: 'user', id, roles: ['user', ...roles] });

let keys = 0;
let kernels = 0;
let fuse: ActorSystemOptions['fuse'];

/** From now on messages are fused in every test kernel of this process that does not say otherwise. */
export function fuseByDefault(): void {
  fuse = () => true;
}

/** A started kernel on the memory store with a clock that stands still. */
export async function testKernel(o: TestKernelOptions): Promise<TestKernel> {
  const clock = o.clock ?? new FakeClock();
  const store =
    o.store ??
    createMemoryStore({
      registry: registryOf(o.kinds),
      ...(o.tables === undefined ? {} : { tables: o.tables }),
      ...(o.fault === undefined ? {} : { fault: o.fault }),
    });
  kernels += 1;
  const log = new KeptLog();
  const metrics = new Registry();
  const actors = createActorSystem({
    effects: {},
    freeze: true,
    erasureKey: 'a key of the tests',
    random: seeded('5eed0001'.repeat(4), kernels),
    ...(fuse === undefined ? {} : { fuse }),
    ...o,
    store,
    clock,
    log,
    metrics,
  });
  await actors.start();
  const kernel: TestKernel = {
    system: actors,
    store,
    clock,
    log,
    metrics,
    restart: () => testKernel({ ...o, clock, store }),
    metric: async (name, labels = {}) => {
      const found = (await metrics.getMetricsAsJSON()).find((m) => m.name === `thrum_kernel_${name}`);
      const values = (found?.values ?? []) as { value: number; labels: { [label: string]: unknown } }[];
      return values.filter((v) => Object.entries(labels).every(([k, x]) => v.labels[k] === x)).reduce((sum, v) => sum + v.value, 0);
    },
  };
  return kernel;
}

/** Options of an `ask` with a key of its own. */
export function as(from: Principal, o: { key?: string; seq?: number; deadline?: number; trace?: string; traceparent?: string } = {}) {
  keys += 1;
  return {
    from,
    key: o.key ?? `key-${keys}`,
    ...(o.trace === undefined ? {} : { trace: o.trace }),
    ...(o.traceparent === undefined ? {} : { traceparent: o.traceparent }),
    ...(o.seq === undefined ? {} : { seq: o.seq }),
    ...(o.deadline === undefined ? {} : { deadline: o.deadline }),
  };
}
