/** The simulator as a client sees it: everything goes over HTTP, as to a provider elsewhere. */
import { z } from 'zod';
import { CanonicalBatch } from '../canonical.ts';
import { ProviderRefused } from '../provider.ts';
import type { FetchTarget, Identity, Page, Provider } from '../provider.ts';
import { normaliseCanonical, parseCanonical, verifyStandard } from '../standard.ts';

export const SIMULATOR_SCOPES = ['sleep', 'heart', 'activity'] as const;

const Token = z.object({ user: z.string(), scopes: z.array(z.string()) });
const DataPage = z.object({ batches: z.array(CanonicalBatch), cursor: z.string().optional() });

/** Names the credentials of the client; `Authorization` belongs to the people of this server, which hosts the provider. */
export const SECRET_HEADER = 'x-client-secret';

const refusal = ({ status }: Response, what: string): Error =>
  new (status < 500 && status !== 429 ? ProviderRefused : Error)(`the simulator refused ${what}: ${status}`);

export interface SimulatorProviderDeps {
  /** origin of the simulator as this process reaches it */
  readonly baseUrl: () => string;
  /** origin as the person's browser reaches it */
  readonly publicUrl: string;
  /** of the client at the provider; pulls carry it too */
  readonly clientSecret: string;
  readonly webhookSecrets: readonly string[];
  readonly fetch: typeof fetch;
}

export function simulatorProvider({ baseUrl, publicUrl, clientSecret, webhookSecrets, fetch }: SimulatorProviderDeps): Provider {
  const call = (path: string, init: RequestInit & { signal: AbortSignal }): Promise<Response> =>
    fetch(new URL(path, baseUrl()), {
      redirect: 'error',
      ...init,
      headers: { [SECRET_HEADER]: clientSecret, ...(init.body === undefined ? {} : { 'content-type': 'application/json' }) },
    });

  /** Failure classes of B3.7. */
  async function page(t: FetchTarget): Promise<Page> {
    const query = new URLSearchParams({
      account: t.providerUserId,
      from: t.from,
      to: t.to,
      ...(t.cursor === undefined ? {} : { cursor: t.cursor }),
    });
    let res: Response;
    try {
      res = await call(`/v1/simulator/api/data?${query.toString()}`, { signal: t.signal });
    } catch {
      return { ok: false, class: 'transient', code: 'PROVIDER_UNREACHABLE' };
    }
    if (res.status === 429) {
      const after = Number(res.headers.get('retry-after'));
      return { ok: false, class: 'rate_limited', code: 'RATE_LIMITED', ...(after > 0 ? { retryAfterS: after } : {}) };
    }
    if (res.status === 401 || res.status === 403) return { ok: false, class: 'auth', code: 'GRANT_REVOKED' };
    if ([404, 410, 422].includes(res.status)) return { ok: false, class: 'permanent_object', code: `PROVIDER_${res.status}` };
    if (!res.ok) return { ok: false, class: 'transient', code: `PROVIDER_${res.status}` };
    const body = DataPage.safeParse(await res.json().catch(() => undefined));
    if (!body.success) return { ok: false, class: 'transient', code: 'PROVIDER_BAD_JSON' };
    return { ok: true, payloads: body.data.batches, ...(body.data.cursor === undefined ? {} : { cursor: body.data.cursor }) };
  }

  return {
    id: 'simulator',
    kind: 'direct',
    label: 'Simulated wearable',
    capabilities: { webhook: 'data', pull: true, backfillDays: 90 },
    requiredScopes: ['sleep', 'heart'],
    verify: verifyStandard(webhookSecrets),
    parse: parseCanonical,
    normalise: normaliseCanonical,
    authorize: ({ state, redirectUri, challenge }) => {
      const query = new URLSearchParams({
        response_type: 'code',
        client_id: 'thrum',
        scope: SIMULATOR_SCOPES.join(' '),
        state,
        redirect_uri: redirectUri,
        code_challenge: challenge,
        code_challenge_method: 'S256',
      });
      return `${publicUrl}/v1/simulator/authorize?${query.toString()}`;
    },
    async exchange(code, verifier, redirectUri, signal): Promise<Identity> {
      const res = await call('/v1/simulator/oauth/token', {
        method: 'POST',
        body: JSON.stringify({ code, verifier, redirectUri }),
        signal,
      });
      if (!res.ok) throw refusal(res, 'the code');
      const token = Token.parse(await res.json());
      return { providerUserId: token.user, scopes: token.scopes };
    },
    fetch: page,
    async deregister(providerUserId, signal) {
      const res = await call('/v1/simulator/oauth/revoke', { method: 'POST', body: JSON.stringify({ user: providerUserId }), signal });
      if (!res.ok && res.status !== 404) throw refusal(res, 'to deregister');
    },
    async health(signal) {
      const res = await call('/healthz', { signal });
      if (!res.ok) throw new Error(`the simulator is not well: ${res.status}`);
    },
  };
}
