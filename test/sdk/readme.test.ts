import { readFileSync } from 'node:fs';
import test from 'ava';
import * as sdk from '@thrum/client';
import type { Client } from '@thrum/client';
import { createOutbox } from '@thrum/client/outbox';
import type { KeyValueStore } from '@thrum/client/outbox';
import { persist } from '@thrum/client/storage';
import { createTestServer } from '@thrum/client/testing';
import { startFakeServer } from '../support/fake-server.ts';

const text = readFileSync(new URL('../../../client-sdk/README.md', import.meta.url), 'utf8');
const blocks = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => (code ?? '').replaceAll(/^import .*$/gm, ''));

/** The examples are plain JavaScript, so that they run as they are printed. */
const AsyncFunction = (async () => undefined).constructor as new (...parts: string[]) => (...args: unknown[]) => Promise<unknown>;

function run(code: string | undefined, scope: { readonly [name: string]: unknown }): Promise<unknown> {
  return new AsyncFunction(...Object.keys(scope), code ?? '')(...Object.values(scope));
}

test('the examples of the README run as they are printed', async (t) => {
  const server = await startFakeServer();
  t.teardown(() => server.close());
  server.show('user:u1/energy', { score: 65 });
  server.append('user:u1/alerts', { type: 'alert.opened' });
  server.onCommand('user.update', () => ({ ok: true, seq: 2 }));
  let answer: object = { ok: true, seq: 1, reply: { state: 'cancelled' } };
  server.onCommand('booking.cancel', () => answer as never);

  t.is(blocks.length, 9);
  const [create, views, logs, command, offline, connection, mobile, push, testing] = blocks;
  const thrum = (await run(`${create}; return thrum;`, { ...sdk, url: server.url, token: 'x' })) as Client;
  t.teardown(() => thrum.close());

  const shown: unknown[] = [];
  const waiting = new Map<unknown, () => void>();
  const show = (...values: unknown[]): void => {
    shown.push(...values);
    for (const v of values) waiting.get(v)?.();
  };
  const until = (value: unknown): Promise<void> =>
    new Promise((resolve) => (shown.includes(value) ? resolve() : waiting.set(value, resolve)));

  await run(connection, { thrum, show });
  await run(views, { thrum, show });
  await until(65);
  await until('snapshot');
  await until('online');
  const said: string[] = [];
  const module = (name: string, value: unknown) => ({
    addEventListener: (...args: unknown[]) => (said.push(name), (args.at(-1) as (v: unknown) => void)(value)),
  });
  await run(mobile, { thrum, AppState: module('app', 'active'), NetInfo: module('net', { isConnected: true }) });
  t.deepEqual(said, ['app', 'net']);
  const listening = run(logs, { thrum, show });
  await until('alert.opened');
  const scope = { ThrumError: sdk.ThrumError, thrum, show };
  await run(command, scope);
  t.is(server.commands[0]?.type, 'booking.cancel');
  answer = { ok: false, error: { code: 'NOT_ALLOWED', status: 409, details: 'state' } };
  await run(command, scope);
  await until('state');
  await thrum.close();
  await listening;
  const texts = new Map<string, string>();
  await run(`${offline}; await thrum.close();`, {
    createClient: (o: object) => sdk.createClient({ ...o, url: server.url, token: 'x' }),
    createOutbox,
    persist,
    indexedDb: (): KeyValueStore => ({
      getItem: (key) => texts.get(key) ?? null,
      setItem: (key, value) => texts.set(key, value),
      removeItem: (key) => texts.delete(key),
    }),
  });
  t.is(server.commands.at(-1)?.type, 'user.update');
  const button: { onclick?: () => Promise<void> } = {};
  const registerPush = async () => ({ test: async () => 'sent' });
  await run(push, { button, show, registerPush, renewPush: async () => undefined });
  await button.onclick?.();
  await until('sent');
  await run(testing, { createTestServer, show });
  await until(70);
});
