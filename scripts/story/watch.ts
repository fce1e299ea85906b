/** A subscriber that stays connected through everything, by the client library, and notes what it was given. */
import { createClient } from '@thrum/client';
import type { ViewOf } from '@thrum/client';
import { pause } from '../server-process.ts';

export type EnergyView = ViewOf<'user:me/energy'>;

export interface Watch {
  /** numbers of the views of `user:me/energy`, in order of arrival */
  readonly views: readonly number[];
  /** the newest view */
  readonly energy: () => EnergyView | undefined;
  /** ids and numbers of the items of `user:me/bookings`, in order of arrival */
  readonly items: readonly { readonly n: number; readonly bookingId: string; readonly type: string }[];
  /** what the library reported as lost */
  readonly gaps: readonly string[];
  /** how often the connection was made */
  readonly connects: () => number;
  readonly close: () => Promise<void>;
}

/** Watches a person's score and bookings. `token` is asked at every connection. */
export function watch(url: string, token: () => Promise<string>): Watch {
  const client = createClient({ url, token, app: 'story' });
  const views: number[] = [];
  const items: { n: number; bookingId: string; type: string }[] = [];
  const gaps: string[] = [];
  let connects = 0;
  let before = '';
  client.on('gap', (gap) => gaps.push(JSON.stringify(gap)));
  client.on('connection', ({ state }) => {
    if (state === 'online' && before !== 'online') connects += 1;
    before = state;
  });
  const energy = client.topic('user:me/energy');
  energy.subscribe((_, { s }) => views.push(s));
  client.log('user:me/bookings').subscribe((item, { n }) => items.push({ n, bookingId: item.bookingId, type: item.type }));
  return { views, items, gaps, energy: () => energy.value, connects: () => connects, close: () => client.close() };
}

/** Waits until `holds`, looking often; the time-out's message is `what`. A machine that does much else takes minutes to set up the studio. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 240_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`it did not happen within ${ms / 1_000} s: ${what}`);
    await pause(50);
  }
}

/** Numbers that come once each and in order; what is wrong about them, or nothing. */
export function faults(numbers: readonly number[], contiguous: boolean): string[] {
  const wrong: string[] = [];
  for (const [i, n] of numbers.entries()) {
    const before = numbers[i - 1];
    if (before === undefined) continue;
    if (n <= before) wrong.push(`${n} after ${before}`);
    else if (contiguous && n !== before + 1) wrong.push(`${before} is followed by ${n}`);
  }
  return wrong;
}
