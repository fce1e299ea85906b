/**
 * A push service and the browsers behind it: verifies who sends (RFC 8292), decrypts as the browser would (RFC 8291, RFC 8188), keeps one
 * undelivered message per topic (RFC 8030). The decryption is written here once more, from the RFCs, so that it does not trust the library under test.
 */
import { createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { importJWK, jwtVerify } from 'jose';

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
}

export interface Received {
  readonly topic: string | undefined;
  readonly ttl: number;
  readonly urgency: string | undefined;
  /** key with which the sender signed */
  readonly senderKey: string;
  readonly subject: string;
  readonly payload: Record<string, unknown>;
}

export interface Browser {
  readonly subscription: { readonly endpoint: string; readonly keys: { readonly p256dh: string; readonly auth: string } };
  /** every message that the service accepted, in order */
  readonly received: readonly Received[];
  /** what it would deliver now: the last message of each topic */
  stored(): readonly Received[];
  /** answers instead of 201, one per request; then 201 again */
  readonly answers: Answer[];
  readonly requests: () => number;
}

export interface PushService {
  readonly url: string;
  browser(): Browser;
  close(): Promise<void>;
}

interface State {
  readonly ecdh: ReturnType<typeof createECDH>;
  readonly auth: Buffer;
  readonly received: Received[];
  readonly answers: Answer[];
  requests: number;
}

export async function startPushService(): Promise<PushService> {
  const browsers = new Map<string, State>();
  let origin = '';
  const server: Server = createServer((req, res) => {
    const parts: Buffer[] = [];
    req.on('data', (part: Buffer) => parts.push(part));
    req.on('end', () => {
      const state = browsers.get(req.url ?? '');
      const answer: Answer | undefined = state === undefined ? { status: 404 } : state.answers.shift();
      if (state !== undefined) state.requests += 1;
      if (state === undefined || answer !== undefined) {
        res.writeHead(answer?.status ?? 404, answer?.headers).end();
        return;
      }
      void accept(state, origin, req.headers, Buffer.concat(parts))
        .then((received) => [201, state.received.push(received)] as const)
        .catch((error: unknown) => [400, String(error)] as const)
        .then(([status, text]) => res.writeHead(status).end(String(text)));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: origin,
    browser() {
      const ecdh = createECDH('prime256v1');
      ecdh.generateKeys();
      const state: State = { ecdh, auth: randomBytes(16), received: [], answers: [], requests: 0 };
      const path = `/push/${randomBytes(16).toString('hex')}`;
      browsers.set(path, state);
      return {
        subscription: {
          endpoint: origin + path,
          keys: { p256dh: ecdh.getPublicKey('base64url'), auth: state.auth.toString('base64url') },
        },
        received: state.received,
        answers: state.answers,
        requests: () => state.requests,
        stored: () => [...new Map(state.received.map((r, i) => [r.topic ?? i, r])).values()],
      };
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function accept(state: State, origin: string, headers: IncomingHttpHeaders, body: Buffer): Promise<Received> {
  if (headers['content-encoding'] !== 'aes128gcm') throw new Error('content-encoding');
  const ttl = Number(headers['ttl']);
  if (!Number.isInteger(ttl) || ttl < 0) throw new Error('ttl');
  const topic = headers['topic']?.toString();
  if (topic !== undefined && !/^[A-Za-z0-9_-]{1,32}$/.test(topic)) throw new Error('topic');
  if (body.length > 4_096) throw new Error('larger than a push service must take');
  const { key, subject } = await verified(headers.authorization ?? '', origin);
  const payload = JSON.parse(decrypted(state, body)) as Record<string, unknown>;
  return { topic, ttl, urgency: headers['urgency']?.toString(), senderKey: key, subject, payload };
}

/** RFC 8292: `vapid t=JWT, k=public key`. */
async function verified(authorization: string, origin: string): Promise<{ key: string; subject: string }> {
  const [, token = '', key = ''] = /^vapid t=([\w.-]+), ?k=([\w-]+)$/.exec(authorization) ?? [];
  const point = Buffer.from(key, 'base64url');
  if (point.length !== 65 || point[0] !== 4) throw new Error('k is no uncompressed point');
  const jwk = { kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') };
  const { payload } = await jwtVerify(token, await importJWK(jwk, 'ES256'), { algorithms: ['ES256'], audience: origin });
  if ((payload.exp ?? 0) > Date.now() / 1_000 + 86_400) throw new Error('exp is more than a day away');
  if (!/^(mailto:|https:)/.test(payload.sub ?? '')) throw new Error('sub');
  return { key, subject: payload.sub ?? '' };
}

/** RFC 8291 section 3.4 over one record of RFC 8188. */
function decrypted({ ecdh, auth }: State, body: Buffer): string {
  const salt = body.subarray(0, 16);
  const idLength = body[20] ?? 0;
  const sender = body.subarray(21, 21 + idLength);
  const record = body.subarray(21 + idLength);
  if (record.length > body.readUInt32BE(16)) throw new Error('more than one record');
  const secret = ecdh.computeSecret(sender);
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), ecdh.getPublicKey(), sender]);
  const ikm = Buffer.from(hkdfSync('sha256', secret, auth, info, 32));
  const key = Buffer.from(hkdfSync('sha256', ikm, salt, 'Content-Encoding: aes128gcm\0', 16));
  const nonce = Buffer.from(hkdfSync('sha256', ikm, salt, 'Content-Encoding: nonce\0', 12));
  const decipher = createDecipheriv('aes-128-gcm', key, nonce);
  decipher.setAuthTag(record.subarray(-16));
  const plain = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()]);
  const end = plain.lastIndexOf(2);
  if (end < 0) throw new Error('no delimiter of the last record');
  return plain.subarray(0, end).toString('utf8');
}
