/**
 * Values as people without `inspect:pii` see them: what a schema marks with `.meta({ pii: true })` stands as `‹pii: string, 12›`. What no schema
 * knows is masked too, so that a field is shown because somebody has said what it is.
 */
import { z } from 'zod';

const MARK = '‹pii: ';

/** What a masked value was, without what it said; null stays null. */
export function maskOf(value: unknown): unknown {
  if (value === null || value === undefined) return value;
  if (typeof value === 'string') return value.startsWith(MARK) ? value : `${MARK}string, ${value.length}›`;
  if (Array.isArray(value)) return `${MARK}array, ${value.length}›`;
  if (typeof value === 'object') return `${MARK}object, ${Object.keys(value).length}›`;
  return `${MARK}${typeof value}›`;
}

/** What may stand at one place: every form that the schemas allow there, and whether any of them marks it. */
interface Place {
  readonly pii: boolean;
  readonly forms: readonly z.ZodType[];
}

const isMarked = (schema: z.ZodType): boolean => schema.meta()?.['pii'] === true;

const innerOf = (schema: z.ZodType): readonly z.ZodType[] | undefined => {
  if (schema instanceof z.ZodUnion) return schema.options as z.ZodType[];
  if (schema instanceof z.ZodPipe) return [schema.def.in, schema.def.out] as z.ZodType[];
  if (schema instanceof z.ZodIntersection) return [schema.def.left, schema.def.right] as z.ZodType[];
  if (schema instanceof z.ZodLazy) return [schema.def.getter() as z.ZodType];
  const { innerType } = schema.def as { innerType?: z.ZodType };
  return innerType === undefined ? undefined : [innerType];
};

function placeOf(schemas: readonly z.ZodType[]): Place {
  const forms: z.ZodType[] = [];
  let pii = false;
  const waiting = [...schemas];
  for (let schema = waiting.pop(); schema !== undefined; schema = waiting.pop()) {
    if (isMarked(schema)) pii = true;
    const inner = innerOf(schema);
    if (inner === undefined) forms.push(schema);
    else waiting.push(...inner);
  }
  return { pii, forms };
}

const places = new WeakMap<z.ZodType, Place>();

function placeOfOne(schema: z.ZodType): Place {
  let place = places.get(schema);
  if (place === undefined) places.set(schema, (place = placeOf([schema])));
  return place;
}

const join = (schemas: readonly z.ZodType[]): Place => {
  const [only] = schemas;
  return schemas.length === 1 && only !== undefined ? placeOfOne(only) : placeOf(schemas);
};

/** Schemas of the entry `key` of an object, or of the item of an array. */
function below(forms: readonly z.ZodType[], key: string | number): z.ZodType[] {
  return forms.flatMap((form): z.ZodType[] => {
    if (form instanceof z.ZodObject) return Object.hasOwn(form.shape, key) ? [form.shape[key] as z.ZodType] : [];
    if (form instanceof z.ZodRecord) return [form.def.valueType as z.ZodType];
    if (form instanceof z.ZodArray) return [form.element as z.ZodType];
    if (form instanceof z.ZodTuple && typeof key === 'number') {
      const item = (form.def.items[key] ?? form.def.rest) as z.ZodType | null | undefined;
      return item === null || item === undefined ? [] : [item];
    }
    return [];
  });
}

const hasParts = (form: z.ZodType): boolean =>
  form instanceof z.ZodObject || form instanceof z.ZodRecord || form instanceof z.ZodArray || form instanceof z.ZodTuple;
const isOpaque = (form: z.ZodType): boolean => form instanceof z.ZodUnknown || form instanceof z.ZodAny || form instanceof z.ZodCustom;
/** Forms that say what a value without parts is. */
const isPlain = (form: z.ZodType): boolean => !hasParts(form) && !isOpaque(form);

const marksKeys = (forms: readonly z.ZodType[]): boolean =>
  forms.some((form) => form instanceof z.ZodRecord && placeOfOne(form.def.keyType as z.ZodType).pii);

function at({ pii, forms }: Place, value: unknown): unknown {
  if (pii || value === null || value === undefined) return maskOf(value);
  if (Array.isArray(value)) return value.map((item: unknown, i) => at(join(below(forms, i)), item));
  if (typeof value !== 'object') return forms.some(isPlain) ? value : maskOf(value);
  const hidden = marksKeys(forms);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner], i) => [hidden ? `${MARK}key ${i + 1}›` : key, at(join(below(forms, key)), inner)]),
  );
}

/** The value with everything masked that the schema marks or does not know. @param schema absent: nothing is known */
export const masked = (schema: z.ZodType | undefined, value: unknown): unknown =>
  at(schema === undefined ? { pii: false, forms: [] } : placeOfOne(schema), value);

/** The value found at a path of keys below what the schema describes, and the path itself. */
export function maskedAt(schema: z.ZodType | undefined, path: readonly string[], value: unknown): { path: string[]; value: unknown } {
  let place: Place = schema === undefined ? { pii: false, forms: [] } : placeOfOne(schema);
  const shown: string[] = [];
  for (const key of path) {
    shown.push(place.pii || marksKeys(place.forms) ? String(maskOf(key)) : key);
    const next = join(below(place.forms, key));
    place = place.pii ? { ...next, pii: true } : next;
  }
  return { path: shown, value: at(place, value) };
}
