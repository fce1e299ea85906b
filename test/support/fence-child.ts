/**
 * A process with a lane of its own: `url`, `node`, number of an actor. Creates the actor, sends one more event with a message and a timer, and
 * never ends by itself. Its last statement may wait at the database for as long as it takes.
 */
import type { Client } from 'pg';
import { createPgStore } from '../../actors/store/pg.ts';
import { openDatabase } from '../../server/db/database.ts';
import { quiet } from './log.ts';
import { event, plan, slot, tell } from './store-cases.ts';
import { registry } from './stores.ts';

const [url = '', node = '', number = ''] = process.argv.slice(2);
const n = Number(number);
const database = await openDatabase({ url, dataDir: '' }, quiet);
const clients: Client[] = [];
const { engine, durability } = database;
const connect: typeof database.connect = async (o) => {
  const client = await database.connect(o);
  clients.push(client);
  return client;
};
const lane = await createPgStore({ engine, durability, connect }, registry, node).openLane(0);
await lane.commit(plan([event(n, 1)]));
await clients[0]?.query('set statement_timeout = 0');
const { actorId } = event(n, 2).journal;
const timers = [{ actorId, timerId: 'late', set: { slot: slot(n), due: 5, armedSeq: 2, type: 'x.late' } }];
await lane.commit(plan([event(n, 2, [], { outbox: [tell(n, 2, 1)], timers })]));
