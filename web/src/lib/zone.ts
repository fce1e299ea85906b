/** Civil time of a zone by means of Intl; enough to draw a day. Days are `YYYY-MM-DD`, instants epoch ms. */

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string): Intl.DateTimeFormat {
  let f = formats.get(zone);
  if (f === undefined) {
    f = new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
    });
    formats.set(zone, f);
  }
  return f;
}

/** Local date and minute of the day of an instant. */
export function local(zone: string, at: number): { readonly day: string; readonly minute: number } {
  const p: Record<string, string> = {};
  for (const { type, value } of format(zone).formatToParts(at)) p[type] = value;
  return { day: `${p['year']}-${p['month']}-${p['day']}`, minute: Number(p['hour']) * 60 + Number(p['minute']) };
}

/** First instant at which the zone's clock shows `minute` of `day`; in a gap, the instant after it. */
export function instant(zone: string, day: string, minute: number): number {
  const wall = Date.parse(`${day}T00:00:00Z`) + minute * 60_000;
  const shown = (at: number): number => {
    const l = local(zone, at);
    return Date.parse(`${l.day}T00:00:00Z`) + l.minute * 60_000;
  };
  const around = [wall - 86_400_000, wall + 86_400_000].map((at) => wall - (shown(at) - at));
  const exact = around.filter((at) => shown(at) === wall).sort((a, b) => a - b)[0];
  return exact ?? Math.max(...around);
}

export const addDays = (day: string, n: number): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + n * 86_400_000).toISOString().slice(0, 10);

/** 1 = Monday … 7 */
export const weekday = (day: string): number => new Date(`${day}T00:00:00Z`).getUTCDay() || 7;

export const today = (zone: string, now: number): string => local(zone, now).day;
