/** The realtime edge against Socket.IO alone, with the same options, payloads and clients; servers and load in processes of their own (R17). */
import { spawnSync } from 'node:child_process';
import { startPostgres } from '../scripts/private-postgres.ts';
import { REST } from './board.ts';
import { alternate, compare, FULL, median } from './harness.ts';
import type { Contender, Plan, Row } from './harness.ts';
import { Peer } from './peer.ts';
import type { LoadOrder, State } from './realtime-load.ts';
import type { ServerOrder, Spread, Started, Usage } from './realtime-server.ts';
import type { Bench } from './run.ts';

const SUBSCRIBERS = 1_000;
const BYTES = 300;
const WINDOW = 8;
const LIVE = ['board:b/live'];
const SIX = ['board:b/live', 'board:b/calm', 'board:0/live', 'board:1/live', 'board:2/live', 'board:3/live'];
const SNAPSHOT = JSON.stringify({ stamp: 0, text: 'x'.repeat(60), rest: REST }).length;
const MIB = 1_048_576;
/** sockets of one load process */
const PER_LOAD = 2_500;

interface Rig {
  readonly server: Peer<ServerOrder>;
  /** the process with the clients; the first of several when there are many */
  readonly load: Peer<LoadOrder>;
  readonly loads: readonly Peer<LoadOrder>[];
  readonly started: Started;
  end(): void;
}

async function rig(file: string, n: number, topics: readonly string[], args: readonly string[] = []): Promise<Rig> {
  const server = new Peer<ServerOrder>(file, args);
  const started = await server.next<Started>();
  const load = new Peer<LoadOrder>('realtime-load.js');
  const loads = [load];
  for (let more = n - PER_LOAD; more > 0; more -= PER_LOAD) loads.push(new Peer<LoadOrder>('realtime-load.js'));
  const r = { server, load, loads, started, end: () => [server, ...loads].forEach((p) => p.end()) };
  if (n > 0) await open(r, n, topics);
  return r;
}

/** Opens sockets, as many in each process. */
async function open({ loads, started: { port, token } }: Rig, n: number, topics: readonly string[]): Promise<void> {
  const share = (i: number): number => Math.floor((n * (i + 1)) / loads.length) - Math.floor((n * i) / loads.length);
  await Promise.all(loads.map((l, i) => l.ask({ do: 'open', port, n: share(i), topics, tokens: token === undefined ? [] : [token] })));
}

const all = <T>({ loads }: Rig, order: LoadOrder): Promise<T[]> => Promise.all(loads.map((l) => l.ask<T>(order)));

/** Where the clients of all processes stand: how many have the newest, and what went wrong. */
async function standing(r: Rig): Promise<{ correct: number; gaps: number; dups: number }> {
  const states = await all<State>(r, { do: 'state' });
  const newest = Math.max(...states.flatMap(({ heads }) => Object.keys(heads).map(Number)));
  const sum = (of: (s: State) => number): number => states.reduce((total, s) => total + of(s), 0);
  return { correct: sum((s) => s.heads[newest] ?? 0), gaps: sum((s) => s.gaps), dups: sum((s) => s.dups) };
}

/** Publications as fast as all subscribers take them, at most a window under way; deliveries a second. */
function fanOut(name: string, { server, load }: Rig, costs: Map<string, number[]>): Contender {
  return {
    name,
    async run(ms) {
      await load.ask({ do: 'follow', on: true });
      const before = await server.ask<Usage>({ do: 'usage', gc: false });
      const began = performance.now();
      let done = 0;
      let sent = 0;
      await new Promise<void>((resolve) => {
        load.on((message) => {
          done = (message as { done: number }).done;
          if (performance.now() - began > ms) {
            if (done >= sent) resolve();
          } else for (; sent < done + WINDOW; sent += 1) server.tell({ do: 'publish', bytes: BYTES });
        });
        for (; sent < WINDOW; sent += 1) server.tell({ do: 'publish', bytes: BYTES });
      });
      const seconds = (performance.now() - began) / 1_000;
      load.on(undefined);
      const after = await server.ask<Usage>({ do: 'usage', gc: false });
      const deliveries = done * SUBSCRIBERS;
      costs.set(name, [...(costs.get(name) ?? []), ((after.cpu - before.cpu) * 1_000) / deliveries]);
      return deliveries / seconds;
    },
  };
}

