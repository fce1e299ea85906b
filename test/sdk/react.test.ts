/** The hooks with React itself, in a browser, over the fake server; the dashboard runs the same hooks with Preact. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Browser, Page } from 'playwright-core';
import { startBrowser } from '../support/browser.ts';
import { servePage } from '../support/page.ts';
import type { FakeServer } from '../support/fake-server.ts';

const PAGE = `
import { createElement as h, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { createClient } from '@thrum/client';
import { ThrumProvider, useCommand, useConnection, useLog, useTopic } from '@thrum/client/react';

window.drawn = 0;
function Score({ name }) {
  window.drawn += 1;
  const { value, status, error } = useTopic(name);
  return h('p', { id: 'score' }, [status, value?.score, error?.code].join(' '));
}
function Alerts() {
  const { entries } = useLog('user:me/alerts', { keep: 3 });
  return h('p', { id: 'alerts' }, entries.map((e) => e.n + e.item.title + (e.fresh ? '!' : '')).join(' '));
}
function Rename() {
  const { run, pending, error } = useCommand('user:me', 'user.update');
  return h('button', { disabled: pending, onClick: () => run({ displayName: 'Ada' }).catch(() => undefined) }, error?.code ?? 'Rename');
}
function App() {
  const [name, setName] = useState('user:me/energy');
  const { state } = useConnection();
  return [
    h('p', { id: 'state', key: 1 }, state), h(Score, { name, key: 2 }), h(Alerts, { key: 3 }), h(Rename, { key: 4 }),
    h('a', { key: 5, onClick: () => setName(undefined) }, 'none'), h('a', { key: 6, onClick: () => setName('user:other/energy') }, 'other'),
  ];
}
createRoot(document.body).render(h(ThrumProvider, { client: createClient({ app: 'test' }) }, h(App)));
`;

const browser = await startBrowser();
const paged = browser === undefined ? test.skip : test;
test.after.always(() => browser?.close());

async function show(t: ExecutionContext, source: string): Promise<{ server: FakeServer; open: () => Promise<Page> }> {
  const { server, newPage, close } = await servePage(browser as Browser, source);
  t.teardown(close);
  return { server, open: newPage };
}

paged('the React example of the README runs as it is printed', async (t) => {
  const readme = readFileSync(new URL('../../../client-sdk/README.md', import.meta.url), 'utf8');
  const { server, open } = await show(t, /```jsx\n([\s\S]*?)```/.exec(readme)?.[1] ?? '');
  server.show('user:u1/energy', { score: 65 });
  const page = await open();
  await page.locator('p.live').getByText('65', { exact: true }).waitFor();
  t.pass();
});

paged('React shows views, logs, commands and the connection, and redraws once per frame', async (t) => {
  const { server, open } = await show(t, PAGE);
  server.show('user:u1/energy', { score: 1 });
  for (const title of 'ab') server.append('user:u1/alerts', { title });
  let done: (() => void) | undefined;
  server.onCommand('user.update', () => {
    done?.();
    return { ok: false, error: { code: 'VALIDATION', status: 400 } };
  });
  const page = await open();
  const text = (id: string, wanted: string): Promise<void> => page.locator(`#${id}`).getByText(wanted, { exact: true }).waitFor();

  await text('state', 'online');
  await text('score', 'live 1');
  await text('alerts', '1a 2b');
  for (const title of 'cd') server.append('user:u1/alerts', { title });
  await text('alerts', '2b 3c! 4d!');

  const before = await page.evaluate<number>('window.drawn');
  for (let score = 2; score <= 200; score += 1) server.show('user:u1/energy', { score });
  await text('score', 'live 200');
  t.true((await page.evaluate<number>('window.drawn')) - before < 100, '199 changes need fewer redraws');

  const asked = new Promise<void>((resolve) => {
    done = resolve;
  });
  await page.getByRole('button', { name: 'Rename' }).click();
  await asked;
  await page.getByRole('button', { name: 'VALIDATION' }).waitFor();

  await page.getByText('none').click();
  await text('score', 'idle');
  await page.getByText('other').click();
  await text('score', 'denied  NOT_FOUND');
});

test('on a server the hooks show nothing and connect to nothing', async (t) => {
  const { createElement } = await import('react');
  const { renderToString } = await import('react-dom/server');
  const { createClient } = await import('@thrum/client');
  const { ThrumProvider, useConnection, useLog, useTopic } = await import('@thrum/client/react');
  const client = createClient({ url: 'http://nowhere.test' });
  t.teardown(() => client.close());
  const Page = (): ReturnType<typeof createElement> => {
    const { value, status } = useTopic('user:me/energy');
    const { entries } = useLog('user:me/alerts');
    return createElement('p', null, `${value === undefined} ${status} ${entries.length} ${useConnection().state}`);
  };
  t.is(renderToString(createElement(ThrumProvider, { client }, createElement(Page))), '<p>true idle 0 idle</p>');
  t.is(client.connection.state, 'idle');
});
