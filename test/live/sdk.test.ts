/** The client library against a real server, both on one clock that stands still. */
import test from 'ava';
import { createClientWith } from '#sdk/client';
import type { Timers } from '#sdk/deps';
import { persist } from '@thrum/client/storage';
import { socketIo } from '#sdk/wire';
import { createTokens } from '../../server/identity/tokens.ts';
import { FakeClock } from '../support/clock.ts';
import { until } from '../support/until.ts';
import { liveWorld } from './setup.ts';

const timersOf = (clock: FakeClock): Timers => ({
  now: () => clock.wall(),
  random: () => 0.5,
  set: (fn, ms) => clock.setTimer(ms, fn),
  clear: (handle) => handle !== undefined && clock.clearTimer(handle as object),
});

/** The topics of test kinds stand in no contract. */
interface Loose {
  topic(name: string): { readonly value?: unknown; readonly status: string; subscribe(next: (v: unknown) => void): () => void };
}

test('a token that ends in 70 s is renewed on its connection, which is the same after five minutes (5)', async (t) => {
  const clock = new FakeClock(Date.now());
  const w = await liveWorld({ clock });
  t.teardown(w.close);
  const { email, password } = await w.person();
  const pair = await w.app.identity.login({ email, password, address: 'x', userAgent: undefined });
  const session = await w.app.identity.verify(pair.accessToken);
  const short = await createTokens({ secrets: w.secrets, issuer: 'http://localhost:3000', ttlS: 70, clock, newId: () => 'short' });
  const first = await short.sign({ userId: session.userId, sid: session.sid, roles: ['user'], plan: 'free' });
  let asked = 0;
  const token = async (): Promise<string> => {
    asked += 1;
    return asked === 1 ? first.token : (await w.app.identity.refresh(pair.refreshToken)).accessToken;
  };
  const connections: string[] = [];
  const ends: number[] = [];
  const client = createClientWith(
    { url: w.url, token },
    {
      timers: timersOf(clock),
      dial(url, events) {
        const hello: typeof events.hello = (h) => {
          connections.push(h.conn);
          events.hello(h);
        };
        const wire = socketIo(url, { ...events, hello });
        return {
          ...wire,
          async request(event, payload, ms) {
            const answer = await wire.request(event, payload, ms);

            if (event === 'auth') ends.push((answer as { exp: number }).exp);
            return answer;
          },
        };
      },
    },
  );
  t.teardown(() => client.close());
  client.connect();
  await until(() => client.connection.state === 'online', 'the connection');
  await clock.advance(10_000);
  await until(() => ends.length === 1, 'the renewal');
  t.true((ends[0] ?? 0) > clock.wall() + 800_000, 'the new token lives for a quarter of an hour');
  for (let passed = 0; passed < 300_000; passed += 10_000) await clock.advance(10_000);
  await client.command('user:me', 'user.feel' as never, { mood: 'calm' });
  t.is(client.connection.state, 'online');
  t.is(connections.length, 1, 'one connection all the time');
  t.is(asked, 2);
});

test('the end of a session ends every connection of it at once, and erases what the library showed and stored (7)', async (t) => {
  const clock = new FakeClock(Date.now());
  const w = await liveWorld({ clock });
  t.teardown(w.close);
  const p = await w.person();
  const again = await w.app.identity.login({ email: p.email, password: p.password, address: 'x', userAgent: undefined });
  const texts = new Map<string, string>();
  const store = {
    getItem: (key: string) => texts.get(key) ?? null,
    setItem: (key: string, value: string) => void texts.set(key, value),
    removeItem: (key: string) => void texts.delete(key),
  };
  const open = (token: string, kept = false) => {
    const client = createClientWith(
      { url: w.url, token, ...(kept ? { storage: persist(store) } : {}) },
      { dial: socketIo, timers: timersOf(clock) },
    );
    t.teardown(() => client.close());
    const mood = (client as unknown as Loose).topic('user:me/mood');
    mood.subscribe(() => undefined);
    return { client, mood };
  };
  const [one, two, other] = [open(p.token, true), open(p.token), open(again.accessToken)];
  for (const { mood } of [one, two, other]) await until(() => mood.status === 'live', 'the view');
  await until(() => texts.size === 1, 'the stored view');
  const at = clock.wall();
  t.is((await w.inject({ method: 'POST', url: '/v1/auth/logout', token: p.token })).statusCode, 204);
  for (const { client, mood } of [one, two]) {
    await until(() => client.connection.state === 'refused', 'the end of the connection');
    t.is(client.connection.code, 'REVOKED');
    t.is(mood.value, undefined, 'nothing is shown any more');
    t.is(mood.status, 'denied');
  }
  t.is(clock.wall(), at, 'without any time passing');
  t.is(texts.size, 0, 'nothing is stored any more');
  t.is(other.client.connection.state, 'online', 'another session of the same person goes on');
  t.deepEqual(other.mood.value, { mood: 'fine' });
});
