import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rm } from 'node:fs/promises';
import test from 'ava';
import { Registry } from 'prom-client';
import { Webhook } from 'standardwebhooks';
import { openDatabase } from '../../server/db/database.ts';
import { newIds } from '../../server/ids.ts';
import type { Jobs } from '../../server/jobs/jobs.ts';
import { createTableJobs } from '../../server/jobs/table.ts';
import { createWebhooks } from '../../server/webhooks/sender.ts';
import { FakeClock } from '../support/clock.ts';
import { embeddedDir } from '../support/embedded.ts';
import { KeptLog } from '../support/kernel.ts';
import { until } from '../support/until.ts';

test.serial('an event is signed, retried with a new signature under the same id, and delivered once', async (t) => {
  const dir = await embeddedDir();
  const log = new KeptLog();
  const database = await openDatabase({ dataDir: dir }, log);
  const clock = new FakeClock();
  const newId = newIds(() => clock.wall());
  const got: { headers: IncomingHttpHeaders; body: string }[] = [];
  const answers = [500, 429, 200];
  const receiver = createServer((req, res) => {
    const parts: Buffer[] = [];
    req.on('data', (p: Buffer) => parts.push(p));
    req.on('end', () => {
      got.push({ headers: req.headers, body: Buffer.concat(parts).toString() });
      const status = answers[got.length - 1] ?? 200;
      res.writeHead(status, status === 429 ? { 'retry-after': '40' } : {}).end('thanks');
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  const webhooks = createWebhooks({ knex: database.knex, clock, newId, registry: new Registry(), jobs: () => jobs, allowPrivate: true });
  const jobs: Jobs = createTableJobs({ knex: database.knex, kinds: webhooks.jobs, clock, random: () => 0.5, newId, log });
  t.teardown(async () => {
    await jobs.stop();
    await database.close();
    receiver.close();
    await rm(dir, { recursive: true, force: true });
  });
  await jobs.start();
  const { id, secret } = await webhooks.add({ url: `http://127.0.0.1:${port}/hook`, types: ['score.updated'], by: 'test' });
  const event = { type: 'score.updated', eventId: 'score_1', at: clock.wall(), data: { score: 65.3308 } };
  for (const e of [event, event, { ...event, type: 'sync.completed', eventId: 'sync_1' }]) {
    await jobs.enqueue(database.knex, { queue: 'webhook', kind: 'webhook.publish', payload: e });
  }
  jobs.wake('webhook');
  const states = async (): Promise<Record<string, unknown>[]> =>
    (await database.knex.raw('select status, attempt, http_status, event_id from endpoint_deliveries order by event_id')).rows;

  /** A second goes by, unless an attempt is under way: it takes its own time, and would be late by this clock on a slow machine. */
  const second = async (): Promise<void> => {
    const { rows } = await database.knex.raw("select 1 from jobs where status = 'active'");
    if (rows.length === 0) await clock.advance(1_000);
  };

  await until(async () => (await states())[0]?.['status'] === 'retrying', 'the first attempt');
  const rotated = await webhooks.rotate(id);
  await until(async () => {
    await second();
    return got.length === 2 && (await states())[0]?.['attempt'] === 2;
  }, 'the second attempt');
  t.is(got.length, 2);
  await clock.advance(30_000);
  t.is(got.length, 2, 'Retry-After is honoured');
  await until(async () => {
    await second();
    return (await states())[0]?.['status'] === 'delivered';
  }, 'the third attempt');
  t.deepEqual(await states(), [{ status: 'delivered', attempt: 3, http_status: 200, event_id: 'score_1' }]);

  t.deepEqual([...new Set(got.map((g) => g.headers['webhook-id']))], ['msg_score_1']);
  const stamps = got.map((g) => Number(g.headers['webhook-timestamp']));
  t.true(stamps[2]! > stamps[0]!);
  const verified = (s: string, g: (typeof got)[number]): boolean => {
    // the library compares the signed time with the real clock, so its own signing is compared instead
    const expected = new Webhook(s).sign(String(g.headers['webhook-id']), new Date(Number(g.headers['webhook-timestamp']) * 1000), g.body);
    return String(g.headers['webhook-signature']).split(' ').includes(expected);
  };
  t.true(verified(secret, got[0]!));
  t.true(verified(secret, got[2]!), 'the old secret goes on signing after the rotation');
  t.true(verified(rotated!, got[2]!));
  t.deepEqual(JSON.parse(got[2]!.body), { type: 'score.updated', timestamp: new Date(event.at).toISOString(), data: { score: 65.3308 } });

  const refusing = createWebhooks({ knex: database.knex, clock, newId, registry: new Registry(), jobs: () => jobs, allowPrivate: false });
  const deliver = refusing.jobs.find((j) => j.kind === 'webhook.deliver')!;
  await database.knex.raw(`update endpoint_deliveries set status = 'waiting'`);
  const [row] = (await database.knex.raw('select delivery_id from endpoint_deliveries')).rows;
  await t.throwsAsync(
    deliver.run({ jobId: 'j', payload: { deliveryId: row.delivery_id }, attempt: 1, signal: new AbortController().signal, log }),
    { message: /not a public address/ },
  );
  t.is(got.length, 3);
});
