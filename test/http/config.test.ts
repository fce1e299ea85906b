import test from 'ava';
import { ConfigError, readConfig, settings } from '../../server/config.ts';

test('an empty environment gives a complete configuration', (t) => {
  const config = readConfig({});
  t.is(config.port, 3000);
  t.is(config.dataDir, './data');
  t.is(config.publicUrl, 'http://localhost:3000');
  t.deepEqual(config.allowedOrigins, ['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000']);
  t.is(config.databaseUrl, undefined);
  t.true(Object.isFrozen(config));
});

test('all faults are reported together, by name and rule, and never by value', (t) => {
  const error = t.throws(
    () => readConfig({ PORT: 'secret-a', LOG_LEVEL: 'secret-b', DATABASE_URL: 'mysql://secret-c', REDIS_URL: 'secret-d' }),
    {
      instanceOf: ConfigError,
    },
  );
  t.deepEqual(
    error.faults.map((f) => f.split(':')[0]),
    ['PORT', 'DATABASE_URL', 'REDIS_URL', 'LOG_LEVEL'],
  );
  t.notRegex(error.message, /secret/);
});

test('an empty variable counts as absent', (t) => {
  t.is(readConfig({ DATABASE_URL: '', PORT: '' }).port, 3000);
});

test('origins are written with and without a last slash, and paths are refused', (t) => {
  const config = readConfig({ PUBLIC_URL: 'https://thrum.example/', ALLOWED_ORIGINS: 'https://a.example, https://b.example/' });
  t.is(config.publicUrl, 'https://thrum.example');
  t.deepEqual(config.allowedOrigins, ['https://a.example', 'https://b.example']);
  t.deepEqual(readConfig({ PUBLIC_URL: 'https://thrum.example' }).allowedOrigins, ['https://thrum.example']);
  t.throws(() => readConfig({ PUBLIC_URL: 'https://thrum.example/app' }), { instanceOf: ConfigError });
  t.throws(() => readConfig({ ALLOWED_ORIGINS: '*' }), { instanceOf: ConfigError });
});

test('every setting says in a sentence what it is', (t) => {
  for (const s of Object.values(settings)) t.regex(s.text, /^[A-Z].*\.$/, s.name);
});

test('rates of a socket are given by name, and the others keep their defaults', (t) => {
  const { rates } = readConfig({ RT_RATES: 'sub=100/200, malformed=0.5/3' });
  t.deepEqual(rates.sub, { perSecond: 100, burst: 200 });
  t.deepEqual(rates.malformed, { perSecond: 0.5, burst: 3 });
  t.deepEqual(rates.seen, readConfig({}).rates.seen);
  for (const wrong of ['sub=1', 'sub=0/1', 'sub=1/0', 'cmd=1/1', 'sub=1/1,']) {
    t.regex(t.throws(() => readConfig({ RT_RATES: wrong }), { instanceOf: ConfigError }).message, /RT_RATES/, wrong);
  }
});

test('files of certificates go with rediss:// alone, and a certificate with its key', (t) => {
  const env = { PUBLIC_URL: 'https://thrum.example', REDIS_CA: '/ca.pem' };
  const faults = (more: Record<string, string>): string =>
    t.throws(() => readConfig({ ...env, ...more }), { instanceOf: ConfigError }).message;
  t.regex(faults({ REDIS_URL: 'redis://r' }), /REDIS_CA, REDIS_CERT, REDIS_KEY: only beside/);
  t.regex(faults({ REDIS_URL: 'rediss://r', REDIS_CERT: '/c.pem' }), /REDIS_CERT, REDIS_KEY: neither or both/);
  t.is(readConfig({ ...env, REDIS_URL: 'rediss://r', REDIS_CERT: '/c.pem', REDIS_KEY: '/k.pem' }).redisCert, '/c.pem');
});
