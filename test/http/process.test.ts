import test from 'ava';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { embeddedDir } from '../support/embedded.ts';
import { LATE } from '../support/kernel.ts';
import { until } from '../support/until.ts';

const dist = fileURLToPath(new URL('../../', import.meta.url));

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; out: string; err: string }>;
  /** resolves when standard output holds the text */
  prints(text: string): Promise<string>;
}

function run(script: string, args: readonly string[], env: Record<string, string>): Run {
  const child = spawn(process.execPath, [join(dist, script), ...args], { env });
  let out = '';
  let err = '';
  const waiting = new Set<() => void>();
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    for (const look of waiting) look();
  });
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out, err })),
  );
  return {
    child,
    ended,
    prints: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!out.includes(text)) return;
          waiting.delete(look);
          resolve(out);
        };
        waiting.add(look);
        look();
        void ended.then(({ err: why }) => reject(new Error(`ended without ${text}: ${why}`)));
      }),
  };
}

test('a server starts, prints its address, gives tokens to local scripts, keeps others out of its data, and ends with 0 on SIGTERM', async (t) => {
  const dataDir = await embeddedDir();
  const env = {
    DATA_DIR: dataDir,
    PORT: '0',
    HOST: '127.0.0.1',
    DEMO: 'on',
    SIMULATOR: 'off',
    ARGON2_MEMORY_KIB: '8192',
    ARGON2_TIME: '1',
  };
  const server = run('server/main.js', [], env);
  t.teardown(async () => {
    server.child.kill('SIGKILL');
    await server.ended;
    await rm(dataDir, { recursive: true, force: true });
  });
  const banner = await server.prints('"msg":"ready"');
  t.regex(banner, /health\s+http:\/\/localhost:\d+\/readyz/);
  const url = /dashboard\s+(http:\/\/localhost:\d+)/.exec(banner)?.[1];
  t.truthy(url);
  t.regex(banner, /durability\s+process: /);
  const login = /(\S+@\S+)\s+password: (\S+)/.exec(banner);
  t.truthy(login, 'the demo logins are printed');
  await until(async () => (await fetch(`${url}/readyz`)).status === 200, 'the server is ready');

  const second = await run('server/main.js', [], env).ended;
  t.is(second.code, 1);
  t.regex(second.err, /another|use/);

  const email = login?.[1] ?? '';
  const secrets = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8')) as { operator: string };
  const known = async (): Promise<boolean> => {
    const headers = { 'content-type': 'application/json', 'x-thrum-operator': secrets.operator };
    return (await fetch(`${url}/v1/auth/operator-token`, { method: 'POST', headers, body: JSON.stringify({ email }) })).ok;
  };
  await until(known, 'the demo user');
  const token = await run('scripts/token.js', ['--email', email], { DATA_DIR: dataDir }).ended;
  t.is(token.code, 0, token.err);
  t.regex(token.out, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const me = (await (await fetch(`${url}/v1/me`, { headers: { authorization: `Bearer ${token.out.trim()}` } })).json()) as {
    email: string;
  };
  t.is(me.email, email);
  const nobody = await run('scripts/token.js', ['--email', 'nobody@example.test'], { DATA_DIR: dataDir }).ended;
  t.is(nobody.code, 1);
  t.is(nobody.out, '');

  t.is((await stat(join(dataDir, 'secrets.json'))).mode & 0o777, 0o600);

  server.child.kill('SIGTERM');
  const { code, out, err } = await server.ended;
  // 1 if it had not ended by itself in its time
  t.is(code, 0, err);
  const faults = out.split('\n').filter((line) => line.includes('"level":"error"') && !line.includes(LATE));
  t.deepEqual(faults, []);
});

test('a faulty configuration ends the start with 78 and names every variable', async (t) => {
  const { code, err } = await run('server/main.js', [], { PORT: 'x', LOG_LEVEL: 'y' }).ended;
  t.is(code, 78);
  t.regex(err, /PORT/);
  t.regex(err, /LOG_LEVEL/);
});

const SOMAXCONN = '/proc/sys/net/core/somaxconn';
const MANY = 600;
const waitingRoom = existsSync(SOMAXCONN) ? Number(readFileSync(SOMAXCONN, 'utf8')) : 0;

(waitingRoom > MANY ? test : test.skip)(
  'connections wait for a server that is held up; none is dropped to try again a minute later',
  async (t) => {
    const dataDir = await embeddedDir();
    const server = run('server/main.js', [], { DATA_DIR: dataDir, PORT: '0', HOST: '127.0.0.1', DEMO: 'off', SIMULATOR: 'off' });
    t.teardown(async () => {
      server.child.kill('SIGKILL');
      await server.ended;
      await rm(dataDir, { recursive: true, force: true });
    });
    const port = Number(/health\s+http:\/\/localhost:(\d+)/.exec(await server.prints('"msg":"ready"'))?.[1]);
    server.child.kill('SIGSTOP');
    let connected = 0;
    const sockets = Array.from({ length: MANY }, () => connect(port, '127.0.0.1', () => (connected += 1)).on('error', () => undefined));
    await until(() => connected === MANY, 'all connections');
    server.child.kill('SIGCONT');
    t.is((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);
    for (const socket of sockets) socket.destroy();
  },
);
