/** Prints a JSON Schema (as zod writes it) as the text of a TypeScript type. */

export interface JsonSchema {
  readonly $ref?: string;
  readonly $defs?: { readonly [name: string]: JsonSchema };
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly items?: JsonSchema | boolean;
  readonly prefixItems?: readonly JsonSchema[];
  readonly properties?: { readonly [name: string]: JsonSchema };
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly patternProperties?: { readonly [pattern: string]: JsonSchema };
  readonly description?: string;
}

const WIDTH = 120;

/**
 * @param schema  the schema to print
 * @param indent  spaces before the line on which the type starts
 */
export function typeText(schema: JsonSchema, indent = 0): string {
  return print(schema, indent, schema.$defs ?? {}, []);
}

type Defs = { readonly [name: string]: JsonSchema };

function print(s: JsonSchema, indent: number, defs: Defs, open: readonly string[]): string {
  if (s.$ref !== undefined) {
    const name = s.$ref.slice(s.$ref.lastIndexOf('/') + 1);
    const target = defs[name];
    return target === undefined || open.includes(name) ? 'unknown' : print(target, indent, defs, [...open, name]);
  }
  if ('const' in s) return literal(s.const);
  if (s.enum !== undefined) return union(s.enum.map((v) => literal(v)));
  const alternatives = s.anyOf ?? s.oneOf;
  if (alternatives !== undefined) return union(alternatives.map((a) => print(a, indent, defs, open)));
  if (s.allOf !== undefined) return s.allOf.map((a) => group(print(a, indent, defs, open))).join(' & ');
  if (Array.isArray(s.type)) return union(s.type.map((type: string) => print({ ...s, type }, indent, defs, open)));
  switch (s.type) {
    case 'string':
      return 'string';
    case 'number':
    case 'integer':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'null':
      return 'null';
    case 'array':
      return array(s, indent, defs, open);
    case 'object':
      return object(s, indent, defs, open);
    default:
      return 'unknown';
  }
}

const literal = (value: unknown): string =>
  typeof value === 'string' ? `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'` : JSON.stringify(value);

const union = (parts: readonly string[]): string => {
  const distinct = [...new Set(parts)];
  return distinct.length === 0 ? 'never' : distinct.join(' | ');
};

/** In parentheses when the text is a union, so that a suffix binds to all of it. */
const group = (text: string): string => (/^[^{(]*\|/.test(text) || / \| /.test(text.replace(/\{[\s\S]*\}/g, '')) ? `(${text})` : text);

function array(s: JsonSchema, indent: number, defs: Defs, open: readonly string[]): string {
  if (s.prefixItems !== undefined) return `[${s.prefixItems.map((item) => print(item, indent, defs, open)).join(', ')}]`;
  return `${group(typeof s.items === 'object' ? print(s.items, indent, defs, open) : 'unknown')}[]`;
}

function object(s: JsonSchema, indent: number, defs: Defs, open: readonly string[]): string {
  const inner = indent + 2;
  const required = new Set(s.required ?? []);
  const fields = Object.entries(s.properties ?? {}).map(([name, field]) => {
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : literal(name);
    return { text: `${key}${required.has(name) ? '' : '?'}: ${print(field, inner, defs, open)};`, about: field.description };
  });
  const rest = indexOf(s);
  if (rest !== undefined) fields.push({ text: `[key: string]: ${print(rest, inner, defs, open)};`, about: undefined });
  if (fields.length === 0) return s.additionalProperties === false ? '{ [key: string]: never }' : '{ [key: string]: unknown }';
  const short = `{ ${fields.map((f) => f.text.slice(0, -1)).join('; ')} }`;
  if (indent + short.length <= WIDTH && !short.includes('\n') && fields.every((f) => f.about === undefined)) return short;
  const pad = ' '.repeat(inner);
  const lines = fields.map((f) => `${f.about === undefined ? '' : `${pad}/** ${f.about.replaceAll('*/', '*\\/')} */\n`}${pad}${f.text}`);
  return `{\n${lines.join('\n')}\n${' '.repeat(indent)}}`;
}

/** Schema of the fields that have no name of their own; an index beside named fields must admit them, hence `unknown`. */
function indexOf(s: JsonSchema): JsonSchema | undefined {
  const named = Object.keys(s.properties ?? {}).length > 0;
  const [pattern] = Object.values(s.patternProperties ?? {});
  if (pattern !== undefined) return named ? {} : pattern;
  if (typeof s.additionalProperties === 'object') return named ? {} : s.additionalProperties;
  return undefined;
}
