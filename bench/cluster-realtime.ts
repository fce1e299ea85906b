/** P7, P8, P9 and P13 of the realtime edge over several nodes (realtime R17), and what connections and subscriptions cost. */
import { openCluster, pause } from './cluster-rig.ts';
import type { BenchCluster, BenchNode, Stores } from './cluster-rig.ts';
import { delivered, openScene } from './cluster-kernel.ts';
import type { SessionsOrder } from './cluster-sessions.ts';
import { bounded, format, median, quantile } from './harness.ts';
import type { Plan, Row } from './harness.ts';
import { Peer, Remote } from './peer.ts';
import { residentBytes } from './processor.ts';
import type { LoadOrder, State } from './realtime-load.ts';
import type { ServerOrder, Spread, Started } from './realtime-server.ts';

type Say = (line: string) => void;
type Clients = Peer<LoadOrder>;

const SUBSCRIBERS = 500;
const BYTES = 300;
const PER_SECOND = 10;
const MIB = 1_048_576;
const KIB = 1_024;

/** Opens sockets in a process of their own. */
async function connect(port: number, n: number, topics: readonly string[], tokens: readonly string[] = []): Promise<Clients> {
  const clients = new Peer<LoadOrder>('realtime-load.js');
  await clients.ask({ do: 'open', port, n, topics, tokens });
  return clients;
}

/** Socket.IO alone with its Redis adapter. */
function rawNode(stores: Stores): { peer: Peer<ServerOrder>; started: Promise<Started> } {
  const peer = new Peer<ServerOrder>('realtime-raw.js', [stores.redisPath]);
  return { peer, started: peer.next<Started>() };
}

const boardsOf = async (cluster: BenchCluster, node: BenchNode, n: number): Promise<string[]> => {
  const { slots } = await cluster.settled();
  return cluster.refs('board', n, (slot) => slots[slot] === node.name);
};

/** bytes */
interface Memory {
  readonly rss: number;
  readonly heap: number;
}

interface Round {
  readonly here: number;
  readonly there: number;
}

/** The same publications at subscribers of the publishing node and at those of another one, ms from their sending. */
async function bothSides(here: Clients, there: Clients, publish: () => Promise<unknown>): Promise<Round> {
  for (const c of [here, there]) await c.ask({ do: 'follow', on: false });
  await publish();
  await pause(500);
  const [a, b] = [await here.ask<Spread>({ do: 'latencies' }), await there.ask<Spread>({ do: 'latencies' })];
  return { here: a.p50, there: b.p50 };
}

/** P7: what the second node adds to a publication, and what it costs Redis. */
export async function acrossNodes(stores: Stores, plan: Plan, say: Say): Promise<Row[]> {
  const cluster = await openCluster(stores, 'across', 2);
  const raw = [rawNode(stores), rawNode(stores)] as const;
  const clients: Clients[] = [];
  try {
    const [one, other] = cluster.nodes as [BenchNode, BenchNode];
    const [ref = ''] = await boardsOf(cluster, one, 1);
    await one.ask({ do: 'mark', refs: [ref] });
    const topics = [`${ref}/live`];
    const [rawOne, rawOther] = [await raw[0].started, await raw[1].started];
    const [here, there, rawHere, rawThere] = [
      await connect(one.port, SUBSCRIBERS, topics, [one.token]),
      await connect(other.port, SUBSCRIBERS, topics, [other.token]),
      await connect(rawOne.port, SUBSCRIBERS, topics),
      await connect(rawOther.port, SUBSCRIBERS, topics),
    ] as const;
    clients.push(here, there, rawHere, rawThere);
    const ms = Math.max(2_000, plan.ms);
    const ours = (): Promise<{ sent: number }> => one.ask({ do: 'pace', refs: [ref], perSecond: PER_SECOND, ms, bytes: BYTES });
    const theirs = (): Promise<unknown> => raw[0].peer.ask({ do: 'pace', perSecond: PER_SECOND, ms, bytes: BYTES });
    // the first of each warms up
    await bothSides(here, there, ours);
    await bothSides(rawHere, rawThere, theirs);
    const [thrum, bare, trips, messages]: [Round[], Round[], number[], number[]] = [[], [], [], []];
    for (let round = 0; round < plan.rounds; round += 1) {
      bare.push(await bothSides(rawHere, rawThere, theirs));
      const idle = await stores.published();
      await pause(ms);
      const before = await stores.published();
      let sent = 0;
      thrum.push(await bothSides(here, there, async () => ({ sent } = await ours())));
      messages.push(((await stores.published()) - before - (before - idle)) / sent);
      trips.push(quantile(await one.ask<number[]>({ do: 'ping', ms: 300 }), 0.5));
      const last = thrum.at(-1);
      say(`  round ${round + 1}/${plan.rounds} to subscribers here ${format(last?.here)} ms, at the other node ${format(last?.there)} ms`);
    }
    const extra = (rounds: readonly Round[]): number[] => rounds.map((r) => r.there - r.here);
    const trip = median(trips);
    const limit = median(thrum.map((r) => r.here)) + 2 * trip;
    const row = bounded({
      id: 'R7',
      what: `command to callback at ${SUBSCRIBERS} subscribers of the other node, median, against those of the publishing one (realtime P7)`,
      values: thrum.map((r) => r.there),
      by: thrum.map((r) => r.here),
      unit: 'ms',
    });
    return [
      { ...row, target: `<= ${limit.toFixed(2)} ms`, ok: row.value <= limit, broken: row.value > limit * 1.3 },
      bounded({
        id: 'R7x',
        what: '  what the other node adds, against Socket.IO with its Redis adapter',
        values: extra(thrum),
        by: extra(bare),
        unit: 'ms',
      }),
      bounded({ id: 'R7m', what: '  messages through Redis for each publication', values: messages, unit: '' }),
    ];
  } finally {
    for (const c of [...clients, ...raw.map((r) => r.peer)]) c.end();
    await cluster.stop();
  }
}

