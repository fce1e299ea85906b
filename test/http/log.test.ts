import test from 'ava';
import { createLog } from '../../server/observe/log.ts';

test('secrets are redacted by name at any depth, and the objects that were logged stay as they are', (t) => {
  const lines: string[] = [];
  const log = createLog('info', { to: { write: (line: string) => void lines.push(line) } });
  const fields = { userId: 'u1', req: { headers: { cookie: 'a=b', accept: 'x' } }, list: [{ token: 'abc' }], email: 'a@b.c', n: null };
  log.info(fields, 'told');
  t.like(JSON.parse(lines[0]!), {
    level: 'info',
    msg: 'told',
    userId: 'u1',
    req: { headers: { cookie: '[redacted]', accept: 'x' } },
    list: [{ token: '[redacted]' }],
    email: '[redacted]',
    n: null,
  });
  t.is(fields.req.headers.cookie, 'a=b');
  log.error({ err: new TypeError('broken') }, 'failed');
  t.like((JSON.parse(lines[1]!) as { err: object }).err, { type: 'TypeError', message: 'broken' });
  log.debug({}, 'not told');
  t.is(lines.length, 2);
});

test('the lines of a node among several say which one it is, the others say nothing of it', (t) => {
  const lines: string[] = [];
  const to = { write: (line: string) => void lines.push(line) };
  createLog('info', { to, node: 'f777' }).info({}, 'told');
  createLog('info', { to }).info({}, 'told');
  t.deepEqual(
    lines.map((line) => (JSON.parse(line) as { node?: string }).node),
    ['f777', undefined],
  );
});
