import anyTest from 'ava';
import type { TestFn } from 'ava';
import type { Response } from 'light-my-request';
import { connect } from 'node:net';
import { commandId } from '../live/setup.ts';
import { person } from '../live/kinds.ts';
import { counter } from '../support/kinds.ts';
import { until } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';
import type { Person, World } from '../support/world.ts';

const test = anyTest as TestFn<{ w: World; user: Person; admin: Person }>;
const effects = { counter: { work: async () => ({ done: 1 }) } };

test.before(async (t) => {
  const w = await makeWorld({ kinds: [counter, person], effects, store: 'memory', listen: true, env: { BODY_BYTES: '4096' } });
  t.context = { w, user: await w.person(), admin: await w.person({ roles: ['admin'] }) };
});
test.after.always((t) => t.context.w.close());

const ADD = '/v1/actors/counter/http/commands/counter.add';
const codeOf = (reply: Response): string => reply.json<{ code: string }>().code;

test('malformed, oversized, foreign and badly typed bodies are refused, each in its own way', async (t) => {
  const { w, user } = t.context;
  const send = (payload: string | Buffer, type = 'application/json') =>
    w.inject({ method: 'POST', url: ADD.replace('http', 'malformed'), token: user.token, payload, headers: { 'content-type': type } });
  const cases: [string | Buffer, string, number, string][] = [
    ['{"by":', 'application/json', 400, 'VALIDATION'],
    ['[1,2]', 'application/json', 400, 'VALIDATION'],
    ['null', 'application/json', 400, 'VALIDATION'],
    ['{"by":"one"}', 'application/json', 400, 'VALIDATION'],
    ['{"by":1,"extra":1}', 'application/json', 400, 'VALIDATION'],
    ['{"by":1,"type":"counter.end"}', 'application/json', 400, 'VALIDATION'],
    ['{"by":1,"__proto__":{"x":1}}', 'application/json', 400, 'VALIDATION'],
    [Buffer.from([0x7b, 0xff, 0x7d]), 'application/json', 400, 'VALIDATION'],
    [`{"by":${'['.repeat(40)}${']'.repeat(40)}}`, 'application/json', 400, 'VALIDATION'],
    [`{"text":"${'x'.repeat(5_000)}"}`, 'application/json', 413, 'PAYLOAD_TOO_LARGE'],
    ['by=1', 'application/x-www-form-urlencoded', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['{"by":1}', 'application/json; charset=utf-16', 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ];
  for (const [payload, type, status, code] of cases) {
    const reply = await send(payload, type);
    t.is(reply.statusCode, status, String(payload).slice(0, 40));
    t.is(codeOf(reply), code);
    t.is(reply.headers['content-type'], 'application/problem+json; charset=utf-8');
  }
  t.is(
    (await w.inject({ url: '/v1/admin/actors/counter/malformed', token: t.context.admin.token })).statusCode,
    404,
    'nothing was written',
  );
});

test('a chunked body beyond the limit is answered, and the server goes on', async (t) => {
  const { w, user } = t.context;
  const { port } = new URL(w.url);
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1');
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString();
      if (received.includes('PAYLOAD_TOO_LARGE')) socket.destroy();
    });
    socket.on('close', () => resolve(received)).on('error', reject);
    const head = [
      `POST ${ADD} HTTP/1.1`,
      'Host: x',
      `Authorization: Bearer ${user.token}`,
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    for (let i = 0; i < 8; i += 1) socket.write(`400\r\n${'x'.repeat(1_024)}\r\n`);
  });
  t.regex(text, /^HTTP\/1\.1 413 /);
  t.is((await w.inject({ url: '/healthz' })).statusCode, 200);
});

test('a problem names the request, whose id is taken from the client when it is well formed', async (t) => {
  const { w } = t.context;
  const mine = await w.inject({ url: '/v1/none', headers: { 'x-request-id': 'my-request-1' } });
  t.is(mine.headers['x-request-id'], 'my-request-1');
  t.like(mine.json(), { code: 'NOT_FOUND', status: 404, instance: 'urn:thrum:request:my-request-1', type: 'urn:thrum:error:NOT_FOUND' });
  const theirs = await w.inject({ url: '/v1/none', headers: { 'x-request-id': 'a"b' } });
  t.regex(String(theirs.headers['x-request-id']), /^[0-9a-f-]{36}$/);
  const line = w.log.lines.find((l) => (l.fields as { requestId?: string }).requestId === 'my-request-1');
  t.like(line?.fields, { method: 'GET', path: '/v1/none', status: 404 });
});

