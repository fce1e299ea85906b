/** Nodes that may do in Redis what the deployment guide says and nothing else, over TLS with certificates of both sides. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { redisBinary, runGuarded } from '../../scripts/private-redis.ts';
import { freePort } from '../../scripts/server-process.ts';
import { openDatabase } from '../../server/db/database.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import type { RedisClient } from '../../server/redis/client.ts';
import { KeptLog, system } from '../support/kernel.ts';
import { heard, testNodes } from '../support/nodes.ts';
import type { TestNodes } from '../support/nodes.ts';
import { startPostgres } from '../support/postgres.ts';
import { clientOf, namespace } from '../support/redis.ts';
import { acts } from '../support/redis-acts.ts';
import type { World } from '../support/world.ts';

/** The user of the guide, `{main}` replaced by our namespace. */
async function documentedUser(name: string): Promise<string> {
  const guide = await readFile(new URL('../../../docs/ops/deployment.md', import.meta.url), 'utf8');
  const line = /^user thrum .*$/m.exec(guide)?.[0] ?? '';
  return line.replaceAll('{main}', `{${name}}`);
}

/** What the scripts of Bull do; most of it is seldom needed. */
async function commandsOfBull(): Promise<ReadonlySet<string>> {
  const dir = dirname(createRequire(import.meta.url).resolve('bull/lib/scripts/index.js'));
  const files = (await readdir(dir)).filter((file) => file.endsWith('.js'));
  const texts = await Promise.all(files.map((file) => readFile(join(dir, file), 'utf8')));
  return new Set(texts.flatMap((text) => [...text.matchAll(/rcall\(\s*['"](\w+)['"]/g)].map(([, command = '']) => command.toLowerCase())));
}

interface Guarded {
  readonly port: number;
  /** by the name of the setting of a node */
  readonly files: Readonly<Record<'REDIS_CA' | 'REDIS_CERT' | 'REDIS_KEY', string>>;
  stop(): Promise<void>;
}

/** A Redis that speaks TLS alone, asks for certificates, and knows these users. */
async function guarded(users: readonly string[]): Promise<Guarded | { readonly skip: string }> {
  const binary = redisBinary();
  if (binary === undefined) return { skip: 'redis-server is not installed' };
  const dir = await mkdtemp(join(tmpdir(), 'thrum-tls-'));
  const [cert, key, acl] = [join(dir, 'cert.pem'), join(dir, 'key.pem'), join(dir, 'users.acl')];
  const subject = ['-subj', '/CN=thrum-test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert];
  try {
    execFileSync('openssl', ['req', '-x509', '-days', '2', ...subject, ...made], { stdio: 'ignore' });
  } catch {
    await rm(dir, { recursive: true });
    return { skip: 'openssl is not installed' };
  }
  await writeFile(acl, `${users.join('\n')}\n`);
  const port = await freePort();
  const tls = ['--tls-port', String(port), '--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
  const running = await runGuarded(binary, ['--port', '0', '--bind', '127.0.0.1', '--dir', dir, '--save', '', ...tls, '--aclfile', acl]);
  return {
    port,
    files: { REDIS_CA: cert, REDIS_CERT: cert, REDIS_KEY: key },
    async stop() {
      running.child.stdin?.end();
      await running.ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function liveOver(n: TestNodes): Promise<void> {
  const [a, b] = n.worlds as readonly [World, World];
  const [staff, person] = [await b.person({ roles: ['staff'] }), await a.person()];
  const ref = n.refOf(a);
  const add = (): Promise<unknown> => a.app.actors.ask(ref, { type: 'counter.add', by: 1 }, { from: system, key: `${Math.random()}` });
  await add();
  const live = await b.live({ token: staff.token });
  const presence = `user:${person.id}/presence`;
  await live.send('sub', { l: [{ t: `${ref}/value` }, { t: presence }] });
  await add();
  await heard(live, 'pub', (m) => m['t'] === `${ref}/value` && m['s'] === 3);
  const page = await a.live({ token: person.token });
  await heard(live, 'pub', (m) => m['t'] === presence && JSON.stringify(m['d']).includes('"web":1'));
  const phone = await b.live({ token: person.token, device: 'phone' });
  await a.inject({ method: 'POST', url: '/v1/auth/logout', token: person.token });
  for (const one of [page, phone]) await heard(one, 'bye', (m) => m['code'] === 'REVOKED');
}

test.serial('the user of the deployment guide may do all that nodes do, and no command more, over TLS', async (t) => {
  t.timeout(600_000);
  const name = namespace();
  const keys = redisKeys(name);
  const user = await documentedUser(name);
  const server = await guarded(['user default off', 'user admin on >admin ~* &* +@all', user]);
  if ('skip' in server) {
    t.pass(`skipped: ${server.skip}`);
    return;
  }
  const clients: RedisClient[] = [];
  try {
    const [ca, key] = await Promise.all([readFile(server.files.REDIS_CA, 'utf8'), readFile(server.files.REDIS_KEY, 'utf8')]);
    const as = async (who: string): Promise<RedisClient> => {
      const url = `rediss://${who}@127.0.0.1:${server.port}`;
      const client = await clientOf({ url, tls: { ca, cert: ca, key } }, keys);
      clients.push(client);
      return client;
    };
    const admin = await as('admin:admin');
    for (const REALTIME_ADAPTER of ['classic', 'sharded']) {
      const REDIS_URL = `rediss://thrum:SECRET@127.0.0.1:${server.port}`;
      const n = await testNodes({ env: { ...server.files, REDIS_URL, REDIS_NAMESPACE: name, REALTIME_ADAPTER } });
      if ('skip' in n) {
        t.pass(`skipped: ${n.skip}`);
        return;
      }
      try {
        await liveOver(n);
      } finally {
        await n.close();
      }
    }
    const postgres = await startPostgres();
    if ('skip' in postgres) throw new Error(postgres.skip);
    const database = await openDatabase({ dataDir: '.', url: await postgres.database() }, new KeptLog());
    const [a, b] = [await as('thrum:SECRET'), await as('thrum:SECRET')];
    try {
      for (const act of Object.values(acts)) await act(t, { a, b, keys, knex: database.knex });
    } finally {
      await database.close();
      await postgres.stop();
    }
    const denied = (await admin.commands.acl('LOG')) as unknown[];
    t.deepEqual(denied, [], 'nothing was denied');
    const told = (await admin.commands.info('commandstats')).matchAll(/^cmdstat_(\S+):calls=(\d+)/gm);
    const used = new Set([...told].filter(([, , calls]) => Number(calls) > 0).map(([, command]) => command));
    const bull = await commandsOfBull();
    const allowed = [...user.matchAll(/ \+(\S+)/g)].map(([, command = '']) => command);
    t.true(allowed.length > 20);
    t.deepEqual(
      allowed.filter((command) => !used.has(command) && !bull.has(command)),
      [],
      'everything that is allowed is needed',
    );
    // other keys and other channels are not theirs
    await t.throwsAsync(async () => a.commands.get('thrum:{other}:shard:ver'), { message: /NOPERM/ });
    await t.throwsAsync(async () => a.commands.publish('thrum:{other}:bus:all', ''), { message: /NOPERM/ });
  } finally {
    for (const client of clients) client.close();
    await server.stop();
  }
});
