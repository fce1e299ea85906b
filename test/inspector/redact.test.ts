/** Personal fields of the product's kinds, as people without `inspect:pii` see them (kernel specification 13). */
import test from 'ava';
import * as fc from 'fast-check';
import type { z } from 'zod';
import { apply, diff } from '../../actors/patch.ts';
import type { Maps } from '../../actors/patch.ts';
import type { ActorState, Json } from '../../actors/types.ts';
import { kinds } from '../../machines/kinds.ts';
import { masked } from '../../server/inspector/mask.ts';
import { createRedactor, unmasked } from '../../server/inspector/redact.ts';
import { openOf, SECRET, valuesOf } from '../support/marked.ts';

const redactor = createRedactor(kinds);
const json = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;
const stateWith = (context: unknown): ActorState => ({
  value: 'a',
  status: 'active',
  context: json(context) as ActorState['context'],
  timers: {},
  calls: {},
  logs: {},
});

/** `show` hides every marked value and shows every other one. */
const hides = (schema: z.ZodType, show: (value: Json) => unknown): void => {
  fc.assert(
    fc.property(valuesOf(schema), (value) => {
      const shown = JSON.stringify(show(json(value)));
      return !SECRET.test(shown) && openOf(value).every((word) => shown.includes(word));
    }),
    { numRuns: 60 },
  );
};

const marks = (schema: z.ZodType): boolean =>
  fc.sample(valuesOf(schema), { numRuns: 200, seed: 1 }).some((v) => SECRET.test(JSON.stringify(v) ?? ''));

for (const def of kinds) {
  const { kind, context, commands, effects = {}, topics = [] } = def;

  test(`${kind}: no marked value of a context is shown, and every other one is`, (t) => {
    hides(context, (v) => redactor.state(kind, stateWith(v)).context);
    t.pass();
  });

  test(`${kind}: no marked value of a change is shown, whichever keys it names`, (t) => {
    const maps = (def.maps ?? {}) as Maps;
    fc.assert(
      fc.property(valuesOf(context), valuesOf(context), (a, b) => {
        const [old, next] = [stateWith(a), stateWith(b)];
        const patch = diff(old, next, maps);
        const shown = redactor.patch(kind, patch);
        const whole = redactor.state(kind, apply(old, patch));
        return (
          !SECRET.test(JSON.stringify(shown)) &&
          !SECRET.test(JSON.stringify(apply(redactor.state(kind, old), shown))) &&
          whole !== undefined
        );
      }),
      { numRuns: 60 },
    );
    t.pass();
  });

  test(`${kind}: no marked value of a command, a reply, an effect or an item is shown`, (t) => {
    for (const [type, { input, reply }] of Object.entries(commands)) {
      hides(input, (v) => redactor.event(kind, type, v));
      hides(reply, (v) => redactor.reply(kind, type, v));
      hides(input, (v) => redactor.letter(kind, { event: { type, payload: v }, error: { message: '‡', stack: '‡', code: 'X' } }));
    }
    for (const [src, { input }] of Object.entries(effects)) hides(input, (v) => redactor.effect(kind, src, v));
    for (const topic of topics) if (topic.kind !== 'state') hides(topic.item, (v) => redactor.item(kind, topic.view, v));
    t.pass();
  });
}

test('the kinds that hold people and their bodies mark fields of their contexts, a resource none', (t) => {
  const marked = kinds.filter((def) => marks(def.context)).map((def) => def.kind);
  t.deepEqual([...marked].sort(), ['anomaly', 'booking', 'device', 'user']);
});

test('what no schema knows is masked: fields of an older version, jobs, unknown events, columns, errors', (t) => {
  t.deepEqual(redactor.context('user', { id: 'u1', nickname: 'Ada' }), { id: 'u1', nickname: '‹pii: string, 3›' });
  t.deepEqual(redactor.event('user', 'user.former', { name: 'Ada', age: 36, list: [1] }), {
    name: '‹pii: string, 3›',
    age: '‹pii: number›',
    list: ['‹pii: number›'],
  });
  t.deepEqual(redactor.event('user', 'xstate.error.actor.scores', { error: { code: 'X', message: 'Ada' }, actorId: 'scores' }), {
    error: { code: 'X', message: '‹pii: string, 3›' },
    actorId: 'scores',
  });
  t.deepEqual(redactor.row('user', { into: 'jobs', op: 'insert', row: { queue: 'q', payload: { name: 'Ada' } } }).row, {
    queue: 'q',
    payload: { name: '‹pii: string, 3›' },
  });
  t.deepEqual(redactor.row('device', { into: 'devices', op: 'put', row: { id: 'd1', label: 'Ada’s ring', other: 1 } }).row, {
    id: 'd1',
    label: '‹pii: string, 10›',
    other: '‹pii: number›',
  });
  t.deepEqual(redactor.refusal({ code: 'SLOT_UNAVAILABLE', detail: 'Ada has it', details: { by: 'Ada' } }), {
    code: 'SLOT_UNAVAILABLE',
    detail: '‹pii: string, 10›',
    details: { by: '‹pii: string, 3›' },
  });
  const kernels = { code: 'NOT_ALLOWED', details: { state: 'held', can: [] } };
  t.deepEqual(redactor.refusal(kernels), kernels);
  t.is(masked(undefined, null), null);
});

test('who may see everything sees it as it is', (t) => {
  const context = { displayName: 'Ada' };
  t.is(unmasked.context('user', context), context);
});
