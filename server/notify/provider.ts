/** What a push service is to us (realtime R14). */
import type { Category, providers, Severity } from '../../machines/notifications/schema.ts';

export type ProviderId = (typeof providers)[number];

/** What the vendor gave the device, as it was registered. */
export interface Target {
  readonly token: string;
  readonly p256dh?: string;
  readonly auth?: string;
  readonly appId?: string;
  readonly env?: 'production' | 'sandbox';
  /** whose it is */
  readonly userId: string;
  /** epoch ms */
  readonly registeredAt: number;
}

export interface PushMessage {
  /** of the notification */
  readonly id: string;
  /** number of its item, with which the device finds the text when this message does not hold it */
  readonly s?: number;
  readonly category: Category;
  readonly severity: Severity;
  readonly title: string;
  readonly body?: string;
  readonly href?: string;
  /** opaque name of what it is about, at most 32 characters: a newer one replaces an older one */
  readonly tag: string;
  /** text that only the device may read: it fetches it */
  readonly generic: boolean;
  readonly ttlS: number;
  readonly urgency: 'low' | 'normal' | 'high';
}

export type Outcome =
  | { readonly kind: 'sent'; readonly vendorId?: string }
  /** the endpoint is no more */
  | { readonly kind: 'gone'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs?: number }
  /** nobody was called, it was no try: the circuit is open, or too many calls wait */
  | { readonly kind: 'held'; readonly reason: string; readonly afterMs: number }
  /** this message will never be taken */
  | { readonly kind: 'reject'; readonly reason: string }
  | { readonly kind: 'too_large' };

export interface PushProvider {
  readonly id: ProviderId;
  send(target: Target, message: PushMessage, signal: AbortSignal): Promise<Outcome>;
  /** Takes back what is shown under the tag, where the vendor can. */
  retract?(target: Target, tag: string, signal: AbortSignal): Promise<Outcome>;
  close?(): void;
}

/** One that is reached over the network. */
export interface VendorProvider extends PushProvider {
  /** host that is called for the target, with its port where that is not the usual one */
  hostOf(target: Target): string;
}

/** `Retry-After` in seconds or as a date. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}
