/** What goes wrong, one thing after the other. */
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Node, Stage } from './stage.ts';

export interface Deed {
  /** ms since the start of the run */
  readonly at: number;
  readonly what: string;
  ms: number;
}

interface Means {
  readonly stage: Stage;
  readonly next: () => number;
  /** a length of time between these, ms */
  readonly between: (low: number, high: number) => number;
  readonly node: () => Node;
}

export interface Fault {
  readonly name: string;
  readonly cluster?: true;
  /** Does it, undoes it, and says to whom. */
  readonly run: (m: Means) => Promise<string>;
}

async function restart(stage: Stage, node: Node, signal: 'SIGKILL' | 'SIGTERM', wait: number): Promise<string> {
  const process = node.process;
  const end = await process?.end(signal);
  node.process = undefined;
  node.ready = false;
  if (signal === 'SIGTERM' && end !== 0) throw new Error(`${node.name} ended with ${end} on SIGTERM:\n${process?.output().slice(-2_000)}`);
  await pause(wait);
  await stage.start(node);
  return node.name;
}

export const FAULTS: readonly Fault[] = [
  { name: 'kill -9', run: ({ stage, node, between }) => restart(stage, node(), 'SIGKILL', between(0, 3_000)) },
  {
    name: 'SIGSTOP, then on',
    run: async ({ node, between }) => {
      const n = node();
      const ms = between(1_000, 20_000);
      n.process?.signal('SIGSTOP');
      await pause(ms);
      n.process?.signal('SIGCONT');
      return `${n.name} for ${Math.round(ms)} ms`;
    },
  },
  {
    name: 'Postgres restart',
    run: async ({ stage }) => {
      await stage.postgres.restart();
      return 'a crash, with recovery';
    },
  },
  {
    name: 'connections to Postgres cut',
    run: async ({ node }) => {
      const n = node();
      const many = n.toPostgres.connections;
      n.toPostgres.cut();
      return `${n.name}, ${many} of them`;
    },
  },
  {
    name: 'silence between a node and Postgres',
    run: async ({ node, between }) => {
      const n = node();
      const ms = between(500, 6_000);
      n.toPostgres.freeze();
      await pause(ms);
      n.toPostgres.mend();
      return `${n.name} for ${Math.round(ms)} ms`;
    },
  },
  {
    name: 'connections of clients cut',
    run: async ({ stage }) => {
      const many = stage.front.connections;
      stage.front.cut();
      return `${many} of them`;
    },
  },
  {
    name: 'Redis restart with data',
    cluster: true,
    run: async ({ stage, between }) => {
      await stage.redis?.kill();
      await pause(between(0, 3_000));
      await stage.redis?.start();
      return '';
    },
  },
  {
    name: 'Redis restart without data',
    cluster: true,
    run: async ({ stage, between }) => {
      await stage.redis?.kill();
      await pause(between(0, 2_000));
      if (stage.redis !== undefined)
        await rm(join(dirname(stage.redis.url.slice('unix://'.length)), 'appendonlydir'), { recursive: true, force: true });
      await stage.redis?.start();
      return '';
    },
  },
  {
    name: 'Redis pause',
    cluster: true,
    run: async ({ stage, between }) => {
      const ms = between(1_000, 8_000);
      stage.redis?.signal('SIGSTOP');
      await pause(ms);
      stage.redis?.signal('SIGCONT');
      return `for ${Math.round(ms)} ms`;
    },
  },
  {
    name: 'a node without Redis',
    cluster: true,
    run: async ({ node, between }) => {
      const n = node();
      const ms = between(2_000, 10_000);
      n.toRedis?.refuse();
      await pause(ms);
      n.toRedis?.mend();
      return `${n.name} for ${Math.round(ms)} ms`;
    },
  },
  {
    name: 'rolling restart',
    cluster: true,
    run: async ({ stage }) => {
      for (const n of stage.nodes) await restart(stage, n, 'SIGTERM', 0);
      return 'every node';
    },
  },
];

export interface NemesisOptions {
  /** ms */
  readonly duration: number;
  readonly next: () => number;
  /** scale of the times of faults and rests; default 1 */
  readonly scale?: number;
  readonly only?: readonly string[];
  readonly say: (line: string) => void;
}

/** Commits faults until the time is over, each at least once; one ends before the next begins. Leaves everything running. */
export async function nemesis(stage: Stage, o: NemesisOptions): Promise<Deed[]> {
  const began = performance.now();
  const deeds: Deed[] = [];
  const scale = o.scale ?? 1;
  const between = (low: number, high: number): number => scale * (low + o.next() * (high - low));
  const node = (): Node => stage.nodes[Math.floor(o.next() * stage.nodes.length)] as Node;
  const possible = FAULTS.filter((f) => (f.cluster !== true || stage.nodes.length > 1) && (o.only?.includes(f.name) ?? true));
  let bag: Fault[] = [];
  while (performance.now() - began < o.duration || deeds.length < possible.length) {
    await pause(between(800, 3_000));
    if (bag.length === 0)
      bag = possible
        .map((f) => [o.next(), f] as const)
        .toSorted(([a], [b]) => a - b)
        .map(([, f]) => f);
    const fault = bag.pop();
    if (fault === undefined) break;
    const at = performance.now() - began;
    const whom = await fault.run({ stage, next: o.next, between, node });
    const deed = {
      at: Math.round(at),
      what: whom === '' ? fault.name : `${fault.name} (${whom})`,
      ms: Math.round(performance.now() - began - at),
    };
    deeds.push(deed);
    o.say(`${(deed.at / 1_000).toFixed(1).padStart(6)} s  ${deed.what}, ${deed.ms} ms`);
  }
  await stage.healed();
  return deeds;
}
