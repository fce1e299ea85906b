/** The thousand webhook deliveries of the story: nights and days of several wearables, with repetitions and out of order. */
import { seeded } from '../../calc/prng.ts';

/** One delivery: a signed body. Equal `id` means the provider repeats itself. */
export interface Delivery {
  readonly id: string;
  /** index of the wearable that it belongs to */
  readonly wearer: number;
  /** records of the canonical form */
  readonly records: readonly object[];
}

export interface Plan {
  /** deliveries in all, repetitions included */
  readonly total: number;
  /** share that repeats an earlier one */
  readonly repeated: number;
  /** share that comes at another place than it was made */
  readonly displaced: number;
  readonly wearers: number;
  /** epoch ms of a midnight UTC; the data ends on the day before */
  readonly until: number;
}

const DAY = 86_400_000;
const MINUTE = 60_000;
const SEED = '746872756d2073746f72792073656564';
/** places by which a displaced delivery is moved at most, either way */
const REACH = 40;

const iso = (at: number): string => new Date(at).toISOString();
const date = (at: number): string => iso(at).slice(0, 10);
const round = (x: number): number => Math.round(x * 10) / 10;

/** A night that ends on the morning of `day`; `version` > 0 is a correction of the same night. */
function night(day: number, version: number, next: () => number): object {
  const minutes = Math.round(400 + 60 * (next() - 0.5)) + version;
  const end = day + 6 * 60 * MINUTE + Math.round(60 * next()) * MINUTE;
  const start = end - (minutes + 30) * MINUTE;
  const cut = (share: number): string => iso(start + Math.round((minutes + 30) * share) * MINUTE);
  const bounds = [iso(start), cut(0.07), cut(0.45), cut(0.68), cut(0.9), iso(end)];
  const stages = ['awake', 'light', 'deep', 'rem', 'light'].map((s, i) => ({ s, start: bounds[i], end: bounds[i + 1] }));
  return {
    type: 'sleep',
    id: `night-${date(day)}`,
    start: iso(start),
    end: iso(end),
    updatedAt: iso(end + 30 * MINUTE + version * 3 * 60 * MINUTE),
    state: 'final',
    stages,
    hrLowestBpm: Math.round(50 + 4 * next()),
    hrvRmssdMs: round(48 + 12 * (next() - 0.5)),
  };
}

function daily(day: number, metric: string, value: number): object {
  return { type: 'daily', metric, day: date(day), value, updatedAt: iso(day + DAY) };
}

/** What the wearables would send if nothing ever went wrong, in order of time. */
function undisturbed(plan: Plan): Delivery[] {
  const unique = Math.round(plan.total * (1 - plan.repeated));
  const next = seeded(SEED);
  const deliveries: Delivery[] = [];
  const days = Math.ceil(unique / (2 * plan.wearers));
  for (let d = days; d >= 1; d -= 1) {
    const day = plan.until - d * DAY;
    for (let wearer = 0; wearer < plan.wearers; wearer += 1) {
      const add = (id: string, records: object[]): void =>
        void deliveries.push({ id: `story-${wearer}-${id}-${date(day)}`, wearer, records });
      const rest = seeded(SEED, 1 + wearer * 1_000 + d);
      const body = [night(day, 0, rest), daily(day, 'resting_heart_rate', Math.round(52 + 4 * rest()))];
      add('night', body);
      const load = Math.round(20 + 60 * next());
      // Every tenth day the provider looks at the night again; the correction is a delivery of its own.
      if ((d + wearer) % 10 === 0) add('again', [night(day, 1, seeded(SEED, 500_000 + wearer * 1_000 + d))]);
      else add('day', [daily(day, 'steps', Math.round(4_000 + 9_000 * next())), daily(day, 'training_load', load)]);
    }
  }
  return deliveries.slice(-unique);
}

/** The deliveries of an undisturbed run, and those of the disturbed one: the same, with repetitions and displaced. */
export function deliveriesOf(plan: Plan): { readonly undisturbed: readonly Delivery[]; readonly disturbed: readonly Delivery[] } {
  const original = undisturbed(plan);
  const next = seeded(SEED, 4_000_000);
  const at = original.map((delivery, i) => ({ delivery, place: i }));
  const moved = Math.round(plan.total * plan.displaced);
  for (let n = 0; n < moved; n += 1)
    at[Math.floor(((n + next()) * at.length) / moved)]!.place += Math.round((next() - 0.5) * 2 * REACH) + 0.5;
  const repeats = plan.total - original.length;
  for (let n = 0; n < repeats; n += 1) {
    const source = at[Math.floor(((n + next()) * original.length) / repeats)];
    if (source === undefined) continue;
    at.push({ delivery: source.delivery, place: source.place + 0.25 + next() * 60 });
  }
  return { undisturbed: original, disturbed: at.toSorted((a, b) => a.place - b.place).map(({ delivery }) => delivery) };
}
