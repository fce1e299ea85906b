import test from 'ava';
import { createTestServer } from '@thrum/client/testing';
import type { Client } from '@thrum/client';
import { fakeTimers, settle } from './bench.ts';

const energyOf = (score: number) => ({ today: '2026-03-01', status: 'ok', score, days: {} }) as const;

function stage() {
  const timers = fakeTimers();
  const server = createTestServer({ timers });
  return { timers, server };
}

const items = (client: Client): unknown[] => {
  const seen: unknown[] = [];
  client.log('user:me/alerts').subscribe((item, { n }) => seen.push([n, (item as { title?: string }).title]));
  return seen;
};

test('the server for tests shows views and resumes them after a cut', async (t) => {
  const { timers, server } = stage();
  server.show('user:u1/energy', energyOf(65));
  const client = server.connect();
  const energy = client.topic('user:me/energy');
  energy.subscribe(() => undefined);
  await settle();
  t.is(energy.value?.score, 65);
  server.cut();
  t.is(energy.status, 'stale');
  server.show('user:u1/energy', energyOf(70));
  await timers.advance(1_000);
  t.is(energy.status, 'live');
  t.is(energy.value?.score, 70);
});

test('the server for tests delivers every item once through cuts', async (t) => {
  const { timers, server } = stage();
  const title = (s: string): never => ({ title: s }) as never;
  server.append('user:u1/alerts', title('a'));
  const seen = items(server.connect());
  await settle();
  server.append('user:u1/alerts', title('b'));
  server.cut();
  server.append('user:u1/alerts', title('c'));
  await timers.advance(1_000);
  server.append('user:u1/alerts', title('d'));
  await settle();
  t.deepEqual(seen, [
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
    [4, 'd'],
  ]);
});

test('the server for tests carries a command out once although its acknowledgement is lost', async (t) => {
  const { timers, server } = stage();
  let done = 0;
  server.onCommand('booking.cancel', (to, { reason }) => {
    t.deepEqual([to, reason], ['booking:b1', 'ill']);
    return { ok: true, seq: (done += 1) };
  });
  server.loseAcks(1);
  const client = server.connect();
  const receipt = client.command('booking:b1', 'booking.cancel', { reason: 'ill' });
  await settle();
  await timers.advance(1_000);
  t.true((await receipt).dup);
  t.is(done, 1);
  t.is(server.commands.length, 2);
  const unknown = client.command('booking:b1', 'booking.confirm', {});
  const refused = t.throwsAsync(unknown, { name: 'ThrumError', message: /no such command/ });
  await settle();
  await refused;
});

test('the server for tests refuses handshakes and missing topics as the real one does', async (t) => {
  const { timers, server } = stage();
  server.refuse({ code: 'DRAINING', status: 503, retryable: true, retryAfterMs: 500 });
  const client = server.connect();
  const energy = client.topic('user:me/energy');
  energy.subscribe(() => undefined);
  await settle();
  t.is(client.connection.state, 'waiting');
  server.refuse(undefined);
  await timers.advance(500);
  t.is(client.connection.state, 'online');
  t.is(energy.error?.code, 'NOT_FOUND');
  t.is(client.user, 'u1');
});

test('what an application does with a value cannot change what the server for tests holds', async (t) => {
  const { server } = stage();
  server.show('user:u1/energy', energyOf(65));
  for (let i = 0; i < 2; i += 1) {
    const energy = server.connect().topic('user:me/energy');
    energy.subscribe((v) => {
      t.is(v.score, 65);
      (v as { score: number }).score = 1;
    });
    await settle();
  }
});
