/** Who owns a slot, over a real Redis and a real PostgreSQL: two that both believe in it, an older build, and leases that go back in time (K4, K22; 10.7). */
import anyTest from 'ava';
import type { TestFn } from 'ava';
import { Registry } from 'prom-client';
import { registryOf } from '../../actors/companion.ts';
import type { ActorKind } from '../../actors/define.ts';
import { actorIdOf, slotOf } from '../../actors/ids.ts';
import { LEASE_TTL_MS } from '../../actors/shard/leases.ts';
import type { Leases } from '../../actors/shard/leases.ts';
import { createPgStore } from '../../actors/store/pg.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import { createActorSystem } from '../../actors/system.ts';
import type { ActorSystem } from '../../actors/system.ts';
import type { ActorRef, Reply } from '../../actors/types.ts';
import { systemClock } from '../../server/clock.ts';
import { openDatabase } from '../../server/db/database.ts';
import { createRedisBus } from '../../server/redis/bus.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import type { RedisKeys } from '../../server/redis/keys.ts';
import { createRedisLeases } from '../../server/redis/leases.ts';
import { clusterStores } from '../support/cluster-stores.ts';
import { as, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';
import { quiet } from '../support/log.ts';
import '../support/purity.ts';
import { clientOf, namespace } from '../support/redis.ts';
import { until } from '../support/until.ts';

const PATIENT_MS = 120_000;
const TABLES = `
  create table test_notes (text text not null, at bigint not null, actor_id uuid, seq bigint not null, primary key (actor_id, text));
  create table test_totals (name text, count int not null, actor_id uuid, seq bigint not null, primary key (actor_id, name));
  create table test_places (claim text primary key, place text not null, state text not null, actor_id uuid not null, seq bigint not null);`;

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 1 }) } };
const newer: ActorKind = { ...counter, version: 2, migrations: { 1: (s: object) => s as never } };
const refs = Array.from({ length: 32 }, (_, i): ActorRef => `counter:${i}`);

interface Kernel {
  readonly id: string;
  readonly system: ActorSystem;
}

interface NodeOptions {
  readonly build?: number;
  readonly kinds?: readonly ActorKind[];
  /** what it is told of the leases, and what it sees of the store */
  readonly leases?: (real: Leases) => Leases;
  readonly view?: (store: JournalStore) => JournalStore;
}

interface Installation {
  start(o?: NodeOptions): Promise<Kernel>;
  /** slot -> node, as Redis has it */
  owners(): Promise<ReadonlyMap<number, string>>;
  readonly store: JournalStore;
  readonly keys: RedisKeys;
  readonly redis: Awaited<ReturnType<typeof clientOf>>;
  close(): Promise<void>;
}

const stores = await clusterStores();
const test = anyTest as TestFn<Installation>;
const run = 'skip' in stores ? test.skip : test.serial;

if (!('skip' in stores)) {
  const database = await openDatabase({ url: stores.databaseUrl, dataDir: '' }, quiet);
  await database.knex.raw(TABLES);
  test.beforeEach(async (t) => void (t.context = await installation()));
  test.afterEach.always((t) => t.context.close());
  test.after.always(async () => {
    await database.close();
    await stores.stop();
  });

  /** Nodes that share nothing with those of other tests but the database, whose actors begin anew. */
  async function installation(): Promise<Installation> {
    if ('skip' in stores) throw new Error(stores.skip);
    await database.knex.raw('truncate thrum_journal, thrum_actor, thrum_snapshot, thrum_timer, thrum_outbox');
    const keys = redisKeys(namespace());
    const redis = await clientOf(stores.redis);
    const closing: (() => Promise<void>)[] = [];
    const store = createPgStore(database, registryOf([counter]));
    let nodes = 0;
    return {
      store,
      keys,
      redis,
      owners: async () =>
        new Map([...(await createRedisLeases({ redis: redis.commands, keys }).table()).slots].map(([slot, { node }]) => [slot, node])),
      async start({ build = 1, kinds = [counter], leases = (real) => real, view = (seen) => seen }: NodeOptions = {}) {
        nodes += 1;
        const id = `n${nodes}`;
        const client = await clientOf(stores.redis);
        const own = createPgStore(database, registryOf(kinds), `${keys.nodes} ${id}`);
        const system = createActorSystem({
          kinds,
          effects,
          node: id,
          store: view(own),
          clock: systemClock,
          random: Math.random,
          log: quiet,
          metrics: new Registry(),
          cluster: {
            build,
            leases: leases(createRedisLeases({ redis: client.commands, keys })),
            bus: createRedisBus({ client, keys, log: quiet }),
          },
        });
        closing.push(async () => {
          await system.drain(0);
          await own.stop();
          client.close();
        });
        await system.start();
        return { id, system };
      },
      async close() {
        await Promise.all(closing.map((end) => end()));
        await store.stop();
        redis.close();
      },
    };
  }
}

