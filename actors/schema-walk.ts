import { z } from 'zod';
import { sameJson } from './patch.ts';

/** The schema below optional, default, readonly and similar wrappers. */
function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema;
  for (;;) {
    if (
      inner instanceof z.ZodOptional ||
      inner instanceof z.ZodDefault ||
      inner instanceof z.ZodReadonly ||
      inner instanceof z.ZodNonOptional
    ) {
      inner = inner.def.innerType as z.ZodType;
    } else if (inner instanceof z.ZodLazy) inner = inner.def.getter() as z.ZodType;
    else return inner;
  }
}

/** Whether a value of the schema may hold `null` anywhere. */
export function hasNull(schema: z.ZodType, seen = new Set<z.ZodType>()): boolean {
  const inner = unwrap(schema);
  if (seen.has(inner)) return false;
  seen.add(inner);
  if (inner instanceof z.ZodNull || inner instanceof z.ZodNullable) return true;
  if (inner instanceof z.ZodObject) return Object.values(inner.shape).some((s) => hasNull(s as z.ZodType, seen));
  if (inner instanceof z.ZodRecord) return hasNull(inner.def.valueType as z.ZodType, seen);
  if (inner instanceof z.ZodArray) return hasNull(inner.def.element as z.ZodType, seen);
  if (inner instanceof z.ZodUnion) return inner.def.options.some((s) => hasNull(s as z.ZodType, seen));
  return false;
}

/** How many levels of dictionaries stand under `key` of an object schema: 0, 1 or 2. */
export function recordDepth(schema: z.ZodType, key: string): number {
  const object = unwrap(schema);
  if (!(object instanceof z.ZodObject)) return 0;
  const field = object.shape[key] as z.ZodType | undefined;
  if (field === undefined) return 0;
  let depth = 0;
  let inner = unwrap(field);
  while (inner instanceof z.ZodRecord && depth < 2) {
    depth += 1;
    inner = unwrap(inner.def.valueType as z.ZodType);
  }
  return depth;
}

/** Why a value is not exactly JSON of the schema; `undefined` when it is. */
export function parsesUnchanged(schema: z.ZodType, value: unknown): string | undefined {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return z.prettifyError(parsed.error);
  if (!sameJson(JSON.parse(JSON.stringify(value)), dropUndefined(value))) return 'holds values that JSON cannot carry';
  return undefined;
}

function dropUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropUndefined);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([k, v]) => (v === undefined ? [] : [[k, dropUndefined(v)]])));
}
