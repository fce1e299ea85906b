import test from 'ava';
import type { KeyValueStore } from '@thrum/client/outbox';
import { persist } from '@thrum/client/storage';
import { createTestServer } from '@thrum/client/testing';
import { startBrowser } from '../support/browser.ts';
import { servePage } from '../support/page.ts';
import { settle } from './bench.ts';

const browser = await startBrowser();
test.after.always(() => browser?.close());

const energyOf = (score: number) => ({ today: '2026-03-01', status: 'ok', score, days: {} }) as const;

/** A store that tells when something was written. */
function textStore(): KeyValueStore & { readonly texts: Map<string, string>; written: () => Promise<void> } {
  const texts = new Map<string, string>();
  let wake: (() => void)[] = [];
  return {
    texts,
    written: () => new Promise((resolve) => void wake.push(resolve)),
    getItem: (key) => texts.get(key) ?? null,
    setItem(key, value) {
      texts.set(key, value);
      for (const fn of wake) fn();
      wake = [];
    },
    removeItem: (key) => texts.delete(key),
  };
}

const note = (title: string): never => ({ title }) as never;

test('after a reload a view is there at once and marked stale, and a log continues behind its last item (R11)', async (t) => {
  const store = textStore();
  const server = createTestServer();
  server.show('user:u1/energy', energyOf(65));
  for (const title of 'ab') server.append('user:u1/alerts', note(title));
  const before = server.connect({ storage: persist(store) });
  before.topic('user:me/energy').subscribe(() => undefined);
  before.log('user:me/alerts').subscribe(() => undefined);
  await settle();
  await store.written();
  await before.close();

  server.append('user:u1/alerts', note('c'));
  server.refuse({ code: 'DRAINING', status: 503, retryable: true, retryAfterMs: 1 });
  const after = server.connect({ storage: persist(store) });
  const energy = after.topic('user:me/energy');
  const causes: string[] = [];
  energy.subscribe((_, { cause }) => causes.push(cause));
  const items: unknown[] = [];
  const caught = new Promise<void>((resolve) => {
    after.log('user:me/alerts').subscribe((item) => {
      items.push((item as { title?: string }).title);
      resolve();
    });
  });
  await settle();
  t.is(energy.value?.score, 65);
  t.is(energy.status, 'stale');
  server.refuse(undefined);
  await caught;
  t.deepEqual(items, ['c']);
  t.is(energy.status, 'live');
  t.deepEqual(causes, ['cache'], 'the server confirms what is shown; nothing is sent again');
  await after.close();
});

test('what was kept for one user is not shown to another', async (t) => {
  const store = textStore();
  const first = createTestServer();
  first.show('user:u1/energy', energyOf(65));
  const before = first.connect({ storage: persist(store) });
  before.topic('user:me/energy').subscribe(() => undefined);
  await settle();
  await store.written();
  await before.close();

  const second = createTestServer({ user: 'u2' });
  const after = second.connect({ storage: persist(store) });
  after.connect();
  await settle();
  const energy = after.topic('user:me/energy');
  const seen: unknown[] = [];
  energy.subscribe((v) => seen.push(v));
  await settle();
  t.deepEqual(seen, []);
  t.is(energy.error?.code, 'NOT_FOUND');
  await after.close();
});

(browser === undefined ? test.skip : test)('texts in IndexedDB survive a reload of the page, until they are removed', async (t) => {
  const source = "import { indexedDb } from '@thrum/client/storage'; window.store = indexedDb('test'); document.body.append('ready');";
  const { newPage, close } = await servePage(browser as NonNullable<typeof browser>, source);
  t.teardown(close);
  const page = await newPage();
  const run = async (code: string): Promise<unknown> => {
    await page.getByText('ready').waitFor();
    return page.evaluate(`window.store.${code}`);
  };
  t.is(await run("getItem('a')"), null);
  await run("setItem('a', 'one').then(() => null)");
  await page.reload();
  t.is(await run("getItem('a')"), 'one');
  await run("removeItem('a')");
  t.is(await run("getItem('a')"), null);
});

test('a store that is broken or closed is as good as none', async (t) => {
  const closed = (): Promise<never> => Promise.reject(new Error('the store is closed'));
  for (const store of [
    { getItem: () => '{broken', setItem: closed, removeItem: closed },
    { getItem: closed, setItem: closed, removeItem: closed },
  ]) {
    const memory = persist(store);
    await settle();
    const server = createTestServer();
    const client = server.connect({ storage: memory });
    server.show('user:u1/energy', energyOf(65));
    const energy = client.topic('user:me/energy');
    energy.subscribe(() => undefined);
    await settle();
    t.is(energy.value?.score, 65);
    memory.erase();
    await client.close();
  }
});
