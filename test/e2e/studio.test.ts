/** One day at the demo studio through the real server: two people in two windows, an operator, and a server that goes away and comes back. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Browser, Page } from 'playwright-core';
import { freePort, startServer } from '../../scripts/server-process.ts';
import type { ServerProcess } from '../../scripts/server-process.ts';
import { startBrowser, violations } from '../support/browser.ts';
import { until } from '../support/until.ts';

const browser = await startBrowser();
const paged = browser === undefined ? test.skip : test.serial;

let server: ServerProcess;
let dataDir: string;
const faults: string[] = [];

test.before(async () => {
  if (browser === undefined) return;
  dataDir = await mkdtemp(join(tmpdir(), 'thrum-e2e-'));
  server = await startServer({ port: await freePort(), dataDir });
  const count = async (path: string, key: 'logins' | 'items'): Promise<number> => {
    const body = (await (await fetch(server.url + path)).json()) as { [k in typeof key]?: unknown[] };
    return body[key]?.length ?? 0;
  };
  await until(async () => (await count('/v1/demo', 'logins')) >= 3, 'the demo people are there');
  await until(async () => (await count('/v1/booking/resources', 'items')) >= 2, 'the demo rooms are there');
});

test.after.always(async () => {
  await browser?.close();
  if (server !== undefined) await server.end('SIGTERM');
  if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true });
});

/** A window of its own, signed in. */
async function enter(role: 'Client' | 'Coach' | 'Operator', path = '/', o: object = {}): Promise<Page> {
  const context = await (browser as Browser).newContext({ viewport: { width: 1_280, height: 900 }, reducedMotion: 'reduce', ...o });
  const page = await context.newPage();
  page.setDefaultTimeout(45_000);
  page.on('pageerror', (e) => faults.push(e.message));
  await page.goto(server.url + path);
  await page
    .locator('.demo-login', { hasText: `${role}:` })
    .first()
    .click();
  return page;
}

/** Goes to the next day on which the first room is open; gives that room's id. */
async function openDay(page: Page): Promise<string> {
  await page.locator('.column').first().waitFor();
  await page.getByRole('button', { name: 'Next day' }).click();
  const cell = page.locator('.column .cell').first();
  await cell.waitFor();
  return page
    .locator('.column', { has: page.locator('.cell') })
    .first()
    .getAttribute('data-room') as Promise<string>;
}

paged('what a client books, moves and cancels is seen live by the coach, and by the operator as a statechart', async (t) => {
  const client = await enter('Client');
  const coach = await enter('Coach');
  const room = await openDay(client);
  await openDay(coach);
  const mine = client.locator(`[data-room="${room}"] .block.mine`);
  const theirs = coach.locator(`[data-room="${room}"] .block`);
  const before = await mine.count();

  await client.locator(`[data-room="${room}"] .cell`).first().click();
  const start = await client.getByRole('combobox', { name: 'Start', exact: true }).locator('option:checked').textContent();
  await client.getByRole('combobox', { name: 'Length', exact: true }).selectOption('30');
  await client.getByRole('dialog').getByRole('button', { name: 'Book', exact: true }).click();
  await client.getByText(/is booked at/).waitFor();
  await mine.filter({ hasText: `${start}–` }).waitFor();
  t.is(await mine.count(), before + 1);
  await theirs.filter({ hasText: `${start}–` }).waitFor();

  await mine.filter({ hasText: `${start}–` }).click();
  await client.getByRole('button', { name: 'Move', exact: true }).click();
  const target = client.getByRole('combobox', { name: 'Start', exact: true });
  const to = await target.locator('option:checked').textContent();
  await client.getByRole('button', { name: 'Move booking' }).click();
  await theirs.filter({ hasText: `${to}–` }).waitFor();

  await mine.filter({ hasText: `${to}–` }).click();
  await client.getByRole('button', { name: 'Cancel booking' }).click();
  await client.getByRole('button', { name: 'Yes, cancel it' }).click();
  await mine.filter({ hasText: `${to}–` }).waitFor({ state: 'detached' });
  await theirs.filter({ hasText: `${to}–` }).waitFor({ state: 'detached' });

  const operator = await enter('Operator', '/inspect');
  await operator.getByRole('textbox', { name: 'State begins with', exact: true }).fill('life.cancelled');
  await operator.getByRole('combobox', { name: 'Kind', exact: true }).selectOption('booking');
  await operator.locator('.actors a').first().click();
  await operator.locator('.states li.on[data-state$="cancelled"]').first().waitFor();
  await operator.locator('.journal > li').first().waitFor();
  t.deepEqual(await violations(operator), []);
  t.deepEqual(faults, []);
});

