/** Operators and the queues of background jobs. */
import test from 'ava';
import { randomUUID } from 'node:crypto';
import { actorIdOf } from '../../actors/ids.ts';
import { makeWorld } from '../support/world.ts';

test('an operator sees the queues, replays a dead job and discards another, each with an audit entry', async (t) => {
  const w = await makeWorld();
  t.teardown(w.close);
  const admin = await w.person({ roles: ['admin'] });
  const staff = await w.person({ roles: ['staff'] });
  const { knex } = w.app.database;
  const call = (method: 'GET' | 'POST' | 'DELETE', url: string, token = admin.token, payload?: object) =>
    w.inject({ method, url: `/v1/admin/queues${url}`, token, ...(payload === undefined ? {} : { payload }) });
  const bury = async (): Promise<string> => {
    const jobId = randomUUID();
    await knex.raw(
      `insert into jobs (job_id, queue, kind, payload, status, attempts, run_at, dead_at, dead_reason, finished_at, errors)
       values (?, 'archive', 'archive.write', '{"userId":"42"}', 'dead', 8, now(), now(), 'max_attempts', now(), '[{"at":1,"code":"FAILED","message":"no","durationMs":2}]')`,
      [jobId],
    );
    return jobId;
  };
  const [one, two, three, four] = [await bury(), await bury(), await bury(), await bury()];
  const health = async () =>
    (await call('GET', '', staff.token)).json<{ items: { queue: string; dead: number; status: string }[] }>().items;
  t.like(
    (await health()).find((q) => q.queue === 'archive'),
    { dead: 4, status: 'yellow' },
  );
  t.like(
    (await health()).find((q) => q.queue === 'maintenance'),
    { dead: 0, status: 'green' },
  );
  const dlq = (await call('GET', '/archive/dlq', staff.token)).json<{ items: { jobId: string; reason: string }[] }>().items;
  t.deepEqual(dlq.map((d) => d.jobId).toSorted(), [one, two, three, four].toSorted());
  const seenBy = async (token: string) => (await call('GET', '/archive/dlq?limit=1', token)).json<{ items: object[] }>().items[0];
  const error = { at: 1, code: 'FAILED', durationMs: 2 };
  t.like(await seenBy(admin.token), { payload: { userId: '42' }, errors: [{ ...error, message: 'no' }] });
  t.like(await seenBy(staff.token), { payload: { userId: '‹pii: string, 2›' }, errors: [{ ...error, message: '‹pii: string, 2›' }] });

  const reason = 'the disk is there again';
  t.is((await call('POST', `/archive/dlq/${one}/replay`, staff.token, { reason })).statusCode, 403);
  t.is((await call('POST', `/archive/dlq/${one}/replay`, admin.token, {})).statusCode, 400);
  const replayed = await call('POST', `/archive/dlq/${one}/replay`, admin.token, { reason });
  t.is(replayed.statusCode, 200);
  t.is((await call('POST', `/archive/dlq/${one}/replay`, admin.token, { reason })).statusCode, 404);
  t.is((await call('DELETE', `/archive/dlq/${two}?reason=${encodeURIComponent(reason)}`)).statusCode, 204);
  t.is((await call('DELETE', `/archive/dlq/${two}`)).statusCode, 400);
  t.deepEqual((await call('POST', '/archive/dlq/replay', admin.token, { reason })).json(), { replayed: 2, left: 0 });

  const rows = (await knex.raw(`select status, replay_of from jobs where queue = 'archive' and replay_of is not null order by run_at`))
    .rows as {
    replay_of: string;
  }[];
  t.deepEqual(rows.map((r) => r.replay_of).toSorted(), [one, three, four].toSorted());
  const audit = await w.inject({ method: 'GET', url: '/v1/admin/audit', token: admin.token });
  const actions = audit.json<{ items: { action: string; reason: string }[] }>().items.filter((e) => e.reason === reason);
  t.deepEqual(actions.map((e) => e.action).toSorted(), ['job.discard', 'job.replay', 'job.replay', 'job.replay']);
});

