/** `ops/queues`: how the queues do, for operators, from one node and from several (realtime R3). */
import test from 'ava';
import type { z } from 'zod';
import { randomUUID } from 'node:crypto';
import type { Publication } from '../../actors/system.ts';
import { merge as apply } from '../../calc/merge-patch.ts';
import type { QueueHealth } from '../../server/jobs/health.ts';
import { queuesTopic, QueuesView } from '../../server/jobs/topic.ts';
import { FakeClock } from '../support/clock.ts';
import { KeptLog, system } from '../support/kernel.ts';
import { until } from '../support/until.ts';
import { heard, testNodes } from '../support/nodes.ts';
import { makeWorld } from '../support/world.ts';
import type { Live, World } from '../support/world.ts';

const T = 'ops/queues';
const health = (queue: string, waiting = 0): QueueHealth => ({
  queue,
  status: 'green',
  waiting,
  delayed: 0,
  active: 0,
  retrying: 0,
  dead: 0,
  oldestWaitingAgeS: 0,
  waitingAgeP50S: 0,
  waitingAgeP95S: 0,
  deadOldestAgeS: 0,
  stalled: 0,
  perMinute: 0,
  perMinute15: 0,
});

/** The topic over a table that a test changes. */
function rig() {
  const clock = new FakeClock();
  const table = { waiting: 0, reads: 0, away: false, watched: false };
  const log = new KeptLog();
  const topic = queuesTopic({
    async read() {
      table.reads += 1;
      if (table.away) throw new Error('no database');
      return ['a', 'b', 'c'].map((queue) => health(queue, queue === 'a' ? table.waiting : 0));
    },
    watched: () => table.watched,
    clock,
    log,
  });
  const published: Publication[] = [];
  topic.onPublish((p) => published.push(p));
  const shown = async () => {
    const slice = await topic.slice(T, undefined);
    return QueuesView.parse((slice as { d: unknown }).d);
  };
  return { clock, table, log, topic, published, shown };
}

test('nobody looks: the table is not read; somebody does: once a second, and what has not changed is not told', async (t) => {
  const { clock, table, topic, published, shown } = rig();
  await clock.advance(10_000);
  t.is(table.reads, 0);
  table.watched = true;
  const [first] = await Promise.all([shown(), shown()]);
  t.deepEqual(Object.keys(first.queues), ['a', 'b', 'c']);
  t.is(table.reads, 1, 'two that come together wait for one read');
  published.splice(0);
  await clock.advance(5_000);
  t.is(table.reads, 6);
  t.deepEqual(published, []);
  table.waiting = 3;
  await clock.advance(1_000);
  t.is(published.length, 1);
  t.like(published[0], { t: T, k: 'd', d: { queues: { a: { waiting: 3 } } } }, 'only the number that has changed');
  table.watched = false;
  await clock.advance(10_000);
  t.is(table.reads, 7);
  table.waiting = 4;
  t.is((await shown()).queues['a']?.waiting, 4, 'who comes back sees the table, not what was shown last');
  topic.stop();
  t.is(clock.pending, 0);
});

test('while the database is away the last numbers stay, with the time that they are of', async (t) => {
  const { clock, table, log, topic, published, shown } = rig();
  table.away = true;
  await t.throwsAsync(shown(), { message: /UNAVAILABLE/ });
  table.away = false;
  table.watched = true;
  await shown();
  const readAt = clock.wall();
  table.away = true;
  await clock.advance(3_000);
  t.is((await shown()).since, readAt);
  t.is(published.filter((p) => (p.d as { since?: number }).since !== undefined).length, 1);
  t.true(log.lines.some((l) => l.message === 'the queues cannot be read'));
  table.away = false;
  await clock.advance(1_000);
  t.is((await shown()).since, undefined);
  topic.stop();
});

test('who is no operator may not follow it, and learns nothing of it', async (t) => {
  const { topic } = rig();
  const as = (...roles: string[]) => topic.authorize(T, { kind: 'user', id: '1', roles });
  await t.throwsAsync(as(), { message: /FORBIDDEN/ });
  await t.throwsAsync(as('coach'), { message: /FORBIDDEN/ });
  await t.throwsAsync(topic.authorize(T, system), { message: /FORBIDDEN/ });
  await t.notThrowsAsync(Promise.all([as('staff'), as('admin'), as('inspect:read'), as('inspect:poke')]));
});

