/**
 * The story that proves the spine: a rush on one slot, a thousand webhooks, and a server that is killed in the middle. Everything goes through
 * the public interfaces of the product as a process of its own; the outcome is compared with a run that nothing disturbed.
 */
import { join } from 'node:path';
import { freePort, startServer } from '../server-process.ts';
import type { ServerProcess } from '../server-process.ts';
import { createApi } from './api.ts';
import type { Api, Person } from './api.ts';
import { deliveriesOf } from './deliveries.ts';
import type { Delivery } from './deliveries.ts';
import { faults, until, watch } from './watch.ts';
import type { EnergyView, Watch } from './watch.ts';

export interface StoryOptions {
  /** an empty folder */
  readonly dir: string;
  readonly say: (line: string) => void;
  /** deliveries in all; default 1,000 */
  readonly deliveries?: number;
  /** clients that want the same slot at once; default 50 */
  readonly rush?: number;
}

/** One thing that must hold. */
export interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

const ADMIN: Person = { email: 'admin@nord.example', password: 'demo-admin-nord' };
const WEARERS: readonly Person[] = ['mia', 'jonas', 'aylin', 'emil'].map((name) => ({
  email: `${name}@nord.example`,
  password: `demo-${name}-nord`,
}));
const SECRET = `whsec_${Buffer.from('the secret of the story provider').toString('base64')}`;
const ROOM = 'story-room';
const DAY = 86_400_000;
const SENDERS = 16;
const BOOKINGS = 60;
/** scores are computed at most 2 s after the last data, and published 100 ms after that */
const REST_MS = 5_000;
const SWEEPS_MS = 130_000;
const REWRITTEN_FROM = 0.05;

interface Stage {
  readonly server: ServerProcess;
  readonly api: Api;
  /** accounts of the wearables at their provider */
  readonly accounts: readonly string[];
  readonly start: () => Promise<ServerProcess>;
}

/** A server in an empty folder, with a room and four people whose wearables are connected. */
async function setUp(dir: string, port: number): Promise<Stage> {
  const env = { SIMULATOR: 'off', LOG_LEVEL: 'warn', PROVIDER_STANDARD_WEBHOOK_SECRET: SECRET, HTTP_REQUESTS_PER_MINUTE: '1000000' };
  const start = (): Promise<ServerProcess> => startServer({ port, dataDir: dir, env });
  const server = await start();
  const api = createApi(server.url, SECRET);
  await until('the demo users are there', async () => {
    const { body } = await api.send('GET', '/v1/demo');
    return (body['logins'] as unknown[]).length > WEARERS.length;
  });
  const admin = await api.token(ADMIN);
  const room = { resourceId: ROOM, name: 'Story Room', slotStepMin: 30 };
  const made = await api.send('POST', '/v1/booking/resources', { token: admin, key: 'story-room', body: room });
  if (made.status !== 201) throw new Error(`the room was not made: ${made.status} ${JSON.stringify(made.body)}`);
  const accounts: string[] = [];
  for (const [i, person] of WEARERS.entries()) {
    const token = await api.token(person);
    const body = { label: 'Story Ring' };
    const connected = await api.send('POST', '/v1/integrations/standard/connect', { token, key: `story-connect-${i}`, body });
    if (connected.status !== 201) throw new Error(`no device: ${connected.status} ${JSON.stringify(connected.body)}`);
    accounts.push(String(connected.body['account']));
  }
  return { server, api, accounts, start };
}