test('a probe is told at info when its answer has changed and at debug else, everything else at info', async (t) => {
  const w = await makeWorld({ kinds: [person], store: 'memory' });
  t.teardown(w.close);
  let asked = 0;
  const told = async (url: string): Promise<string> => {
    const id = `request-${(asked += 1)}`;
    const { statusCode } = await w.inject({ url, headers: { 'x-request-id': id } });
    return `${statusCode} ${w.log.lines.find((l) => (l.fields as { requestId?: string }).requestId === id)?.level}`;
  };
  // on a busy machine a check may take more than half a second, and the answer is no
  await until(async () => (await told('/readyz')) === '200 debug', 'a probe that is answered well again');
  t.is(await told('/metrics'), '200 debug');
  t.is(await told('/v1/openapi.json'), '200 info');
  w.app.health.drain();
  t.is(await told('/readyz'), '503 info');
  t.is(await told('/readyz'), '503 debug');
});

test('a known path with another method is 405 and says which', async (t) => {
  const { w } = t.context;
  const reply = await w.inject({ method: 'DELETE', url: '/healthz' });
  t.is(reply.statusCode, 405);
  t.regex(String(reply.headers['allow']), /GET/);
});

test('answers carry the security headers, and HEAD answers without body', async (t) => {
  const { w } = t.context;
  const reply = await w.inject({ method: 'HEAD', url: '/healthz' });
  t.is(reply.body, '');
  t.like(reply.headers, {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cross-origin-resource-policy': 'same-origin',
  });
});

test('CORS admits the listed origins with credentials and no others', async (t) => {
  const { w } = t.context;
  const preflight = (origin: string) =>
    w.inject({ method: 'OPTIONS', url: '/v1/me', headers: { origin, 'access-control-request-method': 'GET' } });
  const own = await preflight('http://localhost:3000');
  t.is(own.statusCode, 204);
  t.like(own.headers, { 'access-control-allow-origin': 'http://localhost:3000', 'access-control-allow-credentials': 'true' });
  const foreign = await preflight('https://evil.example');
  t.is(foreign.headers['access-control-allow-origin'], undefined);
  t.regex(String(foreign.headers['vary']), /Origin/i);
});

test('If-Match admits the version that was read, and refuses others with 412', async (t) => {
  const { w, user } = t.context;
  const url = '/v1/actors/counter/matched/commands/counter.add';
  const send = (match?: string) =>
    w.inject({ method: 'POST', url, token: user.token, payload: { by: 1 }, headers: match === undefined ? {} : { 'if-match': match } });
  const { seq } = (await send()).json<{ seq: number }>();
  t.is((await send(`"${seq}"`)).statusCode, 200);
  const stale = await send(`"${seq}"`);
  t.is(stale.statusCode, 412);
  t.is(codeOf(stale), 'SEQ_MISMATCH');
  t.is((await send('7')).statusCode, 400);
});

test('a repeated key replays the answer, with another body it is a mismatch', async (t) => {
  const { w, user } = t.context;
  const key = commandId();
  const send = (by: number, idempotency = key) =>
    w.inject({ method: 'POST', url: ADD, token: user.token, payload: { by }, headers: { 'idempotency-key': idempotency } });
  const first = await send(5);
  t.is(first.headers['idempotency-replayed'], undefined);
  const again = await send(5);
  t.is(again.headers['idempotency-replayed'], 'true');
  t.is(again.json<{ seq: number }>().seq, first.json<{ seq: number }>().seq);
  t.is(codeOf(await send(6)), 'IDEMPOTENCY_MISMATCH');
  t.is(codeOf(await send(1, 'x'.repeat(256))), 'INVALID_IDEMPOTENCY_KEY');
  t.is((await send(1, 'x'.repeat(255))).statusCode, 200);
});

test('topics are read over HTTP under the same rights as over the socket', async (t) => {
  const { w, user } = t.context;
  const stranger = await w.person();
  const own = await w.inject({ url: '/v1/topics/user:me/mood', token: user.token });
  t.like(own.json(), { t: `user:${user.id}/mood`, kind: 'state', m: 'snap', d: { mood: 'fine' } });
  t.is(codeOf(await w.inject({ url: `/v1/topics/user:${user.id}/mood`, token: stranger.token })), 'NOT_FOUND');
  t.is(codeOf(await w.inject({ url: `/v1/topics/user:${user.id}/mood` })), 'UNAUTHENTICATED');
  t.is(codeOf(await w.inject({ url: '/v1/topics/user:me/mood?x=1', token: user.token })), 'VALIDATION');
  t.is((await w.inject({ url: '/v1/topics/system/status' })).json<{ d: { status: string } }>().d.status, 'ok');
  const can = await w.inject({ url: '/v1/actors/user/me/can', token: user.token });
  t.deepEqual(can.json<{ commands: string[] }>().commands, ['notification.seen', 'user.update', 'user.feel']);
});

