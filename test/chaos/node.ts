/** A node of the chaos: the product with the actors of `kinds.ts`, as `server/main.ts` runs it, and a door for reads at every level. */
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { NonRetryable } from '../../actors/errors.ts';
import { buildApp } from '../../server/app.ts';
import { readConfig } from '../../server/config.ts';
import { CHAOS_TABLES, chaosKinds } from './kinds.ts';
import { ADMIN } from './stage.ts';

const config = readConfig();
const app = await buildApp(config, {
  kinds: chaosKinds,
  effects: {
    hold: {
      capture: async ({ key, input }) => {
        const { token } = input as { token: number };
        await app.database.knex.raw('insert into chaos_effects (key, token, node) values (?, ?, ?)', [key, token, String(config.port)]);
        const fate = Math.random();
        await pause(fate * 200);
        if (fate < 0.1) throw new Error('try again');
        if (fate < 0.15) throw new NonRetryable('never');
        return { token };
      },
    },
  },
});
const first = process.env['CHAOS_FIRST'] === 'yes';
if (first) await app.database.knex.raw(CHAOS_TABLES);
await app.start();
if (first) await app.identity.users.create({ ...ADMIN, roles: ['staff', 'admin'] });

const asker = { kind: 'operator', id: 'chaos', roles: [] } as const;
createServer((req, res) => {
  const { pathname, searchParams } = new URL(req.url ?? '', 'http://x');
  const level = searchParams.get('level') === 'linearizable' ? 'linearizable' : 'session';
  app.actors.read(pathname.slice(1), 'peek', {}, { from: asker, level }).then(
    (answer) => res.end(JSON.stringify(answer)),
    (error: unknown) => res.writeHead(503).end(String(error)),
  );
}).listen(Number(process.env['CHAOS_DOOR']), '127.0.0.1');

process.once('SIGTERM', () => {
  void app.stop().then(() => process.exit(0));
});
