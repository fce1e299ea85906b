import anyTest from 'ava';
import type { TestFn } from 'ava';
import type { Response } from 'light-my-request';
import { createTokens } from '../../server/identity/tokens.ts';
import { person } from '../live/kinds.ts';
import { FakeClock } from '../support/clock.ts';
import { makeWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

const test = anyTest as TestFn<{ w: World; clock: FakeClock }>;

test.before(async (t) => {
  const clock = new FakeClock(Date.now());
  t.context = { clock, w: await makeWorld({ kinds: [person], store: 'memory', clock }) };
});
test.after.always((t) => t.context.w.close());

const DAY = 86_400_000;

interface Pair {
  accessToken: string;
  refreshToken: string;
  expiresIn: number;
  user: { id: string; email: string; roles: string[] };
}

const post = (w: World, url: string, payload: object, headers: Record<string, string> = {}) =>
  w.inject({ method: 'POST', url, payload, headers });
const login = async (w: World, p: { email: string; password: string }): Promise<Pair> =>
  (await post(w, '/v1/auth/login', { email: p.email, password: p.password })).json<Pair>();
const codeOf = (reply: Response): string => reply.json<{ code: string }>().code;

test.serial('a login gives a pair of tokens and the user', async (t) => {
  const { w } = t.context;
  const p = await w.person({ roles: ['staff'] });
  const reply = await post(w, '/v1/auth/login', { email: ` ${p.email.toUpperCase()} `, password: p.password });
  t.is(reply.statusCode, 200);
  const pair = reply.json<Pair>();
  t.is(pair.expiresIn, 900);
  t.regex(pair.refreshToken, /^rt_[0-9a-f-]{36}_[\w-]{43}$/);
  t.like(pair.user, { id: p.id, roles: ['user', 'staff'] });
  t.is(reply.headers['set-cookie'], undefined);
  t.is(reply.headers['cache-control'], 'private, no-store');
  const me = await w.inject({ url: '/v1/me', token: pair.accessToken });
  t.is(me.json<{ id: string }>().id, p.id);
});

test.serial('a wrong password and an unknown e-mail are the same answer', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  const [wrong, unknown] = await Promise.all([
    post(w, '/v1/auth/login', { email: p.email, password: 'not it' }),
    post(w, '/v1/auth/login', { email: 'nobody@example.test', password: 'not it' }),
  ]);
  t.is(wrong.statusCode, 401);
  t.is(unknown.statusCode, 401);
  t.deepEqual({ ...wrong.json<object>(), instance: '' }, { ...unknown.json<object>(), instance: '' });
  t.is(wrong.headers['www-authenticate'], 'Bearer');
});

test.serial('five failures lock the account for that address, twice as long each time', async (t) => {
  const { w, clock } = t.context;
  const p = await w.person();
  const fail = () => post(w, '/v1/auth/login', { email: p.email, password: 'not it' });
  for (let i = 0; i < 5; i += 1) t.is((await fail()).statusCode, 401);
  const locked = await post(w, '/v1/auth/login', { email: p.email, password: p.password });
  t.is(locked.statusCode, 423);
  t.is(codeOf(locked), 'ACCOUNT_LOCKED');
  t.is(locked.headers['retry-after'], '900');
  await clock.advance(900_000);
  for (let i = 0; i < 5; i += 1) t.is((await fail()).statusCode, 401);
  t.is((await fail()).headers['retry-after'], '1800');
  await clock.advance(1_800_000);
  t.is((await post(w, '/v1/auth/login', { email: p.email, password: p.password })).statusCode, 200);
});

test.serial('a refresh token rotates; within 10 s its repeat gives the same successor, later it ends the session', async (t) => {
  const { w, clock } = t.context;
  const pair = await login(w, await w.person());
  const refresh = (token: string) => post(w, '/v1/auth/refresh', { refreshToken: token });
  const first = (await refresh(pair.refreshToken)).json<Pair>();
  t.not(first.refreshToken, pair.refreshToken);
  const again = (await refresh(pair.refreshToken)).json<Pair>();
  t.is(again.refreshToken, first.refreshToken);
  const second = (await refresh(first.refreshToken)).json<Pair>();
  t.is(codeOf(await refresh(pair.refreshToken)), 'UNAUTHENTICATED', 'two generations old');
  await clock.advance(11_000);
  t.is(codeOf(await refresh(first.refreshToken)), 'REFRESH_REUSED');
  t.is(codeOf(await refresh(second.refreshToken)), 'UNAUTHENTICATED', 'the whole session has ended');
  t.is(codeOf(await w.inject({ url: '/v1/me', token: second.accessToken })), 'UNAUTHENTICATED');
});

