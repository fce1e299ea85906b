/** Nodes between which and PostgreSQL the line is cut (kernel specification 10.7). */
import anyTest from 'ava';
import type { ExecutionContext, TestFn } from 'ava';
import type { ServerProcess } from '../../scripts/server-process.ts';
import { assign } from '../../actors/shard/assign.ts';
import type { NodeInfo } from '../../actors/shard/leases.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import { openDatabaseLink } from '../chaos/links.ts';
import type { Link } from '../chaos/links.ts';
import { clusterStores } from '../support/cluster-stores.ts';
import { processes } from '../support/processes.ts';
import type { Processes } from '../support/processes.ts';
import { clientOf } from '../support/redis.ts';
import { until } from '../support/until.ts';
import type { Person } from '../support/world.ts';

const PATIENT_MS = 120_000;
const TRIES = 3;
const SLOTS = 1_024;
const test = anyTest as TestFn<Scene>;

interface Scene {
  readonly p: Processes;
  /** to the database: of two nodes, and of the third */
  readonly common: Link;
  readonly own: Link;
  readonly third: ServerProcess;
  /** what each living node says of itself */
  said(): Promise<NodeInfo[]>;
  /** owner and epoch of each slot */
  table(): Promise<Record<string, string>>;
}

const stores = await clusterStores();
if ('skip' in stores) test.skip(`nodes and the line to their database (${stores.skip})`, () => undefined);
else {
  const common = await openDatabaseLink(stores.databaseUrl);
  const own = await openDatabaseLink(stores.databaseUrl);
  const redis = await clientOf(stores.redis);
  const keys = redisKeys('main');
  const p = await processes({ people: 24, stores, env: { DATABASE_URL: common.url } });
  if ('skip' in p) throw new Error(p.skip);
  const third = await p.start({ DATABASE_URL: own.url, NODE_WEIGHT: '200' });
  const scene: Scene = {
    p,
    common,
    own,
    third,
    said: async () => {
      const ids = await redis.commands.zrange(keys.nodes, '0', '-1');
      const texts = await Promise.all(ids.map((id) => redis.commands.get(keys.node(id))));
      return texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as NodeInfo]));
    },
    table: () => redis.commands.hgetall(keys.slots),
  };
  test.beforeEach((t) => void (t.context = scene));
  test.after.always(async () => {
    await p.close();
    redis.close();
    await common.close();
    await own.close();
    await stores.stop();
  });
}

const isReady = async (node: ServerProcess): Promise<boolean> => (await fetch(`${node.url}/readyz`)).ok;

/** Renames everybody at this node, asking again with the same key where that is the advice; gives the answers that were none. */
let round = 0;
async function renamed(node: ServerProcess, people: readonly Person[]): Promise<string[]> {
  round += 1;
  const n = round;
  const failures = await Promise.all(
    people.map(async (who): Promise<string[]> => {
      for (let asked = 1; ; asked += 1) {
        const reply = await fetch(`${node.url}/v1/actors/user/${who.id}/commands/user.update`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${who.token}`, 'idempotency-key': `round-${n}` },
          body: JSON.stringify({ displayName: `name ${n}` }),
        });
        if (reply.ok) return [];
        const problem = (await reply.json()) as { code: string; retryable: boolean };
        if (!problem.retryable || asked === TRIES) return [`${reply.status} ${problem.code}`];
      }
    }),
  );
  return failures.flat();
}

/** Every slot is where it should be for good, and everybody is ready. */
async function shared(x: Scene): Promise<void> {
  await until(async () => (await Promise.all(x.p.nodes.map(isReady))).every(Boolean), 'all nodes are ready', PATIENT_MS);
  await until(
    async () => {
      const target = assign(await x.said());
      const table = await x.table();
      return new Set(target).size === x.p.nodes.length && target.every((node, slot) => table[slot]?.split('|')[0] === node);
    },
    'every node has its share',
    PATIENT_MS,
  );
}

async function cutOff(t: ExecutionContext<Scene>): Promise<void> {
  const x = t.context;
  await shared(x);
  t.deepEqual(await renamed(x.third, x.p.people), []);
  x.own.swallow();
  const cut = performance.now();
  await until(async () => !(await isReady(x.third)), 'the node says that it is not ready', PATIENT_MS);
  const unready = performance.now() - cut;
  await until(async () => (await x.said()).some((n) => !n.database && n.weight === 0), 'it gives way', PATIENT_MS);
  const { id } = (await x.said()).find((n) => n.weight === 0)!;
  await until(async () => Object.values(await x.table()).every((owner) => !owner.startsWith(`${id}|`)), 'it has no slot', PATIENT_MS);
  t.log(`not ready after ${Math.round(unready)} ms, without slots after ${Math.round(performance.now() - cut)} ms`);
  t.false(await isReady(x.third));
  t.deepEqual(await renamed(x.third, x.p.people), [], 'who comes to it all the same is served by the others');
  x.own.mend();
  const mended = performance.now();
  await until(() => isReady(x.third), 'it is ready', PATIENT_MS);
  t.log(`ready again ${Math.round(performance.now() - mended)} ms later`);
  await shared(x);
  t.deepEqual(await renamed(x.third, x.p.people), []);
}

if (!('skip' in stores)) {
  test.serial('a node of twice the weight has twice the slots, and none has more than 1.15 of its share', async (t) => {
    t.timeout(600_000);
    const x = t.context;
    await shared(x);
    const nodes = await x.said();
    t.deepEqual(
      nodes.map((node) => node.weight).toSorted((one, other) => one - other),
      [100, 100, 200],
    );
    const table = Object.values(await x.table());
    for (const { id, weight } of nodes) {
      const [n, share] = [table.filter((owner) => owner.startsWith(`${id}|`)).length, (SLOTS * weight) / 400];
      t.true(n <= Math.ceil(1.15 * share) && n > 0.7 * share, `${n} slots, the share is ${share}`);
    }
  });

  test.serial(
    'a node whose line to PostgreSQL has fallen silent leaves its slots to the others, and goes on over new connections',
    async (t) => {
      t.timeout(600_000);
      await cutOff(t);
    },
  );

  test.serial('when all nodes lose the database no slot moves', async (t) => {
    t.timeout(600_000);
    const x = t.context;
    await shared(x);
    const before = await x.table();
    x.common.refuse();
    x.own.freeze();
    await until(async () => (await x.said()).every((n) => !n.database), 'every node says that its database is away', PATIENT_MS);
    await until(async () => (await x.said()).every((n) => n.weight > 0), 'nobody gives way to anybody', PATIENT_MS);
    for (const node of x.p.nodes) t.false(await isReady(node));
    t.deepEqual(await x.table(), before);
    x.common.mend();
    x.own.mend();
    await shared(x);
    t.deepEqual(await renamed(x.third, x.p.people), []);
    t.deepEqual(await x.table(), before);
  });
}
