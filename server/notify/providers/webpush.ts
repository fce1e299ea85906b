/** Web Push: RFC 8030 delivery, RFC 8188 and 8291 encryption, RFC 8292 identification. Needs no account with any vendor. */
import webPush from 'web-push';
import type { Clock } from '../../../actors/types.ts';
import { post } from '../../webhooks/post.ts';
import { retryAfterMs } from '../provider.ts';
import type { Outcome, PushMessage, VendorProvider } from '../provider.ts';
import type { VapidKeys } from '../vapid.ts';

const TIMEOUT_MS = 10_000;

/** What our service worker reads; absent keys instead of null. */
const payloadOf = ({ id, s, category, severity, title, body, href, tag, generic }: PushMessage): string =>
  JSON.stringify({ id, s, tag, category, severity, title, body, href, ...(generic ? { fetch: true } : {}) });

export function webPushProvider(o: {
  readonly keys: () => Promise<VapidKeys>;
  /** `mailto:` or https address under which a push service reaches the operator */
  readonly subject: string;
  readonly clock: Clock;
  readonly allowPrivate: boolean;
}): VendorProvider {
  return {
    id: 'webpush',
    hostOf: ({ token }) => new URL(token).host,
    async send({ token, p256dh = '', auth = '' }, message, signal): Promise<Outcome> {
      const request = webPush.generateRequestDetails({ endpoint: token, keys: { p256dh, auth } }, payloadOf(message), {
        vapidDetails: { subject: o.subject, ...(await o.keys()) },
        contentEncoding: 'aes128gcm',
        TTL: message.ttlS,
        urgency: message.urgency,
        topic: message.tag,
      });
      // some of the values are numbers
      const headers = Object.entries<unknown>(request.headers).map(([name, value]) => [name, String(value)] as const);
      let reply;
      try {
        reply = await post({
          url: token,
          headers: Object.fromEntries(headers),
          body: request.body,
          timeoutMs: TIMEOUT_MS,
          allowPrivate: o.allowPrivate,
          signal,
        });
      } catch (error) {
        return { kind: 'retry', reason: error instanceof Error ? error.message : String(error) };
      }
      const { status } = reply;
      if (status >= 200 && status < 300) return { kind: 'sent' };
      if (status === 404 || status === 410) return { kind: 'gone', reason: `HTTP ${status}` };
      if (status === 413) return { kind: 'too_large' };
      if (status === 429 || status >= 500) {
        const afterMs = retryAfterMs(reply.retryAfter, o.clock.wall());
        return { kind: 'retry', reason: `HTTP ${status}`, ...(afterMs === undefined ? {} : { afterMs }) };
      }
      return { kind: 'reject', reason: `HTTP ${status} ${reply.head.slice(0, 200)}` };
    },
  };
}
