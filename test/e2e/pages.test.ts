/** The pages in a real browser, over the fake studio: what people see and do, with axe on every view in both themes and two widths. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Browser, BrowserContext, Page, Route } from 'playwright-core';
import { startBrowser, violations } from '../support/browser.ts';
import { startFakeStudio } from '../support/fake-studio.ts';
import type { FakeServer } from '../support/fake-server.ts';

const browser = await startBrowser();
const paged = browser === undefined ? test.skip : test.serial;
test.after.always(() => browser?.close());

const ROOT = new URL('../../web', import.meta.url).pathname;

const FOCUSED = "document.activeElement.getAttribute('aria-label') ?? ''";

interface Stage {
  readonly server: FakeServer;
  readonly open: (path?: string, apart?: boolean) => Promise<Page>;
}

async function stage(t: ExecutionContext, o: { width?: number; dark?: boolean } = {}): Promise<Stage> {
  const server = await startFakeStudio(ROOT);
  const width = o.width ?? 1_280;
  const contexts: BrowserContext[] = [];
  const makeContext = async (): Promise<BrowserContext> => {
    const colorScheme = o.dark === true ? 'dark' : 'light';
    const context = await (browser as Browser).newContext({ viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce' });
    contexts.push(context);
    return context;
  };
  const faults: string[] = [];
  t.teardown(async () => {
    for (const context of contexts) await context.close();
    await server.close();
    if (faults.length > 0) throw new Error(`the page threw: ${faults.join('; ')}`);
  });
  return {
    server,
    async open(path = '/', apart = false) {
      const context = (apart ? undefined : contexts[0]) ?? (await makeContext());
      const page = await context.newPage();
      page.setDefaultTimeout(45_000);
      page.on('pageerror', (e) => faults.push(e.message));
      await page.goto(server.url + path);
      return page;
    },
  };
}

const signIn = (page: Page, name: string): Promise<void> => page.locator('.demo-login', { hasText: name }).click();

/** Opens the day after today, so that every hour of it is still ahead, and waits until every room of it is there. */
async function tomorrow(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Next day' }).click();
  await page.locator('[data-room=garden] .block').first().waitFor();
  await page.locator('.track[aria-busy="true"]').first().waitFor({ state: 'detached' });
}

for (const dark of [false, true]) {
  for (const width of [360, 1_280]) {
    const look = `${dark ? 'dark' : 'light'} at ${width} px`;
    paged(`axe finds nothing on any view, ${look} (case 50)`, async (t) => {
      const { server, open } = await stage(t, { width, dark });
      const fits = async (page: Page, view: string): Promise<void> => {
        t.deepEqual(await violations(page), [], view);
        t.true((await page.evaluate<number>('document.documentElement.scrollWidth')) <= width, `${view}: no horizontal scroll`);
      };
      const page = await open();
      await page.locator('.demo-login').first().waitFor();
      await fits(page, 'login');
      await signIn(page, 'Mara');
      await page.locator('.gauge').waitFor();
      await page.locator('.plot canvas').waitFor();
      await page.locator('.alert').first().waitFor();
      await tomorrow(page);
      await fits(page, 'client');
      await page.getByText('What to be told, and how').click();
      await page.getByRole('button', { name: 'Confirm my address' }).waitFor();
      await fits(page, 'settings');
      await page.getByRole('button', { name: 'Show as table' }).click();
      await page.locator('[data-room=garden] .cell').first().click();
      await page.getByRole('dialog').waitFor();
      await fits(page, 'booking dialog');
      await page.keyboard.press('Escape');
      await page.locator('.block.mine').first().click();
      await page.getByRole('button', { name: 'Cancel booking' }).click();
      await fits(page, 'cancel dialog');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.locator('.demo-login').first().waitFor();
      await signIn(page, 'Jonas');
      await page.locator('.gauge').waitFor();
      await page.locator('.block', { hasText: 'Mara' }).first().waitFor();
      await fits(page, 'staff');
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.goto(`${server.url}/inspect`);
      await page.locator('.demo-login', { hasText: 'Ada' }).waitFor();
      await fits(page, 'inspector login');
      await signIn(page, 'Ada');
      await page.locator('.actors a').first().waitFor();
      await fits(page, 'actor list');
      await page.locator('.actors a').first().click();
      await page.locator('.journal > li > details > summary').first().click();
      await page.locator('.states .on').first().waitFor();
      await fits(page, 'actor');
      await page.getByRole('link', { name: 'Nodes', exact: true }).click();
      await page.locator('[data-node]').nth(2).getByText('Silent').waitFor();
      t.is(await page.locator('[data-node]').nth(1).locator('.chip').textContent(), 'Roaming');
      await page.getByText('2 of 1024 slots have no node').waitFor();
      await fits(page, 'nodes');
    });
  }
}

