/** Three kernels that roam over one real PostgreSQL, and what a dead one has left there (kernel specification 10.7). */
import test from 'ava';
import { registryOf } from '../../actors/companion.ts';
import { actorIdOf } from '../../actors/ids.ts';
import { createPgStore } from '../../actors/store/pg.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import type { Reply } from '../../actors/types.ts';
import { openDatabase } from '../../server/db/database.ts';
import type { Database } from '../../server/db/database.ts';
import { testCluster } from '../support/cluster.ts';
import type { TestNode } from '../support/cluster.ts';
import { as, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';
import { quiet } from '../support/log.ts';
import { startPostgres } from '../support/postgres.ts';
import { actor, event, plan, tell } from '../support/store-cases.ts';
import { registry, SCHEMA } from '../support/stores.ts';
import { until } from '../support/until.ts';

const TABLES = `
  create table test_places (claim text primary key, place text not null, state text not null, actor_id uuid not null, seq bigint not null);
  drop table test_notes, test_totals;
  create table test_notes (text text not null, at bigint not null, actor_id uuid, seq bigint not null, primary key (actor_id, text));
  create table test_totals (name text, count int not null, actor_id uuid, seq bigint not null, primary key (actor_id, name));`;

const alice = user('alice');
const kinds = [{ ...counter, effects: { work: { ...counter.effects!['work']!, timeout: 600_000 } } }];

const server = await startPostgres();
const run = 'skip' in server ? test.skip : test.serial;
if (!('skip' in server)) test.after.always(() => server.stop());

async function opened(): Promise<Database> {
  if ('skip' in server) throw new Error(server.skip);
  const database = await openDatabase({ url: await server.database(), dataDir: '' }, quiet);
  await database.knex.raw(SCHEMA);
  return database;
}

run(
  'of three who take at once each row goes to one, a sender with all of its messages; what is being written is not waited for',
  async (t) => {
    const database = await opened();
    const stores = [1, 2, 3].map((n) => createPgStore(database, registry, `n${n}`));
    const [first] = stores as [JournalStore];
    const lane = await first.openLane(0);
    const ACTORS = 90;
    const rows = (n: number) => [
      ...[1, 2, 3].map((k) => tell(n, 1, k)),
      { ...tell(n, 1, 4), op: 'effect' as const },
      { ...tell(n, 1, 5), op: 'effect' as const },
    ];
    const alarm = (n: number) => ({ actorId: actor(n), timerId: 'a', set: { slot: tell(n, 1, 1).slot, due: n, armedSeq: 1, type: 'x' } });
    for (let from = 1; from <= ACTORS; from += 30)
      await lane.commit(
        plan(Array.from({ length: 30 }, (_, i) => event(from + i, 1, [], { outbox: rows(from + i), timers: [alarm(from + i)] }))),
      );
    const busy = await database.connect();
    await busy.query('begin');
    await busy.query(`delete from thrum_outbox where actor_id in ($1, $2) and n in (1, 4)`, [actor(1), actor(2)]);
    await busy.query(`delete from thrum_timer where actor_id = $1`, [actor(1)]);
    const all = async <R>(take: (store: JournalStore) => Promise<readonly R[]>): Promise<R[]> => {
      const taken: R[] = [];
      const rounds = stores.map(async (store) => {
        for (let none = 0; none < 2;) {
          const mine = await take(store);
          taken.push(...mine);
          none = mine.length === 0 ? none + 1 : 0;
        }
      });
      await Promise.all(rounds);
      return taken;
    };
    const name = (r: { actorId: string; n: number }) => `${r.actorId} ${r.n}`;
    const taken = (await all((store) => store.takeOutbox(100, 200, 7))).map(name).toSorted();
    const free = (n: number, k: number) => n > 2 || k === 5;
    const expected = Array.from({ length: ACTORS }, (_, i) => rows(i + 1).filter((r) => free(i + 1, r.n)));
    t.deepEqual(taken, expected.flat().map(name).toSorted());
    const timers = (await all((store) => store.takeTimers(100, 130, 7))).map((r) => r.actorId);
    t.deepEqual(timers.toSorted(), Array.from({ length: ACTORS - 1 }, (_, i) => actor(i + 2)).toSorted());
    await busy.query('rollback');
    t.deepEqual(
      (await first.takeOutbox(100, 200, 9)).map(name),
      [1, 2].flatMap((n) => [1, 2, 3, 4].map((k) => `${actor(n)} ${k}`)),
    );
    await busy.end();
    await lane.close();
    for (const store of stores) await store.stop();
    await database.close();
  },
);

/** The store, and how many of its questions are under way. */
function counted(store: JournalStore): { store: JournalStore; readonly busy: number } {
  let busy = 0;
  const wrap = <O extends object>(o: O): O =>
    new Proxy(o, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member === 'object' && member !== null) return wrap(member);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          const result: unknown = Reflect.apply(member, target, args);
          if (!(result instanceof Promise)) return result;
          busy += 1;
          return result.then((value: unknown) => (name === 'openLane' ? wrap(value as object) : value)).finally(() => (busy -= 1));
        };
      },
    });
  // the clock of this database is not that of the test
  const admin = { ...store.admin, vitals: async () => ({ dead: 0, wall: undefined }) };
  return {
    store: wrap({ ...store, admin }),
    get busy() {
      return busy;
    },
  };
}