const add = (k: Kernel, ref: ActorRef, o: { key?: string; deadline?: number } = {}): Promise<Reply> =>
  k.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice, { deadline: 60_000, ...o }));

/** refusals after which a client sends the command again, under its key */
const AGAIN = new Set(['RETRY', 'UNAVAILABLE', 'TIMEOUT', 'COMMIT_UNKNOWN']);

/** Waits until every slot is owned by one of these nodes, and all of them agree. */
async function agreed(x: Installation, nodes: readonly Kernel[]): Promise<void> {
  await until(
    async () => {
      const owners = await x.owners();
      const known = new Set(owners.values());
      if (owners.size < 1_024 || known.size !== nodes.length) return false;
      return nodes.every(
        ({ id, system }) => known.has(id) && system.inspect.cluster().slots.every((s, slot) => s?.node === owners.get(slot)),
      );
    },
    'the nodes agree on who has what',
    PATIENT_MS,
  );
}

run(
  'two nodes that both own a slot, as they believe: one row each, and the later one runs again on what the other has written (K4)',
  async (t) => {
    t.timeout(600_000);
    const x = t.context;
    let held: (() => void)[] | undefined;
    const a = await x.start();
    await agreed(x, [a]);
    const ref = 'counter:0';
    t.like(await add(a, ref), { ok: true, seq: 2 });
    // what this one is told of the table is that it has everything
    const b = await x.start({
      leases: (real) => ({
        ...real,
        renew: async (info) => {
          const { version, nodes } = await real.renew({ ...info, weight: 0 });
          return { version, nodes: nodes.filter((n) => n.id === info.id).map((n) => ({ ...n, weight: 1 })) };
        },
        table: async () => {
          const { version, slots } = await real.table();
          return { version, slots: new Map([...slots].map(([slot, { epoch }]) => [slot, { node: 'n2', epoch: epoch + 1 }])) };
        },
      }),
      view: (store) => ({
        ...store,
        openLane: async (n, relaxed) => {
          const lane = await store.openLane(n, relaxed);
          return {
            close: () => lane.close(),
            commit: async (batch) => {
              await new Promise<void>((resolve) => (held === undefined ? resolve() : void held.push(resolve)));
              return lane.commit(batch);
            },
          };
        },
      }),
    });
    await until(() => b.system.inspect.cluster().slots.every((s) => s?.node === b.id), 'it believes that', PATIENT_MS);
    t.like(await b.system.read(ref, 'n', {}, { from: alice }), { seq: 2, value: 1 });
    held = [];
    const late = [add(b, ref), b.system.ask(ref, { type: 'counter.refuse' }, as(alice, { deadline: 60_000 })), add(b, ref)];
    await until(() => held?.length === 1, 'its statement is on the way', PATIENT_MS);
    t.like(await add(a, ref), { ok: true, seq: 3, reply: { n: 2 } });
    t.false(a.system.inspect.cluster().roaming || b.system.inspect.cluster().roaming);
    for (const go of held) go();
    held = undefined;
    const [one, no, two] = await Promise.all(late);
    t.like(one, { ok: true, seq: 4, reply: { n: 3 } });
    t.like(no, { ok: false, seq: 4, error: { code: 'COUNTER_SAYS_NO', details: { n: 3 } } }, 'the refusal is that of the true state');
    t.like(two, { ok: true, seq: 5, reply: { n: 4 } });
    t.like(await add(a, ref), { ok: true, seq: 6, reply: { n: 5 } }, 'and so does the other');
    t.deepEqual(
      (await x.store.history(actorIdOf(ref), { limit: 99 })).map(({ seq }) => seq),
      [6, 5, 4, 3, 2, 1],
    );
  },
);

