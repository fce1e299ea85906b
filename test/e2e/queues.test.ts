/** The operator's page of the queues on the real server: a mail server that refuses makes dead jobs, which are replayed and discarded. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Browser, Page } from 'playwright-core';
import { freePort, startServer } from '../../scripts/server-process.ts';
import type { ServerProcess } from '../../scripts/server-process.ts';
import { startBrowser, violations } from '../support/browser.ts';
import { startMailServer } from '../support/smtp.ts';
import type { MailServer } from '../support/smtp.ts';
import { until } from '../support/until.ts';

const browser = await startBrowser();
const paged = browser === undefined ? test.skip : test.serial;

interface Login {
  readonly email: string;
  readonly password: string;
  readonly role: string;
}

let server: ServerProcess;
let mail: MailServer;
let dataDir: string;
let logins: readonly Login[] = [];
const faults: string[] = [];

test.before(async () => {
  if (browser === undefined) return;
  dataDir = await mkdtemp(join(tmpdir(), 'thrum-e2e-'));
  mail = await startMailServer();
  server = await startServer({ port: await freePort(), dataDir, env: { SMTP_URL: mail.url } });
  await until(async () => {
    logins = ((await (await fetch(`${server.url}/v1/demo`)).json()) as { logins?: Login[] }).logins ?? [];
    return logins.length >= 3;
  }, 'the demo people are there');
});

test.after.always(async () => {
  await browser?.close();
  if (server !== undefined) await server.end('SIGTERM');
  if (mail !== undefined) await mail.close();
  if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true });
});

async function operator(o: object = {}): Promise<Page> {
  const context = await (browser as Browser).newContext({ viewport: { width: 1_280, height: 900 }, reducedMotion: 'reduce', ...o });
  const page = await context.newPage();
  page.setDefaultTimeout(45_000);
  page.on('pageerror', (e) => faults.push(e.message));
  await page.goto(`${server.url}/inspect`);
  await page.locator('.demo-login', { hasText: 'Operator:' }).first().click();
  await page.getByRole('link', { name: 'Queues', exact: true }).click();
  await page.locator('[data-queue="notify"]').waitFor();
  return page;
}

/** Somebody asks for the mail that shows whose an address is, and the mail server refuses it for good. */
async function refused({ email, password }: Login): Promise<void> {
  const post = (path: string, payload: object, headers: object = {}) =>
    fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(payload),
    });
  mail.refusals.push({ at: 'data', code: 554, text: '5.7.1 not from you' });
  const { accessToken } = (await (await post('/v1/auth/login', { email, password })).json()) as { accessToken: string };
  await post('/v1/auth/verify-email/resend', {}, { authorization: `Bearer ${accessToken}` });
}

const dead = (page: Page, n: number): Promise<void> =>
  page.locator('[data-queue="notify"] [data-count="dead"] dd', { hasText: new RegExp(`^${n}$`) }).waitFor();

