/** Representative values of a schema: the plainest one first, then one for each thing that may be otherwise. */
import { z } from 'zod';

const UUID = '00000000-0000-4000-8000-000000000001';
/** Texts that formats and patterns choose from. */
const TEXTS = [
  'x',
  UUID,
  '2027-03-10T10:00:00.000Z',
  '2027-03-10',
  '2027-03-10T10:00',
  '09:00',
  'Europe/Berlin',
  'AAAAAAAAAAAAAAAAAAAAAA',
  'user:u1',
  'room-1',
];
const NUMBERS = [1, 0, 2, 60, 1_000, 60_000, 1_803_888_000_000, 0.5, -1];
/** values of one schema */
const MOST = 8;
/** other values of one field */
const OTHERS = 2;

const fits = (schema: z.ZodType, values: readonly unknown[]): unknown[] => values.filter((v) => schema.safeParse(v).success);

function numbersOf(schema: z.ZodNumber): unknown[] {
  const { minValue, maxValue } = schema;
  const edges = [minValue, maxValue].filter((n) => n !== null && Number.isFinite(n) && Math.abs(n) < Number.MAX_SAFE_INTEGER);
  const some = fits(schema, NUMBERS);
  return [...new Set([...some.slice(0, 2), ...fits(schema, edges)])];
}

/** Every combination of the first `n` keys left out or given, the fewest first. */
function* givens(keys: readonly string[], n: number): Generator<string[]> {
  yield [];
  for (const [i, key] of keys.entries()) if (n > 0) for (const more of givens(keys.slice(i + 1), n - 1)) yield [key, ...more];
}

function objectsOf(schema: z.ZodObject): unknown[] {
  const fields = Object.entries<z.ZodType>(schema.shape).map(([key, field]) => ({
    key,
    optional: field.safeParse(undefined).success,
    values: representatives(field).filter((v) => v !== undefined),
  }));
  const required = Object.fromEntries(fields.filter((f) => !f.optional).map((f) => [f.key, f.values[0]]));
  const optional = fields.filter((f) => f.optional && f.values.length > 0);
  const valueOf = (key: string): unknown => optional.find((f) => f.key === key)?.values[0];
  const bases = [...givens(optional.map((f) => f.key).slice(0, 8), 2)].sort((a, b) => a.length - b.length);
  const plain = bases
    .map((keys) => ({ ...required, ...Object.fromEntries(keys.map((key) => [key, valueOf(key)])) }))
    .find((value) => schema.safeParse(value).success);
  if (plain === undefined) return [];
  const others = fields.flatMap(({ key, values }) =>
    values
      .filter((v) => v !== plain[key])
      .slice(0, OTHERS)
      .map((v) => ({ ...plain, [key]: v })),
  );
  return [plain, ...others];
}

function candidates(schema: z.ZodType): readonly unknown[] {
  if (schema instanceof z.ZodOptional) return [...representatives(schema.def.innerType as z.ZodType), undefined];
  if (schema instanceof z.ZodNullable) return [...representatives(schema.def.innerType as z.ZodType), null];
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodReadonly) return representatives(schema.def.innerType as z.ZodType);
  if (schema instanceof z.ZodPipe) return representatives(schema.def.in as z.ZodType);
  if (schema instanceof z.ZodLazy) return representatives(schema.def.getter() as z.ZodType);
  if (schema instanceof z.ZodUnion) {
    const each = schema.options.map((o) => representatives(o as z.ZodType));
    return [...each.map(([first]) => first), ...each.flatMap(([, ...others]) => others)];
  }
  if (schema instanceof z.ZodEnum) return schema.options;
  if (schema instanceof z.ZodLiteral) return [...schema.values];
  if (schema instanceof z.ZodBoolean) return [true, false];
  if (schema instanceof z.ZodNull) return [null];
  if (schema instanceof z.ZodNumber) return numbersOf(schema);
  if (schema instanceof z.ZodArray) {
    const one = representatives(schema.element as z.ZodType)[0];
    return [[one], [], Array.from({ length: 7 }, () => one)];
  }
  if (schema instanceof z.ZodRecord) return [{}, { x: representatives(schema.valueType as z.ZodType)[0] }];
  if (schema instanceof z.ZodTuple) return [schema.def.items.map((item) => representatives(item as z.ZodType)[0])];
  if (schema instanceof z.ZodObject) return objectsOf(schema);
  return TEXTS;
}

const made = new WeakMap<z.ZodType, readonly unknown[]>();

/** At most eight values that the schema takes, distinct as JSON; empty when the schema cannot say one by itself. */
export function representatives(schema: z.ZodType): readonly unknown[] {
  const known = made.get(schema);
  if (known !== undefined) return known;
  const seen = new Map<string, unknown>();
  for (const value of fits(schema, candidates(schema))) {
    const text = JSON.stringify(value) ?? '';
    if (!seen.has(text)) seen.set(text, value);
  }
  const found = [...seen.values()].slice(0, schema instanceof z.ZodString ? 2 : MOST);
  made.set(schema, found);
  return found;
}
