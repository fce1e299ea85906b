/** P11 to P13 of the kernel and what one, two and three nodes carry (kernel.md 15.3). */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { actorIdOf, SLOTS, slotOf } from '../actors/ids.ts';
import { startBalancer } from '../scripts/balancer.ts';
import { longestWaits, waitsForMoves, watchMoves } from './cluster-moves.ts';
import type { Moves } from './cluster-moves.ts';
import { openCluster, pause } from './cluster-rig.ts';
import type { BenchCluster, BenchNode, Stores } from './cluster-rig.ts';
import type { ProbeOrder, Probed } from './cluster-probe.ts';
import type { Tally, WatchOrder } from './cluster-watchers.ts';
import { alternate, bounded, compare, format, median, quantile } from './harness.ts';
import type { Contender, Plan, Row } from './harness.ts';
import type { LoadOrder, LoadResult } from './http-load.ts';
import { Remote } from './peer.ts';
import { machineMs, processorMs } from './processor.ts';

type Say = (line: string) => void;

const REMOTE_EXTRA_MS = 1;
const ACTORS = 3_000;
const CONNECTIONS = 48;
const PROBED_SLOTS = 64;
const PAUSE_MS = 150;
const WATCHERS = 20;
const ITEMS_PER_SECOND = 20;
/** share of what a probe carries at full speed */
const HALF = 0.5;

const perRound = (rounds: readonly (readonly number[])[], q: number): number[] => rounds.map((times) => quantile(times, q));

/** P11: a command whose actor lives at another node, against one whose actor is at hand. */
export async function remoteCommands(stores: Stores, plan: Plan, say: Say): Promise<Row[]> {
  const cluster = await openCluster(stores, 'remote', 2);
  try {
    const [node] = cluster.nodes as [BenchNode];
    const { slots } = await cluster.settled();
    const refs = {
      local: cluster.refs('step', 64, (s) => slots[s] === node.name),
      remote: cluster.refs('step', 64, (s) => slots[s] !== node.name),
    };
    for (const list of Object.values(refs)) await node.ask({ do: 'ask', refs: list, ms: 500 });
    const [local, remote, ping]: [number[][], number[][], number[][]] = [[], [], []];
    for (let round = 0; round < plan.rounds; round += 1) {
      local.push(await node.ask({ do: 'ask', refs: refs.local, ms: plan.ms }));
      remote.push(await node.ask({ do: 'ask', refs: refs.remote, ms: plan.ms }));
      ping.push(await node.ask({ do: 'ping', ms: plan.ms / 4 }));
      const [l, r, p] = [local, remote, ping].map((x) => quantile(x.at(-1) ?? [], 0.5));
      say(`  round ${round + 1}/${plan.rounds} local ${format(l)} ms, remote ${format(r)} ms, round trip to Redis ${format(p)} ms`);
    }
    const trip = median(perRound(ping, 0.5));
    const here = median(perRound(local, 0.5));
    const limit = here + 2 * trip + REMOTE_EXTRA_MS;
    const row = bounded({
      id: 'P11',
      what: 'command to an actor of another node, one at a time, median, against one of its own',
      values: perRound(remote, 0.5),
      by: perRound(local, 0.5),
      unit: 'ms',
    });
    return [
      { ...row, target: `<= ${limit.toFixed(2)} ms`, ok: row.value <= limit, broken: row.value > limit * 1.3 },
      bounded({ id: 'P11t', what: 'the same, 99th percentile', values: perRound(remote, 0.99), by: perRound(local, 0.99), unit: 'ms' }),
      bounded({ id: 'P11rtt', what: 'round trip to Redis, median', values: perRound(ping, 0.5), unit: 'ms' }),
    ];
  } finally {
    await cluster.stop();
  }
}

interface Used {
  /** ms of processor time of every node */
  readonly nodes: readonly number[];
  readonly postgres: number;
  readonly redis: number;
  readonly clients: number;
  /** of the whole machine */
  readonly machine: number;
  readonly ms: number;
  readonly commands: number;
  readonly published: number;
}

