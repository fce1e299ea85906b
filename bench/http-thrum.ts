/**
 * The measured side of the HTTP bench: the product's own HTTP application, with real ES256 tokens, validation, limits and the log, over a kernel
 * on PostgreSQL. One route sends one durable command to the measured kind.
 */
import { createServer } from 'node:http';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { registryOf } from '../actors/companion.ts';
import { createPgStore } from '../actors/store/pg.ts';
import { readConfig } from '../server/config.ts';
import { openDatabase } from '../server/db/database.ts';
import { createHttp } from '../server/http/app.ts';
import { askRoute } from '../server/http/route.ts';
import { callerOf } from '../server/identity/identity.ts';
import { newSecrets } from '../server/identity/keys.ts';
import { createTokens } from '../server/identity/tokens.ts';
import { memoryLimiters } from '../server/limits/limiter.ts';
import { newIds } from '../server/ids.ts';
import { createLog } from '../server/observe/log.ts';
import { Problem } from '../server/problems.ts';
import { stepKind } from './kind.ts';
import { benchLog, populate, realClock, stepSystem } from './system.ts';

/** as many as the load generator addresses */
const ACTORS = 10_000;

const stepRoute = askRoute({
  method: 'POST',
  path: '/v1/steps/:id',
  auth: 'user',
  summary: 'One measured command',
  idempotent: true,
  body: z.strictObject({ amount: z.int(), note: z.string().max(100) }),
  reply: { 200: z.strictObject({ steps: z.number() }) },
  ask: ({ params, body }) => [`step:${params.id}`, { type: 'bench.step', ...body }],
});

/** Starts the server on a free port; the parent is told the port and a token. */
async function main(databaseUrl: string): Promise<void> {
  const config = readConfig({ HTTP_REQUESTS_PER_MINUTE: '10000000', LOG_LEVEL: process.argv[3] });
  const db = await openDatabase({ url: databaseUrl, dataDir: '' }, benchLog);
  const system = stepSystem(createPgStore(db, registryOf([stepKind])));
  await system.start();
  await populate(system, ACTORS, 1_000);
  const newId = newIds(() => Date.now());
  const secrets = await newSecrets(Date.now());
  const tokens = await createTokens({ secrets, issuer: config.publicUrl, ttlS: config.accessTtlS, clock: realClock, newId });
  const app = createHttp({
    config,
    routes: [stepRoute],
    actors: system,
    authenticate: async ({ authorization }) => {
      const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1];
      if (token === undefined) throw new Problem('UNAUTHENTICATED');
      return callerOf(await tokens.verify(token), 'bearer');
    },
    newLimiter: memoryLimiters(() => realClock.mono()),
    clock: realClock,
    newId,
    log: createLog(config.logLevel),
    registry: new Registry(),
  });
  const { token } = await tokens.sign({ userId: newId(), sid: newId(), roles: ['user'], plan: 'free' });
  const handler = app.callback();
  const server = createServer((req, res) => void handler(req, res)).listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'object' ? address?.port : undefined, token });
  });
  process.once('disconnect', () => process.exit(0));
}

await main(process.argv[2] ?? '');
