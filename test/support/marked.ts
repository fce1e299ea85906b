/** Values of a schema in which everything that it marks as personal can be found again in a text, and so can everything else. */
import * as fc from 'fast-check';
import { z } from 'zod';

/** in every marked text, and in no other */
export const SECRET = /‡|777\d{9}/;

const wordOf = (marked: boolean) => fc.nat({ max: 999_999 }).map((n) => `${marked ? '‡' : 'open-'}${n}`);
const numberOf = (marked: boolean) => fc.nat({ max: 999_999 }).map((n) => (marked ? 777_000_000_000 + n : n));

/** Whole objects below a mark are made of marked values. */
export function valuesOf(schema: z.ZodType, above = false): fc.Arbitrary<unknown> {
  const marked = above || schema.meta()?.['pii'] === true;
  const below = (inner: unknown) => valuesOf(inner as z.ZodType, marked);
  if (schema instanceof z.ZodOptional) return fc.option(below(schema.def.innerType), { nil: undefined });
  if (schema instanceof z.ZodNullable) return fc.option(below(schema.def.innerType), { nil: null });
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodReadonly) return below(schema.def.innerType);
  if (schema instanceof z.ZodPipe) return below(schema.def.in);
  if (schema instanceof z.ZodLazy) return below(schema.def.getter());
  if (schema instanceof z.ZodUnion) return fc.oneof(...schema.options.map(below));
  if (schema instanceof z.ZodArray) return fc.array(below(schema.element), { maxLength: 3 });
  if (schema instanceof z.ZodTuple) return fc.tuple(...schema.def.items.map(below));
  if (schema instanceof z.ZodRecord) return fc.dictionary(wordOf(marked), below(schema.def.valueType), { maxKeys: 3 });
  if (schema instanceof z.ZodObject) {
    return fc.record(Object.fromEntries(Object.entries(schema.shape).map(([key, field]) => [key, below(field)])));
  }
  if (schema instanceof z.ZodNumber) return numberOf(marked);
  if (schema instanceof z.ZodBoolean) return fc.boolean();
  if (schema instanceof z.ZodNull) return fc.constant(null);
  if (schema instanceof z.ZodLiteral && !marked) return fc.constantFrom(...schema.values);
  return wordOf(marked);
}

/** Every word and number of a value that is not marked. */
export function openOf(value: unknown): string[] {
  const text = JSON.stringify(value) ?? '';
  return [...text.matchAll(/open-\d+/g)].map(([word]) => word);
}
