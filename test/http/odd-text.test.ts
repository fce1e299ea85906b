import anyTest from 'ava';
import type { TestFn } from 'ava';
import { makeWorld } from '../support/world.ts';
import type { Person, World } from '../support/world.ts';

const test = anyTest as TestFn<{ w: World; user: Person; admin: Person }>;

test.before(async (t) => {
  const w = await makeWorld();
  t.context = { w, user: await w.person(), admin: await w.person({ roles: ['admin', 'inspect:admin'] }) };
});
test.after.always((t) => t.context.w.close());

const packed = (place: unknown): string => Buffer.from(JSON.stringify(place)).toString('base64url');
const UUID = '01a1fff8-d2c2-714e-8f03-ad77a1dd3f8d';

test('text that the database cannot store is malformed input, wherever it comes in', async (t) => {
  const { w, user } = t.context;
  const bodies: [string, string][] = [
    ['/v1/auth/login', '{"email":"a\\u0000b@x.example","password":"x"}'],
    ['/v1/auth/login', '{"email":"a@x.example","password":"\\ud800"}'],
    ['/v1/push/endpoints', '{"provider":"log","token":"abc","platform":"x\\u0000"}'],
    ['/v1/push/endpoints', '{"provider":"log","token":"abc","\\u0000":1}'],
  ];
  for (const [url, payload] of bodies) {
    const reply = await w.inject({ method: 'POST', url, payload, token: user.token, headers: { 'content-type': 'application/json' } });
    t.is(reply.statusCode, 400, `${url} ${payload}`);
  }
  const whole = '{"email":"nobody@x.example","password":"\\ud83d\\ude00"}';
  const headers = { 'content-type': 'application/json' };
  t.is((await w.inject({ method: 'POST', url: '/v1/auth/login', payload: whole, headers })).statusCode, 401);
});

test('no query, path or cursor that a client makes up is a fault of the server', async (t) => {
  const { w, user, admin } = t.context;
  const asked: [Person, string][] = [
    [user, '/v1/resources?kind=%00'],
    [user, '/v1/resources?tags=a%00'],
    [user, '/v1/bookings?state=%00'],
    [admin, '/v1/bookings?userId=%00'],
    [user, `/v1/bookings?cursor=${Buffer.from('1.------------------------------------').toString('base64url')}`],
    [user, `/v1/bookings?cursor=${packed([9e15, UUID])}`],
    [user, `/v1/bookings?cursor=${packed([1, '-'.repeat(36)])}`],
    [user, `/v1/me/alerts?cursor=${packed([1, '-'.repeat(36)])}`],
    [user, '/v1/me/alerts?since=9000000000000000'],
    [admin, `/v1/users?cursor=${packed(['a\0', UUID])}`],
    [admin, `/v1/users?cursor=${packed({ name: 'a', id: UUID })}`],
    [admin, `/v1/admin/audit/log?cursor=${packed([9e15, 'a', 1])}`],
    [admin, `/v1/admin/audit/log?cursor=${packed([1, 'a\0', 1])}`],
    [admin, `/v1/admin/actors?cursor=${packed(['recent', 9e15, UUID])}`],
    [admin, `/v1/admin/actors?sort=name&cursor=${packed(['name', 'a\0', UUID])}`],
    [admin, '/v1/admin/queues/%00/jobs'],
    [admin, '/v1/admin/queues/a%00/dlq'],
  ];
  for (const [by, url] of asked) {
    const reply = await w.inject({ url, token: by.token });
    t.is(reply.statusCode, 400, `${url} ${reply.body}`);
  }
  const refresh = { refreshToken: `rt_${'-'.repeat(36)}_${'a'.repeat(43)}` };
  t.is((await w.inject({ method: 'POST', url: '/v1/auth/refresh', payload: refresh })).statusCode, 401);
});

test('no path of the table fails for an odd character in it', async (t) => {
  const { w, admin } = t.context;
  const { paths } = (await w.inject({ url: '/v1/openapi.json' })).json<{ paths: Record<string, Record<string, unknown>> }>();
  const gets = Object.entries(paths).filter(([path, methods]) => 'get' in methods && path.includes('{'));
  t.true(gets.length > 10);
  for (const [path] of gets) {
    for (const odd of ['%00', 'a%00', '%ED%A0%80', '%', 'constructor', '__proto__']) {
      const reply = await w.inject({ url: path.replaceAll(/\{\w+\}/g, odd), token: admin.token });
      t.true(reply.statusCode < 500, `${path} ${odd} ${reply.body.slice(0, 200)}`);
    }
  }
});
