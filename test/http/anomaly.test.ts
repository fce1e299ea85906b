import anyTest from 'ava';
import type { TestFn } from 'ava';
import { anomaly } from '../../machines/anomaly/kind.ts';
import type { MonitorEntry } from '../../machines/anomaly/monitor-row.ts';
import type { AlertItem } from '../../machines/anomaly/schema.ts';
import { as, system } from '../support/kernel.ts';
import { owner } from '../support/owner.ts';
import { until } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';
import type { Person, World } from '../support/world.ts';

const test = anyTest as TestFn<{ world: World; coach: Person }>;
const DAY = 86_400_000;
const QUIET = [62, 64, 60, 63, 61, 60, 64];

test.before(async (t) => {
  const world = await makeWorld({ kinds: [anomaly, owner] });
  t.context = { world, coach: await world.person({ roles: ['staff'] }) };
});
test.after.always((t) => t.context.world.close());

/** A client whose resting heart rate was 78 last night, after thirty quiet ones. */
async function alarmed(world: World): Promise<{ client: Person; alert: AlertItem; monitor: string }> {
  const client = await world.person();
  const monitor = `user:${client.id}:resting_heart_rate`;
  const first = Math.floor(Date.now() / DAY) * DAY - 31 * DAY;
  for (let i = 0; i < 31; i += 1) {
    const point = { type: 'anomaly.observe', t: first + i * DAY, v: i === 30 ? 78 : QUIET[i % 7]! };
    const reply = await world.app.actors.ask(`anomaly:${monitor}`, point, as(system));
    if (!reply.ok) throw new Error(reply.error.code);
  }
  const list = await world.inject({ method: 'GET', url: '/v1/me/alerts?status=active', token: client.token });
  return { client, alert: list.json<{ items: AlertItem[] }>().items[0]!, monitor };
}

test('a user reads and acknowledges their own alert; a repeat says so', async (t) => {
  const { world, coach } = t.context;
  const { client, alert } = await alarmed(world);
  t.is(alert.title, 'Resting heart rate is unusually high');
  t.is((await world.inject({ method: 'GET', url: `/v1/me/alerts/${alert.id}`, token: client.token })).statusCode, 200);
  const ack = await world.inject({ method: 'POST', url: `/v1/me/alerts/${alert.id}/ack`, payload: {}, token: client.token });
  t.deepEqual([ack.statusCode, ack.json()], [200, { repeated: false }]);
  const again = await world.inject({ method: 'POST', url: `/v1/admin/anomalies/alerts/${alert.id}/ack`, payload: {}, token: coach.token });
  t.deepEqual(again.json(), { repeated: true });
  const now = await world.inject({ method: 'GET', url: `/v1/admin/anomalies/alerts/${alert.id}`, token: coach.token });
  t.like(now.json(), { status: 'acknowledged', ackBy: client.id });
});

test("another user's alert does not exist, for reading and for acting; users are no staff", async (t) => {
  const { world } = t.context;
  const { alert, monitor } = await alarmed(world);
  const stranger = await world.person();
  for (const [method, url] of [
    ['GET', `/v1/me/alerts/${alert.id}`],
    ['POST', `/v1/me/alerts/${alert.id}/ack`],
    ['POST', `/v1/me/alerts/${alert.id}/resolve`],
  ] as const) {
    const answer = await world.inject({ method, url, token: stranger.token, ...(method === 'POST' ? { payload: {} } : {}) });
    t.deepEqual([answer.statusCode, answer.json<{ code: string }>().code], [404, 'NOT_FOUND']);
  }
  const me = await world.inject({ method: 'GET', url: '/v1/me/alerts', token: stranger.token });
  t.deepEqual(me.json(), { items: [] });
  t.is((await world.inject({ method: 'GET', url: '/v1/admin/anomalies/alerts', token: stranger.token })).statusCode, 403);
  t.is((await world.inject({ method: 'GET', url: `/v1/admin/anomalies/monitors/${monitor}`, token: stranger.token })).statusCode, 403);
  t.is((await world.inject({ method: 'GET', url: '/v1/me/alerts' })).statusCode, 401);
});