type Ack = { readonly m: string; readonly s: number; readonly d: z.output<typeof QueuesView> };

const subscribed = async (w: World, token: string): Promise<{ live: Live; ack: Ack }> => {
  const live = await w.live({ token });
  const { l } = await live.send<{ l: [Ack] }>('sub', { l: [{ t: T }] });
  return { live, ack: l[0] };
};

test('an operator is told over the socket when a job dies; a user gets FORBIDDEN, and who loses the role is told no more', async (t) => {
  const w = await makeWorld({ listen: true, env: { SIMULATOR: 'off' } });
  t.teardown(w.close);
  const { knex } = w.app.database;
  const staff = await w.person({ roles: ['staff'] });
  const user = await w.person();
  t.like((await subscribed(w, user.token)).ack, { ok: false, error: { code: 'FORBIDDEN' } });
  const session = await w.app.identity.login({ email: staff.email, password: staff.password, address: 'test', userAgent: 'test' });
  const { live, ack } = await subscribed(w, session.accessToken);
  t.like(ack.d.queues['notify'], { status: 'green', dead: 0 });
  await knex.raw(
    `insert into jobs (job_id, queue, kind, payload, status, attempts, run_at, dead_at, dead_reason, finished_at)
     values (?, 'notify', 'notify.send', '{}', 'dead', 6, now(), now(), 'max_attempts', now())`,
    [randomUUID()],
  );
  const told = (): boolean => live.seen.some(({ event, data }) => event === 'pub' && JSON.stringify(data['d']).includes('"dead":1'));
  await until(told, 'the operator is told');
  await knex('user_roles').where({ user_id: staff.id }).delete();
  const { accessToken } = await w.app.identity.refresh(session.refreshToken);
  await live.send('auth', { token: accessToken });
  t.like(await heard(live, 'unsub'), { t: T, code: 'FORBIDDEN' });
});

/** Everything that an operator was told, put together as a client does. @throws Error when a publication does not follow the one before */
function viewOf({ live, ack }: { live: Live; ack: Ack }): { dead: number[]; last: QueueHealth | undefined } {
  let { s, d } = ack;
  let dead: number[] = [];
  for (const { event, data } of live.seen) {
    const pub = data as { t: string; s: number; p: number; k: string; d: object };
    if (event !== 'pub' || pub.t !== T || pub.s <= s) continue;
    if (pub.p !== s) throw new Error(`${pub.s} follows ${pub.p}, not ${s}`);
    s = pub.s;
    d = (pub.k === 'f' ? pub.d : apply(d, pub.d)) as Ack['d'];
    dead = [...dead, d.queues['archive']?.dead ?? 0];
  }
  return { dead: dead.filter((n, i) => n !== dead[i - 1]), last: d.queues['archive'] };
}

test('each of two nodes tells its own operators: every number once, and in the end the same at both', async (t) => {
  const nodes = await testNodes({ nodes: 2 });
  if ('skip' in nodes) {
    t.pass(nodes.skip);
    return;
  }
  t.teardown(() => nodes.close());
  const [a, b] = nodes.worlds as [World, World];
  const { token } = await a.person({ roles: ['staff'] });
  const operators = [await subscribed(a, token), await subscribed(b, token)];
  const add = (n: number) =>
    a.app.database.knex.raw(
      `insert into jobs (job_id, queue, kind, payload, status, attempts, run_at, dead_at, dead_reason, finished_at)
       select gen_random_uuid(), 'archive', 'archive.write', '{}', 'dead', 6, now(), now(), 'max_attempts', now() from generate_series(1, ?::int)`,
      [n],
    );
  for (const [n, sum] of [
    [2, 2],
    [3, 5],
  ] as const) {
    await add(n);
    await until(() => operators.every((o) => viewOf(o).last?.dead === sum), `${sum} dead at both`);
  }
  t.deepEqual(
    operators.map((o) => viewOf(o).dead),
    [
      [2, 5],
      [2, 5],
    ],
  );
});
