import test from 'ava';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { checkCatalogue, computed } from '../../server/live/computed.ts';
import { kinds } from '../../machines/kinds.ts';

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../../docs/reference/${name}`, import.meta.url), 'utf8'));

function* refsIn(value: unknown, path: readonly string[] = []): Generator<{ ref: string; path: readonly string[] }> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, below] of Object.entries(value)) {
    if (key === '$ref' && typeof below === 'string') yield { ref: below, path };
    else yield* refsIn(below, [...path, key]);
  }
}

const at = (root: unknown, pointer: string): unknown =>
  pointer
    .replace(/^#\//, '')
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((value: unknown, key) => (value as Record<string, unknown> | undefined)?.[key], root);

test('the AsyncAPI document names every message and every topic, and its references lead somewhere', (t) => {
  const api = read('asyncapi.json') as { asyncapi: string; channels: Record<string, { messages: object }>; operations: object };
  t.is(api.asyncapi, '3.0.0');
  for (const { ref, path } of refsIn(api)) if (ref.startsWith('#/channels')) t.truthy(at(api, ref), `${path.join('.')}: ${ref}`);
  const declared = kinds.flatMap((k) => (k.topics ?? []).map((topic) => `${topic.subject}:{id}/${topic.view}`));
  t.deepEqual(
    declared.filter((name) => api.channels[name] === undefined),
    [],
  );
  t.truthy(api.channels['system/status']);
  const events = [
    'sub',
    'unsub',
    'cmd',
    'seen',
    'auth',
    'pos',
    'vis',
    'ping1',
    'send.hello',
    'send.bye',
    'send.pub',
    'send.resync',
    'send.unsub',
  ];
  t.deepEqual(
    events.filter((event) => !(event in api.operations)),
    [],
  );
});

test('the schemas of topics hold no null and those of commands are those that people may send', (t) => {
  const { topics, commands } = read('topics.schema.json') as { topics: Record<string, { kind: string; schema: object }>; commands: object };
  for (const [name, { kind, schema }] of Object.entries(topics)) {
    if (kind === 'state') t.notRegex(JSON.stringify(schema), /"type":"null"/, name);
  }
  t.true('booking booking.cancel' in commands);
  t.false('booking claim.held' in commands);
});

test('a topic that is declared twice stops the start (R3)', (t) => {
  const again = computed('user:{id}/energy', z.object({}), {}, () => 0);
  t.throws(() => checkCatalogue(kinds, [again]), { message: 'declared twice: user:{id}/energy' });
  t.notThrows(() => checkCatalogue(kinds, []));
});
