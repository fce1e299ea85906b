import test from 'ava';
import { createServer } from 'node:http';
import { bannerText } from '../../server/banner.ts';
import { listen } from '../../server/http/server.ts';

test('the banner shows where people reach the server, and where this process answers probes', (t) => {
  const text = bannerText({
    version: '1.0.0',
    url: 'https://thrum.example',
    local: 'http://localhost:3000',
    database: 'PostgreSQL 15',
    durability: 'power',
    relaxed: [],
    cluster: undefined,
    logins: [],
    startedMs: 1_000,
  });
  t.regex(text, /dashboard +https:\/\/thrum\.example\/\n/);
  t.regex(text, /inspector +https:\/\/thrum\.example\/inspect\n/);
  t.regex(text, /health +http:\/\/localhost:3000\/readyz +http:\/\/localhost:3000\/metrics\n/);
});

for (const [host, name] of [
  [undefined, 'localhost'],
  ['127.0.0.1', 'localhost'],
  // of Linux only: elsewhere the machine has one loopback address
  ...(process.platform === 'linux' ? [['127.0.0.2', '127.0.0.2'] as const] : []),
] as const) {
  test(`a server with HOST ${host ?? 'absent'} is reached at ${name}`, async (t) => {
    const http = createServer((_, res) => res.end('here'));
    const url = await listen(http, { port: 0, host });
    t.teardown(() => http.close());
    t.is(new URL(url).hostname, name);
    t.is(await (await fetch(url)).text(), 'here');
  });
}