run(
  'a build that is older than the state answers VERSION_AHEAD, and hands the slot on as soon as a newer one is there (K22)',
  async (t) => {
    t.timeout(600_000);
    const x = t.context;
    const old = await x.start();
    await agreed(x, [old]);
    // a deployment that was taken back has left this
    const writer = createActorSystem({
      kinds: [newer],
      effects,
      store: x.store,
      clock: systemClock,
      random: Math.random,
      log: quiet,
      metrics: new Registry(),
    });
    await writer.start();
    for (const ref of refs) t.like(await writer.ask(ref, { type: 'counter.add', by: 1 }, as(alice)), { ok: true, seq: 2 });
    await writer.drain(0);
    t.like(await add(old, refs[0]!, { deadline: 5_000 }), { ok: false, error: { code: 'VERSION_AHEAD' } });
    t.is((await x.owners()).get(slotOf(actorIdOf(refs[0]!))), old.id);
    const next = await x.start({ build: 2, kinds: [newer] });
    await until(() => old.system.inspect.cluster().nodes.length === 2, 'the old one knows of it', PATIENT_MS);
    const replies = await Promise.all(refs.map((ref) => add(old, ref)));
    for (const reply of replies) t.like(reply, { ok: true, seq: 3, reply: { n: 2 } });
    const owners = await x.owners();
    for (const ref of refs) t.is(owners.get(slotOf(actorIdOf(ref))), next.id, ref);
  },
);

run('a fail-over of Redis that takes the leases back by seconds: conflicts decide, every acknowledged command is there once', async (t) => {
  t.timeout(600_000);
  const x = t.context;
  const { commands } = x.redis;
  const [a, b] = [await x.start(), await x.start()];
  await agreed(x, [a, b]);
  const acked = new Map(refs.map((ref) => [ref, 0]));
  const over = new AbortController();
  let nodes = [a, b];
  const loops = refs.map(async (ref, i) => {
    for (let n = 0; !over.signal.aborted; n += 1) {
      for (let tries = 0; ; tries += 1) {
        const reply = await add(nodes[(i + n + tries) % nodes.length] as Kernel, ref, { key: `${ref} ${n}` });
        if (reply.ok) break;
        if (!AGAIN.has(reply.error.code)) throw new Error(`${ref}: ${reply.error.code}`);
      }
      acked.set(ref, n + 1);
    }
  });
  const further = async (n: number): Promise<void> => {
    const now = new Map(acked);
    await until(
      () => refs.every((ref) => (acked.get(ref) ?? 0) >= (now.get(ref) ?? 0) + n),
      `${n} further commands of each actor`,
      PATIENT_MS,
    );
  };
  await further(2);
  const names = [x.keys.nodes, x.keys.slots, x.keys.version, x.keys.node(a.id), x.keys.node(b.id)];
  const copy = await Promise.all(names.map(async (name) => [name, await commands.dumpBuffer(name)] as const));
  const c = await x.start();
  nodes = [a, b, c];
  await agreed(x, nodes);
  await further(2);
  const before = await x.owners();
  // the replica that is promoted has not heard of the third node
  const promote = commands.multi().del(x.keys.node(c.id));
  for (const [name, bytes] of copy) if (bytes !== null) promote.restore(name, name.includes(':node:') ? LEASE_TTL_MS : 0, bytes, 'REPLACE');
  await promote.exec();
  const rolled = await x.owners();
  t.true([...before].filter(([slot, node]) => rolled.get(slot) !== node).length > 100, 'slots have gone back to former owners');
  t.false([...rolled.values()].includes(c.id));
  await further(5);
  await agreed(x, nodes);
  await further(2);
  over.abort();
  await Promise.all(loops);
  for (const ref of refs) {
    const rows = (await x.store.history(actorIdOf(ref), { limit: 100_000 })).toReversed();
    t.deepEqual(
      rows.map((row) => row.seq),
      rows.map((_, i) => i + 1),
      'a history without a gap',
    );
    t.is(rows.filter((row) => row.type === 'counter.add').length, acked.get(ref) ?? -1, 'every acknowledged command once');
  }
});