paged('a booking made, moved and cancelled on one page is seen live on another', async (t) => {
  const { open } = await stage(t);
  const page = await open();
  await signIn(page, 'Mara');
  // a window of its own: pages behind others do not draw
  const other = await open('/', true);
  for (const p of [page, other]) await tomorrow(p);
  const taken = other.locator('[data-room=loft] .block');
  await taken.first().waitFor();
  const before = await taken.count();

  await page.locator('[data-room=loft]').getByRole('button', { name: 'Book Loft at 14:00' }).click();
  await page.getByRole('combobox', { name: 'Length', exact: true }).selectOption('60');
  await page.getByRole('dialog').getByRole('button', { name: 'Book', exact: true }).click();
  await other.locator('[data-room=loft] .block.mine', { hasText: '14:00–15:00' }).waitFor();
  t.is(await taken.count(), before + 1);

  await page.locator('[data-room=loft] .block.mine', { hasText: '14:00' }).click();
  await page.getByRole('button', { name: 'Move', exact: true }).click();
  await page.getByRole('combobox', { name: 'Start', exact: true }).selectOption({ label: '16:30' });
  await page.getByRole('button', { name: 'Move booking' }).click();
  await other.locator('[data-room=loft] .block.mine', { hasText: '16:30–17:30' }).waitFor();

  await page.locator('[data-room=loft] .block.mine', { hasText: '16:30' }).click();
  await page.getByRole('button', { name: 'Cancel booking' }).click();
  await page.getByRole('textbox', { name: 'Reason (optional)', exact: true }).fill('ill');
  await page.getByRole('button', { name: 'Yes, cancel it' }).click();
  await other.locator('[data-room=loft] .block.mine').waitFor({ state: 'detached' });
  // the log of one's own bookings and the room's day are two views: until both have moved on the time is somebody's
  await taken.nth(before).waitFor({ state: 'detached' });
  t.is(await taken.count(), before);
});

paged('a person chooses by which ways they are told of what, and hides themselves (R12, R14)', async (t) => {
  const { open } = await stage(t);
  const page = await open();
  await signIn(page, 'Mara');
  await page.getByText('What to be told, and how').click();
  const box = (name: string) => page.getByRole('checkbox', { name, exact: true });
  t.true(await box('Changes of bookings: E-mail').isDisabled(), 'nobody knows whose address it is');
  await page.getByRole('button', { name: 'Confirm my address' }).click();
  await page.getByText('Follow the link in the mail').waitFor();
  await page.reload();
  await page.getByText('What to be told, and how').click();
  const choose = async (name: string): Promise<void> => {
    const saved = page.waitForResponse((r) => r.request().method() === 'PUT');
    await box(name).click();
    await saved;
  };
  await choose('Changes of bookings: E-mail');
  await choose('Changes of bookings: Push');
  await page.reload();
  await page.getByText('What to be told, and how').click();
  t.true(await box('Changes of bookings: E-mail').isChecked());
  t.false(await box('Changes of bookings: Push').isChecked());
  t.true(await box('Changes of bookings: Here').isChecked());
  t.true(await box('Security (always): E-mail').isDisabled());

  await page.getByRole('checkbox', { name: /^Hide me/ }).click();
  await page.getByText('You are hidden').waitFor();
  await page.reload();
  await page.locator('.chip', { hasText: 'Hidden' }).waitFor();
  await page.getByRole('checkbox', { name: /^Hide me/ }).click();
  await page.locator('.chip', { hasText: 'Hidden' }).waitFor({ state: 'detached' });
});

paged('the link of a mail does what it says only when the person says so, signed in or not', async (t) => {
  const { open } = await stage(t);
  const page = await open('/#unsubscribe=abc.def');
  await page.getByRole('heading', { name: 'Stop these mails?' }).waitFor();
  t.deepEqual(await violations(page), []);
  const [request] = await Promise.all([
    page.waitForRequest((r) => r.method() === 'POST'),
    page.getByRole('button', { name: 'Stop them' }).click(),
  ]);
  t.true(request.url().endsWith('/v1/notifications/unsubscribe?token=abc.def'));
  await page.getByText('Done. You will get no more').waitFor();
  await page.getByRole('button', { name: 'To my day' }).click();
  await page.locator('.demo-login').first().waitFor();
  t.is(await page.evaluate<string>('location.hash'), '');
});