test('staff resolve and label an alert, and what is closed is refused by state', async (t) => {
  const { world, coach } = t.context;
  const { alert } = await alarmed(world);
  const post = (verb: string, payload: object) =>
    world.inject({ method: 'POST', url: `/v1/admin/anomalies/alerts/${alert.id}/${verb}`, payload, token: coach.token });
  t.deepEqual((await post('feedback', { label: 'true_positive' })).json(), { repeated: false });
  t.deepEqual((await post('resolve', { note: 'spoke to her' })).json(), { repeated: false });
  t.deepEqual((await post('resolve', {})).json(), { repeated: true });
  const late = await post('ack', {});
  t.deepEqual([late.statusCode, late.json<{ code: string }>().code], [409, 'NOT_ALLOWED']);
  t.is((await post('feedback', { label: 'perhaps' })).statusCode, 400);
  const closed = await world.inject({ method: 'GET', url: `/v1/admin/anomalies/alerts/${alert.id}`, token: coach.token });
  t.like(closed.json(), { status: 'closed', closeReason: 'manual', label: 'true_positive', note: 'spoke to her' });
});

// alone: an alert of another test between two pages would move them
test.serial('the list of alerts is filtered and paged, the newest first', async (t) => {
  const { world, coach } = t.context;
  const made = [await alarmed(world), await alarmed(world), await alarmed(world)];
  const get = async (query: string) =>
    (await world.inject({ method: 'GET', url: `/v1/admin/anomalies/alerts?${query}`, token: coach.token })).json<{
      items: AlertItem[];
      nextCursor?: string;
    }>();
  const all = (await get('limit=200')).items;
  t.true(all.length >= 3);
  t.deepEqual(
    all.map((a) => a.openedAt),
    all.map((a) => a.openedAt).toSorted((a, b) => b - a),
  );
  const paged: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await get(`limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`);
    paged.push(...page.items.map((a) => a.id));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  t.deepEqual(
    paged,
    all.map((a) => a.id),
  );
  const one = await get(`owner=user:${made[1]!.client.id}`);
  t.deepEqual(
    one.items.map((a) => a.id),
    [made[1]!.alert.id],
  );
  t.is((await get('metric=utilization')).items.length, 0);
  t.is((await world.inject({ method: 'GET', url: '/v1/admin/anomalies/alerts?cursor=x', token: coach.token })).statusCode, 400);
});

test('a monitor is read, configured under its version, muted, reset', async (t) => {
  const { world, coach } = t.context;
  const { client, monitor } = await alarmed(world);
  const url = `/v1/admin/anomalies/monitors/${monitor}`;
  const send = (method: 'GET' | 'PATCH' | 'POST', path: string, payload?: object, token = coach.token) =>
    world.inject({ method, url: path, token, ...(payload === undefined ? {} : { payload }) });
  t.like((await send('GET', url)).json(), { condition: 'anomalous', cfgVersion: 1, unit: 'bpm' });
  const list = async (filter: string) =>
    (await send('GET', `/v1/admin/anomalies/monitors?owner=user:${client.id}${filter}`)).json<{ items: MonitorEntry[] }>().items;
  await until(async () => (await list('&condition=anomalous')).length === 1, 'the list to follow');
  const [listed] = await list('&metric=resting_heart_rate');
  t.like(listed, { id: monitor, owner: `user:${client.id}`, alerting: 'open', lastValue: 78, cfgVersion: 1 });
  t.true((listed?.lastZ ?? 0) > (listed?.threshold ?? Infinity));
  t.deepEqual([await list('&alerting=quiet'), await list('&metric=hrv_rmssd')], [[], []]);
  t.deepEqual((await send('PATCH', url, { patch: { z0: 3.5 }, ifVersion: 1 })).json(), { cfgVersion: 2 });
  t.is((await send('PATCH', url, { patch: { z0: 3.5 }, ifVersion: 1 })).json<{ code: string }>().code, 'SEQ_MISMATCH');
  t.is((await send('PATCH', url, { patch: { z0: 9 } })).statusCode, 400);
  const mine = '/v1/me/monitors/resting_heart_rate';
  t.is((await send('POST', `${mine}/mute`, { forMs: DAY, reason: 'travelling' }, client.token)).statusCode, 200);
  t.like((await send('GET', url)).json(), { muting: 'muted' });
  t.is(
    (await send('POST', `${mine}/mute`, { forMs: 100 * DAY, reason: 'x' }, client.token)).json<{ code: string }>().code,
    'INVALID_RANGE',
  );
  t.is((await send('POST', `${mine}/unmute`, undefined, client.token)).statusCode, 200);
  t.deepEqual((await send('POST', `${mine}/missed`, { at: 0 }, client.token)).json(), { labels: { fp: 0, tp: 0, missed: 1 } });
  t.is((await send('POST', `${url}/reset`)).statusCode, 200);
  t.like((await send('GET', url)).json(), { condition: 'learning', alerting: 'cooling' });
  t.is((await send('POST', `${url}/adopt`)).statusCode, 409);
  t.is((await send('GET', '/v1/admin/anomalies/monitors/user:nobody:hrv_rmssd')).statusCode, 404);
});

