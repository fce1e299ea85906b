import test from 'ava';
import { z } from 'zod';
import { schemaOf } from '../../scripts/contract.ts';
import { typeText } from '../../scripts/schema-text.ts';

const text = (schema: z.ZodType): string => typeText(schemaOf(schema, 'output'));

test('schemas are printed as the types that they describe', (t) => {
  t.is(text(z.strictObject({ a: z.string(), b: z.int().optional() })), '{ a: string; b?: number }');
  t.is(text(z.record(z.string(), z.strictObject({ start: z.number() }))), '{ [key: string]: { start: number } }');
  t.is(text(z.array(z.union([z.string(), z.number()]))), '(string | number)[]');
  t.is(text(z.array(z.strictObject({ a: z.enum(['x', 'y']) }))), "{ a: 'x' | 'y' }[]");
  t.is(text(z.tuple([z.string(), z.number()])), '[string, number]');
  t.is(text(z.nullable(z.iso.datetime())), 'string | null');
  t.is(text(z.literal("it's")), `'it\\'s'`);
  t.is(text(z.unknown()), 'unknown');
  t.is(
    text(z.discriminatedUnion('type', [z.strictObject({ type: z.literal('a') }), z.strictObject({ type: z.literal('b') })])),
    "{ type: 'a' } | { type: 'b' }",
  );
});

test('described fields stand on lines of their own', (t) => {
  t.is(text(z.strictObject({ at: z.int().describe('epoch ms') })), '{\n  /** epoch ms */\n  at: number;\n}');
});
