import test from 'ava';
import { z } from 'zod';
import { readConfig } from '../../server/config.ts';
import { jsonFault, parseJson } from '../../server/http/body.ts';
import { check, idempotencyKey, ifMatch, queryObject, rename } from '../../server/http/input.ts';
import { Problem } from '../../server/problems.ts';

const code = (fn: () => unknown): string | undefined => {
  try {
    fn();
  } catch (error) {
    return error instanceof Problem ? error.code : String(error);
  }
  return undefined;
};

const LIMITS = readConfig({});

test('repeated query keys and keys with brackets become arrays', (t) => {
  t.deepEqual(queryObject('a=1&b=2&b=3&c[]=4'), { a: '1', b: ['2', '3'], c: ['4'] });
  t.deepEqual(queryObject('__proto__=1&a=%zz'), { ['__proto__']: '1', a: '%zz' } as object);
});

test('an alias stands for its field, and may not contradict it', (t) => {
  const names = { resource_id: 'resourceId' };
  t.deepEqual(rename({ resource_id: 'a', x: 1 }, names), { resourceId: 'a', x: 1 });
  t.deepEqual(rename({ resource_id: 'a', resourceId: 'a' }, names), { resourceId: 'a' });
  t.is(
    code(() => rename({ resource_id: 'a', resourceId: 'b' }, names)),
    'VALIDATION',
  );
});

test('issues name the path of each field, unknown ones too', (t) => {
  const error = t.throws(() => check(z.strictObject({ a: z.strictObject({ b: z.int() }) }), { a: { b: 'x' }, c: 1, d: 2 }, 'query'), {
    instanceOf: Problem,
  });
  const { issues } = error.details as { issues: { path: string }[] };
  t.deepEqual(issues.map((i) => i.path).sort(), ['query.a.b', 'query.c', 'query.d']);
});

test('a field that is not there is missing, whatever type it should have had', (t) => {
  const schema = z.object({ n: z.coerce.number(), from: z.string(), list: z.array(z.object({ id: z.string() })) });
  const issues = (input: unknown): unknown => {
    const error = t.throws(() => check(schema, input, 'query'), { instanceOf: Problem });
    return (error.details as { issues: { path: string; message: string }[] }).issues.map((i) => `${i.path} ${i.message}`);
  };
  t.deepEqual(issues({ list: [{}] }), ['query.n is missing', 'query.from is missing', 'query.list.0.id is missing']);
  t.deepEqual(issues({ n: 'x', from: null, list: [] }), [
    'query.n Invalid input: expected number, received NaN',
    'query.from Invalid input: expected string, received null',
  ]);
});

test('a body must be JSON in UTF-8 and of a sane shape', (t) => {
  t.deepEqual(parseJson(Buffer.from('{"a":1}'), 'application/json; charset=UTF-8', LIMITS), { a: 1 });
  t.deepEqual(parseJson(Buffer.alloc(0), undefined, LIMITS), {});
  t.is(
    code(() => parseJson(Buffer.from('{"a":'), 'application/json', LIMITS)),
    'VALIDATION',
  );
  t.is(
    code(() => parseJson(Buffer.from([0x22, 0xff, 0x22]), 'application/json', LIMITS)),
    'VALIDATION',
  );
  t.is(
    code(() => parseJson(Buffer.from('{"__proto__":{"a":1}}'), 'application/json', LIMITS)),
    'VALIDATION',
  );
  t.is(
    code(() => parseJson(Buffer.from('{}'), 'text/plain', LIMITS)),
    'UNSUPPORTED_MEDIA_TYPE',
  );
  t.is(
    code(() => parseJson(Buffer.from('{}'), 'application/json; charset=latin1', LIMITS)),
    'UNSUPPORTED_MEDIA_TYPE',
  );
});

test('JSON may be 16 levels deep and have 1,000 keys in one object (R9)', (t) => {
  const deep = (n: number): unknown => (n === 0 ? 1 : { a: deep(n - 1) });
  t.is(jsonFault(deep(16), LIMITS), undefined);
  t.regex(jsonFault(deep(17), LIMITS) ?? '', /deeper/);
  const wide = (n: number): object => Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, i]));
  t.is(jsonFault(wide(1_000), LIMITS), undefined);
  t.regex(jsonFault({ a: [wide(1_001)] }, LIMITS) ?? '', /keys/);
  t.regex(jsonFault(deep(5), { ...LIMITS, jsonDepth: 4 }) ?? '', /deeper than 4/);
  t.regex(jsonFault(wide(3), { ...LIMITS, jsonKeys: 2 }) ?? '', /more than 2 keys/);
});

test('If-Match takes a version in quotes, and an idempotency key visible ASCII', (t) => {
  t.is(ifMatch('"12"'), 12);
  t.is(ifMatch('*'), undefined);
  t.is(
    code(() => ifMatch('12')),
    'VALIDATION',
  );
  t.is(idempotencyKey('a-b'), 'a-b');
  t.is(
    code(() => idempotencyKey('')),
    'INVALID_IDEMPOTENCY_KEY',
  );
  t.is(
    code(() => idempotencyKey('a b')),
    'INVALID_IDEMPOTENCY_KEY',
  );
  t.is(
    code(() => idempotencyKey('x'.repeat(256))),
    'INVALID_IDEMPOTENCY_KEY',
  );
});