test('the list of monitors is built again from their histories by an operator, while everything goes on', async (t) => {
  const { world, coach } = t.context;
  const { client, monitor } = await alarmed(world);
  const admin = await world.person({ roles: ['admin'] });
  const path = '/v1/admin/projections';
  const list = async () =>
    (await world.inject({ method: 'GET', url: `/v1/admin/anomalies/monitors?owner=user:${client.id}`, token: coach.token })).json<{
      items: MonitorEntry[];
    }>().items;
  await until(async () => (await list()).length === 1, 'the list to follow');
  await world.app.database.knex('monitors').where('id', monitor).delete();
  t.deepEqual(await list(), []);
  const rebuild = (name: string, token: string) =>
    world.inject({ method: 'POST', url: `${path}/anomaly/${name}/rebuild`, token, payload: { reason: 'a row is missing' } });
  t.is((await rebuild('monitors', coach.token)).statusCode, 403);
  t.is((await rebuild('nothing', admin.token)).statusCode, 404);
  t.is((await rebuild('monitors', admin.token)).statusCode, 204);
  await until(async () => (await list()).length === 1, 'the row to come back');
  const state = async () =>
    (await world.inject({ method: 'GET', url: path, token: coach.token })).json<{ items: { state: string }[] }>().items;
  await until(async () => (await state())[0]?.state === 'built', 'the end of the build');
  t.like(await state(), [{ projection: 'anomaly/monitors', table: 'monitors', version: 1, state: 'built', failed: 0 }]);
  const audited = await world.inject({ method: 'GET', url: '/v1/admin/audit?action=projection.rebuild', token: admin.token });
  t.like(audited.json(), { items: [{ action: 'projection.rebuild', reason: 'a row is missing', admin: admin.id }] });
});

test('severity is classified alone and in lists, by query and by body, and under its old path', async (t) => {
  const { world, coach } = t.context;
  const get = (path: string) => world.inject({ method: 'GET', url: path, token: coach.token });
  t.like((await get('/v1/admin/resources/anomaly-severity?z=3&residualDelta=0.05')).json(), { tier: 'high', level: 3 });
  t.like((await get('/api/admin/resources/anomaly-severity?z=-4')).json(), { tier: 'critical', recommendedAction: 'page_now' });
  const none = await get('/v1/admin/resources/anomaly-severity');
  t.deepEqual([none.statusCode, none.json<{ code: string }>().code], [422, 'NOTHING_TO_CLASSIFY']);
  const many = await world.inject({
    method: 'POST',
    url: '/v1/admin/resources/anomaly-severity',
    payload: {
      items: [
        { z: 2.6, residualDelta: 0.16, persistence: 1 },
        { z: null, residualDelta: 0.2 },
      ],
    },
    token: coach.token,
  });
  t.deepEqual(
    many.json<{ items: { tier: string }[] }>().items.map((i) => i.tier),
    ['high', 'medium'],
  );
});