/** Clients of their own process for each node, which ask it for actors of all nodes; every round is metered from /proc. */
function flood(stores: Stores, cluster: BenchCluster, used: Used[]): Contender {
  const loads = cluster.nodes.map((node) => ({ node, child: fork(fileURLToPath(new URL('http-load.js', import.meta.url))) }));
  const children = loads.map(({ child }) => child.pid ?? 0);
  const spent = async (): Promise<Omit<Used, 'commands'>> => ({
    nodes: cluster.nodes.map(({ pid }) => processorMs(pid) ?? Number.NaN),
    postgres: stores.postgresMs(),
    redis: stores.redisMs(),
    clients: children.reduce((sum, pid) => sum + (processorMs(pid) ?? 0), 0),
    machine: machineMs(),
    ms: performance.now(),
    published: await stores.published(),
  });
  return {
    name: cluster.name,
    async run(ms) {
      const before = await spent();
      const results = await Promise.all(
        loads.map(({ node, child }) => {
          const order: LoadOrder = {
            port: node.port,
            connections: CONNECTIONS / loads.length,
            ms,
            actors: ACTORS,
            path: '/v1/actors/step/{actor}/commands/bench.step',
            headers: { authorization: `Bearer ${node.token}`, 'idempotency-key': '{n}' },
            body: '{"amount":1,"note":"measured"}',
          };
          return new Promise<LoadResult>((resolve) => {
            child.once('message', (result) => resolve(result as LoadResult));
            child.send(order);
          });
        }),
      );
      const after = await spent();
      const refused = results.flatMap((r) => Object.keys(r.statuses)).filter((status) => status !== '200');
      if (refused.length > 0) throw new Error(`commands were answered with ${refused.join()}`);
      const rate = results.reduce((sum, r) => sum + r.rate, 0);
      const since = (of: 'postgres' | 'redis' | 'clients' | 'machine' | 'ms' | 'published'): number => after[of] - before[of];
      used.push({
        nodes: after.nodes.map((n, i) => n - (before.nodes[i] ?? 0)),
        postgres: since('postgres'),
        redis: since('redis'),
        clients: since('clients'),
        machine: since('machine'),
        ms: since('ms'),
        published: since('published'),
        commands: Object.values(results.map((r) => r.statuses['200'] ?? 0)).reduce((a, b) => a + b, 0),
      });
      return rate;
    },
    close: async () => loads.forEach(({ child }) => child.kill('SIGKILL')),
  };
}