const atMost = (row: Omit<Row, 'min' | 'ratio'>, limit: number, by: 'value' | 'ratio', target = `<= ${limit}`): Row => {
  const ratio = row.baseline === undefined ? undefined : row.value / row.baseline;
  const measured = by === 'ratio' ? (ratio ?? Number.NaN) : row.value;
  return {
    ...row,
    min: row.value,
    ...(ratio === undefined ? {} : { ratio }),
    target,
    ok: measured <= limit,
    broken: measured > limit * 1.3,
  };
};

async function paced(
  { server, load }: Rig,
  perSecond: number,
  ms: number,
  bytes: number,
): Promise<Spread & { received: number; sent: number }> {
  await load.ask({ do: 'follow', on: false });
  await server.ask({ do: 'commits' });
  const { sent } = await server.ask<{ sent: number }>({ do: 'pace', perSecond, ms, bytes });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { commits } = await server.ask<{ commits?: readonly (readonly [number, number])[] }>({ do: 'commits' });
  const order = { do: 'latencies', ...(commits === undefined ? {} : { from: commits }) } as const;
  return { ...(await load.ask<Spread & { received: number }>(order)), sent };
}

/** P1, P2, P6: a thousand subscribers of one topic. */
async function broadcast(plan: Plan, say: (line: string) => void): Promise<Row[]> {
  const thrum = await rig('realtime-thrum.js', SUBSCRIBERS, LIVE);
  const raw = await rig('realtime-raw.js', SUBSCRIBERS, LIVE);
  try {
    const costs = new Map<string, number[]>();
    const both = [fanOut('thrum', thrum, costs), fanOut('socket.io', raw, costs)];
    for (const { run } of both) await run(1_000);
    costs.clear();
    const rates = await alternate(both, plan, say);
    const times = { thrum: [] as Spread[], raw: [] as Spread[] };
    for (let round = 0; round < plan.rounds; round += 1) {
      times.raw.push(await paced(raw, 10, plan.ms, BYTES));
      times.thrum.push(await paced(thrum, 10, plan.ms, BYTES));
    }
    const of = (all: readonly Spread[], q: 'p50' | 'p99'): number => median(all.map((s) => s[q]));
    const [cost, bare] = [median(costs.get('thrum') ?? []), median(costs.get('socket.io') ?? [])];
    return [
      compare(rates, { id: 'P1', what: 'deliveries, 1 topic, 1,000 subscribers, 300 B', of: 'thrum', by: 'socket.io', atLeast: 0.8 }),
      atMost({ id: 'P2', what: 'CPU of the server per delivery', value: cost, baseline: bare, unit: 'us' }, 1.25, 'ratio'),
      atMost(
        {
          id: 'P6',
          what: 'commit to client, 10/s, 1,000 subscribers, median',
          value: of(times.thrum, 'p50'),
          baseline: of(times.raw, 'p50'),
          unit: 'ms',
        },
        3,
        'value',
      ),
      atMost(
        { id: 'P6', what: 'commit to client, the same, p99', value: of(times.thrum, 'p99'), baseline: of(times.raw, 'p99'), unit: 'ms' },
        of(times.raw, 'p99') + 20,
        'value',
        '<= baseline + 20',
      ),
    ];
  } finally {
    thrum.end();
    raw.end();
  }
}

/** P3: what an idle connection keeps. */
async function memory(n: number): Promise<Row[]> {
  const perConnection = async (file: string, topics: readonly string[]): Promise<{ rss: number; heap: number }> => {
    const r = await rig(file, 0, []);
    try {
      const before = await r.server.ask<Usage>({ do: 'usage', gc: true });
      await open(r, n, topics);
      const after = await r.server.ask<Usage>({ do: 'usage', gc: true });
      return { rss: (after.rss - before.rss) / n / 1_024, heap: (after.heap - before.heap) / n / 1_024 };
    } finally {
      r.end();
    }
  };
  const raw = await perConnection('realtime-raw.js', []);
  const thrum = await perConnection('realtime-thrum.js', SIX);
  return [
    atMost(
      { id: 'P3', what: `memory per idle connection, 6 topics, ${n} of them`, value: thrum.rss, baseline: raw.rss, unit: 'KiB' },
      1.4,
      'ratio',
    ),
    { id: 'P3', what: '  of it heap', value: thrum.heap, min: thrum.heap, baseline: raw.heap, ratio: thrum.heap / raw.heap, unit: 'KiB' },
  ];
}

