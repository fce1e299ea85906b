import anyTest from 'ava';
import type { TestFn } from 'ava';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import Koa from 'koa';
import { inject } from 'light-my-request';
import { staticPages } from '../../server/http/static.ts';
import { createHealth } from '../../server/observe/health.ts';
import { FakeClock } from '../support/clock.ts';
import { until } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';

const test = anyTest as TestFn<{ w: World }>;

test.before(async (t) => {
  t.context = { w: await makeWorld() };
});
test.after.always((t) => t.context.w.close());

test('the probes answer, and readiness tells what survives', async (t) => {
  const { w } = t.context;
  t.like((await w.inject({ url: '/healthz' })).json(), { status: 'ok' });
  // a check that takes more than half a second says no, and the machine may be busy
  let answer = await w.inject({ url: '/readyz' });
  await until(
    async () => answer.statusCode === 200 || (answer = await w.inject({ url: '/readyz' })).statusCode === 200,
    'the server is ready',
  );
  const ready = answer.json<{ durability: string; durabilityText: string; checks: Record<string, object> }>();
  t.is(ready.durability, 'process');
  t.deepEqual((ready as { relaxed?: string[] }).relaxed, []);
  t.regex(ready.durabilityText, /not a loss of power/);
  t.like(ready.checks, { database: { status: 'up' }, migrations: { status: 'up' }, kernel: { status: 'up' } });
});

test('a check that fails or takes more than half a second makes the server not ready', async (t) => {
  const clock = new FakeClock();
  const health = createHealth({ clock, durability: 'none', relaxed: ['gauge'], version: '1' });
  let answer: Promise<void> = Promise.resolve();
  health.add('thing', () => answer);
  t.like(await health.ready(), { status: 'ready', relaxed: ['gauge'] });
  answer = Promise.reject(new Error('away'));
  t.is((await health.ready()).status, 'ready', 'the result is kept for a second');
  await clock.advance(1_000);
  t.like(await t.throwsAsync(health.ready()), { code: 'NOT_READY' });
  answer = new Promise(() => undefined);
  await clock.advance(1_000);
  const slow = health.ready();
  const refused = t.throwsAsync(slow);
  await clock.advance(500);
  t.like(await refused, { code: 'NOT_READY', detail: 'down: thing' });
  answer = Promise.resolve();
  await clock.advance(1_000);
  health.drain();
  t.like(await t.throwsAsync(health.ready()), { code: 'DRAINING' });
});

test('the OpenAPI document names every route with its body, replies and problems', async (t) => {
  const { w } = t.context;
  const api = (await w.inject({ url: '/v1/openapi.json' })).json<{
    openapi: string;
    paths: Record<
      string,
      Record<
        string,
        { operationId: string; responses: Record<string, unknown>; requestBody?: unknown; parameters: { in: string; name: string }[] }
      >
    >;
  }>();
  t.is(api.openapi, '3.1.0');
  for (const r of w.app.routes) {
    const path = r.path.replace(/[:*](\w+)/g, '{$1}');
    const operation = api.paths[path]?.[r.method.toLowerCase()];
    t.truthy(operation, `${r.method} ${r.path}`);
    const named = operation?.parameters.filter((p) => p.in === 'path').map((p) => p.name);
    t.deepEqual(
      named,
      [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1]),
      path,
    );
    t.true(
      Object.keys(operation?.responses ?? {}).some((s) => /^[23]/.test(s)),
      path,
    );
    t.is(operation?.requestBody !== undefined, r.body !== undefined || r.rawBody === true, path);
  }
  const ids = Object.values(api.paths).flatMap((methods) => Object.values(methods).map((o) => o.operationId));
  t.is(new Set(ids).size, ids.length);
});

test('the documentation is a page without scripts', async (t) => {
  const { w } = t.context;
  const page = await w.inject({ url: '/docs/api' });
  t.is(page.headers['content-type'], 'text/html; charset=utf-8');
  t.regex(String(page.headers['content-security-policy']), /script-src 'self'/);
  t.deepEqual(/<script| style=| on\w+=/.exec(page.body)?.[0], undefined);
  for (const r of w.app.routes) t.true(page.body.includes(`${r.path.replace(/[:*](\w+)/g, '{$1}')}</code>`), r.path);
  t.is((await w.inject({ url: '/docs/api.css' })).statusCode, 200);
});

test('files of the build are served with caching and compression, and no path leaves the build', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'thrum-web-'));
  t.teardown(() => rm(root, { recursive: true }));
  await mkdir(join(root, 'assets'));
  const script = `console.log(1);${' '.repeat(2_000)}`;
  await writeFile(join(root, 'index.html'), '<title>dashboard</title>');
  await writeFile(join(root, 'inspect.html'), '<title>inspector</title>');
  await writeFile(join(root, 'assets', 'app-abc123.js'), script);
  await writeFile(join(root, 'secret.key'), 'secret');
  const pages = await staticPages(root);
  const app = new Koa();
  app.use(async (ctx) => {
    if (!(await pages(ctx))) ctx.status = 404;
  });
  const get = (url: string, headers: Record<string, string> = {}) => inject((req, res) => void app.callback()(req, res), { url, headers });

  t.regex((await get('/')).body, /dashboard/);
  t.regex((await get('/inspect')).body, /inspector/);
  t.regex((await get('/inspect/counter/a')).body, /inspector/);
  t.is((await get('/')).headers['cache-control'], 'no-cache');
  const asset = await get('/assets/app-abc123.js', { 'accept-encoding': 'br' });
  t.is(asset.headers['cache-control'], 'public, max-age=31536000, immutable');
  t.is(brotliDecompressSync(asset.rawPayload).toString(), script);
  t.is((await get('/assets/app-abc123.js', { 'if-none-match': String(asset.headers['etag']) })).statusCode, 304);
  for (const path of ['/secret.key', '/../package.json', '/assets/..%2f..%2fpackage.json', '/assets/none.js', '/none']) {
    t.is((await get(path)).statusCode, 404, path);
  }
  t.false(await (await staticPages(join(root, 'none')))({ path: '/' } as Koa.Context));
});
