import test from 'ava';
import { churn, left, perMinute } from '../../bench/churn.ts';
import type { Held } from '../../bench/churn-server.ts';
import { embeddedDir } from '../support/embedded.ts';

/** a socket with its subscriptions takes more; compiled code and a pooled buffer of 1 MiB, shared by 300 connections, take less */
const MOST_BYTES = 10_240;

test('clients that come and go, orderly or not, leave no connection, subscription, room or timer behind, and no memory (R18)', async (t) => {
  t.timeout(600_000);
  const plan = { ms: 3_000, perSecond: 100, steady: 20, lookMs: 1_000, dataDir: await embeddedDir() };
  const { opened, before, after } = await churn(plan, (line) => t.log(line));
  t.deepEqual(left(before, after), []);
  t.true(opened > 100, `${opened} connections`);
  const bytes = (after.heap - before.heap) / (opened / 2);
  t.true(bytes < MOST_BYTES, `a connection that is gone takes ${Math.round(bytes)} bytes`);
});

const held = (o: Partial<Held> = {}): Held => ({
  heap: 0,
  rss: 0,
  connections: 0,
  subscriptions: 0,
  topics: 0,
  timers: 10,
  handles: { Timeout: 10 },
  ...o,
});

test('what is left is named, and growth is told from the looks after the first third, whatever one odd look says', (t) => {
  t.deepEqual(left(held(), held({ timers: 12 })), []);
  t.deepEqual(left(held(), held({ connections: 1, topics: 2, timers: 40, handles: { TCPSocketWrap: 3, Timeout: 10 } })), [
    '1 connections are left',
    '2 topics with subscribers are left',
    '30 timers more than before are left',
    '3 sockets more than before are left',
  ]);
  const looks = Array.from({ length: 30 }, (_, i) => ({ ...held({ heap: i === 20 ? 9e9 : 1_000 * i }), at: i * 10_000 }));
  t.true(Math.abs(perMinute(looks) - 6_000) < 1e-6);
});