/** P13: from the revocation of a session to the end of its sockets at two nodes. */
export async function revocation(stores: Stores, plan: Plan, say: Say): Promise<Row[]> {
  const cluster = await openCluster(stores, 'revoked', 2);
  const raw = [rawNode(stores), rawNode(stores)] as const;
  const sessions = new Remote<SessionsOrder>('cluster-sessions.js');
  try {
    const started = await Promise.all(raw.map((r) => r.started));
    const each = plan.rounds < 5 ? 20 : 50;
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let round = 0; round < plan.rounds; round += 1) {
      const [one] = cluster.nodes as [BenchNode];
      const tokens = await one.ask<string[]>({ do: 'login', n: each });
      ours.push(...(await sessions.ask<number[]>({ ports: cluster.nodes.map((n) => n.port), tokens, path: '/v1/auth/logout' })));
      const names = tokens.map((_, i) => `r${round}-${i}`);
      theirs.push(...(await sessions.ask<number[]>({ ports: started.map((s) => s.port), tokens: names, path: '/' })));
      say(`  round ${round + 1}/${plan.rounds} ${format(quantile(ours, 0.99))} ms, Socket.IO alone ${format(quantile(theirs, 0.99))} ms`);
    }
    const p99 = bounded({
      id: 'R13',
      what: `revocation to the end of both sockets, two nodes, 99th percentile of ${ours.length} (realtime P13), against disconnectSockets of Socket.IO`,
      values: [quantile(ours, 0.99)],
      by: [quantile(theirs, 0.99)],
      unit: 'ms',
    });
    return [
      { ...p99, target: '< 1,000 ms', ok: p99.value < 1_000, broken: p99.value > 1_300 },
      bounded({ id: 'R13m', what: '  median', values: [median(ours)], by: [median(theirs)], unit: 'ms' }),
    ];
  } finally {
    for (const r of raw) r.peer.end();
    await sessions.end();
    await cluster.stop();
  }
}

/** sockets of one person at one node, as many as he may have */
const PER_PERSON = 20;
const LOSS_PER_SECOND = 2;
const STEADY_MS = 5_000;
const LOSS_MS = 40_000;
const SAMPLE_MS = 200;

