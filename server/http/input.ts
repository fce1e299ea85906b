import type { z } from 'zod';
import { isTraceparent } from '../observe/spans.ts';
import { invalid, Problem } from '../problems.ts';
import { unfit } from './body.ts';
import type { Route } from './route.ts';

/** Parameters of a path that declares no schema for them. @throws Problem VALIDATION */
export function checkParams(params: { readonly [name: string]: string }): unknown {
  for (const name in params) {
    if (!/^[A-Za-z0-9_.:-]{1,120}$/.test(params[name] ?? ''))
      throw invalid([{ path: `path.${name}`, message: 'must be 1 to 120 of A-Z a-z 0-9 _ . : -' }]);
  }
  return params;
}

/** Query string as an object: repeated keys and keys that end in `[]` become arrays. @throws Problem VALIDATION for text that cannot be stored */
export function queryObject(search: string): Record<string, unknown> {
  const out = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of new URLSearchParams(search)) {
    if (unfit(name) || unfit(value)) throw invalid([{ path: 'query', message: 'text must not contain the character U+0000' }]);
    const many = name.endsWith('[]');
    const key = many ? name.slice(0, -2) : name;
    const before = out[key];
    if (Array.isArray(before)) before.push(value);
    else if (before !== undefined) out[key] = [before, value];
    else out[key] = many ? [value] : value;
  }
  return { ...out };
}

/** Brings other spellings of top-level fields to the canonical one. @throws Problem VALIDATION when both are there and differ */
export function rename(input: unknown, names: Route['rename']): unknown {
  if (names === undefined || typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const out: Record<string, unknown> = { ...input };
  for (const [alias, name] of Object.entries(names)) {
    if (!(alias in out)) continue;
    if (name in out && out[name] !== out[alias]) throw invalid([{ path: alias, message: `differs from ${name}` }]);
    out[name] = out[alias];
    delete out[alias];
  }
  return out;
}

/** @throws Problem VALIDATION with every issue; `where` prefixes the paths (`query.limit`) */
export function check(schema: z.ZodType, input: unknown, where: string): unknown {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw invalid(result.error.issues.flatMap((issue) => issuesOf(issue, input, where)));
}

/** What stands at the path; undefined when there is nothing. */
const found = (input: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((value, key) => (value as { readonly [key: PropertyKey]: unknown } | null | undefined)?.[key], input);

function issuesOf(issue: z.core.$ZodIssue, input: unknown, where: string): { path: string; message: string }[] {
  const at = (path: readonly PropertyKey[]): string =>
    [where, ...path]
      .filter((p) => p !== '')
      .map(String)
      .join('.');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: at([...issue.path, key]), message: 'unknown field' }));
  if (issue.code === 'invalid_type' && issue.path.length > 0 && found(input, issue.path) === undefined)
    return [{ path: at(issue.path), message: 'is missing' }];
  return [{ path: at(issue.path), message: issue.message }];
}

/** Version of an `If-Match: "12"`; `*` and absence mean any. @throws Problem VALIDATION */
export function ifMatch(header: string | undefined): number | undefined {
  if (header === undefined || header === '*') return undefined;
  const seq = /^(?:W\/)?"(\d{1,15})(?:-[\w-]{1,40})?"$/.exec(header)?.[1];
  if (seq === undefined) throw invalid([{ path: 'If-Match', message: 'must be a version in quotes, as in the ETag' }]);
  return Number(seq);
}

/** The W3C header, when it is well-formed. */
export const traceparentOf = (header: string | undefined): string | undefined => (isTraceparent(header) ? header : undefined);

/** @throws Problem INVALID_IDEMPOTENCY_KEY */
export function idempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (!/^[\x21-\x7e]{1,255}$/.test(header)) throw new Problem('INVALID_IDEMPOTENCY_KEY');
  return header;
}