async function because(page: Page, verb: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Reason, kept in the audit log', exact: true }).fill('the mail server knows us now');
  await page.getByRole('dialog').getByRole('button', { name: verb, exact: true }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

paged('a job that dies is seen as it dies; it is replayed or discarded with a reason, and the audit log has both', async (t) => {
  const page = await operator();
  await page.getByText('No dead jobs').waitFor();
  await dead(page, 0);
  t.deepEqual(await violations(page), [], 'no dead jobs');
  const [first, second] = logins as [Login, Login];
  await refused(first);
  await dead(page, 1);
  await refused(second);
  await dead(page, 2);
  await page.locator('[data-queue="notify"] .chip', { hasText: 'Dead jobs' }).waitFor();
  const jobs = page.locator('li[data-job]');
  await until(async () => (await jobs.count()) === 2, 'both jobs are listed');

  const entry = jobs.first();
  await entry.locator('summary').first().click();
  await entry.locator('.parts', { hasText: 'MAIL_REFUSED' }).waitFor();
  await entry.getByText('userId').waitFor();
  t.deepEqual(await violations(page), [], 'a dead job');
  await entry.getByRole('button', { name: 'Discard' }).click();
  t.deepEqual(await violations(page), [], 'the question why');
  await because(page, 'Discard');
  await dead(page, 1);
  await until(async () => (await jobs.count()) === 1, 'one is left');

  // by keyboard alone
  await page.locator('[data-queue="notify"] a').focus();
  await page.keyboard.press('Enter');
  t.true(page.url().endsWith('#queues/notify'));
  await jobs.locator('summary').first().focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.type('the mail server knows us now');
  await page.keyboard.press('Enter');
  await dead(page, 0);
  await page.getByText('No dead jobs').waitFor();
  await until(() => mail.received.length === 1, 'the mail has come after all');

  await page.getByRole('link', { name: 'Audit', exact: true }).click();
  for (const act of ['job.replay', 'job.discard']) {
    await page.getByRole('combobox', { name: 'Act', exact: true }).selectOption(act);
    await page.locator('.journal > li', { hasText: 'the mail server knows us now' }).first().waitFor();
  }
  t.deepEqual(faults, []);
});

paged('a queue is stopped with a reason, a job that waits is found and given up, and the queue goes on', async (t) => {
  const page = await operator();
  await page.locator('[data-queue="notify"] a').click();
  const notify = page.locator('[data-queue="notify"]');
  await page.getByRole('button', { name: 'Stop the queue' }).click();
  await because(page, 'Stop');
  await notify.getByText('stopped: the mail server knows us now').waitFor();
  await notify.locator('.chip', { hasText: 'Stopped' }).waitFor();
  const third = logins[2] as Login;
  await refused(third);
  await notify.locator('[data-count="waiting"] dd', { hasText: /^1$/ }).waitFor();
  await page.getByRole('button', { name: 'Read again' }).click();
  const entry = page.locator('li[data-listed]').first();
  await entry.locator('summary').first().click();
  await entry.getByText('userId').waitFor();
  t.deepEqual(await violations(page), [], 'a job that waits');
  const id = (await entry.getAttribute('data-listed')) ?? '';
  await page.getByRole('combobox', { name: 'State', exact: true }).selectOption('done');
  await page.getByRole('textbox', { name: 'Id of a job, or kind:id of an actor', exact: true }).fill(id);
  await page.locator(`li[data-listed="${id}"] summary`).first().click();
  await page.locator(`li[data-listed="${id}"]`).getByRole('button', { name: 'Discard' }).click();
  await because(page, 'Discard');
  await notify.locator('[data-count="waiting"] dd', { hasText: /^0$/ }).waitFor();
  await page.getByRole('button', { name: 'Let it go on' }).click();
  await because(page, 'Go on');
  await notify.locator('.chip', { hasText: 'Fine' }).waitFor();
  // the refusal that was meant for it
  mail.refusals.length = 0;
  t.deepEqual(faults, []);
});

paged('a list that cannot be read says why, and the queues stay', async (t) => {
  const page = await operator();
  await page.route('**/dlq?*', (route) =>
    route.fulfill({
      status: 503,
      contentType: 'application/problem+json',
      body: '{"code":"UNAVAILABLE","title":"The database cannot be reached","status":503}',
    }),
  );
  await page.locator('[data-queue="notify"] a').click();
  await page.getByRole('alert').filter({ hasText: 'The database cannot be reached' }).waitFor();
  t.deepEqual(await violations(page), []);
  await dead(page, 0);
});

for (const [i, colorScheme] of (['light', 'dark'] as const).entries()) {
  for (const width of [360, 1_280]) {
    paged(`axe finds nothing on the page of the queues, ${colorScheme} at ${width} px`, async (t) => {
      await refused(logins[i] as Login);
      const page = await operator({ viewport: { width, height: 900 }, colorScheme });
      const entry = page.locator('li[data-job]').first();
      await entry.locator('summary').first().click();
      await entry.locator('.parts', { hasText: 'MAIL_REFUSED' }).waitFor();
      t.deepEqual(await violations(page), []);
      t.true((await page.evaluate<number>('document.documentElement.scrollWidth')) <= width, 'nothing is wider than the window');
      await page.context().close();
    });
  }
}