/** P4, P5: questions and durable commands. */
async function answers(plan: Plan): Promise<Row[]> {
  const rows: Row[] = [];
  const [thrum, raw] = [await rig('realtime-thrum.js', 100, LIVE), await rig('realtime-raw.js', 100, LIVE)];
  const ping = (r: Rig): Promise<Spread> => r.load.ask({ do: 'ask', event: 'ping1', perSecond: 1_000, ms: plan.ms });
  try {
    const [ours, theirs]: [Spread[], Spread[]] = [[], []];
    for (let round = 0; round <= plan.rounds; round += 1) {
      const [a, b] = [await ping(raw), await ping(thrum)];
      if (round === 0) continue;
      theirs.push(a);
      ours.push(b);
    }
    for (const [q, limit] of [
      ['p50', 1.5],
      ['p99', 2],
    ] as const) {
      const [value, baseline] = [median(ours.map((s) => s[q])), median(theirs.map((s) => s[q]))];
      rows.push(atMost({ id: 'P4', what: `acknowledgement, 100 connections, 1,000/s, ${q}`, value, baseline, unit: 'ms' }, limit, 'ratio'));
    }
  } finally {
    thrum.end();
    raw.end();
  }
  const postgres = await startPostgres({ shared_buffers: '256MB' }, '/var/tmp');
  if (postgres === undefined) return rows;
  const durable = await rig('realtime-thrum.js', 100, [], [postgres.url]);
  try {
    const cmd = (): Promise<Spread> => durable.load.ask({ do: 'ask', event: 'cmd', perSecond: 500, ms: plan.ms });
    await cmd();
    await durable.server.ask({ do: 'asks' });
    const acks: Spread[] = [];
    for (let round = 0; round < plan.rounds; round += 1) acks.push(await cmd());
    const kernel = await durable.server.ask<Spread>({ do: 'asks' });
    const ack = median(acks.map((s) => s.p99));
    rows.push(
      atMost(
        {
          id: 'P5',
          what: `durable command, 500/s, ack p99 beyond commit p99 (${kernel.p99.toFixed(1)} ms)`,
          value: ack - kernel.p99,
          unit: 'ms',
        },
        5,
        'value',
      ),
    );
  } finally {
    durable.end();
    await postgres.stop();
  }
  return rows;
}

/** P10: one client of a hundred does not read. */
async function slowClient(plan: Plan): Promise<Row[]> {
  const r = await rig('realtime-thrum.js', 100, LIVE);
  const heap = async (): Promise<number> => (await r.server.ask<Usage>({ do: 'usage', gc: true })).heap;
  const ms = plan.ms * 20;
  try {
    await paced(r, 100, 2_000, 10_000);
    const start = await heap();
    const [alone, beside] = [[await paced(r, 100, ms, 10_000)], [] as Spread[]];
    const before = await heap();
    r.load.tell({ do: 'pause' });
    beside.push(await paced(r, 100, ms, 10_000));
    // the journal is in memory and grows in both runs alike
    const growth = (await heap()) - before - (before - start);
    for (let round = 1; round < plan.rounds; round += 1) {
      alone.push(await paced(r, 100, plan.ms, 10_000));
      r.load.tell({ do: 'pause' });
      beside.push(await paced(r, 100, plan.ms, 10_000));
    }
    const p99 = (runs: readonly Spread[]): number => median(runs.map((s) => s.p99));
    return [
      atMost(
        { id: 'P10', what: `growth beside a paused client, 1 MB/s for ${ms / 1_000} s`, value: growth / MIB, unit: 'MiB' },
        2,
        'value',
      ),
      atMost({ id: 'P10', what: '  p99 of the others', value: p99(beside), baseline: p99(alone), unit: 'ms' }, 1.2, 'ratio'),
    ];
  } finally {
    r.end();
  }
}

