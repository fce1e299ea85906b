/** The demo studio "Nord": rooms and people that can be booked, as an operator would set them up. Prices in minor units. */
export interface DemoResource {
  readonly id: string;
  readonly name: string;
  readonly kind: 'room' | 'person';
  readonly timeZone: string;
  readonly description: string;
  /** of a person */
  readonly bio?: string;
  /** of an hour */
  readonly price: { readonly amountMinor: number; readonly currency: string };
  readonly capacity: number;
  readonly slotStepMin: number;
  /** local times, ISO weekdays 1 (Monday) to 7 */
  readonly opening: readonly { readonly days: readonly number[]; readonly from: string; readonly to: string }[];
  /** how long people usually book, minutes */
  readonly lengthsMin: readonly number[];
  /** share of the opening hours that is booked on an ordinary day, for the history before Thrum */
  readonly usual: number;
}

const zone = 'Europe/Copenhagen';
const week = [1, 2, 3, 4, 5];
const kroner = (amount: number) => ({ amountMinor: amount * 100, currency: 'DKK' });

export const resources: readonly DemoResource[] = [
  {
    id: 'nord-hall',
    name: 'Nord Hall',
    kind: 'room',
    timeZone: zone,
    description:
      'The large hall: 120 m² of sprung oak, mirrors, speakers, daylight from the north. For classes and rehearsals of up to 20.',
    price: kroner(420),
    capacity: 1,
    slotStepMin: 30,
    opening: [
      { days: week, from: '06:30', to: '22:00' },
      { days: [6, 7], from: '08:00', to: '20:00' },
    ],
    lengthsMin: [60, 90, 120],
    usual: 0.62,
  },
  {
    id: 'quiet-room',
    name: 'Quiet Room',
    kind: 'room',
    timeZone: zone,
    description: 'A warm, dim room of 28 m² for yoga, breath work and treatments of one or two. Mats, bolsters and blankets are there.',
    price: kroner(240),
    capacity: 1,
    slotStepMin: 30,
    opening: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '07:00', to: '21:00' }],
    lengthsMin: [60, 90],
    usual: 0.48,
  },
  {
    id: 'coach-lena',
    name: 'Lena Holm',
    kind: 'person',
    timeZone: zone,
    description: 'Personal training and recovery planning, one to one.',
    bio: 'Former national-team rower, physiotherapist since 2011. Lena plans training around how you slept, not around a table, and speaks Danish, English and German.',
    price: kroner(650),
    capacity: 1,
    slotStepMin: 30,
    opening: [
      { days: [1, 2, 4, 5], from: '08:00', to: '17:00' },
      { days: [3], from: '12:00', to: '20:00' },
    ],
    lengthsMin: [30, 60],
    usual: 0.7,
  },
  {
    id: 'coach-yusuf',
    name: 'Yusuf Aydin',
    kind: 'person',
    timeZone: 'Europe/Berlin',
    description: 'Yoga and mobility, in the studio or by video.',
    bio: 'Yusuf taught mathematics before he taught yoga, and still explains every pose twice. Certified for prenatal classes. German, Turkish, English.',
    price: kroner(520),
    capacity: 1,
    slotStepMin: 30,
    opening: [{ days: [1, 2, 3, 4, 6], from: '09:00', to: '18:00' }],
    lengthsMin: [60, 90],
    usual: 0.55,
  },
];
