/** The connections of a store when the line to the database falls silent and nobody is told (kernel specification 7.4, 10.7). */
import test from 'ava';
import { createPgStore } from '../../actors/store/pg.ts';
import { openDatabase } from '../../server/db/database.ts';
import { openDatabaseLink } from '../chaos/links.ts';
import { quiet } from '../support/log.ts';
import { startPostgres } from '../support/postgres.ts';
import { actor, event, outcome, plan, tell } from '../support/store-cases.ts';
import type { Change } from '../support/store-cases.ts';
import { registry, SCHEMA } from '../support/stores.ts';

const server = await startPostgres();
if ('skip' in server) test.skip(`a store behind a line that falls silent (${server.skip})`, () => undefined);
else {
  test.after.always(() => server.stop());

  test.serial('a lane that was at rest while the line fell silent does not wait for it when it is needed again', async (t) => {
    t.timeout(600_000);
    const link = await openDatabaseLink(await server.database());
    const database = await openDatabase({ url: link.url, dataDir: '' }, quiet);
    const store = createPgStore(database, registry);
    try {
      await database.knex.raw(SCHEMA);
      await store.start();
      const [one, other] = await Promise.all([store.openLane(0), store.openLane(1)]);
      t.deepEqual(await Promise.all([outcome(one, plan([event(1, 1)])), outcome(other, plan([event(2, 1)]))]), ['ok', 'ok']);
      await store.dataId();

      link.swallow();
      link.mend();
      await store.dataId();
      t.deepEqual(await Promise.all([outcome(one, plan([event(1, 2)])), outcome(other, plan([event(2, 2)]))]), ['ok', 'ok']);
      t.is((await store.tails([actor(1)])).get(actor(1)), 2);
      await Promise.all([one.close(), other.close()]);
    } finally {
      await link.close();
      await store.stop();
      await database.close();
    }
  });

  test.serial('a lane gives up a connection that falls silent as soon as it is opened, or while a statement is forgotten', async (t) => {
    t.timeout(600_000);
    const link = await openDatabaseLink(await server.database());
    const database = await openDatabase({ url: link.url, dataDir: '' }, quiet);
    let silent = true;
    const connect = async (o: Parameters<typeof database.connect>[0]) => {
      const client = await database.connect(o);
      if (silent) link.swallow();
      return client;
    };
    const store = createPgStore({ ...database, connect }, registry);
    try {
      await database.knex.raw(SCHEMA);
      const lane = await store.openLane(0);
      t.deepEqual(await outcome(lane, plan([event(1, 1)])), ['in-doubt', null, []]);
      silent = false;
      link.mend();
      t.is(await outcome(lane, plan([event(1, 1)])), 'ok');
      // As many combinations of parts as stay prepared; for the next one the oldest has to go.
      for (let i = 0; i < 64; i += 1) t.is(await outcome(lane, plan([combined(i)])), 'ok', String(i));
      link.swallow();
      t.deepEqual(await outcome(lane, plan([combined(64)])), ['in-doubt', null, []]);
      link.mend();
      t.is(await outcome(lane, plan([combined(64)])), 'ok');
      await lane.close();
    } finally {
      await link.close();
      await store.stop();
      await database.close();
    }
  });

  /** An event whose statement has other parts than those of other numbers, below 128. */
  const combined = (i: number) => {
    const n = 100 + i;
    const timer = { actorId: actor(n), set: { slot: 0, due: 1, armedSeq: 1, type: 'x' } };
    const note = { note_id: 1, body: null, at: 1, raw: '', ok: true, ref: null };
    return event(
      n,
      1,
      [
        ...((i & 32) === 0 ? [] : [['events', 'insert', { event_id: n }] as Change]),
        ...((i & 64) === 0 ? [] : [['notes', 'insert', note] as Change]),
      ],
      {
        ...((i & 1) === 0 ? {} : { born: undefined as never }),
        timers: [...((i & 2) === 0 ? [] : [{ ...timer, timerId: 'a' }]), ...((i & 4) === 0 ? [] : [{ actorId: actor(n), timerId: 'b' }])],
        outbox: (i & 8) === 0 ? [] : [tell(n, 1, 1)],
        outboxDone: (i & 16) === 0 ? [] : [{ actorId: actor(n), seq: 1, n: 9 }],
      },
    );
  };
}