run('effects, timers and messages of a dead node are done once by three that all roam', async (t) => {
  t.timeout(600_000);
  const database = await opened();
  await database.knex.raw(TABLES);
  const begun: string[] = [];
  const counters: { readonly busy: number }[] = [];
  const stores: JournalStore[] = [];
  const c = await testCluster({ kinds, nodes: 0, drop: ({ from, frame }) => from === 'n4' && frame.f === 'tell' });
  /** Time goes by, but never while the database is asked. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      await c.clock.advance(500);
      let still = 0;
      await until(() => (still = counters.every((one) => one.busy === 0) ? still + 1 : 0) > 10, 'the database has answered');
    }
  };
  for (const id of ['n1', 'n2', 'n3', 'n4']) {
    const own = createPgStore(database, registryOf(kinds), id);
    stores.push(own);
    const one = counted(own);
    counters.push(one);
    const work = async ({ ref }: { ref: string }): Promise<{ done: number }> => {
      begun.push(`${id} ${ref}`);
      return id === 'n4' ? new Promise(() => undefined) : { done: 77 };
    };
    await c.add({ view: () => one.store, effects: { counter: { work } } });
  }
  await pass(25_000);
  const dead = c.nodes[3] as TestNode;
  const living = c.nodes.slice(0, 3);
  const ask = async (node: TestNode, ref: string, type: string, more: object = {}): Promise<void> => {
    const asked = node.system.ask(ref, { type, ...more }, as(alice, { deadline: 30_000 }));
    let reply: Reply | undefined;
    void asked.then((r) => (reply = r));
    await until(() => reply !== undefined, `an answer to ${type}`);
    t.like(reply, { ok: true });
  };
  const refs = Array.from({ length: 60 }, (_, i) => c.refOf(dead, 'counter', i));
  const [working, armed, sending] = [refs.slice(0, 20), refs.slice(20, 40), refs.slice(40)];
  const hearer = c.refOf(living[0] as TestNode, 'counter');
  await Promise.all(working.map((ref) => ask(dead, ref, 'counter.start')));
  await Promise.all(armed.map((ref) => ask(dead, ref, 'counter.arm', { ms: 5_000 })));
  await Promise.all(sending.map((ref) => ask(dead, ref, 'counter.send', { to: hearer, times: 3 })));
  t.is(begun.length, 20);
  for (const node of c.nodes) node.connect(false);
  dead.kill();
  await pass(90_000);
  for (const node of living) t.is(await node.metric('roaming'), 1);
  const after = begun.slice(20);
  t.deepEqual(after.map((name) => name.slice(name.indexOf(' ') + 1)).toSorted(), working.toSorted(), 'each effect once more');
  const { rows } = await database.knex.raw<{ rows: { id: string; type: string; n: number }[] }>(
    `select a.id, j.type, count(*)::int as n from thrum_journal j join thrum_actor a using (actor_id)
      where type in ('fired', 'xstate.done.actor.work') group by 1, 2`,
  );
  t.deepEqual(
    rows.map(({ id, type, n }) => `counter:${id} ${type} ${n}`).toSorted(),
    [...working.map((ref) => `${ref} xstate.done.actor.work 1`), ...armed.map((ref) => `${ref} fired 1`)].toSorted(),
  );
  const heard = ((await living[0]!.system.inspect.one(hearer)).state.context as { heard: string[] }).heard;
  t.deepEqual(heard.toSorted(), sending.flatMap((ref) => [0, 1, 2].map((i) => `${ref}#${i}`)).toSorted());
  for (const ref of sending)
    t.deepEqual(
      heard.filter((one) => one.startsWith(`${ref}#`)),
      [0, 1, 2].map((i) => `${ref}#${i}`),
    );
  const left = await database.knex.raw<{ rows: { n: number }[] }>(
    `select (select count(*) from thrum_outbox)::int + (select count(*) from thrum_timer)::int as n`,
  );
  t.is(left.rows[0]?.n, 0);
  t.is((await stores[0]!.history(actorIdOf(hearer), { limit: 500 })).length, 61);
  for (const node of living) await node.system.drain(0).catch(() => undefined);
  for (const store of stores) await store.stop();
  await database.close();
});
