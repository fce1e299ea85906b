import { z } from 'zod';
import { keyOf, slotOf } from '../webhooks/signature.ts';
import { CanonicalBatch, Delivery } from './canonical.ts';
import type { Parsed, Provider, RawWebhook, Verified } from './provider.ts';

/** Greatest distance of the signed time from ours, s. */
export const TOLERANCE_S = 300;

/** Verification by Standard Webhooks; header names `webhook-*`, or `svix-*` as some senders write them. */
export function verifyStandard(secrets: readonly string[]): (req: RawWebhook) => Verified {
  for (const secret of secrets) keyOf(secret);
  return ({ body, header, now }) => {
    const of = (name: string): string | undefined => header(`webhook-${name}`) ?? header(`svix-${name}`);
    const [id, timestamp, signature] = [of('id'), of('timestamp'), of('signature')];
    if (id === undefined || timestamp === undefined || signature === undefined) return { ok: false, reason: 'missing' };
    if (id === '' || id.length > 200 || !/^\d{1,12}$/.test(timestamp)) return { ok: false, reason: 'malformed' };
    const ageS = Math.floor(now / 1000) - Number(timestamp);
    const slot = slotOf(secrets, id, timestamp, body, signature);
    // only an authentic sender learns about its clock
    if (slot === undefined) return { ok: false, reason: 'forged' };
    return Math.abs(ageS) <= TOLERANCE_S ? { ok: true, key: id, ageS, slot } : { ok: false, reason: 'stale', ageS };
  };
}

/** A body in the canonical form. */
export function parseCanonical(body: Buffer): Parsed {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    return { ok: false, reason: 'malformed', issues: [{ path: '', message: 'is not JSON' }] };
  }
  const event = z.object({ event: z.string() }).safeParse(json);
  if (event.success && event.data.event !== 'deauthorized') return { ok: false, reason: 'ignored', kind: event.data.event };
  const result = (event.success ? Delivery : CanonicalBatch).safeParse(json);
  if (!result.success) {
    const issues = result.error.issues.map((i) => ({ path: i.path.join('.'), message: i.message }));
    return { ok: false, reason: 'malformed', issues };
  }
  const kind = 'event' in result.data ? 'deauthorized' : 'data';
  return { ok: true, deliveries: [{ providerUserId: result.data.user, kind, payload: result.data }] };
}

export function normaliseCanonical(payload: unknown): ReturnType<Provider['normalise']> {
  const batch = CanonicalBatch.safeParse(payload);
  return batch.success ? { source: batch.data.source, records: batch.data.records } : undefined;
}

/** Any sender of Standard Webhooks with canonical bodies; accounts are named by their owners, there is nothing to pull. */
export function standardProvider(secrets: readonly string[]): Provider {
  return {
    id: 'standard',
    kind: 'push',
    label: 'Standard Webhooks',
    capabilities: { webhook: 'data', pull: false, backfillDays: 0 },
    requiredScopes: [],
    verify: verifyStandard(secrets),
    parse: parseCanonical,
    normalise: normaliseCanonical,
  };
}
