/** FCM and APNs as far as their public protocols go, over local fakes that check what the vendors check (realtime R14). */
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders as Http1Headers } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { jwtVerify } from 'jose';
import type { PushMessage, Target } from '../../server/notify/provider.ts';
import { apnsProvider } from '../../server/notify/providers/apns.ts';
import { fcmProvider } from '../../server/notify/providers/fcm.ts';
import { FakeClock } from '../support/clock.ts';
import { until } from '../support/until.ts';

const signal = new AbortController().signal;
const NOW = Date.parse('2027-03-01T08:00:00Z');
const alert: PushMessage = {
  id: '01a1fc02-0000-4000-8000-000000000001',
  s: 7,
  category: 'anomaly_alert',
  severity: 'critical',
  title: 'New alert',
  tag: 'opaque-tag',
  generic: true,
  ttlS: 3_600,
  urgency: 'high',
};

async function listen(t: ExecutionContext, server: Server): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

// -------------------------------------------------------------------------------------------------------------------- FCM

interface FcmCall {
  readonly authorization: string | undefined;
  readonly path: string;
  readonly message: Record<string, unknown>;
}

async function fakeFcm(t: ExecutionContext) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const calls: FcmCall[] = [];
  const answers: { status: number; body: object; headers?: Record<string, string> }[] = [];
  const clock = new FakeClock(NOW);
  let origin = '';
  let tokens = 0;
  const grant = async (form: URLSearchParams): Promise<object> => {
    if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') throw new Error('grant_type');
    const { payload } = await jwtVerify(form.get('assertion') ?? '', publicKey, {
      audience: `${origin}/token`,
      issuer: 'push@thrum.iam.example',
      currentDate: new Date(clock.wall()),
    });
    if (payload['scope'] !== 'https://www.googleapis.com/auth/firebase.messaging') throw new Error('scope');
    tokens += 1;
    return { access_token: `token-${tokens}`, expires_in: 3_600, token_type: 'Bearer' };
  };
  const server = createServer((req, res) => {
    let text = '';
    req.on('data', (part: Buffer) => {
      text += part.toString();
    });
    req.on('end', () => {
      const reply = (status: number, body: object, headers: Http1Headers = {}) =>
        res.writeHead(status, { 'content-type': 'application/json', connection: 'close', ...headers }).end(JSON.stringify(body));
      if (req.url === '/token') {
        grant(new URLSearchParams(text)).then(
          (body) => reply(200, body),
          (error: unknown) => reply(400, { error: String(error) }),
        );
        return;
      }
      const { message } = JSON.parse(text) as { message: Record<string, unknown> };
      calls.push({ authorization: req.headers.authorization, path: req.url ?? '', message });
      const answer = answers.shift() ?? { status: 200, body: { name: 'projects/thrum/messages/1' } };
      reply(answer.status, answer.body, answer.headers);
    });
  });
  origin = await listen(t, server);
  const account = {
    project_id: 'thrum',
    client_email: 'push@thrum.iam.example',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    token_uri: `${origin}/token`,
  };
  const target: Target = { token: 'registration-token', userId: 'u1', registeredAt: NOW };
  return { provider: fcmProvider({ account, clock, url: origin }), calls, answers, clock, target, tokens: () => tokens };
}

const fcmError = (status: number, code: string, details: object[] = []) => ({
  status,
  body: { error: { code: status, status: code, message: 'no', details } },
});

test('FCM: a service account gets a token by its signed assertion, sends, and renews the token before it ends', async (t) => {
  const f = await fakeFcm(t);
  t.deepEqual(await f.provider.send(f.target, alert, signal), { kind: 'sent', vendorId: 'projects/thrum/messages/1' });
  t.like(f.calls[0], {
    authorization: 'Bearer token-1',
    path: '/v1/projects/thrum/messages:send',
    message: {
      token: 'registration-token',
      notification: { title: 'New alert' },
      data: { id: alert.id, s: '7', tag: 'opaque-tag', fetch: '1' },
      android: { collapse_key: 'alert', ttl: '3600s', priority: 'HIGH', notification: { tag: 'opaque-tag' } },
    },
  });
  await f.provider.send(f.target, { ...alert, category: 'daily_summary', urgency: 'low' }, signal);
  t.like(f.calls[1]?.message, { android: { collapse_key: 'score', priority: 'NORMAL' } });
  t.is(f.tokens(), 1);
  await f.clock.advance(55 * 60_000);
  await f.provider.send(f.target, alert, signal);
  t.is(f.calls[2]?.authorization, 'Bearer token-2');
});

