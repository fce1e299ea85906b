/** Firebase Cloud Messaging, HTTP v1: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages. The vendor's SDK needs a newer Node. */
import { importPKCS8, SignJWT } from 'jose';
import { z } from 'zod';
import type { Clock } from '../../../actors/types.ts';
import type { Category } from '../../../machines/notifications/schema.ts';
import { retryAfterMs } from '../provider.ts';
import type { Outcome, PushMessage, VendorProvider, Target } from '../provider.ts';

/** The fields of a service account's key file that are used. */
export const ServiceAccount = z.object({
  project_id: z.string().min(1),
  client_email: z.string().min(1),
  private_key: z.string().min(1),
  token_uri: z.url(),
});
export type ServiceAccount = z.output<typeof ServiceAccount>;

const AccessToken = z.object({ access_token: z.string(), expires_in: z.number() });
const Failure = z.object({
  error: z.object({
    status: z.string().optional(),
    message: z.string().optional(),
    details: z
      .array(z.looseObject({ errorCode: z.string().optional(), fieldViolations: z.array(z.looseObject({ field: z.string() })).optional() }))
      .optional(),
  }),
});

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
/** an access token is replaced so long before it ends */
const AHEAD_MS = 300_000;

/** A device keeps messages of four collapse keys at most. */
function collapseKey(category: Category): string {
  if (category === 'daily_summary') return 'score';
  if (category === 'anomaly_alert' || category === 'recovery_alert') return 'alert';
  return category.startsWith('booking_') ? 'booking' : 'other';
}

const dataOf = (m: PushMessage): { readonly [key: string]: string } => ({
  id: m.id,
  tag: m.tag,
  category: m.category,
  ...(m.s === undefined ? {} : { s: String(m.s) }),
  ...(m.href === undefined ? {} : { href: m.href }),
  ...(m.generic ? { fetch: '1' } : {}),
});

export function fcmProvider(o: { readonly account: ServiceAccount; readonly clock: Clock; readonly url?: string }): VendorProvider {
  const { account, clock } = o;
  const url = `${o.url ?? 'https://fcm.googleapis.com'}/v1/projects/${account.project_id}/messages:send`;
  let access: { readonly token: string; readonly until: number } | undefined;

  /** RFC 7523: an assertion signed by the account, for an access token. */
  async function accessToken(signal: AbortSignal): Promise<string> {
    if (access !== undefined && access.until > clock.wall()) return access.token;
    const iat = Math.floor(clock.wall() / 1_000);
    const assertion = await new SignJWT({ scope: SCOPE })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
      .setIssuer(account.client_email)
      .setAudience(account.token_uri)
      .setIssuedAt(iat)
      .setExpirationTime(iat + 3_600)
      .sign(await importPKCS8(account.private_key, 'RS256'));
    const reply = await fetch(account.token_uri, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }),
      signal,
    });
    if (!reply.ok) throw new Error(`no access token: HTTP ${reply.status}`);
    const { access_token: token, expires_in } = AccessToken.parse(await reply.json());
    access = { token, until: clock.wall() + expires_in * 1_000 - AHEAD_MS };
    return token;
  }

  async function call(message: object, signal: AbortSignal): Promise<Outcome> {
    try {
      const reply = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${await accessToken(signal)}`, 'content-type': 'application/json' },
        body: JSON.stringify({ message }),
        signal,
      });
      const body: unknown = await reply.json().catch(() => undefined);
      if (reply.ok) return { kind: 'sent', vendorId: (body as { name?: string } | undefined)?.name ?? '' };
      return failed(reply.status, reply.headers.get('retry-after') ?? undefined, body);
    } catch (error) {
      return { kind: 'retry', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  function failed(status: number, after: string | undefined, body: unknown): Outcome {
    const error = Failure.safeParse(body).data?.error;
    const code = error?.details?.find((d) => d.errorCode !== undefined)?.errorCode ?? error?.status ?? `HTTP ${status}`;
    const aboutToken = error?.details?.some((d) => d.fieldViolations?.some((v) => v.field === 'message.token')) === true;
    if (status === 404 || (status === 400 && aboutToken)) return { kind: 'gone', reason: code };
    if (status === 413) return { kind: 'too_large' };
    if (status === 401) {
      access = undefined;
      return { kind: 'retry', reason: code };
    }
    if (status !== 429 && status < 500) return { kind: 'reject', reason: `${code} ${error?.message ?? ''}`.trim() };
    const afterMs = retryAfterMs(after, clock.wall());
    return { kind: 'retry', reason: code, ...(afterMs === undefined ? {} : { afterMs }) };
  }

  return {
    id: 'fcm',
    hostOf: () => new URL(url).host,
    send: ({ token }: Target, m, signal) =>
      call(
        {
          token,
          notification: { title: m.title, ...(m.body === undefined ? {} : { body: m.body }) },
          data: dataOf(m),
          android: {
            collapse_key: collapseKey(m.category),
            ttl: `${m.ttlS}s`,
            priority: m.urgency === 'high' ? 'HIGH' : 'NORMAL',
            notification: { tag: m.tag },
          },
        },
        signal,
      ),
    retract: ({ token }, tag, signal) => call({ token, data: { retract: tag }, android: { priority: 'NORMAL' } }, signal),
  };
}
