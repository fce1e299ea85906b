/** `npm run fsck` as a process over an embedded database with rooms and bookings. */
import test from 'ava';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { registryOf } from '../../actors/companion.ts';
import { createPgStore } from '../../actors/store/pg.ts';
import { createActorSystem } from '../../actors/system.ts';
import { booking, resource } from '../../machines/booking/kind.ts';
import { NewResource } from '../../machines/booking/schema.ts';
import { systemClock } from '../../server/clock.ts';
import { openDatabase } from '../../server/db/database.ts';
import { ROOM } from '../support/bookings.ts';
import { embeddedDir } from '../support/embedded.ts';
import { as, KeptLog, system } from '../support/kernel.ts';
import { quiet } from '../support/log.ts';
import { until } from '../support/until.ts';

const script = fileURLToPath(new URL('../../scripts/fsck.js', import.meta.url));
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const fsck = (dataDir: string, ...args: string[]): Promise<{ code: number | null; out: string; err: string }> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...args], { env: { DATA_DIR: dataDir, LOG_LEVEL: 'silent' } }, (_error, out, err) =>
      resolve({ code: child.exitCode, out, err }),
    );
  });

/** A room with three bookings, one of them confirmed, one cancelled, one held. */
async function rooms(dataDir: string): Promise<void> {
  const database = await openDatabase({ dataDir }, quiet);
  const kinds = [booking, resource];
  const store = createPgStore(database, registryOf(kinds));
  const log = new KeptLog();
  const parts = { kinds, effects: {}, store, clock: systemClock, random: Math.random, log, metrics: new Registry() };
  const actors = createActorSystem({ ...parts, erasureKey: 'a key of the tests' });
  await actors.start();
  const ask = async (ref: string, command: { type: string; [field: string]: unknown }): Promise<void> => {
    const reply = await actors.ask(ref, command, as(system));
    if (!reply.ok) throw new Error(`${reply.error.code} ${JSON.stringify(reply.error)}`);
  };
  const { resourceId, ...config } = NewResource.parse(ROOM);
  await ask(`resource:${resourceId}`, { type: 'resource.create', no: 1, config });
  const morning = Math.ceil((systemClock.wall() + 2 * DAY) / DAY) * DAY + 10 * HOUR;
  const ids = [0, 1, 2].map(() => randomUUID());
  const taken = async (n: number): Promise<boolean> => {
    const [row] = (await database.knex('booking_claims').whereIn('state', ['held', 'confirmed']).count('* as n')) as [{ n: number }];
    return row.n === n;
  };
  for (const [i, id] of ids.entries()) {
    const start = new Date(morning + i * HOUR).toISOString();
    await ask(`booking:${id}`, { type: 'booking.request', resourceId, durationMin: 60, start });
  }
  await until(() => taken(3), 'three claims');
  await ask(`booking:${ids[1]}`, { type: 'booking.cancel' });
  await until(() => taken(2), 'a released claim');
  await actors.drain(5_000);
  await store.stop();
  await database.close();
}

test('a database with bookings is clean; damage to it is named line by line, and ends the command with 1', async (t) => {
  t.timeout(600_000);
  const dataDir = await embeddedDir();
  t.teardown(() => rm(dataDir, { recursive: true, force: true }));
  await rooms(dataDir);

  const clean = await fsck(dataDir);
  t.regex(clean.out, /^4 actors \(0 erased\), \d+ events, 0 violations\n$/, clean.err);
  t.is(clean.code, 0);

  const database = await openDatabase({ dataDir }, quiet);
  await database.knex.raw(`
    delete from booking_claims where claim_id = (select claim_id from booking_claims where state in ('held', 'confirmed') limit 1);
    update booking_claims set qty = 7 where state in ('held', 'confirmed');
    delete from thrum_timer where timer_id = (select timer_id from thrum_timer limit 1);
    delete from thrum_journal where seq = 2 and actor_id = (select actor_id from thrum_actor where kind = 'booking' order by actor_id limit 1)`);
  await database.close();

  const broken = await fsck(dataDir);
  t.is(broken.code, 1, broken.err);
  t.regex(broken.out, /I1 booking:\S+: event 3 follows event 1\n/);
  t.regex(broken.out, /I6 \S+: the timer \S+ is armed and has no row\n/);
  t.regex(broken.out, /I13 resource:room: row \["[-0-9a-f]+"\] of claims is missing\n/);
  t.regex(broken.out, /I13 resource:room: row \["[-0-9a-f]+"\] of claims differs from the state\n/);
  t.regex(broken.out, /\n {2}I13: 2\n/);

  const listed = await fsck(dataDir, '--repair');
  t.is(listed.code, 1);
  const [, could] = /\n(\d+) could be repaired with --apply\n$/.exec(listed.out) ?? [];
  t.is(listed.out.split('; repair: ').length - 1, Number(could));
  t.is((await fsck(dataDir)).out, broken.out, 'nothing was written');
  const applied = await fsck(dataDir, '--repair', '--apply');
  t.regex(applied.out, new RegExp(`\\n${could} repaired\\n$`));
  t.is(applied.code, 1, 'claims and lost events are left alone');
  t.regex((await fsck(dataDir, '--repair')).out, /\n0 could be repaired/);
  t.is((await fsck(dataDir, '--apply')).code, 2);

  const users = await fsck(dataDir, '--kind', 'user');
  t.like(users, { code: 0, out: '0 actors (0 erased), 0 events, 0 violations\n' });
  const unknown = await fsck(dataDir, '--kind', 'ghost');
  t.is(unknown.code, 2);
  t.regex(unknown.err, /no kind 'ghost'/);
});