test('an operator finds jobs by state, id and actor, lets one run now, gives one up and stops a queue, each with an audit entry', async (t) => {
  const w = await makeWorld();
  t.teardown(w.close);
  const admin = await w.person({ roles: ['admin'] });
  const staff = await w.person({ roles: ['staff'] });
  const { knex } = w.app.database;
  const call = (method: 'GET' | 'POST', url: string, token = admin.token, payload?: object) =>
    w.inject({ method, url: `/v1/admin/queues${url}`, token, ...(payload === undefined ? {} : { payload }) });
  const add = async (runAt: string, status = 'waiting'): Promise<string> => {
    const jobId = randomUUID();
    await knex.raw(
      `insert into jobs (job_id, queue, kind, payload, status, run_at, finished_at, actor_id)
       values (?, 'archive', 'archive.write', '{"userId":"42"}', ?, ${runAt}, case when ? = 'done' then now() end, ?)`,
      [jobId, status, status, actorIdOf(`user:${staff.id}`)],
    );
    return jobId;
  };
  const due = [
    await add("now() - interval '3 minutes'"),
    await add("now() - interval '2 minutes'"),
    await add("now() - interval '1 minute'", 'delayed'),
  ];
  const [later, done] = [await add("now() + interval '1 hour'", 'delayed'), await add('now()', 'done')];
  interface Listed {
    jobId: string;
    state: string;
    actor: string;
    payload: unknown;
  }
  const listed = async (query: string, token = staff.token): Promise<Listed[]> =>
    (await call('GET', `/archive/jobs?${query}`, token)).json<{ items: Listed[] }>().items;
  const ids = async (query: string): Promise<string[]> => (await listed(query)).map((j) => j.jobId);
  t.deepEqual(await ids(''), due, 'the next one first');
  t.deepEqual(await ids('limit=2'), due.slice(0, 2));
  t.deepEqual(await ids(`limit=2&after=${due[1]}`), due.slice(2));
  t.deepEqual(await ids('state=delayed'), [later]);
  t.deepEqual(await ids('state=done'), [done]);
  t.deepEqual(await ids(`q=${later}`), [later]);
  t.deepEqual((await ids(`q=user:${staff.id}`)).toSorted(), [...due, later, done].toSorted());
  t.deepEqual(await ids(`q=user:${staff.id}&state=done`), [done]);
  t.deepEqual(await ids('q=user:nobody'), []);
  t.is((await call('GET', '/archive/jobs?q=%25')).statusCode, 400);
  t.like((await listed(`q=${done}`))[0], { state: 'done', actor: `user:${staff.id}`, payload: { userId: '‹pii: string, 2›' } });
  t.like((await listed(`q=${done}`, admin.token))[0], { payload: { userId: '42' } });

  const reason = 'the archive is full';
  const act = (url: string, token = admin.token) => call('POST', url, token, { reason });
  t.is((await act(`/archive/jobs/${later}/promote`, staff.token)).statusCode, 403);
  t.is((await act(`/archive/jobs/${later}/promote`)).statusCode, 204);
  t.is((await act(`/archive/jobs/${later}/promote`)).statusCode, 404);
  t.deepEqual(await ids(''), [...due, later]);
  t.is((await act(`/archive/jobs/${due[0]}/discard`)).statusCode, 204);
  t.is((await act(`/archive/jobs/${done}/discard`)).statusCode, 404);
  t.deepEqual(await ids('state=cancelled'), [due[0]]);

  t.is((await act('/attic/pause')).statusCode, 404);
  t.is((await call('POST', '/archive/pause', admin.token, {})).statusCode, 400);
  t.is((await act('/archive/resume')).statusCode, 404);
  t.is((await act('/archive/pause')).statusCode, 204);
  const health = (await call('GET', '', staff.token)).json<{ items: { queue: string; paused?: object }[] }>().items;
  t.like(health.find((q) => q.queue === 'archive')?.paused, { by: admin.id, reason });
  t.is((await act('/archive/resume')).statusCode, 204);
  const audit = await w.inject({ method: 'GET', url: '/v1/admin/audit', token: admin.token });
  const actions = audit.json<{ items: { action: string; reason: string }[] }>().items.filter((e) => e.reason === reason);
  t.deepEqual([...new Set(actions.map((e) => e.action))].toSorted(), ['job.discard', 'job.promote', 'queue.pause', 'queue.resume']);
});