/** P8 and P9: half of the clients lose their node, and with it the owner of what half of them follow. */
export async function lostNode(stores: Stores, plan: Plan, say: Say): Promise<Row[]> {
  const name = 'lost';
  const cluster = await openCluster(stores, name, 2);
  const scene = await openScene(cluster, { ids: ['0'], perSecond: 1 });
  const clients: Clients[] = [];
  try {
    const [survivor, victim] = cluster.nodes as [BenchNode, BenchNode];
    const refs = [...(await boardsOf(cluster, survivor, 1)), ...(await boardsOf(cluster, victim, 1))];
    await survivor.ask({ do: 'mark', refs });
    const share = Math.floor(plan.clients / 4);
    const tokens = await survivor.ask<string[]>({ do: 'people', n: Math.ceil((share * 2) / PER_PERSON) });
    for (const node of [survivor, victim]) for (const ref of refs) clients.push(await connect(node.port, share, [`${ref}/live`], tokens));
    for (const c of clients) await c.ask({ do: 'follow', on: false });
    say(`  ${share * 4} clients at two nodes`);

    // undisturbed, for as long as the loss takes at least
    const publish = (ms: number): Promise<unknown> => survivor.ask({ do: 'pace', refs, perSecond: LOSS_PER_SECOND, ms, bytes: BYTES });
    const t0 = await stores.transactions(name);
    await publish(STEADY_MS);
    await pause(1_500);
    const perMs = ((await stores.transactions(name)) - t0) / (STEADY_MS + 1_500);
    await survivor.ask({ do: 'memory' });
    const steady = residentBytes(survivor.pid) ?? Number.NaN;
    let peak = steady;
    const sampling = setInterval(() => (peak = Math.max(peak, residentBytes(survivor.pid) ?? 0)), SAMPLE_MS);
    await survivor.ask({ do: 'loop' });

    const lost = clients.slice(2);
    const publishing = publish(LOSS_MS);
    await pause(2_000);
    const before = await stores.transactions(name);
    const began = performance.now();
    await cluster.end(victim, 'SIGKILL');
    await scene.route();
    const back = Math.max(
      ...(await Promise.all(lost.map((c) => c.ask<{ ms: number }>({ do: 'storm', port: survivor.port })))).map((s) => s.ms),
    );
    const { p99 } = await survivor.ask<{ p99: number }>({ do: 'loop' });
    await pause(1_500);
    const reads = Math.max(0, (await stores.transactions(name)) - before - perMs * (performance.now() - began)) / (share * 2);
    await publishing;
    await pause(2_000);
    clearInterval(sampling);
    const states = await Promise.all(clients.map((c) => c.ask<State>({ do: 'state' })));
    const heads = (i: number): number[] => [0, 2].flatMap((k) => Object.keys(states[i + k]?.heads ?? {}).map(Number));
    const newest = [Math.max(...heads(0)), Math.max(...heads(1))];
    const correct = states.reduce((sum, s, i) => sum + (s.heads[newest[i % 2] ?? 0] ?? 0), 0);
    const healed = states.reduce((sum, s) => sum + s.gaps, 0);
    const tally = await scene.rest();
    const all = correct === share * 4;
    return [
      bounded({
        id: 'R8',
        what: `${share * 4} clients, one of two nodes killed, ${correct} of them correct (realtime P8): until all are subscribed again`,
        values: [back / 1_000],
        unit: 's',
        atMost: all ? 30 : 0,
      }),
      bounded({ id: 'R8loop', what: '  99th percentile of the delay of the event loop meanwhile', values: [p99], unit: 'ms', atMost: 500 }),
      bounded({
        id: 'R8mem',
        what: '  highest memory of the survivor, against before',
        values: [peak / MIB],
        by: [steady / MIB],
        unit: 'MiB',
        atMost: 1.5,
      }),
      bounded({
        id: 'R8db',
        what: '  database transactions beyond the usual for each that came back',
        values: [reads],
        unit: '',
        atMost: 0.1,
      }),
      bounded({ id: 'R8gap', what: '  publications that a client missed and asked for', values: [healed], unit: '' }),
      ...delivered('R9k', 'while a node is killed', tally),
    ];
  } finally {
    for (const c of clients) c.end();
    await scene.close();
    await cluster.stop();
  }
}

const MANY_TOPICS = 33;

/** What a connection keeps at a node, and what a subscription to a topic of its own. */
export async function memoryOfClients(stores: Stores, plan: Plan, say: Say): Promise<Row[]> {
  const n = plan.rounds < 5 ? 1_000 : 3_000;
  const cluster = await openCluster(stores, 'memory', 1);
  const [node] = cluster.nodes as [BenchNode];
  const clients: Clients[] = [];
  try {
    const topicsOf = (many: number): string[] => Array.from({ length: many }, (_, k) => `board:m{i}-${k}/live`);
    const few = Math.floor(n / 4);
    const memory = (): Promise<Memory> => node.ask({ do: 'memory' });
    const measure = async (many: number, topics: readonly string[]): Promise<Memory> => {
      const before = await memory();
      clients.push(await connect(node.port, many, topics, [node.token]));
      const after = await memory();
      return { rss: (after.rss - before.rss) / many, heap: (after.heap - before.heap) / many };
    };
    // Actors are in memory before anybody follows them. They leave garbage whose pages later connections would fill unseen, so most come after the first measurement.
    await node.ask({ do: 'mark', refs: ['board:m0-0'] });
    const warmUp = await connect(node.port, few, ['board:m0-0/live'], [node.token]);
    warmUp.end();
    await pause(1_000);
    const shared = await measure(n, ['board:m0-0/live']);
    const refs = Array.from({ length: few }, (_, i) =>
      topicsOf(MANY_TOPICS).map((t) => t.replace('{i}', String(i)).replace('/live', '')),
    ).flat();
    await node.ask({ do: 'mark', refs });
    const own = await measure(few, topicsOf(MANY_TOPICS));
    const further = (own.heap - shared.heap) / (MANY_TOPICS - 1);
    say(
      `  ${format(shared.rss / KIB)} KiB with one topic, ${format(shared.heap / KIB)} of them heap; ${format(further / KIB)} for each further topic`,
    );
    return [
      bounded({ id: 'C1', what: `memory of an idle connection with one topic, ${n} of them`, values: [shared.rss / KIB], unit: 'KiB' }),
      bounded({
        id: 'C2',
        what: `heap of each further subscription, to a topic of one's own`,
        values: [further / KIB],
        unit: 'KiB',
      }),
    ];
  } finally {
    for (const c of clients) c.end();
    await cluster.stop();
  }
}