/** Sends with several senders at once, in order of the list as far as that goes. `each` is called after every acknowledgement. */
async function deliverAll({ api, accounts }: Pick<Stage, 'api' | 'accounts'>, list: readonly Delivery[], each: (n: number) => void) {
  let next = 0;
  let done = 0;
  const outcomes = { fresh: 0, duplicate: 0 };
  const sender = async (): Promise<void> => {
    for (let d = list[next++]; d !== undefined; d = list[next++]) {
      outcomes[await api.deliver(d, accounts[d.wearer] ?? '')] += 1;
      done += 1;
      each(done);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
  return outcomes;
}

async function energyOf(api: Api, token: string): Promise<EnergyView> {
  const { status, body } = await api.send('GET', '/v1/topics/user:me/energy', { token });
  if (status !== 200) throw new Error(`no score: ${status} ${JSON.stringify(body)}`);
  return body['d'] as EnergyView;
}

/** Scores of all days, without what depends on when they were computed; the order of keys carries no meaning. */
const scoresOf = (view: EnergyView): string => {
  const sorted = (o: object): [string, unknown][] => Object.entries(o).toSorted(([x], [y]) => (x < y ? -1 : 1));
  return JSON.stringify(sorted(view.days).map(([day, point]) => [day, sorted(point as object)]));
};

/**
 * What two sets of scores disagree on. A past score is rewritten only when it moves by 0.05 (biosync B4.10), so each stored one is less than
 * that away from the exact one, and two of different histories less than twice that from each other. All other values are equal.
 */
function differences(expected: readonly string[], scores: readonly string[]): string[] {
  return expected.flatMap((text, i) => {
    const [a, b] = [text, scores[i] ?? '[]'].map((t) => new Map(JSON.parse(t) as [string, [string, unknown][]][]));
    const days = [...new Set([...a!.keys(), ...b!.keys()])];
    const differing = days.filter((day) => !samePoint(a!.get(day), b!.get(day)));
    const show = (p: unknown): string => JSON.stringify(p);
    return differing.map((day) => `${WEARERS[i]!.email} ${day}: expected ${show(a!.get(day))}, got ${show(b!.get(day))}`);
  });
}

function samePoint(a: readonly [string, unknown][] | undefined, b: readonly [string, unknown][] | undefined): boolean {
  const [x, y] = [a, b].map((p) => Object.fromEntries(p ?? []) as Record<string, unknown>) as [
    Record<string, unknown>,
    Record<string, unknown>,
  ];
  const [p, q] = [x['score'], y['score']];
  const close = p === q || (typeof p === 'number' && typeof q === 'number' && Math.abs(p - q) < 2 * REWRITTEN_FROM);
  const rest = (o: Record<string, unknown>): string => JSON.stringify({ ...o, score: 0, band: '' });
  return close && rest(x) === rest(y);
}

/** Jobs that wait or run, or wait for another attempt; the regular maintenance aside. */
async function queued(api: Api): Promise<number> {
  const { body } = await api.send('GET', '/metrics');
  const lines = String(body['text']).matchAll(/^thrum_queue_depth\{queue="(?!maintenance)[^}]*status="(?!dead)[^}]*\} (\d+)/gm);
  return [...lines].reduce((sum, [, n]) => sum + Number(n), 0);
}

/**
 * The scores of everybody, once nothing changes any more. What the kill left half done is taken up by a sweep each minute, so scores that are
 * `expected` end the wait early, and others are given the time for two sweeps.
 */
async function settled(api: Api, expected?: readonly string[]): Promise<readonly string[]> {
  const tokens = await Promise.all(WEARERS.map((person) => api.token(person)));
  const read = async (): Promise<readonly string[]> => Promise.all(tokens.map(async (token) => scoresOf(await energyOf(api, token))));
  let last = await read();
  let since = performance.now();
  await until(
    'the scores come to rest',
    async () => {
      const now = await read();
      const moves = now.join() !== last.join() || now.includes('[]') || (await queued(api)) > 0;
      if (moves) since = performance.now();
      last = now;
      const rest = expected === undefined || differences(expected, now).length === 0 ? REST_MS : SWEEPS_MS;
      return performance.now() - since > rest;
    },
    300_000,
  );
  return last;
}

/** The scores that the same data give when nothing goes wrong. */
async function undisturbedRun(dir: string, list: readonly Delivery[]): Promise<readonly string[]> {
  const { server, api, accounts } = await setUp(dir, await freePort());
  try {
    await deliverAll({ api, accounts }, list, () => undefined);
    return await settled(api);
  } finally {
    await server.end('SIGTERM');
  }
}

/** Bookings of one person on one slot after another, each insisted on; the ids of those that were acknowledged. */
async function bookOn(api: Api, person: Person, who: number, from: number, count: number): Promise<string[]> {
  const token = (): Promise<string> => api.token(person);
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const start = new Date(from + (n * WEARERS.length + who) * 30 * 60_000).toISOString();
    const body = { resourceId: ROOM, start, durationMin: 30 };
    const answer = await api.insist('POST', '/v1/booking/bookings', { token, key: `story-booking-${who}-${n}`, body });
    if (answer.status !== 201) throw new Error(`booking ${who}/${n}: ${answer.status} ${JSON.stringify(answer.body)}`);
    ids.push(String(answer.body['bookingId']));
  }
  return ids;
}

async function rushOn(api: Api, at: number, clients: number): Promise<Check> {
  const tokens = await Promise.all(WEARERS.map((person) => api.token(person)));
  const body = { resourceId: ROOM, start: new Date(at).toISOString(), durationMin: 60 };
  const answers = await Promise.all(
    Array.from({ length: clients }, (_, i) =>
      api.send('POST', '/v1/booking/bookings', { token: tokens[i % tokens.length]!, key: `story-rush-${i}`, body }),
    ),
  );
  const won = answers.filter(({ status }) => status === 201).length;
  const refused = answers.filter((a) => a.status === 409 && a.body['code'] === 'SLOT_UNAVAILABLE').length;
  return {
    what: `${clients} clients book one slot at once: one gets it`,
    ok: won === 1 && refused === clients - 1,
    detail: `${won} created, ${refused} refused`,
  };
}