/** P11, P12: conflation and resuming. */
async function numbers(plan: Plan): Promise<Row[]> {
  const r = await rig('realtime-thrum.js', 10, ['board:b/calm']);
  try {
    const ms = Math.max(2_000, plan.ms);
    const { received } = await paced(r, 1_000, ms, BYTES);
    const { correct } = await standing(r);
    const same = await r.load.ask<{ bytes: number }>({ do: 'bytes' });
    const perSecond = received / 10 / (ms / 1_000);
    await r.load.ask({ do: 'close' });
    await open(r, 1, LIVE);
    await r.load.ask({ do: 'follow', on: true });
    for (let i = 0; i < 5; i += 1) {
      r.server.tell({ do: 'publish', bytes: 60 });
      await r.load.next();
    }
    const delta = await r.load.ask<{ bytes: number }>({ do: 'bytes' });
    return [
      atMost(
        {
          id: 'P11',
          what: `publications of 1,000 commits/s at 100 ms; ${correct} of 10 at the end, which resume in ${same.bytes} B`,
          value: perSecond,
          unit: '/s',
        },
        11,
        'value',
      ),
      atMost(
        { id: 'P12', what: 'bytes to resume after 5 deltas, of a snapshot of 4 kB', value: delta.bytes, baseline: SNAPSHOT, unit: 'B' },
        0.3,
        'ratio',
      ),
    ];
  } finally {
    r.end();
  }
}

/** deliveries a second that go on beside a storm: a third of what P1 says that the machine can do */
const BESIDE = 20_000;

/** All clients are cut and come back at once while publications go on. */
async function storm(n: number): Promise<Row[]> {
  const perSecond = Math.min(10, BESIDE / n);
  const r = await rig('realtime-thrum.js', n, LIVE);
  try {
    await all(r, { do: 'follow', on: false });
    const before = await r.server.ask<Usage>({ do: 'usage', gc: true });
    const published = r.server.ask<{ sent: number }>({ do: 'pace', perSecond, ms: 15_000, bytes: BYTES });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const ms = Math.max(...(await all<{ ms: number }>(r, { do: 'storm' })).map((back) => back.ms));
    await published;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const after = await r.server.ask<Usage>({ do: 'usage', gc: false });
    const { correct, gaps, dups } = await standing(r);
    return [
      atMost(
        {
          id: 'S1',
          what: `${n} clients cut and back at once beside ${perSecond} publications/s, ${correct} of them correct`,
          value: ms / 1_000,
          unit: 's',
        },
        correct === n ? 30 : 0,
        'value',
        '<= 30, all',
      ),
      atMost({ id: 'S2', what: '  gaps', value: gaps, unit: '' }, 0, 'value'),
      atMost({ id: 'S2', what: '  duplicates', value: dups, unit: '' }, 0, 'value'),
      atMost(
        { id: 'S3', what: '  memory after against before', value: after.rss / MIB, baseline: before.rss / MIB, unit: 'MiB' },
        1.5,
        'ratio',
      ),
    ];
  } finally {
    r.end();
  }
}

/** P14: what a page loads of the client library, as `npm run size` measures it. */
function sizes(): Row[] {
  const { stdout } = spawnSync(process.execPath, ['scripts/size.mjs'], { encoding: 'utf8' });
  return [...stdout.matchAll(/^@thrum\/client (\S+) +\+? ?(\d+) B of (\d+) B/gm)].map(([, entry, size, budget]) =>
    atMost({ id: 'P14', what: `size of @thrum/client ${entry}`, value: Number(size), unit: 'B' }, Number(budget), 'value'),
  );
}

export const realtimeBench: Bench = async function* (plan, say, wanted) {
  const parts: readonly { readonly name: string; readonly ids: readonly string[]; readonly run: () => Promise<Row[]> }[] = [
    { name: 'broadcast', ids: ['P1', 'P2', 'P6'], run: () => broadcast(plan, say) },
    { name: 'memory', ids: ['P3'], run: () => memory(plan.rounds < FULL.rounds ? 1_000 : 5_000) },
    { name: 'answers', ids: ['P4', 'P5'], run: () => answers(plan) },
    { name: 'a slow client', ids: ['P10'], run: () => slowClient(plan) },
    { name: 'numbers', ids: ['P11', 'P12'], run: () => numbers(plan) },
    { name: 'sizes', ids: ['P14'], run: async () => sizes() },
    { name: 'storm', ids: ['S1', 'S2', 'S3'], run: () => storm(plan.clients) },
  ];
  const notes = [
    'journal in memory but for P5 (private PostgreSQL); thrum: ES256 token, limits and rights as shipped, those of one address, user and socket raised; load in processes of raw frames',
  ];
  yield { rows: [], notes };
  for (const { name, run } of parts.filter((p) => p.ids.some(wanted))) {
    say(name);
    yield { rows: await run() };
  }
};