/** Commands over HTTP at one, two and three nodes, and what of the machine they take. */
export async function throughput(stores: Stores, plan: Plan, say: Say): Promise<{ rows: Row[]; notes: string[] }> {
  const clusters: BenchCluster[] = [];
  const floods: Contender[] = [];
  const used = new Map<string, Used[]>();
  try {
    for (const count of [1, 2, 3]) {
      const cluster = await openCluster(stores, `nodes${count}`, count);
      clusters.push(cluster);
      const own: Used[] = [];
      used.set(cluster.name, own);
      const contender = flood(stores, cluster, own);
      floods.push(contender);
      // Until the actors are in memory and the code is compiled: the first thousand commands of a process cost it eight times as much as later ones.
      await contender.run(plan.ms * 4);
      own.length = 0;
    }
    const rates = await alternate(floods, plan, say);
    const rows = clusters.flatMap(({ name }, i) => [
      compare(rates, {
        id: `N${i + 1}`,
        what: `durable commands over HTTP, ${i + 1} node${i === 0 ? '' : 's'}, ${ACTORS} actors, ${CONNECTIONS} connections`,
        of: name,
        ...(i === 0 ? {} : { by: 'nodes1' }),
      }),
      ...costs(i + 1, used.get(name) ?? []),
    ]);
    return { rows, notes: clusters.map(({ name }) => saturation(name, used.get(name) ?? [])) };
  } finally {
    for (const f of floods) await f.close?.();
    for (const c of clusters) await c.stop();
  }
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

function costs(n: number, used: readonly Used[]): Row[] {
  const each = (of: (u: Used) => number): number[] => used.map((u) => (of(u) * 1_000) / u.commands);
  const row = (id: string, what: string, values: readonly number[], unit = 'us'): Row =>
    bounded({ id: `N${n}${id}`, what: `  ${what}`, values, unit });
  return [
    row(
      'NC',
      'processor time of the nodes for each',
      each((u) => sum(u.nodes)),
    ),
    row(
      'NP',
      'processor time of PostgreSQL for each',
      each((u) => u.postgres),
    ),
    ...(n === 1
      ? []
      : [
          row(
            'NR',
            'processor time of Redis for each',
            each((u) => u.redis),
          ),
          row(
            'NM',
            'messages through Redis for each',
            each((u) => u.published / 1_000),
            '',
          ),
        ]),
  ];
}

/** In words: who used how many cores. */
function saturation(name: string, used: readonly Used[]): string {
  const cores = (of: (u: Used) => number): string => median(used.map((u) => of(u) / u.ms)).toFixed(2);
  const nodes = (used[0]?.nodes ?? []).map((_, i) => cores((u) => u.nodes[i] ?? 0)).join(' + ');
  return `${name}: cores used by the nodes ${nodes}, PostgreSQL ${cores((u) => u.postgres)}, Redis ${cores((u) => u.redis)}, clients ${cores((u) => u.clients)}, the whole machine with everybody else ${cores((u) => u.machine)}`;
}

/** Commands at a pace through a load balancer, and applications that follow a log through it. */
export interface Scene {
  readonly probe: Remote<ProbeOrder>;
  readonly watchers: Remote<WatchOrder>;
  /** Keeps the balancer to the nodes that there are. */
  route(): Promise<void>;
  /** Nothing is sent any more; gives what all applications were given, once they stand still. */
  rest(): Promise<Tally>;
  close(): Promise<void>;
}

export async function openScene(cluster: BenchCluster, o: { ids: readonly string[]; perSecond: number }): Promise<Scene> {
  const balancer = await startBalancer(0);
  const probe = new Remote<ProbeOrder>('cluster-probe.js');
  const watchers = new Remote<WatchOrder>('cluster-watchers.js');
  const route = async (): Promise<void> => {
    const urls = cluster.nodes.map((n) => `http://127.0.0.1:${n.port}`);
    balancer.nodes(urls);
    while (!urls.every((url) => balancer.ready.includes(url))) await pause(50);
  };
  await route();
  const { token } = cluster.nodes[0] as BenchNode;
  await probe.ask({ do: 'start', url: balancer.url, token, ids: o.ids, perSecond: o.perSecond, items: ITEMS_PER_SECOND });
  await pause(500);
  await watchers.ask({ do: 'start', url: balancer.url, token, n: WATCHERS, topic: 'tape:t/items' });
  return {
    probe,
    watchers,
    route,
    async rest() {
      await probe.ask({ do: 'stop' });
      for (let before = -1; ;) {
        const tally = await watchers.ask<Tally>({ do: 'tally' });
        if (tally.delivered === before && new Set(tally.last).size === 1) return tally;
        before = tally.delivered;
        await pause(3_000);
      }
    },
    async close() {
      await probe.end();
      await watchers.end();
      await balancer.close();
    },
  };
}

/** Rows of what applications were given (realtime P9). */
export const delivered = (id: string, during: string, t: Tally): Row[] => [
  {
    id,
    what: `gaps delivered to ${WATCHERS} applications ${during} (realtime P9), ${format(t.delivered)} items`,
    value: t.gaps,
    min: t.gaps,
    unit: '',
    target: '0',
    ok: t.gaps === 0,
    broken: t.gaps > 0,
  },
  {
    id,
    what: '  duplicates',
    value: t.duplicates,
    min: t.duplicates,
    unit: '',
    target: '0',
    ok: t.duplicates === 0,
    broken: t.duplicates > 0,
  },
];

/** P12 of the kernel and P9 of the realtime edge: every node is replaced, one after the other, while commands and items go on. */
export async function rollingRestart(stores: Stores, plan: Plan, say: Say): Promise<Row[]> {
  const cluster = await openCluster(stores, 'rolling', 3);
  const spread = new Map<number, string>();
  for (let i = 0; spread.size < PROBED_SLOTS; i += 1)
    spread.set(Math.floor((slotOf(actorIdOf(`step:${i}`)) * PROBED_SLOTS) / SLOTS), String(i));
  const ids = [...spread.values()];
  // what it carries: sent faster than it can be, for a moment
  const full = await capacity(cluster, ids);
  const perSecond = Math.round(full * HALF);
  const scene = await openScene(cluster, { ids, perSecond });
  try {
    await pause(2_000);
    await scene.probe.ask<Probed>({ do: 'take' });
    const [quiet, moving, pauses]: [number[], number[], number[]] = [[], [], []];
    const failed: Record<string, number> = {};
    let sent = 0;
    const note = async (to: number[], moves?: Moves): Promise<void> => {
      const seen = await scene.probe.ask<Probed>({ do: 'take' });
      to.push(...longestWaits(seen));
      if (moves !== undefined) pauses.push(...waitsForMoves(seen, moves));
      sent += seen.sent;
      for (const [status, n] of Object.entries(seen.failed)) failed[status] = (failed[status] ?? 0) + n;
    };
    for (const [i, node] of [...cluster.nodes].entries()) {
      const began = performance.now();
      const watched = watchMoves(cluster);
      const code = await cluster.end(node, 'SIGTERM');
      if (code !== 0) throw new Error(`a node ended with ${code} on SIGTERM`);
      await cluster.add();
      await scene.route();
      await cluster.settled();
      await pause(1_000);
      await note(moving, await watched.end());
      const ms = performance.now() - began;
      await pause(Math.min(ms, plan.ms * 4));
      await note(quiet);
      say(
        `  node ${i + 1}/3 replaced in ${format(ms / 1_000)} s, longest wait ${format(Math.max(...moving))} ms, for a move ${format(Math.max(...pauses))} ms, without ${format(Math.max(...quiet))} ms`,
      );
    }
    const tally = await scene.rest();
    const failures = sum(Object.values(failed));
    const pause99 = bounded({
      id: 'P12',
      what: `longest wait of a command that met a move of its slot, 99th percentile of ${pauses.length} moves`,
      values: [quantile(pauses, 0.99)],
      unit: 'ms',
    });
    const p99 = bounded({
      id: 'P12l',
      what: 'longest wait at a slot for whatever reason, 99th percentile over slots and restarts, against no restart',
      values: [quantile(moving, 0.99)],
      by: [quantile(quiet, 0.99)],
      unit: 'ms',
    });
    return [
      {
        id: 'P12f',
        what: `failed commands in a rolling restart at ${perSecond} of ${Math.round(full)} commands/s, ${format(sent)} sent${failures === 0 ? '' : `: ${JSON.stringify(failed)}`}`,
        value: failures,
        min: failures,
        unit: '',
        target: '0',
        ok: failures === 0,
        broken: failures > 0,
      },
      { ...pause99, target: `<= ${PAUSE_MS} ms`, ok: pause99.value <= PAUSE_MS, broken: pause99.value > PAUSE_MS * 1.3 },
      p99,
      bounded({ id: 'P12m', what: '  the same, median', values: [median(moving)], by: [median(quiet)], unit: 'ms' }),
      ...delivered('R9d', 'in a rolling restart', tally),
    ];
  } finally {
    await scene.close();
    await cluster.stop();
  }
}

const CAPACITY_MS = 3_000;

/** Commands a second that the balancer and the nodes carry when clients send as fast as they get answers. */
async function capacity(cluster: BenchCluster, ids: readonly string[]): Promise<number> {
  const balancer = await startBalancer(
    0,
    cluster.nodes.map((n) => `http://127.0.0.1:${n.port}`),
  );
  const child = fork(fileURLToPath(new URL('http-load.js', import.meta.url)));
  try {
    while (balancer.ready.length < cluster.nodes.length) await pause(50);
    const order: LoadOrder = {
      port: Number(new URL(balancer.url).port),
      connections: 32,
      ms: CAPACITY_MS,
      actors: ids.length,
      path: '/v1/actors/step/{actor}/commands/bench.step',
      headers: { authorization: `Bearer ${cluster.nodes[0]?.token}`, 'idempotency-key': '{n}' },
      body: '{"amount":1,"note":"measured"}',
    };
    const { rate } = await new Promise<LoadResult>((resolve) => {
      child.once('message', (result) => resolve(result as LoadResult));
      child.send(order);
    });
    return rate;
  } finally {
    child.kill('SIGKILL');
    await balancer.close();
  }
}

interface Takeover {
  /** ms from the kill to the first command at each slot of the dead node */
  readonly served: readonly number[];
}

/** Kills one of three nodes so many times; commands to each of its slots are tried at a survivor until they succeed. */
async function takeovers(cluster: BenchCluster, kills: number, say: Say): Promise<Takeover[]> {
  const bySlot = new Map<number, string>();
  for (let i = 0; bySlot.size < SLOTS; i += 1) bySlot.set(slotOf(actorIdOf(`step:${i}`)), `step:${i}`);
  const found: Takeover[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    const { slots } = await cluster.settled();
    const [victim, survivor] = cluster.nodes as [BenchNode, BenchNode];
    const refs = [...bySlot].filter(([slot]) => slots[slot] === victim.name).map(([, ref]) => ref);
    await survivor.ask({ do: 'mark', refs });
    const began = Date.now();
    await cluster.end(victim, 'SIGKILL');
    const served = (await survivor.ask<number[]>({ do: 'serve', refs })).map((at) => at - began);
    found.push({ served });
    say(
      `  kill ${kill + 1}/${kills}: ${refs.length} slots, first ${Math.min(...served)} ms, median ${format(median(served))} ms, all ${Math.max(...served)} ms`,
    );
    await cluster.add();
  }
  return found;
}

const EAGER_MS = 2_000;
const LEASE_MS = 8_000;

/** P13: how long the slots of a killed node are without one, when others notice, and when only the lease ends. */
export async function killed(stores: Stores, plan: Plan, say: Say): Promise<Row[]> {
  const kills = plan.rounds < 5 ? 5 : 20;
  const rows: Row[] = [];
  for (const [id, takeover, many, limit] of [
    ['P13', 'eager', kills, EAGER_MS],
    ['P13l', 'lease', Math.ceil(kills / 5), LEASE_MS],
  ] as const) {
    const cluster = await openCluster(stores, `killed_${takeover}`, 3, { TAKEOVER: takeover });
    try {
      const all = await takeovers(cluster, many, say);
      const whole = all.map(({ served }) => Math.max(...served));
      const worst = Math.max(...whole);
      const row = bounded({
        id,
        what: `all slots of a killed node served again (${takeover}), ${many} kills, median`,
        values: whole,
        unit: 'ms',
      });
      rows.push(
        { ...row, target: `<= ${limit}`, ok: worst <= limit, broken: median(whole) > limit * 1.3 },
        {
          id: `${id}max`,
          what: '  the slowest of them',
          value: worst,
          min: row.min,
          unit: 'ms',
          target: `<= ${limit}`,
          ok: worst <= limit,
        },
        bounded({ id: `${id}slot`, what: '  one slot, median', values: all.flatMap((t) => t.served), unit: 'ms' }),
        bounded({
          id: `${id}t`,
          what: '  one slot, 99th percentile',
          values: [
            quantile(
              all.flatMap((t) => t.served),
              0.99,
            ),
          ],
          unit: 'ms',
        }),
      );
    } finally {
      await cluster.stop();
    }
  }
  return rows;
}
