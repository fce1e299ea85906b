export const hm = (minute: number): string =>
  `${String(Math.floor(minute / 60) % 24).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;

export const clock = (at: number, zone?: string): string =>
  new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: zone }).format(at);

export const dateTime = (at: number, zone?: string): string =>
  new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium', timeZone: zone }).format(at);

export const dayName = (day: string, o: Intl.DateTimeFormatOptions = { weekday: 'long', day: 'numeric', month: 'long' }): string =>
  new Intl.DateTimeFormat('en-GB', { ...o, timeZone: 'UTC' }).format(Date.parse(`${day}T12:00:00Z`));

/** An amount in the smallest unit of its currency: `42000, 'DKK'` → "DKK 420" */
export function money(amountMinor: number, currency: string): string {
  const format = new Intl.NumberFormat('en-GB', { style: 'currency', currency, trailingZeroDisplay: 'stripIfInteger' });
  return format.format(amountMinor / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });

/** "3 min ago", "in 2 hr", "yesterday" */
export function ago(at: number, now: number): string {
  const s = Math.round((at - now) / 1_000);
  const size = Math.abs(s);
  if (size < 10) return 'just now';
  if (size < 60) return relative.format(s, 'second');
  if (size < 3_600) return relative.format(Math.round(s / 60), 'minute');
  if (size < 86_400) return relative.format(Math.round(s / 3_600), 'hour');
  return relative.format(Math.round(s / 86_400), 'day');
}

export const minutes = (ms: number): string => {
  const m = Math.round(ms / 60_000);
  if (m < 60) return `${m} min`;
  return m % 60 === 0 ? `${m / 60} h` : `${Math.floor(m / 60)} h ${m % 60} min`;
};

/** Whole seconds in the largest unit that is full: 45 s, 3 min, 2 h, 4 d */
export function lasting(s: number): string {
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min`;
  return s < 86_400 ? `${Math.floor(s / 3_600)} h` : `${Math.floor(s / 86_400)} d`;
}

/** `connected.backing_off` → "Backing off" */
export function words(id: string): string {
  const last = (id.split('.').at(-1) ?? id).replaceAll(/[_-]/g, ' ');
  return last.charAt(0).toUpperCase() + last.slice(1);
}
