import test from 'ava';
import { systemClock } from '../../server/clock.ts';
import { createDemo } from '../../server/demo/demo.ts';
import { resources } from '../../server/demo/studio.ts';
import { people } from '../../server/demo/people.ts';
import { fitting } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

/** What a demo that nobody watches needs of a server. */
const partsOf = ({ app, log }: World) => ({
  knex: app.database.knex,
  actors: app.actors,
  users: app.identity.users,
  clock: systemClock,
  log,
  random: () => 0.5,
  watched: () => false,
});

test('an empty embedded database becomes the demo studio: people, rooms, bookings, wearables, alerts', async (t) => {
  t.timeout(600_000);
  const world = await makeWorld({ env: { DEMO: 'auto', SIMULATOR_FEED_MS: '0' }, listen: true });
  t.teardown(world.close);
  await world.app.demo!.ready;
  t.deepEqual([...world.log.faults, ...world.log.lines.filter((l) => l.level === 'warn' && l.message.includes('demo'))], []);
  const login = async (role: string) => {
    const { email, password } = people.find((p) => p.role === role)!;
    const { accessToken } = await world.app.identity.login({ email, password, address: 'demo-test', userAgent: 'test' });
    return accessToken;
  };
  const coach = await login('coach');
  const get = async <T>(url: string, token: string) => (await world.inject({ method: 'GET', url, token })).json<T>();

  const rooms = await get<{ items: { resourceId: string }[] }>('/v1/booking/resources', coach);
  t.deepEqual(rooms.items.map((r) => r.resourceId).toSorted(), resources.map((r) => r.id).toSorted());
  const bookings = await get<{ items: unknown[] }>('/v1/booking/bookings?limit=200', coach);
  t.true(bookings.items.length >= 30, String(bookings.items.length));

  // Deliveries are ingested in the background; the alert follows the last of them.
  const alerts = await fitting(
    () => get<{ items: { owner: string; metric: string }[] }>('/v1/admin/anomalies/alerts?status=active', coach),
    ({ items }) => items.some((a) => a.owner.startsWith('user:')),
    'the alert of a person',
  );
  t.true(alerts.items.some((a) => a.owner === 'resource:quiet-room' && a.metric === 'utilization'));

  const mia = await login('client');
  const { score } = await fitting(
    () => get<{ score?: number; days: object }>('/v1/users/me/energy', mia),
    ({ days }) => Object.keys(days).length >= 55,
    'the scores of two months',
  );
  t.true(score !== undefined);
  const devices = await get<{ items: { state: string }[] }>('/v1/devices', mia);
  t.is(devices.items.length, 1);

  // A second start sets nothing up twice.
  const counts = async (): Promise<unknown[]> => {
    const { knex } = world.app.database;
    const count = async (table: string) => (await knex(table).count({ n: '*' }).first()) as unknown;
    return Promise.all(['users', 'devices', 'booking_claims', 'simulator_accounts', 'demo_marks'].map(count));
  };
  await world.app.demo!.stop();
  const before = await counts();
  const again = createDemo({
    ...partsOf(world),
    isHost: () => true,
    newId: () => 'x',
    wearables: true,
  });
  again.start(world.url);
  await again.ready;
  await again.stop();
  t.deepEqual(await counts(), before);
});

test('of several nodes one sets the studio up; another one goes on when it is the host', async (t) => {
  t.timeout(600_000);
  const world = await makeWorld({ listen: true });
  t.teardown(world.close);
  const hosts = new Set<string>(['a']);
  const node = (name: string) => {
    const demo = createDemo({
      ...partsOf(world),
      isHost: () => hosts.has(name),
      newId: () => name,
      wearables: false,
    });
    demo.start(world.url);
    return demo;
  };
  const setUps = () => world.log.lines.filter((l) => l.message === 'demo studio is set up').length;
  const [a, b] = [node('a'), node('b')];
  t.true(await a.ready);
  t.is(setUps(), 1);
  await a.stop();
  t.is(setUps(), 1, 'the other one has not begun');
  hosts.add('b');
  t.true(await b.ready);
  t.is(setUps(), 2);
  await b.stop();
  t.deepEqual(
    world.log.lines.filter((l) => l.level === 'warn' && l.message.includes('demo')),
    [],
  );
});
