import type { NewUser } from '../identity/users.ts';

/** Who works and trains at the demo studio. The passwords are printed at the start and stand in the README: they protect nothing. */
export interface DemoPerson extends NewUser {
  /** word before the login in the banner */
  readonly role: 'admin' | 'coach' | 'client';
  /** what their wearable is like; only clients have one */
  readonly wearable?: Wearable;
}

/** Levels around which the simulated wearable of a person moves. */
export interface Wearable {
  readonly brand: 'ring' | 'watch' | 'band';
  /** nights of RMSSD around this many ms */
  readonly hrvMs: number;
  readonly restingBpm: number;
  readonly sleepH: number;
  readonly steps: number;
  /** days before today on which an illness began, and how many nights it lasts */
  readonly illness?: { readonly daysAgo: number; readonly nights: number };
}

const zone = 'Europe/Copenhagen';

export const people: readonly DemoPerson[] = [
  {
    role: 'admin',
    email: 'admin@nord.example',
    password: 'demo-admin-nord',
    displayName: 'Astrid Berg',
    timeZone: zone,
    roles: ['admin'],
    plan: 'enterprise',
  },
  {
    role: 'coach',
    email: 'coach@nord.example',
    password: 'demo-coach-nord',
    displayName: 'Lena Holm',
    timeZone: zone,
    roles: ['staff'],
    plan: 'team',
  },
  {
    role: 'client',
    email: 'mia@nord.example',
    password: 'demo-mia-nord',
    displayName: 'Mia Hansen',
    timeZone: zone,
    plan: 'pro',
    wearable: { brand: 'ring', hrvMs: 58, restingBpm: 52, sleepH: 7.6, steps: 9_500, illness: { daysAgo: 3, nights: 4 } },
  },
  {
    role: 'client',
    email: 'jonas@nord.example',
    password: 'demo-jonas-nord',
    displayName: 'Jonas Lind',
    timeZone: zone,
    plan: 'pro',
    wearable: { brand: 'watch', hrvMs: 46, restingBpm: 57, sleepH: 6.9, steps: 12_000, illness: { daysAgo: 33, nights: 4 } },
  },
  {
    role: 'client',
    email: 'aylin@nord.example',
    password: 'demo-aylin-nord',
    displayName: 'Aylin Demir',
    timeZone: 'Europe/Berlin',
    plan: 'free',
    wearable: { brand: 'band', hrvMs: 71, restingBpm: 49, sleepH: 7.9, steps: 8_200 },
  },
  {
    role: 'client',
    email: 'emil@nord.example',
    password: 'demo-emil-nord',
    displayName: 'Emil Dahl',
    timeZone: zone,
    plan: 'free',
    wearable: { brand: 'ring', hrvMs: 39, restingBpm: 61, sleepH: 6.6, steps: 6_400 },
  },
];

/** For the start-up banner. */
export const demoLogins = people.map(({ email, password, role }) => ({ email, password, role }));
