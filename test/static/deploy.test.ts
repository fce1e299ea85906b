/** Dockerfile, docker-compose.yml and what lies in deploy/: read, compared with what the server knows, and their commands run as plain processes. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { z } from 'zod';
import { startPostgres } from '../../scripts/private-postgres.ts';
import { startRedis } from '../../scripts/private-redis.ts';
import { freePort, startServer } from '../../scripts/server-process.ts';
import type { ServerProcess } from '../../scripts/server-process.ts';
import { settings } from '../../server/config.ts';
import { imports, sources } from './sources.ts';

const { load } = createRequire(import.meta.url)('js-yaml') as { load: (text: string) => unknown };
const text = (path: string): string => readFileSync(path, 'utf8');
const yaml = (path: string): unknown => load(text(path));

const Check = z.object({ test: z.array(z.string()).min(2), interval: z.string(), timeout: z.string(), retries: z.number() });
const Service = z.strictObject({
  profiles: z.array(z.string()).optional(),
  build: z.string().optional(),
  image: z.string(),
  hostname: z.string().optional(),
  restart: z.literal('unless-stopped'),
  init: z.boolean().optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  shm_size: z.string().optional(),
  stop_grace_period: z.string().optional(),
  command: z.array(z.string()).optional(),
  ports: z.array(z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.enum(['service_healthy']) })).optional(),
  healthcheck: Check.optional(),
});
const Compose = z.looseObject({ services: z.record(z.string(), Service), volumes: z.record(z.string(), z.object({})) });

const compose = Compose.parse(yaml('docker-compose.yml'));
const services = Object.entries(compose.services);
const docker = text('Dockerfile')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line.trim() !== '' && !line.startsWith('#'))
  .map((line) => line.trim());
const exec = (instruction: string): string[] =>
  JSON.parse(
    docker
      .filter((line) => line.startsWith(instruction))
      .at(-1)
      ?.replace(/^.*?(?=\[)/, '') ?? '[]',
  ) as string[];

test('the compose file has two nodes, a balancer, the stores, and the observers in a profile', (t) => {
  t.deepEqual(
    services
      .filter(([, s]) => s.profiles === undefined)
      .map(([name]) => name)
      .toSorted(),
    ['balancer', 'node1', 'node2', 'postgres', 'redis'],
  );
  t.deepEqual(
    services
      .filter(([, s]) => s.profiles !== undefined)
      .map(([name]) => name)
      .toSorted(),
    ['grafana', 'prometheus'],
  );
  for (const [name, s] of services) {
    t.true(s.healthcheck !== undefined || s.build !== undefined, `${name} has a health check`);
    t.regex(s.image, /:[\w.${}:-]*\d/, `${name} is pinned`);
    for (const other of Object.keys(s.depends_on ?? {})) t.true(other in compose.services, `${name} waits for ${other}`);
    for (const volume of s.volumes ?? []) {
      const [source = ''] = volume.split(':');
      t.true(source.startsWith('./') ? existsSync(source) : source in compose.volumes, `${name} mounts ${source}`);
    }
  }
  t.deepEqual(
    services.flatMap(([, s]) => s.ports ?? []).filter((p) => !p.startsWith('127.0.0.1:')),
    ['8080:8080'],
    'only the balancer is public',
  );
});

test('the nodes are given only settings that the server reads, and the time to stop that they may take', (t) => {
  const known = new Map(Object.values(settings).map((s) => [s.name, s]));
  for (const name of ['node1', 'node2']) {
    const { environment = {}, stop_grace_period = '0s' } = compose.services[name] ?? {};
    for (const [variable, value] of Object.entries(environment)) {
      const plain = value.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1').replaceAll(/\$\{\w+:\?[^}]*\}/g, 'secret');
      t.true(known.get(variable)?.schema.safeParse(plain).success, `${variable}=${plain}`);
    }
    const stopping = Number(environment['DRAIN_PAUSE_MS']) + Number(environment['DRAIN_MS']) + 9_000;
    t.true(Number.parseInt(stop_grace_period, 10) * 1_000 > stopping, name);
  }
  for (const line of docker.filter((l) => l.startsWith('ENV ')))
    for (const [, variable] of line.matchAll(/(\w+)=/g)) t.true(variable === 'NODE_ENV' || known.has(variable ?? ''), variable);
});

test('the image is built in stages from pinned bases, runs as nobody in particular, and starts what npm start starts', (t) => {
  const stages = docker.filter((line) => line.startsWith('FROM '));
  t.true(stages.length >= 2);
  for (const stage of stages) t.regex(stage, /^FROM [\w/]+:\d[\w.-]*( AS \w+)?$/, 'a base of a known version');
  const last = docker.slice(docker.lastIndexOf(stages.at(-1) ?? ''));
  t.is(last.filter((line) => line.startsWith('USER ')).at(-1), 'USER node');
  t.true(last.indexOf('USER node') < last.findIndex((line) => line.startsWith('CMD ')));
  t.notRegex(text('Dockerfile'), /^# *syntax *=/m, 'no other image is needed to read the file');
  t.true(docker.every((line) => !/^ADD |\bsudo\b|curl .*\| *sh|apt-get|npm install\b/.test(line)));
  t.true(docker.filter((line) => line.includes('npm ')).every((line) => line.includes('--ignore-scripts')));
  const { start = '' } = (JSON.parse(text('package.json')) as { scripts: Record<string, string> }).scripts;
  t.is(exec('CMD').join(' '), start);
  const copied = docker
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
    .flatMap((line) => line.split(' ').slice(1, -1));
  for (const path of copied) t.true(existsSync(path), path);
  const kept = text('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  for (const path of kept) t.true(existsSync(path), `${path} of .dockerignore`);
});

test('what the server imports is a dependency, so that the image may leave the tools out', (t) => {
  const { dependencies } = JSON.parse(text('package.json')) as { dependencies: Record<string, string> };
  const missing = sources('server', 'actors', 'machines', 'calc', 'migrations').flatMap((source) =>
    imports(source)
      .filter(({ from, types }) => !types && !/^(\.|node:|#)/.test(from))
      .map(({ from }) =>
        from
          .split('/')
          .slice(0, from.startsWith('@') ? 2 : 1)
          .join('/'),
      )
      .filter((name) => !(name in dependencies))
      .map((name) => `${source.path}: ${name}`),
  );
  t.deepEqual(missing, []);
});

test('the balancer asks for readiness, keeps sockets open and hides the metrics', (t) => {
  const lines = text('deploy/haproxy.cfg')
    .split('\n')
    .map((l) => l.trim());
  t.deepEqual(
    lines.filter((l) => l.startsWith('server ')).map((l) => l.split(' ')[2]),
    ['node1:3000', 'node2:3000'],
  );
  t.true(lines.includes('option httpchk GET /readyz'));
  t.true(lines.some((l) => l.startsWith('timeout tunnel')));
  t.true(lines.includes('timeout check 2s'), 'a node that is busy for half a second is not left out');
  t.false(
    lines.some((l) => l.startsWith('maxconn')),
    'starts with as many files as it is given',
  );
  t.true(lines.includes('http-request deny if { path /metrics }'));
});

test('dashboards and alerts ask only for metrics that the server has, with labels that they have', async (t) => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const known = new Map<string, string[] | undefined>(registry.getMetricsAsArray().map((m) => [m.name, undefined]));
  for (const [, name = '', labels = ''] of text('docs/reference/metrics.md').matchAll(/^\| `(\w+)` \| \w+ \| ([^|]*) \|/gm))
    known.set(
      name,
      [...labels.matchAll(/`(\w+)`/g)].map(([, l]) => l ?? ''),
    );
  const dashboards = readdirSync('deploy/grafana/dashboards').map((name) => join('deploy/grafana/dashboards', name));
  const Dashboard = z.object({ panels: z.array(z.object({ targets: z.array(z.object({ expr: z.string() })).optional() })) });
  const Rules = z.object({
    groups: z.array(
      z.object({ rules: z.array(z.object({ alert: z.string(), expr: z.string(), labels: z.object({ severity: z.string() }) })) }),
    ),
  });
  const expressions = [
    ...dashboards.flatMap((path) => Dashboard.parse(JSON.parse(text(path))).panels.flatMap((p) => p.targets?.map((x) => x.expr) ?? [])),
    ...Rules.parse(yaml('deploy/prometheus/alerts.yml')).groups.flatMap((g) => g.rules.map((r) => r.expr)),
  ];
  t.true(expressions.length > 30);
  for (const expr of expressions) {
    for (const [, raw = ''] of expr.matchAll(/\b((?:thrum|process|nodejs)_\w+)/g)) {
      const name = known.has(raw) ? raw : raw.replace(/_(bucket|sum|count)$/, '');
      t.true(known.has(name), `${raw} in ${expr}`);
      const labels = known.get(name);
      const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/, */));
      for (const label of grouped)
        t.true(labels === undefined || ['le', 'instance', 'job', ...labels].includes(label), `${label} of ${name} in ${expr}`);
    }
  }
  t.true(compose.services['prometheus']?.command?.includes('--storage.tsdb.path=/prometheus'), 'the series lie in the volume');
  const Scrape = z.object({ scrape_configs: z.array(z.object({ static_configs: z.array(z.object({ targets: z.array(z.string()) })) })) });
  const targets = Scrape.parse(yaml('deploy/prometheus/prometheus.yml')).scrape_configs.flatMap((c) =>
    c.static_configs.flatMap((s) => s.targets),
  );
  t.deepEqual(targets, ['node1:3000', 'node2:3000']);
});