test('a bug is INTERNAL without a word about it, and its stack is in the log', async (t) => {
  const { w, user } = t.context;
  const original = w.app.actors.allowed.bind(w.app.actors);
  w.app.actors.allowed = () => Promise.reject(new TypeError('secret detail'));
  t.teardown(() => {
    w.app.actors.allowed = original;
  });
  const reply = await w.inject({ url: '/v1/actors/user/me/can', token: user.token, headers: { 'x-request-id': 'broken-request' } });
  t.is(reply.statusCode, 500);
  t.is(codeOf(reply), 'INTERNAL');
  t.false(reply.body.includes('secret'));
  const line = w.log.lines.find((l) => l.level === 'error' && (l.fields as { requestId?: string }).requestId === 'broken-request');
  const { err } = line!.fields as { err: Error };
  t.regex(err.stack ?? '', /secret detail/);
});

test('a caller who asks too often is told when to come back', async (t) => {
  const w = await makeWorld({ kinds: [person], store: 'memory', env: { HTTP_REQUESTS_PER_MINUTE: '8' } });
  t.teardown(w.close);
  const replies = await Promise.all(Array.from({ length: 5 }, () => w.inject({ url: '/v1/openapi.json' })));
  const refused = replies.filter((r) => r.statusCode === 429);
  t.is(refused.length, 3);
  t.true(Number(refused[0]?.headers['retry-after']) > 0);
  t.is((await w.inject({ url: '/healthz' })).statusCode, 200, 'probes are not counted');
});

test('the inspector lists actors, shows one and its journal, and writes down who looked', async (t) => {
  const { w, admin, user } = t.context;
  const ref = 'counter:looked-at';
  for (let i = 0; i < 3; i += 1) {
    await w.inject({ method: 'POST', url: '/v1/actors/counter/looked-at/commands/counter.add', token: user.token, payload: { by: 1 } });
  }
  const get = (path: string, token = admin.token) => w.inject({ url: `/v1/admin/${path}`, token });
  t.is(codeOf(await get('actors', user.token)), 'FORBIDDEN');
  t.is(codeOf(await w.inject({ url: '/v1/admin/actors' })), 'UNAUTHENTICATED');

  const one = (await get('actors/counter/looked-at')).json<{ seq: number; state: string; context: { n: number }; actorId: string }>();
  t.like(one, { ref, state: 'open', status: 'active' });
  t.is(one.context.n, 3);
  const { items } = (await get('actors/counter/looked-at/journal?limit=2')).json<{ items: { seq: number; type: string }[] }>();
  t.deepEqual(
    items.map((r) => [r.seq, r.type]),
    [
      [one.seq, 'counter.add'],
      [one.seq - 1, 'counter.add'],
    ],
  );
  const audit = (await get(`audit?actor=${ref}`)).json<{ items: object[] }>();
  t.like(audit.items, [
    { admin: admin.id, action: 'journal.read' },
    { admin: admin.id, action: 'actor.read', beforeSeq: one.seq },
  ]);

  const refs: string[] = [];
  let cursor: string | undefined;
  do {
    const page = (await get(`actors?kind=user&limit=1${cursor === undefined ? '' : `&cursor=${cursor}`}`)).json<{
      items: { ref: string }[];
      nextCursor?: string;
    }>();
    refs.push(...page.items.map((a) => a.ref));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  t.true(refs.includes(`user:${user.id}`));
  t.is(new Set(refs).size, refs.length);

  const machine = (await get('machines/counter')).json<{ hash: string; commands: string[] }>();
  t.regex(machine.hash, /^[0-9a-f]+$/);
  t.true(machine.commands.includes('counter.add'));
  t.deepEqual(
    (await get('machines'))
      .json<{ items: { kind: string }[] }>()
      .items.map((m) => m.kind)
      .sort(),
    ['counter', 'user'],
  );
  t.is(codeOf(await get('machines/none')), 'UNKNOWN_KIND');
  t.is(codeOf(await get('actors/counter/none')), 'NOT_FOUND');
  t.is(codeOf(await get('actors?cursor=none')), 'VALIDATION');
  t.is(codeOf(await get('actors?limit=1000')), 'VALIDATION');
});

test('metrics are counted by route, not by path', async (t) => {
  const { w, user } = t.context;
  await w.inject({ url: '/v1/topics/user:me/mood', token: user.token });
  const text = (await w.inject({ url: '/metrics' })).body;
  t.regex(text, /thrum_http_requests_total\{method="GET",route="\/v1\/topics\/:subject\/:view",status="200"\} \d+/);
  t.false(text.includes(user.id));
});
