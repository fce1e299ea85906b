/**
 * What is particular to a provider (B3.1). The intake, the ingestion and the device actor know nothing else of it; a new provider is a new
 * entry of the table that `server/app.ts` composes.
 */
import type { CanonicalRecord } from '../../calc/ingest/canonical.ts';
import type { FetchResult, ProviderId } from '../../machines/biosync/schema.ts';
import type { Source } from './canonical.ts';

export interface RawWebhook {
  readonly body: Buffer;
  /** a header by its name in lower case */
  readonly header: (name: string) => string | undefined;
  /** epoch ms */
  readonly now: number;
}

export type Verified =
  | { readonly ok: true; /** names the delivery for ever */ readonly key: string; readonly ageS: number; readonly slot: number }
  | { readonly ok: false; readonly reason: 'missing' | 'malformed' | 'forged' | 'stale'; readonly ageS?: number };

/** A part of a message that concerns one account. */
export interface ParsedDelivery {
  readonly providerUserId: string;
  readonly kind: 'data' | 'deauthorized';
  readonly payload: object;
}

export type Parsed =
  | { readonly ok: true; readonly deliveries: readonly ParsedDelivery[] }
  | { readonly ok: false; readonly reason: 'malformed'; readonly issues: readonly { path: string; message: string }[] }
  | { readonly ok: false; readonly reason: 'ignored'; readonly kind: string };

export interface AuthorizeInput {
  readonly state: string;
  readonly redirectUri: string;
  /** PKCE, S256 */
  readonly challenge: string;
}

/** The provider works, and does not want to. */
export class ProviderRefused extends Error {}

export interface Identity {
  readonly providerUserId: string;
  readonly scopes: readonly string[];
}

export type Page =
  | { readonly ok: true; readonly payloads: readonly object[]; readonly cursor?: string }
  | Extract<FetchResult, { ok: false }>;

export interface FetchTarget {
  readonly providerUserId: string;
  readonly from: string;
  readonly to: string;
  readonly cursor: string | undefined;
  readonly signal: AbortSignal;
}

export interface Provider {
  readonly id: ProviderId;
  readonly kind: 'aggregator' | 'direct' | 'push' | 'import';
  readonly label: string;
  readonly capabilities: { readonly webhook: 'data' | 'notify' | 'none'; readonly pull: boolean; readonly backfillDays: number };
  readonly requiredScopes: readonly string[];
  verify(req: RawWebhook): Verified;
  parse(body: Buffer): Parsed;
  /** Stored payload to canonical records; pure. */
  normalise(payload: unknown): { readonly source: Source; readonly records: readonly CanonicalRecord[] } | undefined;
  /** Page at the provider where the person grants access. Absent: the account is named by the person (`standard`). */
  authorize?(input: AuthorizeInput): string;
  /** @throws ProviderRefused */
  exchange?(code: string, verifier: string, redirectUri: string, signal: AbortSignal): Promise<Identity>;
  fetch?(target: FetchTarget): Promise<Page>;
  /** @throws ProviderRefused */
  deregister?(providerUserId: string, signal: AbortSignal): Promise<void>;
  /** Whether the provider answers at all; rejects when not. */
  health?(signal: AbortSignal): Promise<void>;
}

export type Providers = ReadonlyMap<string, Provider>;
