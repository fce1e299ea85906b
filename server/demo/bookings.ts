/** Rooms and bookings of the demo studio, made as administrators and clients make them: over HTTP, signed in, with a key. */
import { seeded } from '../../calc/prng.ts';
import { minutesOf } from '../../calc/booking/opening.ts';
import { addDays, boundary, DAY, dayOf, isoOf, localDate, MINUTE, weekdayOf } from '../../calc/time/civil.ts';
import type { Clock } from '../../actors/types.ts';
import type { DemoClient } from './client.ts';
import { DemoError } from './client.ts';
import type { LiveAction } from './live.ts';
import type { DemoPerson } from './people.ts';
import type { Step } from './seed.ts';
import type { DemoResource } from './studio.ts';
import { resources } from './studio.ts';

const RESOURCES = '/v1/booking/resources';
const BOOKINGS = '/v1/booking/bookings';

export interface Wish {
  readonly resourceId: string;
  readonly start: number;
  readonly durationMin: number;
}

/** Starts on the resource's own grid inside its opening hours on one local day, epoch ms. */
export function startsOn(r: DemoResource, date: string, durationMin: number): number[] {
  const rule = r.opening.find(({ days }) => days.includes(weekdayOf(dayOf(date))));
  if (rule === undefined) return [];
  const starts: number[] = [];
  for (let m = minutesOf(rule.from); m + durationMin <= minutesOf(rule.to); m += r.slotStepMin) starts.push(boundary(r.timeZone, date, m));
  return starts;
}

/** A wish for a time between `from` and `days` local days later that suits the resource; undefined when it is closed on the day drawn. */
export function randomWish(r: DemoResource, from: number, days: number, random: () => number): Wish | undefined {
  const durationMin = r.lengthsMin[Math.floor(random() * r.lengthsMin.length)] ?? 60;
  const date = addDays(localDate(r.timeZone, from), Math.floor(random() * days));
  const starts = startsOn(r, date, durationMin).filter((start) => start > from + 10 * MINUTE && start < from + days * DAY);
  const start = starts[Math.floor(random() * starts.length)];
  return start === undefined ? undefined : { resourceId: r.id, start, durationMin };
}

/** The studio's rooms and coaches, created by its administrator. */
export const resourcesStep = (admin: DemoClient): Step => ({
  name: 'resources',
  async run() {
    for (const r of resources) {
      const body = {
        resourceId: r.id,
        name: r.name,
        kind: r.kind,
        timeZone: r.timeZone,
        capacity: r.capacity,
        slotStepMin: r.slotStepMin,
        openingRules: r.opening,
        tags: ['demo'],
        description: r.description,
        ...(r.bio === undefined ? {} : { bio: r.bio }),
        price: r.price,
      };
      await admin.call(RESOURCES, { body, key: `demo-resource-${r.id}` });
    }
  },
});

export interface Signed {
  readonly person: DemoPerson;
  readonly client: DemoClient;
}

interface Own {
  readonly state: string;
  readonly start: string;
  readonly end: string;
}

/** Whether somebody is elsewhere at the time of a wish; nobody books two rooms for one hour. */
async function isBusy(client: DemoClient, { start, durationMin }: Wish): Promise<boolean> {
  const end = start + durationMin * MINUTE;
  const query = new URLSearchParams({ from: isoOf(start - DAY), to: isoOf(end), limit: '100' });
  const { items } = (await client.call(`${BOOKINGS}?${query.toString()}`)).body as { items: Own[] };
  return items.some((b) => /^(held|confirm|resched)/.test(b.state) && Date.parse(b.start) < end && Date.parse(b.end) > start);
}

/** Makes a booking; undefined when the slot is taken or not to be had. */
async function book(client: DemoClient, wish: Wish, key: string): Promise<string | undefined> {
  try {
    if (await isBusy(client, wish)) return undefined;
    const body = { resourceId: wish.resourceId, start: isoOf(wish.start), durationMin: wish.durationMin, source: 'demo' };
    const answer = await client.call(BOOKINGS, { body, key });
    return (answer.body as { bookingId: string }).bookingId;
  } catch (error) {
    if (refused(error)) return undefined;
    throw error;
  }
}

const refused = (error: unknown): boolean => error instanceof DemoError && (error.status === 409 || error.status === 422);

const SEED_DAYS = 5;
const SEED_TRIES = 24;

/** Bookings of the coming days. The same keys at a repetition, so nothing is booked twice. */
export const bookingsStep = (clients: readonly Signed[], clock: Clock): Step => ({
  name: 'bookings',
  async run() {
    const now = clock.wall();
    for (const [n, r] of resources.entries()) {
      const random = seeded('5eed'.repeat(8), n);
      for (let i = 0; i < SEED_TRIES; i += 1) {
        const wish = randomWish(r, now, SEED_DAYS, random);
        const who = clients[Math.floor(random() * clients.length)];
        if (wish !== undefined && who !== undefined) await book(who.client, wish, `demo-booking-${r.id}-${i}`);
      }
    }
  },
});

interface Made extends Wish {
  readonly id: string;
  readonly client: DemoClient;
}

/** So many bookings of its own the demo leaves in the calendar before it only cancels. */
const MOST_OPEN = 10;

/** Clients who book, move and cancel while somebody watches. */
export function bookingActions(o: { clients: readonly Signed[]; clock: Clock; random: () => number; newKey: () => string }): LiveAction[] {
  const made: Made[] = [];
  const drop = (b: Made): void => {
    const at = made.indexOf(b);
    if (at >= 0) made.splice(at, 1);
  };
  const any = <T>(list: readonly T[]): T | undefined => list[Math.floor(o.random() * list.length)];
  const upcoming = (): Made[] => made.filter((b) => b.start > o.clock.wall() + 30 * MINUTE);

  const cancel = async (b: Made): Promise<boolean> => {
    drop(b);
    try {
      await b.client.call(`${BOOKINGS}/${b.id}/cancel`, { body: {}, key: o.newKey() });
      return true;
    } catch (error) {
      if (refused(error)) return false;
      throw error;
    }
  };
  return [
    {
      name: 'book',
      weight: 5,
      async run() {
        const oldest = upcoming()[0];
        if (oldest !== undefined && upcoming().length >= MOST_OPEN) return cancel(oldest);
        const who = any(o.clients);
        if (who === undefined) return false;
        for (let i = 0; i < 8; i += 1) {
          const room = any(resources);
          const wish = room === undefined ? undefined : randomWish(room, o.clock.wall(), 2, o.random);
          if (wish === undefined) continue;
          const id = await book(who.client, wish, o.newKey());
          if (id === undefined) continue;
          made.push({ ...wish, id, client: who.client });
          return true;
        }
        return false;
      },
    },
    {
      name: 'cancel',
      weight: 2,
      async run() {
        const b = any(upcoming());
        return b === undefined ? false : cancel(b);
      },
    },
    {
      name: 'move',
      weight: 2,
      async run() {
        const b = any(upcoming());
        const room = resources.find((r) => r.id === b?.resourceId);
        const wish = room === undefined ? undefined : randomWish(room, o.clock.wall(), 2, o.random);
        if (b === undefined || wish === undefined) return false;
        const body = { start: isoOf(wish.start), durationMin: wish.durationMin };
        try {
          await b.client.call(`${BOOKINGS}/${b.id}/reschedule`, { body, key: o.newKey() });
        } catch (error) {
          if (refused(error)) return false;
          throw error;
        }
        drop(b);
        made.push({ ...b, ...wish });
        return true;
      },
    },
  ];
}
