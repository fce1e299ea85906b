import test from 'ava';
import { createClient } from '@thrum/client';
import type { Client, Connection } from '@thrum/client';
import { startFakeServer } from '../support/fake-server.ts';

/** Resolves with the first value for which `ok` holds. */
function until<V>(subscribe: (next: (v: V) => void) => () => void, ok: (v: V) => boolean): Promise<V> {
  return new Promise((resolve) => {
    const stop: { now?: () => void } = {};
    stop.now = subscribe((v) => {
      if (!ok(v)) return;
      queueMicrotask(() => stop.now?.());
      resolve(v);
    });
  });
}

const state = (client: Client, wanted: Connection['state']): Promise<Connection> =>
  until<Connection>(
    (next) => client.on('connection', next),
    (c) => c.state === wanted,
  );

test('over a real socket: subscribe, publish, cut, resume', async (t) => {
  const server = await startFakeServer();
  t.teardown(() => server.close());
  server.show('user:u1/energy', { score: 65 });
  const client = createClient({ url: server.url, token: 'x' });
  t.teardown(() => client.close());
  const energy = client.topic('user:me/energy');
  const score = (n: number): Promise<{ score?: number }> =>
    until<{ score?: number }>(
      (next) => energy.subscribe(next),
      (v) => v.score === n,
    );
  energy.subscribe(() => undefined);
  await score(65);
  server.show('user:u1/energy', { score: 70 });
  await score(70);
  server.cut();
  server.show('user:u1/energy', { score: 75 });
  await score(75);
  t.is(client.user, 'u1');
  t.is(energy.status, 'live');
});

test('over a real socket: a lost acknowledgement costs a repetition and no second effect (case 28)', async (t) => {
  const server = await startFakeServer();
  t.teardown(() => server.close());
  let carriedOut = 0;
  server.onCommand('booking.cancel', () => ({ ok: true, seq: ++carriedOut, reply: { state: 'cancelled' } }));
  server.loseAcks = 1;
  const client = createClient({ url: server.url, token: 'x' });
  t.teardown(() => client.close());
  const receipt = await client.command('booking:b1', 'booking.cancel', { reason: 'ill' });
  t.is(carriedOut, 1);
  t.true(receipt.dup);
  t.is(server.commands.length, 2);
  t.is(server.commands[0]?.id, server.commands[1]?.id);
});

test('over a real socket: a refused handshake carries its problem', async (t) => {
  const server = await startFakeServer();
  t.teardown(() => server.close());
  server.refuse = { code: 'UNAUTHENTICATED', status: 401, retryable: false };
  const client = createClient({ url: server.url, token: 'x' });
  t.teardown(() => client.close());
  const refused = state(client, 'refused');
  client.connect();
  t.is((await refused).code, 'UNAUTHENTICATED');
  server.refuse = undefined;
  const up = state(client, 'online');
  client.connect();
  await up;
  t.pass();
});
