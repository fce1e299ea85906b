import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { createClient } from '@thrum/client';
import { createApi } from '../../scripts/story/api.ts';
import { faults, until as within } from '../../scripts/story/watch.ts';
import { freePort, startServer } from '../../scripts/server-process.ts';
import { unlimited } from '../../bench/unlimited.ts';

const SOCKETS = 500;
const MIA = { email: 'mia@nord.example', password: 'demo-mia-nord' };
const PATIENCE_MS = 240_000;
const until = (what: string, holds: () => boolean): Promise<void> => within(what, holds, PATIENCE_MS);

/** One socket and what its application was given. */
function follow(url: string, token: string, topic: `resource:${string}/availability?${string}`) {
  const client = createClient({ url, token });
  const seen = { views: [] as number[], items: [] as number[], gaps: 0, goodbyes: 0 };
  client.on('connection', ({ state, code }) => (seen.goodbyes += Number(state === 'waiting' && code === 'DRAINING')));
  client.on('gap', () => (seen.gaps += 1));
  const room = client.topic(topic);
  room.subscribe((_, { s, cause }) => void (cause === 'cache' || seen.views.push(s)));
  client.log('user:me/bookings').subscribe((_, { n }) => seen.items.push(n));
  return { client, room, seen };
}

test('500 sockets are sent away by SIGTERM and find the next server: no gap, no duplicate, nothing acknowledged is lost (38, one node)', async (t) => {
  t.timeout(PATIENCE_MS * 3);
  const dataDir = mkdtempSync(join(tmpdir(), 'thrum-drain-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const port = await freePort();
  const env = {
    ...unlimited,
    DRAIN_PAUSE_MS: '200',
    DRAIN_MS: '4000',
  };
  const first = await startServer({ port, dataDir, env });
  t.teardown(() => first.end('SIGKILL'));
  await until('the studio is set up', () => first.output().includes('demo studio is set up'));
  const api = createApi(first.url, 'unused');
  const token = await api.token(MIA);

  const day = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10);
  const followers = Array.from({ length: SOCKETS }, () => follow(first.url, token, `resource:quiet-room/availability?days=1&from=${day}`));
  t.teardown(() => Promise.all(followers.map(({ client }) => client.close())));
  const current = (): boolean => followers.every(({ room }) => room.status === 'live');
  await until('everybody is connected', current);

  let bookings = 0;
  const book = async (): Promise<boolean> => {
    bookings += 1;
    const free = await api.send(
      'GET',
      `/v1/booking/slots?resourceId=quiet-room&durationMin=30&from=${day}T08:00:00Z&to=${day}T20:00:00Z&limit=1`,
    );
    const [{ start }] = free.body['slots'] as [{ start: string }];
    const body = { resourceId: 'quiet-room', start, durationMin: 30 };
    const answer = await api.send('POST', '/v1/booking/bookings', { token, key: `drain-${bookings}`, body });
    return answer.status === 201;
  };
  t.true(await book());
  const told = (): number => followers.filter(({ seen }) => seen.goodbyes > 0).length;
  const ended = first.end('SIGTERM');
  await until('the first were told to leave', () => told() > 0);
  const during = await book().catch(() => false);
  t.is(await ended, 0);
  await until('everybody was told', () => told() === SOCKETS);

  const second = await startServer({ port, dataDir, env });
  t.teardown(() => second.end('SIGTERM'));
  t.true(await book());
  const committed = Object.keys((await room(second.url, day)).busy).length;
  t.true(committed >= (during ? 3 : 2), 'what was acknowledged is there');
  const shown = (f: (typeof followers)[number]): number => Object.keys(f.room.value?.busy ?? {}).length;
  await until('everybody is back and sees the newest', () => current() && followers.every((f) => shown(f) === committed));
  const last = Math.max(...followers.map(({ seen }) => seen.items.at(-1) ?? 0));
  await until('everybody has the newest item', () => followers.every(({ seen }) => seen.items.at(-1) === last));
  for (const { seen } of followers) {
    t.deepEqual(faults(seen.views, false), []);
    t.deepEqual(faults(seen.items, true), []);
    t.is(seen.gaps, 0);
  }
});

/** The view as the server itself shows it. */
async function room(url: string, day: string): Promise<{ busy: object }> {
  const answer = await fetch(`${url}/v1/topics/resource:quiet-room/availability?days=1&from=${day}`);
  return ((await answer.json()) as { d: { busy: object } }).d;
}