test.serial('fifty clients that refresh at once get the same successor', async (t) => {
  const { w } = t.context;
  const pair = await login(w, await w.person());
  const replies = await Promise.all(Array.from({ length: 50 }, () => post(w, '/v1/auth/refresh', { refreshToken: pair.refreshToken })));
  t.is(new Set(replies.map((r) => r.json<Pair>().refreshToken)).size, 1);
});

test.serial('a refresh token that nobody uses ends after 30 days, and a session after 90', async (t) => {
  const { w, clock } = t.context;
  const p = await w.person();
  const [idle, busy] = [await login(w, p), await login(w, p)];
  let { refreshToken } = busy;
  for (let day = 0; day < 80; day += 20) {
    clock.setWall(clock.wall() + 20 * DAY);
    const reply = await post(w, '/v1/auth/refresh', { refreshToken });
    t.is(reply.statusCode, 200, `day ${day + 20}`);
    ({ refreshToken } = reply.json<Pair>());
  }
  t.is(codeOf(await post(w, '/v1/auth/refresh', { refreshToken: idle.refreshToken })), 'UNAUTHENTICATED');
  clock.setWall(clock.wall() + 11 * DAY);
  t.is(codeOf(await post(w, '/v1/auth/refresh', { refreshToken })), 'UNAUTHENTICATED');
});

test.serial('sessions are listed, and ended one by one or all together', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  const [a, b] = [await login(w, p), await login(w, p)];
  const list = async (token: string) =>
    (await w.inject({ url: '/v1/auth/sessions', token })).json<{ items: { id: string; current: boolean }[] }>().items;
  const items = await list(a.accessToken);
  t.is(items.length, 3);
  const [current] = items.filter((s) => s.current);
  const other = items.find((s) => s.id !== current?.id && b.refreshToken.includes(s.id));
  const ended = await w.inject({ method: 'DELETE', url: `/v1/auth/sessions/${other?.id}`, token: a.accessToken });
  t.is(ended.statusCode, 204);
  t.is((await w.inject({ url: '/v1/me', token: b.accessToken })).statusCode, 401);
  const stranger = await w.person();
  t.is((await w.inject({ method: 'DELETE', url: `/v1/auth/sessions/${current?.id}`, token: stranger.token })).statusCode, 404);
  t.is((await w.inject({ method: 'POST', url: '/v1/auth/logout-all', token: a.accessToken })).statusCode, 204);
  t.is((await w.inject({ url: '/v1/me', token: a.accessToken })).statusCode, 401);
});

test.serial('expired, forged, foreign and malformed credentials are refused', async (t) => {
  const { w, clock } = t.context;
  const p = await w.person();
  const signer = (o: object) =>
    createTokens({ secrets: w.secrets, issuer: 'http://localhost:3000', ttlS: 60, clock, newId: () => 'j', ...o });
  const subject = { userId: p.id, sid: 's', roles: ['admin'], plan: 'free' };
  const expired = await (await signer({ clock: new FakeClock(clock.wall() - 120_000) })).sign(subject);
  const foreign = await (await signer({ issuer: 'https://elsewhere.example' })).sign(subject);
  const [head, payload, signature] = p.token.split('.');
  const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as object;
  const raised = Buffer.from(JSON.stringify({ ...claims, roles: ['admin'] })).toString('base64url');
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
  const cases: [string, string][] = [
    [`Bearer ${expired.token}`, 'TOKEN_EXPIRED'],
    [`Bearer ${foreign.token}`, 'UNAUTHENTICATED'],
    [`Bearer ${head}.${raised}.${signature}`, 'UNAUTHENTICATED'],
    [`Bearer ${none}`, 'UNAUTHENTICATED'],
    ['Bearer ', 'UNAUTHENTICATED'],
    ['Basic YTpi', 'UNAUTHENTICATED'],
  ];
  for (const [authorization, code] of cases) {
    const reply = await w.inject({ url: '/v1/me', headers: { authorization } });
    t.is(reply.statusCode, 401, authorization.slice(0, 20));
    t.is(codeOf(reply), code);
  }
  t.is(codeOf(await w.inject({ url: '/v1/me' })), 'UNAUTHENTICATED');
});

