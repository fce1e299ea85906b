/** Apple Push Notification service over HTTP/2: https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns. */
import { connect, constants } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { importPKCS8, SignJWT } from 'jose';
import { z } from 'zod';
import type { Clock } from '../../../actors/types.ts';
import type { Outcome, PushMessage, VendorProvider, Target } from '../provider.ts';

export interface ApnsAccount {
  /** PEM of the .p8 file */
  readonly key: string;
  readonly keyId: string;
  readonly teamId: string;
}

const HOSTS = { production: 'https://api.push.apple.com', sandbox: 'https://api.sandbox.push.apple.com' } as const;
/** Apple takes a token for 20 to 60 minutes and refuses too many new ones */
const RENEW_MS = 40 * 60_000;
const MOST_BODY = 4_096;

const Failure = z.object({ reason: z.string(), timestamp: z.number().optional() });

export function apnsProvider(o: {
  readonly account: ApnsAccount;
  readonly clock: Clock;
  readonly hosts?: { readonly production: string; readonly sandbox: string };
}): VendorProvider {
  const { account, clock, hosts = HOSTS } = o;
  const sessions = new Map<string, ClientHttp2Session>();
  let provider: { readonly token: Promise<string>; readonly until: number } | undefined;

  const originOf = (target: Target): string => hosts[target.env ?? 'production'];

  function providerToken(): Promise<string> {
    const now = clock.wall();
    if (provider === undefined || provider.until <= now) {
      const signed = importPKCS8(account.key, 'ES256').then((key) =>
        new SignJWT()
          .setProtectedHeader({ alg: 'ES256', kid: account.keyId })
          .setIssuer(account.teamId)
          .setIssuedAt(Math.floor(now / 1_000))
          .sign(key),
      );
      provider = { token: signed, until: now + RENEW_MS };
    }
    return provider.token;
  }

  /** One connection per host, for as long as it lives. */
  function session(origin: string): ClientHttp2Session {
    const open = sessions.get(origin);
    if (open !== undefined && !open.closed && !open.destroyed) return open;
    const fresh = connect(origin);
    const forget = (): void => {
      if (sessions.get(origin) === fresh) sessions.delete(origin);
    };
    fresh.on('error', forget).on('goaway', forget).on('close', forget);
    // the process may end while nothing is under way
    fresh.unref();
    sessions.set(origin, fresh);
    return fresh;
  }

  function request(origin: string, headers: { readonly [name: string]: string | number }, body: string, signal: AbortSignal) {
    return new Promise<{ status: number; headers: IncomingHttpHeaders; text: string }>((resolve, reject) => {
      const over = session(origin);
      const stream = over.request(headers, { signal });
      let head: IncomingHttpHeaders = {};
      let text = '';
      stream.setEncoding('utf8');
      stream.on('response', (h) => {
        head = h;
      });
      stream.on('data', (part: string) => {
        text += part;
      });
      stream.on('end', () => resolve({ status: Number(head[constants.HTTP2_HEADER_STATUS] ?? 0), headers: head, text }));
      stream.on('error', (error) => {
        // a connection that the network has lost says nothing: what is under way may end on it, the next call makes another one
        over.close();
        reject(error);
      });
      stream.end(body);
    });
  }

  async function call(
    target: Target,
    headers: { readonly [name: string]: string | number },
    payload: object,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const body = JSON.stringify(payload);
    if (Buffer.byteLength(body) > MOST_BODY) return { kind: 'too_large' };
    try {
      const reply = await request(
        originOf(target),
        {
          ':method': 'POST',
          ':path': `/3/device/${target.token}`,
          authorization: `bearer ${await providerToken()}`,
          'apns-topic': target.appId ?? '',
          ...headers,
        },
        body,
        signal,
      );
      if (reply.status === 200) return { kind: 'sent', vendorId: reply.headers['apns-id']?.toString() ?? '' };
      return failed(target, reply.status, reply.text);
    } catch (error) {
      return { kind: 'retry', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  function failed(target: Target, status: number, text: string): Outcome {
    const { reason, timestamp } = Failure.safeParse(jsonOf(text)).data ?? { reason: `HTTP ${status}` };
    // an app that was installed anew has registered its old token after Apple had given it up
    if (status === 410) {
      const isOver = (timestamp ?? Infinity) > target.registeredAt;
      return isOver ? { kind: 'gone', reason } : { kind: 'reject', reason };
    }
    if (reason === 'BadDeviceToken' || reason === 'DeviceTokenNotForTopic') return { kind: 'gone', reason };
    if (status === 413) return { kind: 'too_large' };
    if (reason === 'ExpiredProviderToken') provider = undefined;
    if (reason === 'ExpiredProviderToken' || status === 429 || status >= 500 || status === 0) return { kind: 'retry', reason };
    return { kind: 'reject', reason };
  }

  const alertOf = (m: PushMessage): object => ({
    aps: { alert: { title: m.title, ...(m.body === undefined ? {} : { body: m.body }) }, ...(m.generic ? { 'mutable-content': 1 } : {}) },
    id: m.id,
    tag: m.tag,
    category: m.category,
    ...(m.s === undefined ? {} : { s: m.s }),
    ...(m.href === undefined ? {} : { href: m.href }),
  });

  return {
    id: 'apns',
    hostOf: (target) => new URL(originOf(target)).host,
    send: (target, m, signal) =>
      call(
        target,
        {
          'apns-push-type': 'alert',
          'apns-priority': m.urgency === 'high' ? 10 : 5,
          'apns-expiration': Math.floor(clock.wall() / 1_000) + m.ttlS,
          'apns-collapse-id': m.tag,
        },
        alertOf(m),
        signal,
      ),
    retract: (target, tag, signal) =>
      call(target, { 'apns-push-type': 'background', 'apns-priority': 5 }, { aps: { 'content-available': 1 }, retract: tag }, signal),
    close() {
      for (const one of sessions.values()) one.destroy();
    },
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