test('the command of the image and the settings of the compose file make two nodes that are healthy and stop in order', async (t) => {
  t.timeout(600_000);
  const postgres = await startPostgres({ fsync: 'off' });
  const redis = await startRedis();
  if (postgres === undefined || redis === undefined) {
    await postgres?.stop();
    t.log('skipped: PostgreSQL or redis-server is not installed');
    t.pass();
    return;
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'thrum-deploy-'));
  t.teardown(async () => {
    await redis.stop();
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  const [node = '', ...args] = exec('CMD');
  t.is(node, 'node');
  const nodes: ServerProcess[] = [];
  for (const name of ['node1', 'node2']) {
    const given = Object.entries(compose.services[name]?.environment ?? {}).map(([k, v]) => [k, v.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')]);
    const env = {
      ...(Object.fromEntries(given) as Record<string, string>),
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      DRAIN_PAUSE_MS: '0',
      DRAIN_MS: '50',
    };
    nodes.push(await startServer({ port: await freePort(), dataDir, env, script: args.at(-1) ?? '' }));
  }
  for (const n of nodes) {
    const [command = '', ...rest] = exec('HEALTHCHECK');
    await t.notThrowsAsync(promisify(execFile)(command, rest, { env: { PATH: dirname(process.execPath), PORT: String(n.port) } }));
  }
  const slots = async (): Promise<number[]> =>
    Promise.all(
      nodes.map(async (n) => {
        const metrics = await (await fetch(`${n.url}/metrics`)).text();
        return Number(/^thrum_kernel_slots_owned (\d+)/m.exec(metrics)?.[1] ?? 0);
      }),
    );
  const end = performance.now() + 120_000;
  let owned = await slots();
  while (owned.some((n) => n === 0) && performance.now() < end) owned = await slots();
  t.is(
    owned.reduce((a, b) => a + b, 0),
    1_024,
    String(owned),
  );
  for (const n of nodes) t.is(await n.end('SIGTERM'), 0, n.output());
});
