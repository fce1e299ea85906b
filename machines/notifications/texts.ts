/** What notifications say. A module owns its keys; `{name}` is filled from the arguments. */
import type { Category } from './schema.ts';

interface Text {
  readonly title: string;
  readonly body: string;
}

const texts: { readonly [titleKey: string]: Text } = {
  'anomaly.alert': { title: '{title}', body: '{explanation}' },
  'booking.cancelled': { title: '{resource} was cancelled', body: 'Your booking on {when} was cancelled by the studio.' },
  'push.test': { title: 'Notifications work', body: 'This device will be called when something matters.' },
  'security.session_reused': {
    title: 'A session was ended',
    body: 'Its key was used twice, which happens when it was copied. Change your password if that was not you.',
  },
};

/** Title for those who must not know more: the vendor of a push service, a locked screen. */
export const genericTitles: { readonly [category in Category]: string } = {
  daily_summary: 'Your day is ready',
  recovery_alert: 'New recovery alert',
  weekly_report: 'Your week is ready',
  device_attention: 'A device needs you',
  booking_update: 'News about a booking',
  booking_reminder: 'A booking is coming up',
  anomaly_alert: 'New alert',
  job_done: 'Something you asked for is ready',
  security: 'Security notice',
  marketing: 'News from your studio',
};

export const digestTitle = (n: number): string => `${n} notifications`;

const fill = (text: string, args: { readonly [name: string]: string | number }): string =>
  text.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(args[name] ?? ''));

/** The words of a notification; a key that nobody wrote a text for has the generic title. */
export function textOf(n: {
  readonly category: Category;
  readonly titleKey: string;
  readonly args: { readonly [name: string]: string | number };
}): Text {
  const text = texts[n.titleKey];
  return text === undefined
    ? { title: genericTitles[n.category], body: '' }
    : { title: fill(text.title, n.args), body: fill(text.body, n.args) };
}
