import test from 'ava';
import { fitting } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';
import type { Person, World } from '../support/world.ts';
import { addDays, localDate } from '../../calc/time/civil.ts';
import { sign } from '../../server/webhooks/signature.ts';

const ZONE = 'Europe/Berlin';

/** Asks again until there is something. */
const until = async <T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> =>
  (await fitting(ask, (answer) => answer !== undefined && answer !== false, what)) as T;

// oxlint-disable-next-line typescript/no-explicit-any -- bodies of many routes, asserted by value
type Loose = Record<string, any>;
const json = async (w: World, o: { method: string; path: string; token?: string; body?: object; form?: Record<string, string> }) => {
  const res = await fetch(new URL(o.path, w.url), {
    method: o.method,
    redirect: 'manual',
    headers: {
      ...(o.token === undefined ? {} : { authorization: `Bearer ${o.token}` }),
      ...(o.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(o.form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
    },
    ...(o.body === undefined ? {} : { body: JSON.stringify(o.body) }),
    ...(o.form === undefined ? {} : { body: new URLSearchParams(o.form).toString() }),
  });
  const text = await res.text();
  return {
    status: res.status,
    location: res.headers.get('location'),
    body: (text.startsWith('{') ? JSON.parse(text) : text) as unknown as Loose,
  };
};

/** Walks the whole consent of the simulated provider as a browser would. */
async function connect(w: World, person: Person, account: string): Promise<string> {
  const started = await json(w, {
    method: 'POST',
    path: '/v1/integrations/simulator/connect',
    token: person.token,
    body: { returnTo: '/me' },
  });
  if (started.status !== 201) throw new Error(JSON.stringify(started));
  const url = new URL(started.body['authorizeUrl']);
  const page = await json(w, { method: 'GET', path: url.pathname + url.search });
  if (page.status !== 200) throw new Error(JSON.stringify(page));
  const granted = await json(w, {
    method: 'POST',
    path: '/v1/simulator/authorize',
    form: { ...Object.fromEntries(url.searchParams), account, decision: 'allow' },
  });
  const back = new URL(granted.location!);
  const done = await json(w, { method: 'GET', path: back.pathname + back.search });
  if (done.status !== 302 || !done.location!.includes('status=connected'))
    throw new Error(JSON.stringify([done, w.log.lines.slice(-3).map((l) => [l.message, String((l.fields as { err?: unknown }).err)])]));
  return started.body['deviceId']!;
}

async function world(): Promise<{ w: World; admin: Person; mia: Person }> {
  const w = await makeWorld({
    listen: true,
    env: { SIMULATOR_FEED_MS: '0', PROVIDER_STANDARD_WEBHOOK_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
  });
  const admin = await w.person({ roles: ['admin'], timeZone: ZONE });
  const mia = await w.person({ timeZone: ZONE });
  return { w, admin, mia };
}

const energyOf = async (w: World, p: Person) => (await json(w, { method: 'GET', path: '/v1/users/me/energy', token: p.token })).body;

test('a person connects the simulated wearable; history is fetched, scores appear, and webhooks move them', async (t) => {
  const { w, admin, mia } = await world();
  t.teardown(w.close);
  const put = await json(w, {
    method: 'PUT',
    path: '/v1/simulator/accounts/mia',
    token: admin.token,
    body: { name: 'Mia', timeZone: ZONE },
  });
  t.is(put.status, 200, JSON.stringify(put.body));
  const deviceId = await connect(w, mia, 'mia');

  const device = await until('the end of the backfill', async () => {
    const { body } = await json(w, { method: 'GET', path: `/v1/devices/${deviceId}`, token: mia.token });
    return (body['backfill'] as { state: string } | undefined)?.state === 'completed' ? body : undefined;
  });
  const scored = await until('the scores of the backfill', async () => {
    const { state } = await w.app.actors.inspect.one(`user:${mia.id}`);
    return (state.value as { scoring: string }).scoring === 'fresh' ? energyOf(w, mia) : undefined;
  });
  t.is(scored['status'], 'ok');
  t.true(Object.keys(scored['days']).length >= 59);
  t.true(scored['score']! > 0 && scored['score']! <= 100);
  const sum = Object.values(scored['points'] as unknown as Record<string, number>).reduce((a, b) => a + b, 0);
  t.true(Math.abs(sum - (scored['score'] as number)) < 0.001);
  t.is(scored['confidenceLevel'], 'high' as never);

  t.is(device['state'], 'connected.idle' as never);
  t.is(device['freshness'], 'fresh' as never);
  const list = await json(w, { method: 'GET', path: '/v1/devices', token: mia.token });
  t.like(list.body['items']![0], { id: deviceId, provider: 'simulator', state: 'connected.idle' });
  t.deepEqual([...(list.body['items']![0] as { can: string[] }).can].sort(), ['autosync', 'disconnect', 'pause', 'sync']);

  // a late correction of the newest night, sent three times: one change
  const day = scored['day'] as string;
  // away from the end of the scale at which that night may stand
  const lower = scored['points'].hrv > 5;
  const correct = await json(w, {
    method: 'POST',
    path: '/v1/simulator/accounts/mia/commands',
    token: admin.token,
    body: { command: 'emit_correction', day, hrvFactor: lower ? 0.8 : 1.5 },
  });
  t.deepEqual(correct.body, { sent: 1 } as never, JSON.stringify(correct));
  const moved = await until('the corrected score', async () => {
    const view = await energyOf(w, mia);
    return view['score'] !== scored['score'] ? view : undefined;
  });
  t.is(moved['day'], day as never);
  t.is(moved['revision'] as number, (scored['revision'] as number) + 1);
  t.is(moved['score'] < scored['score'], lower);

  // the older version afterwards changes nothing: order does not matter
  const again = await json(w, {
    method: 'POST',
    path: '/v1/simulator/accounts/mia/commands',
    token: admin.token,
    body: { command: 'emit_days', from: day, to: day, duplicates: 2 },
  });
  t.deepEqual(again.body, { sent: 3 } as never);
  const syncs = await until('the history of the stale delivery', async () => {
    const { body } = await json(w, { method: 'GET', path: `/v1/devices/${deviceId}/syncs`, token: mia.token });
    const items = body['items'] as unknown as { trigger: string; stale: number; duplicates: number }[];
    const stale = items.filter((i) => i.trigger === 'webhook' && i.stale > 0);
    return stale.length > 0 ? items : undefined;
  });
  t.is(syncs.filter((s) => s.trigger === 'webhook').length, 2);
  t.is((await energyOf(w, mia))['score'], moved['score']);

  // a sync by hand, and one too soon
  const sync = await json(w, { method: 'POST', path: `/v1/devices/${deviceId}/sync`, token: mia.token });
  t.is(sync.status, 202, JSON.stringify(sync.body));
  const soon = await until('the refusal of a second sync', async () => {
    const res = await json(w, { method: 'POST', path: `/v1/devices/${deviceId}/sync`, token: mia.token });
    return res.body['code'] === ('SYNC_TOO_SOON' as never) ? res : undefined;
  });
  t.is(soon.status, 429);

  // nobody else sees it
  const jonas = await w.person();
  t.is((await json(w, { method: 'GET', path: `/v1/devices/${deviceId}`, token: jonas.token })).status, 404);
  t.is((await json(w, { method: 'GET', path: `/v1/users/${mia.id}/energy`, token: jonas.token })).status, 404);

  // the grant is revoked at the provider
  await json(w, { method: 'POST', path: '/v1/simulator/accounts/mia/commands', token: admin.token, body: { command: 'revoke' } });
  await until(
    'reauth',
    async () =>
      (await json(w, { method: 'GET', path: `/v1/devices/${deviceId}`, token: mia.token })).body['state'] === ('reauth_required' as never),
  );
  const left = await json(w, { method: 'DELETE', path: `/v1/devices/${deviceId}`, token: mia.token });
  t.is(left.status, 202);
  await until(
    'disconnected',
    async () =>
      (await json(w, { method: 'GET', path: `/v1/devices/${deviceId}`, token: mia.token })).body['state'] === ('disconnected' as never),
  );
  t.deepEqual(w.log.faults, []);
});

test('the intake refuses what is forged, stale, malformed, unknown or too large, and takes a delivery once (A15, A17, A18, A19)', async (t) => {
  const { w, admin, mia } = await world();
  t.teardown(w.close);
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const today = localDate(ZONE, Date.now());
  const night = addDays(today, -1);
  const batch = (user: string) =>
    JSON.stringify({
      version: 1,
      user,
      source: { name: 'Ring 3', type: 'ring', brand: 'x' },
      records: [{ type: 'daily', metric: 'resting_heart_rate', day: night, value: 52 }],
    });
  const post = async (
    body: string,
    o: { id?: string; at?: number; secret?: string; provider?: string; headers?: Record<string, string> } = {},
  ) => {
    const id = o.id ?? `msg_${Math.random()}`;
    const at = Math.floor((o.at ?? Date.now()) / 1000);
    const res = await fetch(new URL(`/v1/webhooks/${o.provider ?? 'standard'}`, w.url), {
      method: 'POST',
      headers: o.headers ?? {
        'webhook-id': id,
        'webhook-timestamp': String(at),
        'webhook-signature': sign(o.secret ?? secret, id, at, body),
      },
      body,
    });
    return { status: res.status, body: (await res.json()) as Record<string, unknown> };
  };
  const knex = w.app.database.knex;
  const count = async (table: string): Promise<number> => (await knex.raw(`select count(*)::int as n from ${table}`)).rows[0].n;

  const forged = await post(batch('x'), { secret: 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' });
  t.is(forged.status, 401);
  t.is(forged.body['code'], 'SIGNATURE_INVALID');
  t.is((await post(batch('x'), { headers: {} })).status, 401);
  t.is((await post(batch('x'), { at: Date.now() - 302_000 })).status, 401);
  t.is((await post(batch('x'), { at: Date.now() - 180_000 })).status, 200);
  t.is((await post('{"version":1', {})).status, 400);
  t.is((await post('{"version":2}', {})).body['code'], 'VALIDATION');
  t.is((await post(batch('x').replace('"Ring 3"', '"Ring\\u0000"'), {})).body['code'], 'VALIDATION');
  t.is((await post(batch('x'), { provider: 'nobody' })).status, 404);
  t.is((await post('x'.repeat(11_000_000), {})).status, 413);
  t.deepEqual((await post('{"version":1,"user":"x","event":"ping"}', {})).body, { received: true, ignored: true });
  t.is(await count('metrics_raw'), 0);

  // orphan: the account is known only afterwards
  const connected = await json(w, { method: 'POST', path: '/v1/integrations/standard/connect', token: mia.token, body: {} });
  t.is(connected.status, 201, JSON.stringify(connected.body));
  const account = connected.body['account'] as unknown as string;
  const first = await post(batch(account), { id: 'msg_same' });
  t.deepEqual(first.body, { received: true });
  t.deepEqual((await post(batch(account), { id: 'msg_same', at: Date.now() + 1_000 })).body, { received: true, duplicate: true });
  t.deepEqual((await post(batch(account), { id: 'msg_same', at: Date.now() + 2_000 })).body, { received: true, duplicate: true });
  t.is(await count('metrics_raw'), 1);
  await until('the value of the day', async () => (await count('daily_metrics')) === 1);
  const receipts = (await knex.raw('select verdict, count(*)::int as n from webhook_receipts group by verdict')) as {
    rows: { verdict: string; n: number }[];
  };
  t.like(Object.fromEntries(receipts.rows.map((r) => [r.verdict, r.n])), {
    rejected_signature: 2,
    rejected_timestamp: 1,
    rejected_malformed: 3,
    duplicate: 2,
  });

  // two people share one account at the provider (A18); the first delivery came before anyone connected (A19)
  await json(w, { method: 'PUT', path: '/v1/simulator/accounts/shared', token: admin.token, body: { name: 'Shared', timeZone: ZONE } });
  await json(w, {
    method: 'POST',
    path: '/v1/simulator/accounts/shared/commands',
    token: admin.token,
    body: { command: 'emit_days', from: addDays(night, -200), to: addDays(night, -200) },
  });
  t.true((await count('webhook_orphans')) >= 1);
  const jonas = await w.person({ timeZone: ZONE });
  const a = await connect(w, mia, 'shared');
  const b = await connect(w, jonas, 'shared');
  await json(w, {
    method: 'POST',
    path: '/v1/simulator/accounts/shared/commands',
    token: admin.token,
    body: { command: 'emit_days', from: addDays(night, -150), to: addDays(night, -150) },
  });
  const days = async (userId: string, day: string): Promise<boolean> =>
    (await knex.raw('select 1 from daily_metrics where user_id = ? and local_day = ? limit 1', [userId, day])).rows.length === 1;
  await until(
    'the shared night of both',
    async () => (await days(mia.id, addDays(night, -150))) && (await days(jonas.id, addDays(night, -150))),
  );
  await until('the adopted night', () => days(mia.id, addDays(night, -200)));
  t.not(a, b);
  t.deepEqual(w.log.faults, []);
});