/** Whether each acknowledged booking stands, and stands once in its owner's log. */
async function bookingsHold(api: Api, booked: readonly (readonly string[])[], watches: readonly Watch[]): Promise<Check> {
  const wrong: string[] = [];
  for (const [i, person] of WEARERS.entries()) {
    const token = await api.token(person);
    for (const id of booked[i] ?? []) {
      const { status, body } = await api.send('GET', `/v1/booking/bookings/${id}`, { token });
      if (status !== 200 || !String(body['state']).startsWith('confirmed')) wrong.push(`${id}: ${status} ${String(body['state'])}`);
      const told = watches[i]!.items.filter((item) => item.bookingId === id && item.type === 'confirmed').length;
      if (told !== 1) wrong.push(`${id}: ${told} items`);
    }
  }
  const count = booked.flat().length;
  return {
    what: 'no acknowledged booking is lost',
    ok: wrong.length === 0,
    detail: wrong.length === 0 ? `${count} bookings` : wrong.slice(0, 3).join('; '),
  };
}

function watchHolds(w: Watch, who: string): Check {
  const wrong = [
    ...faults(w.views, false),
    ...faults(
      w.items.map(({ n }) => n),
      true,
    ),
    ...w.gaps,
  ];
  const saw = `${w.views.length} views and ${w.items.length} items over ${w.connects()} connections`;
  return {
    what: `${who}, connected through it all, has no gap and no duplicate`,
    ok: wrong.length === 0 && w.connects() >= 2,
    detail: [saw, ...wrong.slice(0, 3)].join('; '),
  };
}

/** Plays the story. Throws only when something does not happen at all; what holds and what does not stands in the result. */
export async function story({ dir, say, deliveries = 1_000, rush = 50 }: StoryOptions): Promise<readonly Check[]> {
  const midnight = Math.floor(Date.now() / DAY) * DAY;
  const plan = deliveriesOf({ total: deliveries, repeated: 0.3, displaced: 0.1, wearers: WEARERS.length, until: midnight });

  say('an undisturbed run, for comparison');
  const expected = await undisturbedRun(join(dir, 'calm'), plan.undisturbed);

  say('a server in an empty folder');
  const port = await freePort();
  const { server: first, api, accounts, start } = await setUp(join(dir, 'data'), port);
  let server = first;
  const watches = WEARERS.map((person) => watch(api.url, () => api.token(person)));
  try {
    const tomorrow = midnight + DAY;
    say(`${rush} clients want the same hour`);
    const checks = [await rushOn(api, tomorrow, rush)];

    say(`${deliveries} webhooks and ${BOOKINGS} bookings; the server is killed in the middle`);
    let killed: Promise<void> | undefined;
    const kill = async (): Promise<void> => {
      await server.end('SIGKILL');
      server = await start();
      say(`killed and ready again after ${Math.round(server.readyMs)} ms`);
    };
    const [outcomes, ...booked] = await Promise.all([
      deliverAll({ api, accounts }, plan.disturbed, (n) => {
        if (n >= plan.disturbed.length / 2) killed ??= kill();
      }),
      ...WEARERS.map((person, i) => bookOn(api, person, i, tomorrow + DAY, BOOKINGS / WEARERS.length)),
    ]);
    await killed;

    say('waiting for the scores');
    const scores = await settled(api, expected);
    const days = (JSON.parse(scores[0] ?? '[]') as unknown[]).length;
    const wrong = differences(expected, scores);
    const repeats = plan.disturbed.length - plan.undisturbed.length;
    checks.push({
      what: 'no webhook is applied twice',
      ok: outcomes.fresh <= plan.undisturbed.length && outcomes.duplicate >= repeats,
      detail: `${outcomes.fresh} fresh, ${outcomes.duplicate} known already`,
    });
    checks.push({
      what: 'the scores equal those of an undisturbed run',
      ok: wrong.length === 0 && days > 30,
      detail: [`${days} days of ${scores.length} people`, ...wrong.slice(0, 3)].join('; '),
    });
    await until('the subscribers have caught up', () =>
      watches.every((w, i) => scoresOf(w.energy() ?? ({ days: {} } as EnergyView)) === scores[i]),
    );
    checks.push(await bookingsHold(api, booked, watches));
    for (const [i, w] of watches.entries()) checks.push(watchHolds(w, WEARERS[i]!.email.split('@')[0]!));
    return checks;
  } finally {
    for (const w of watches) await w.close();
    await server.end('SIGTERM');
  }
}