paged('a block is moved by dragging it', async (t) => {
  const { open } = await stage(t);
  const page = await open();
  await signIn(page, 'Mara');
  await tomorrow(page);
  const block = page.locator('[data-room=garden] .block.mine');
  await block.scrollIntoViewIfNeeded();
  const top = (): Promise<number> => block.evaluate((b) => Number.parseFloat((b as unknown as { style: { top: string } }).style.top));
  const before = await top();
  const box = await block.boundingBox();
  if (box === null) throw new Error('the block is not on the page');
  await page.mouse.move(box.x + 30, box.y + 12);
  await page.mouse.down();
  await page.mouse.move(box.x + 30, box.y + 12 - 56, { steps: 4 });
  await page.mouse.up();
  await page.getByText(/^Moved to/).waitFor();
  t.is((await top()) - before, -56);
});

paged('a slot that somebody else took meanwhile is refused in the dialog, with the reason', async (t) => {
  const { open, server } = await stage(t);
  const page = await open();
  await signIn(page, 'Mara');
  await tomorrow(page);
  await page.locator('[data-room=loft]').getByRole('button', { name: 'Book Loft at 14:00' }).click();
  const start = Number(await page.getByRole('combobox', { name: 'Start', exact: true }).inputValue());
  const body = JSON.stringify({ resourceId: 'loft', start: new Date(start).toISOString(), durationMin: 60 });
  // Somebody else's booking arrives between the click and the request that it sends.
  const overtake = async (route: Route): Promise<void> => {
    await fetch(`${server.url}/v1/booking/bookings`, { method: 'POST', body });
    await route.continue();
  };
  await page.route('**/v1/booking/bookings', overtake, { times: 1 });
  await page.getByRole('dialog').getByRole('button', { name: 'Book', exact: true }).click();
  await page.getByRole('alert').getByText('The slot is no longer free').waitFor();
  t.pass();
});

paged('days and free times are reached by keyboard alone', async (t) => {
  const { open } = await stage(t);
  const page = await open();
  await signIn(page, 'Mara');
  await tomorrow(page);
  const first = page.locator('[data-room=garden] .cell[tabindex="0"]');
  await first.focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  const at = await page.evaluate<string>(FOCUSED);
  t.regex(at, /^Book Garden studio at \d\d:\d\d$/);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  t.is(await page.evaluate<string>(FOCUSED), at, 'focus returns to where it was');
});

paged('without a connection the page says so, keeps its data and recovers at once when asked', async (t) => {
  const { open, server } = await stage(t);
  const page = await open();
  await signIn(page, 'Mara');
  await page.locator('.gauge').waitFor();
  server.refuse = { code: 'DRAINING', status: 503, retryable: true, retryAfterMs: 300_000 };
  server.cut();
  await page.getByText('Reconnecting…').waitFor();
  await page.getByTestId('offline').waitFor();
  t.true(await page.locator('.gauge').isVisible());
  await page.locator('.energy.stale').getByText('Not live').waitFor();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    t.deepEqual(await violations(page), [], `offline, ${colorScheme}`);
  }
  server.refuse = undefined;
  server.show('user:mara/energy', {
    day: '2026-11-21',
    today: '2026-11-21',
    status: 'ok',
    score: 77.7,
    band: 'good',
    revision: 4,
    points: { sleep: 77.7 },
    days: {},
  });
  await page.getByRole('button', { name: 'Try now' }).click();
  await page.getByRole('img', { name: 'Energy score 77.7 of 100' }).waitFor();
  await page.getByTestId('offline').waitFor({ state: 'detached' });
});

paged('a page of the inspector that does not exist is said not to, instead of nothing being shown', async (t) => {
  const { open } = await stage(t);
  const page = await open('/inspect#noodles');
  await signIn(page, 'Ada');
  await page.getByText('There is no such page').waitFor();
  t.pass();
});

paged('an alert is acknowledged by the button that its statechart offers', async (t) => {
  const { open, server } = await stage(t);
  const page = await open();
  await signIn(page, 'Mara');
  await page.getByRole('button', { name: 'Acknowledge' }).click();
  await page.locator('.alert.acknowledged[data-alert=alert-1]').waitFor();
  t.is(server.commands.at(-1)?.type, 'anomaly.acknowledge');
});

paged('a device is synchronised by hand, and its button is off while it runs', async (t) => {
  const { open } = await stage(t);
  const page = await open();
  await signIn(page, 'Mara');
  const device = page.locator('.device').first();
  await device.getByRole('button').click();
  await device.locator('[data-sync="connected.syncing"]').waitFor();
  t.true(await device.getByRole('button').isDisabled());
  await device.locator('[data-sync="connected.idle"]').waitFor();
});