paged('an operator sees why an actor did what it did, travels in its history, tries a command, and stops it', async (t) => {
  const page = await enter('Operator', '/inspect');
  await page.getByRole('combobox', { name: 'Kind', exact: true }).selectOption('booking');
  await page.getByRole('textbox', { name: 'State begins with', exact: true }).fill('life.confirmed.upcoming');
  await page.locator('.actors a', { hasText: '#3' }).first().click();
  await page.getByRole('heading', { name: /^booking [0-9a-f-]{36}$/ }).waitFor();

  const entry = page.locator('.journal > li', { hasText: 'claim.held' });
  await entry.locator('summary').first().click();
  await entry.getByRole('button', { name: 'Why?' }).click();
  await entry.locator('.microsteps', { hasText: 'isOwnClaimFinal' }).waitFor();
  t.deepEqual(await violations(page), [], 'why');

  await entry.getByRole('button', { name: 'The actor then' }).click();
  await page.getByRole('button', { name: 'One event back' }).click();
  await page.locator('.states li.on[data-state="life.acquiring"]').waitFor();
  t.deepEqual(await violations(page), [], 'travel');
  await page.getByRole('button', { name: 'Back to now' }).click();
  await page.locator('.states li.on[data-state="life.confirmed"]').waitFor();

  await page.getByRole('button', { name: 'What if?' }).click();
  await page.getByRole('combobox', { name: 'Command', exact: true }).selectOption('booking.cancel');
  await page.getByRole('button', { name: 'Try it' }).click();
  await page.locator('.outlook', { hasText: 'life.cancelling' }).waitFor();
  t.deepEqual(await violations(page), [], 'what if');
  await page.keyboard.press('Escape');
  t.is(await page.getByTestId('seq').textContent(), '3', 'nothing was written');

  for (const [verb, then] of [
    ['Pause', 'Resume'],
    ['Resume', 'Pause'],
  ] as const) {
    await page.locator('.summary').getByRole('button', { name: verb, exact: true }).click();
    await page.getByRole('textbox', { name: 'Reason, kept in the audit log', exact: true }).fill('a look at night');
    await page.getByRole('dialog').getByRole('button', { name: verb, exact: true }).click();
    await page.locator('.summary').getByRole('button', { name: then, exact: true }).waitFor();
  }
  await page.getByRole('link', { name: 'Audit', exact: true }).click();
  await page.getByRole('combobox', { name: 'Act', exact: true }).selectOption('resume');
  await page.locator('.journal > li', { hasText: 'a look at night' }).first().waitFor();
  t.deepEqual(await violations(page), [], 'audit');
  await page.getByRole('link', { name: 'Dead letters', exact: true }).click();
  await page.locator('.empty, .journal > li').first().waitFor();
  t.deepEqual(await violations(page), [], 'dead letters');
  t.deepEqual(faults, []);
});

paged('what happens is seen at the inspector as it happens, in the stream and on the page of the actor', async (t) => {
  const watcher = await enter('Operator', '/inspect');
  await watcher.getByRole('link', { name: 'Live', exact: true }).click();
  await watcher.getByRole('combobox', { name: 'Kind', exact: true }).selectOption('booking');
  await watcher
    .getByTestId('rate')
    .filter({ hasText: /watching|events/ })
    .waitFor();
  const client = await enter('Client');
  const room = await openDay(client);
  await client.locator(`[data-room="${room}"] .cell`).first().click();
  const start = await client.getByRole('combobox', { name: 'Start', exact: true }).locator('option:checked').textContent();
  await client.getByRole('dialog').getByRole('button', { name: 'Book', exact: true }).click();
  const mine = client.locator(`[data-room="${room}"] .block.mine`, { hasText: `${start}–` });
  await mine.waitFor();
  const held = watcher.locator('.activity li', { hasText: `booking:${await mine.getAttribute('data-block')}` }).first();
  await held.waitFor();
  t.deepEqual(await violations(watcher), [], 'live');
  t.true((await watcher.evaluate<number>('document.documentElement.scrollWidth')) <= 1_280);

  await held.locator('a').click();
  await watcher.getByTestId('seq').filter({ hasText: '3' }).waitFor();
  await mine.click();
  await client.getByRole('button', { name: 'Cancel booking' }).click();
  await client.getByRole('button', { name: 'Yes, cancel it' }).click();
  await watcher.locator('.states li.on[data-state="life.cancelled"]').waitFor();
  t.deepEqual(faults, []);
});

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [360, 1_280]) {
    paged(`axe finds nothing on the real studio, ${colorScheme} at ${width} px (case 50)`, async (t) => {
      const o = { viewport: { width, height: 900 }, colorScheme };
      const client = await enter('Client', '/', o);
      await client.locator('.gauge, .energy .empty').first().waitFor();
      await client.locator('.column').first().waitFor();
      t.deepEqual(await violations(client), [], 'client');
      const coach = await enter('Coach', '/', o);
      await coach.locator('.person .energy').waitFor();
      t.deepEqual(await violations(coach), [], 'coach');
      for (const page of [client, coach]) t.true((await page.evaluate<number>('document.documentElement.scrollWidth')) <= width);
      await client.context().close();
      await coach.context().close();
    });
  }
}

paged('when the server goes away the page says so and keeps its data; when it is back the page goes on', async (t) => {
  const page = await enter('Client');
  await page.locator('.column').first().waitFor();
  await page.getByText('Live', { exact: true }).waitFor();
  t.is(await server.end('SIGTERM'), 0);
  await page.getByText('Reconnecting…').waitFor();
  await page.getByTestId('offline').waitFor();
  t.true((await page.locator('.column').count()) > 0);
  server = await startServer({ port: server.port, dataDir });
  await page.getByTestId('offline').waitFor({ state: 'detached', timeout: 40_000 });
  await page.getByText('Live', { exact: true }).waitFor();
  t.deepEqual(faults, []);
});