test.serial('our pages hold their session in cookies, and other origins cannot use them', async (t) => {
  const { w, clock } = t.context;
  const p = await w.person();
  const own = 'http://localhost:3000';
  const foreign = await post(
    w,
    '/v1/auth/login',
    { email: p.email, password: p.password, client: 'web' },
    { origin: 'https://evil.example' },
  );
  t.is(codeOf(foreign), 'CSRF');
  const reply = await post(w, '/v1/auth/login', { email: p.email, password: p.password, client: 'web' }, { origin: own });
  t.is(reply.json<Partial<Pair>>().refreshToken, undefined);
  const cookies = reply.cookies as { name: string; value: string; httpOnly: boolean; sameSite: string; path: string }[];
  t.like(cookies[0], { name: 'thrum_at', httpOnly: true, sameSite: 'Lax', path: '/' });
  t.like(cookies[1], { name: 'thrum_rt', httpOnly: true, sameSite: 'Strict', path: '/v1/auth' });
  const cookie = cookies.map((c) => `${c.name}=${c.value}`).join('; ');

  t.is((await w.inject({ url: '/v1/me', headers: { cookie } })).statusCode, 200);
  t.is(codeOf(await post(w, '/v1/auth/logout', {}, { cookie, origin: 'https://evil.example' })), 'CSRF');
  t.is(codeOf(await post(w, '/v1/auth/logout', {}, { cookie, 'sec-fetch-site': 'cross-site' })), 'CSRF');
  t.is(codeOf(await post(w, '/v1/auth/refresh', {}, { cookie, origin: 'https://evil.example' })), 'CSRF');

  await clock.advance(1_000_000);
  t.is(codeOf(await w.inject({ url: '/v1/me', headers: { cookie } })), 'TOKEN_EXPIRED');
  const renewed = await post(w, '/v1/auth/refresh', {}, { cookie, origin: own });
  t.is(renewed.statusCode, 200);
  const next = (renewed.cookies as { name: string; value: string }[]).map((c) => `${c.name}=${c.value}`).join('; ');
  const out = await post(w, '/v1/auth/logout', {}, { cookie: next, origin: own });
  t.is(out.statusCode, 204);
  t.true((out.cookies as { value: string }[]).every((c) => c.value === ''));
  t.is((await w.inject({ url: '/v1/me', headers: { cookie: next } })).statusCode, 401);
});

test.serial('staff lists users by name and page; nobody else does', async (t) => {
  const { w } = t.context;
  const staff = await w.person({ roles: ['staff'], displayName: 'Zoe' });
  t.is(codeOf(await w.inject({ url: '/v1/users', token: (await w.person()).token })), 'FORBIDDEN');
  const names: string[] = [];
  let cursor = '';
  do {
    const reply = await w.inject({ url: `/v1/users?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`, token: staff.token });
    const page = reply.json<{ items: { displayName: string }[]; nextCursor?: string }>();
    names.push(...page.items.map((u) => u.displayName));
    cursor = page.nextCursor ?? '';
  } while (cursor !== '');
  t.true(names.length > 4);
  t.is(new Set(names).size, names.length);
  const only = await w.inject({ url: '/v1/users?role=staff', token: staff.token });
  t.true(only.json<{ items: { roles: string[] }[] }>().items.every((u) => u.roles.includes('staff')));
  t.is(codeOf(await w.inject({ url: '/v1/users?cursor=nonsense', token: staff.token })), 'VALIDATION');
});

test.serial('the operator secret gives a token for a known user, and nothing else does', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  const ask = (secret: string, email: string) => post(w, '/v1/auth/operator-token', { email }, { 'x-thrum-operator': secret });
  t.is(codeOf(await ask('wrong', p.email)), 'UNAUTHENTICATED');
  t.is(codeOf(await ask(w.secrets.operator, 'nobody@example.test')), 'NOT_FOUND');
  const pair = (await ask(w.secrets.operator, p.email)).json<Pair>();
  t.is((await w.inject({ url: '/v1/me', token: pair.accessToken })).json<{ id: string }>().id, p.id);
});

test.serial('the public keys verify the tokens and hold no secret', async (t) => {
  const { w } = t.context;
  const { keys } = (await w.inject({ url: '/.well-known/jwks.json' })).json<{ keys: Record<string, string>[] }>();
  const { token } = await w.person();
  const { kid, alg } = JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { kid: string; alg: string };
  t.is(alg, 'ES256');
  t.true(keys.some((k) => k['kid'] === kid));
  t.true(keys.every((k) => k['d'] === undefined));
});

test.serial('passwords are stored as Argon2id and never logged', async (t) => {
  const { w } = t.context;
  const p = await w.person({ password: 'a very special password' });
  await login(w, p);
  const row = await w.app.identity.users.byId(p.id);
  t.regex(row?.password_hash ?? '', /^\$argon2id\$v=19\$m=8192,t=1,p=1\$/);
  t.false(JSON.stringify(w.log.lines).includes('special password'));
});
