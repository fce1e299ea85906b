/** Real processes under load: crash, pause, outage of Redis and rolling restart (K5, K19, K20, K29; realtime 26, 38). */
import anyTest from 'ava';
import type { ExecutionContext, TestFn } from 'ava';
import { Client } from 'pg';
import { createClientWith } from '#sdk/client';
import { platformTimers } from '#sdk/deps';
import { socketIo } from '#sdk/wire';
import { actorIdOf } from '../../actors/ids.ts';
import { processes } from '../support/processes.ts';
import type { Processes } from '../support/processes.ts';
import { until } from '../support/until.ts';
import type { Person } from '../support/world.ts';

const test = anyTest as TestFn<Processes>;

const p = await processes({ people: 8 });
if ('skip' in p) test.skip(`nodes as processes (${p.skip})`, () => undefined);
else {
  test.beforeEach((t) => void (t.context = p));
  test.after.always(() => p.close());
}

/** Commands of one person, one after the other, each repeated under its key until it is answered, and what a subscriber sees of them. */
interface Load {
  /** acknowledged commands, by person */
  readonly acked: Map<Person, number>;
  /** answers that were not 200, and connections that broke */
  readonly failures: string[];
  /** Ends the load when every person has had one more answer, and checks histories and views. */
  finish(t: ExecutionContext): Promise<void>;
  /** Waits until every person has had `n` more answers. */
  further(n: number): Promise<void>;
}

let rounds = 0;

async function load(x: Processes): Promise<Load> {
  rounds += 1;
  const round = rounds;
  const acked = new Map(x.people.map((who) => [who, 0]));
  const failures: string[] = [];
  const before = await histories(x);
  const over = new AbortController();

  async function one(who: Person, n: number): Promise<void> {
    for (;;) {
      try {
        const reply = await fetch(`${x.balancer.url}/v1/actors/user/${who.id}/commands/user.update`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${who.token}`, 'idempotency-key': `${round}-${n}` },
          body: JSON.stringify({ displayName: `name ${round} ${String(n).padStart(6, '0')}` }),
        });
        if (reply.ok) return;
        failures.push(`${reply.status} ${((await reply.json()) as { code?: string }).code}`);
      } catch (error) {
        failures.push(String(error));
      }
    }
  }
  const loops = x.people.map(async (who) => {
    for (let n = 1; !over.signal.aborted; n += 1) {
      await one(who, n);
      acked.set(who, n);
    }
  });
  const watches = x.people.map((who) => {
    const client = createClientWith({ url: x.balancer.url, token: who.token }, { dial: socketIo, timers: platformTimers });
    const names: string[] = [];
    const gaps: unknown[] = [];
    client.on('gap', (gap) => gaps.push(gap));
    client.topic(`user:${who.id}/profile`).subscribe((view) => {
      const { displayName } = view as { displayName: string };
      if (displayName.startsWith(`name ${round} `) && names.at(-1) !== displayName) names.push(displayName);
    });
    return { who, client, names, gaps };
  });

  return {
    acked,
    failures,
    async further(n) {
      const now = new Map(acked);
      await until(() => x.people.every((who) => (acked.get(who) ?? 0) >= (now.get(who) ?? 0) + n), `${n} further answers for each`);
    },
    async finish(t) {
      over.abort();
      await Promise.all(loops);
      const after = await histories(x);
      for (const { who, client, names, gaps } of watches) {
        const n = acked.get(who) ?? 0;
        const last = `name ${round} ${String(n).padStart(6, '0')}`;
        await until(() => names.at(-1) === last, `the view of ${who.email} shows its last command`);
        t.deepEqual(names, names.toSorted(), 'a view never goes back');
        t.deepEqual(gaps, []);
        await client.close();
        const [was, is] = [before.get(who.id), after.get(who.id)];
        t.is(is?.updates, (was?.updates ?? 0) + n, 'every acknowledged command is in the history once');
        t.is(is?.rows, is?.last, 'a history without a gap');
      }
    },
  };
}

async function histories(x: Processes): Promise<Map<string, { updates: number; rows: number; last: number }>> {
  const client = new Client({ connectionString: x.databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ actor_id: string; updates: number; rows: number; last: number }>(
      `select actor_id::text, count(*) filter (where type = 'user.update')::int as updates, count(*)::int as rows, max(seq)::int as last
         from thrum.thrum_journal where seq > 0 group by actor_id`,
    );
    const byId = new Map(rows.map((row) => [row.actor_id.replaceAll('-', ''), row]));
    return new Map(
      x.people.map(({ id }) => [id, byId.get(actorIdOf(`user:${id}`).replaceAll('-', '')) ?? { updates: 0, rows: 0, last: 0 }]),
    );
  } finally {
    await client.end();
  }
}

if (!('skip' in p)) {
  test.serial('a node that is killed loses nothing; its actors and subscribers go on at another (26)', async (t) => {
    t.timeout(600_000);
    const x = t.context;
    const l = await load(x);
    await l.further(3);
    const killed = performance.now();
    await x.end(x.nodes[0]!, 'SIGKILL');
    await l.further(1);
    t.log(`all actors served ${Math.round(performance.now() - killed)} ms after the kill; failures: ${l.failures.length}`);
    await l.further(3);
    await l.finish(t);
    await x.start();
    await x.settled();
  });

  test.serial('nodes that are replaced one after the other refuse no command, and no view has a gap (K29, 38)', async (t) => {
    t.timeout(600_000);
    const x = t.context;
    const l = await load(x);
    await l.further(2);
    for (const old of x.nodes.slice()) {
      await x.start();
      await l.further(2);
      t.is(await x.end(old, 'SIGTERM'), 0);
      await l.further(2);
    }
    await l.finish(t);
    // a machine that cannot bear the load at all says so, replaced or not
    t.deepEqual(
      l.failures.filter((failure) => failure !== '503 OVERLOADED'),
      [],
    );
    for (const node of x.nodes) t.is(await x.metric(node, 'thrum_kernel_roaming'), 0);
  });

  test.serial('an owner that stands still for longer than its lease goes on without harm (K5)', async (t) => {
    t.timeout(600_000);
    const x = t.context;
    await x.settled();
    const l = await load(x);
    await l.further(2);
    const [stopped, other] = x.nodes;
    process.kill(stopped!.pid, 'SIGSTOP');
    try {
      await until(async () => (await x.metric(other!, 'thrum_kernel_slots_owned')) === 1_024, 'the other node serves everything');
    } finally {
      process.kill(stopped!.pid, 'SIGCONT');
    }
    await l.further(3);
    await l.finish(t);
    await x.settled();
  });

  test.serial(
    'Redis may go away, come back empty and stand still: commands go on, and one owner is left for each slot (K19, K20)',
    async (t) => {
      t.timeout(600_000);
      const x = t.context;
      const l = await load(x);
      await l.further(2);
      await x.redis.kill();
      const roam = async (yes: number): Promise<boolean> =>
        (await Promise.all(x.nodes.map((n) => x.metric(n, 'thrum_kernel_roaming')))).every((v) => v === yes);
      await until(() => roam(1), 'all nodes roam');
      await l.further(3);
      await x.redis.start();
      await until(() => roam(0), 'no node roams');
      await l.further(2);
      x.redis.signal('SIGSTOP');
      await until(() => roam(1), 'all nodes roam');
      await l.further(2);
      x.redis.signal('SIGCONT');
      await until(() => roam(0), 'no node roams');
      await x.settled();
      await l.finish(t);
    },
  );
}