test('FCM: what is gone, to be tried again, or refused is told apart', async (t) => {
  const f = await fakeFcm(t);
  const outcome = async (answer: (typeof f.answers)[number]) => {
    f.answers.push(answer);
    return f.provider.send(f.target, alert, signal);
  };
  const fcm = { '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError' };
  const field = (name: string) => [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field: name }] }];
  t.deepEqual(await outcome(fcmError(404, 'NOT_FOUND', [{ ...fcm, errorCode: 'UNREGISTERED' }])), { kind: 'gone', reason: 'UNREGISTERED' });
  t.like(await outcome(fcmError(400, 'INVALID_ARGUMENT', field('message.token'))), { kind: 'gone' });
  t.like(await outcome(fcmError(400, 'INVALID_ARGUMENT', field('message.android.ttl'))), { kind: 'reject' });
  t.deepEqual(await outcome({ ...fcmError(429, 'RESOURCE_EXHAUSTED'), headers: { 'retry-after': '30' } }), {
    kind: 'retry',
    reason: 'RESOURCE_EXHAUSTED',
    afterMs: 30_000,
  });
  t.like(await outcome(fcmError(503, 'UNAVAILABLE')), { kind: 'retry' });
  t.like(await outcome(fcmError(401, 'UNAUTHENTICATED')), { kind: 'retry' });
  t.is(f.tokens(), 1);
  await f.provider.send(f.target, alert, signal);
  t.is(f.tokens(), 2, 'a token that was refused is not used again');
});

test('FCM: what was seen elsewhere is taken back by a message without text', async (t) => {
  const f = await fakeFcm(t);
  await f.provider.retract?.(f.target, 'opaque-tag', signal);
  t.deepEqual(f.calls[0]?.message, { token: 'registration-token', data: { retract: 'opaque-tag' }, android: { priority: 'NORMAL' } });
});

// ------------------------------------------------------------------------------------------------------------------- APNs

const DEVICE = 'ab'.repeat(32);
/** no answer at all */
const SILENCE = 0;

async function fakeApns(t: ExecutionContext) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const calls: { headers: Record<string, unknown>; body: Record<string, unknown>; issuedAt: number }[] = [];
  const answers: { status: number; body?: object }[] = [];
  const clock = new FakeClock(NOW);
  let connections = 0;
  const server = createHttp2();
  server.on('session', (session) => {
    connections += 1;
    t.teardown(() => session.destroy());
  });
  server.on('stream', (stream, headers) => {
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (part: string) => {
      text += part;
    });
    stream.on('end', () => {
      const token = /^bearer (.+)$/.exec(String(headers['authorization']))?.[1] ?? '';
      void jwtVerify(token, publicKey, { issuer: 'TEAM123456', algorithms: ['ES256'] })
        .then(({ payload, protectedHeader }) => {
          if (protectedHeader.kid !== 'KEY1234567') throw new Error('kid');
          calls.push({ headers: { ...headers }, body: JSON.parse(text) as Record<string, unknown>, issuedAt: payload.iat ?? 0 });
          return answers.shift() ?? { status: 200 };
        })
        .catch(() => ({ status: 403, body: { reason: 'InvalidProviderToken' } }))
        .then(({ status, body }: { status: number; body?: object }) => {
          if (status === SILENCE) return undefined;
          stream.respond({ ':status': status, 'apns-id': 'apns-1' });
          return stream.end(body === undefined ? undefined : JSON.stringify(body));
        });
    });
  });
  const origin = await listen(t, server);
  const account = { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), keyId: 'KEY1234567', teamId: 'TEAM123456' };
  const provider = apnsProvider({ account, clock, hosts: { production: origin, sandbox: 'http://127.0.0.1:1' } });
  t.teardown(() => provider.close?.());
  const target: Target = { token: DEVICE, appId: 'org.example.app', env: 'production', userId: 'u1', registeredAt: NOW };
  return { provider, calls, answers, clock, target, connections: () => connections };
}

