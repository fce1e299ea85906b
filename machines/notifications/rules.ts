import type { Category, Channels, Preferences, Severity } from './schema.ts';

const HOUR_S = 3_600;

export interface Rule {
  /** how long the vendor keeps an undelivered push, s */
  readonly ttlS: number;
  readonly urgency: 'low' | 'normal';
  /** categories of one group share a daily cap */
  readonly group?: 'biosync';
  /** cannot be switched off; no quiet hours, no budget */
  readonly always?: true;
  readonly channels: Channels;
}

const on: Channels = { inapp: true, push: true, email: false, full: false };
const alert = { ttlS: 24 * HOUR_S, urgency: 'normal', channels: on } as const;

export const rules: { readonly [category in Category]: Rule } = {
  daily_summary: { ttlS: HOUR_S, urgency: 'low', group: 'biosync', channels: on },
  recovery_alert: { ...alert, group: 'biosync' },
  weekly_report: { ttlS: 24 * HOUR_S, urgency: 'low', group: 'biosync', channels: on },
  device_attention: { ...alert, group: 'biosync' },
  booking_update: alert,
  booking_reminder: alert,
  anomaly_alert: alert,
  job_done: { ttlS: 24 * HOUR_S, urgency: 'low', channels: on },
  security: { ...alert, always: true, channels: { ...on, email: true } },
  marketing: { ttlS: 24 * HOUR_S, urgency: 'low', channels: { inapp: false, push: false, email: false, full: false } },
};

/** pushes of one person that count, in any hour */
export const HOURLY = 5;
export const DAILY: { readonly [group: string]: number } = { biosync: 6 };

/** What the person wants of a category. */
export function channelsOf({ categories }: Preferences, category: Category): Channels {
  const rule = rules[category];
  const wanted = { ...rule.channels, ...categories[category] };
  return rule.always === true ? { ...wanted, inapp: true, push: true, email: true } : wanted;
}

/** Neither the hourly nor the daily cap holds it back. */
export const isExempt = (n: { readonly category: Category; readonly severity: Severity }): boolean =>
  n.severity === 'critical' || rules[n.category].always === true;
