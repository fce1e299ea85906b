/** A node of the chaos: the product with the actors of `kinds.ts`, as `server/main.ts` runs it, and a door for reads at every level and for points of monitored series. */
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { NonRetryable } from '../../actors/errors.ts';
import { buildApp } from '../../server/app.ts';
import { readConfig } from '../../server/config.ts';
import { jobKind, JobFailure } from '../../server/jobs/jobs.ts';
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
  jobs: (knex) => [
    jobKind({
      queue: 'chaos',
      kind: 'chaos.errand',
      payload: z.strictObject({ name: z.string() }),
      attempts: 20,
      backoff: { base: 200, cap: 2_000 },
      timeout: 5_000,
      run: async ({ jobId, payload }) => {
        const fate = Math.random();
        await pause(fate * 100);
        if (fate < 0.1) throw new Error('try again');
        if (fate < 0.13) throw new JobFailure('NEVER', 'never', { retryable: false });
        await knex.raw('insert into chaos_jobs (job_id, name, node) values (?, ?, ?)', [jobId, payload.name, String(config.port)]);
      },
    }),
  ],
});
const first = process.env['CHAOS_FIRST'] === 'yes';
if (first) await app.database.knex.raw(CHAOS_TABLES);
await app.start();
if (first) await app.identity.users.create({ ...ADMIN, roles: ['staff', 'admin'] });

const asker = { kind: 'operator', id: 'chaos', roles: [] } as const;
const teller = { kind: 'system', id: 'chaos', roles: [] } as const;
createServer((req, res) => {
  const { pathname, searchParams } = new URL(req.url ?? '', 'http://x');
  if (req.method === 'POST') {
    const [ref, t, v] = [pathname.slice(1), Number(searchParams.get('t')), Number(searchParams.get('v'))];
    app.actors.ask(ref, { type: 'anomaly.observe', t, v }, { key: `t${t}`, from: teller }).then(
      (reply) => res.writeHead(reply.ok ? 200 : 503).end(JSON.stringify(reply)),
      (error: unknown) => res.writeHead(503).end(String(error)),
    );
    return;
  }
  const level = searchParams.get('level') === 'linearizable' ? 'linearizable' : 'session';
  app.actors.read(pathname.slice(1), 'peek', {}, { from: asker, level }).then(
    (answer) => res.end(JSON.stringify(answer)),
    (error: unknown) => res.writeHead((error as { code?: string }).code === 'NOT_FOUND' ? 404 : 503).end(String(error)),
  );
}).listen(Number(process.env['CHAOS_DOOR']), '127.0.0.1');

process.once('SIGTERM', () => {
  void app.stop().then(() => process.exit(0));
});