test('APNs: one connection and one provider token carry many messages; the token is renewed after forty minutes', async (t) => {
  const a = await fakeApns(t);
  t.deepEqual(await a.provider.send(a.target, alert, signal), { kind: 'sent', vendorId: 'apns-1' });
  t.like(a.calls[0]?.headers, {
    ':path': `/3/device/${DEVICE}`,
    'apns-topic': 'org.example.app',
    'apns-push-type': 'alert',
    'apns-priority': '10',
    'apns-expiration': String(NOW / 1_000 + 3_600),
    'apns-collapse-id': 'opaque-tag',
  });
  t.deepEqual(a.calls[0]?.body, {
    aps: { alert: { title: 'New alert' }, 'mutable-content': 1 },
    id: alert.id,
    tag: 'opaque-tag',
    category: 'anomaly_alert',
    s: 7,
  });
  await Promise.all([1, 2, 3].map(() => a.provider.send(a.target, { ...alert, urgency: 'normal' }, signal)));
  t.is(a.calls[1]?.headers['apns-priority'], '5');
  await a.clock.advance(39 * 60_000);
  await a.provider.send(a.target, alert, signal);
  await a.clock.advance(60_000);
  await a.provider.send(a.target, alert, signal);
  t.deepEqual(
    a.calls.map((c) => c.issuedAt - NOW / 1_000),
    [0, 0, 0, 0, 0, 2_400],
  );
  t.is(a.connections(), 1);
});

test('APNs: a connection on which nothing is answered is not used again', async (t) => {
  const a = await fakeApns(t);
  a.answers.push({ status: SILENCE });
  const patience = new AbortController();
  const first = a.provider.send(a.target, alert, patience.signal);
  await until(() => a.calls.length === 1, 'the call');
  patience.abort();
  t.like(await first, { kind: 'retry' });
  t.like(await a.provider.send(a.target, alert, signal), { kind: 'sent' });
  t.is(a.connections(), 2);
});

test('APNs: what is gone, to be tried again, or refused is told apart', async (t) => {
  const a = await fakeApns(t);
  const outcome = async (status: number, body: object) => {
    a.answers.push({ status, body });
    return a.provider.send(a.target, alert, signal);
  };
  t.deepEqual(await outcome(410, { reason: 'Unregistered', timestamp: NOW + 1 }), { kind: 'gone', reason: 'Unregistered' });
  t.like(await outcome(410, { reason: 'Unregistered', timestamp: NOW - 1 }), { kind: 'reject' }, 'it was registered anew since');
  t.like(await outcome(400, { reason: 'BadDeviceToken' }), { kind: 'gone' });
  t.like(await outcome(400, { reason: 'DeviceTokenNotForTopic' }), { kind: 'gone' });
  t.like(await outcome(400, { reason: 'BadTopic' }), { kind: 'reject' });
  t.like(await outcome(413, { reason: 'PayloadTooLarge' }), { kind: 'too_large' });
  t.like(await outcome(429, { reason: 'TooManyRequests' }), { kind: 'retry' });
  t.like(await outcome(503, { reason: 'Shutdown' }), { kind: 'retry' });
  t.like(await outcome(403, { reason: 'ExpiredProviderToken' }), { kind: 'retry' });
  t.like(await outcome(403, { reason: 'InvalidProviderToken' }), { kind: 'reject' });
  t.deepEqual(await a.provider.send(a.target, { ...alert, body: 'x'.repeat(5_000) }, signal), { kind: 'too_large' });
  t.like(await a.provider.send({ ...a.target, env: 'sandbox' }, alert, signal), { kind: 'retry' }, 'nobody answers there');
});

test('APNs: what was seen elsewhere is taken back in the background', async (t) => {
  const a = await fakeApns(t);
  await a.provider.retract?.(a.target, 'opaque-tag', signal);
  t.like(a.calls[0]?.headers, { 'apns-push-type': 'background', 'apns-priority': '5' });
  t.deepEqual(a.calls[0]?.body, { aps: { 'content-available': 1 }, retract: 'opaque-tag' });
});
