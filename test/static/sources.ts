import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { parseSync } from 'vite';

/** A syntax node of the ESTree form, as loosely typed as a search needs it. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

export interface Source {
  /** from the root of the repository, with forward slashes */
  readonly path: string;
  readonly text: string;
  readonly program: Node;
}

/** One offence: where, and what is wrong there. */
export type Offence = string;
export type Rule = (source: Source) => Offence[];

const CODE = /\.(ts|tsx|mjs|js)$/;
const NOT_OURS = new Set(['node_modules', 'dist', 'generated', '.types', 'data', '.git', '.tmp', 'coverage']);

/** Files below a folder whose name fits, in a stable order. */
export function filesBelow(folder: string, fits: RegExp): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (NOT_OURS.has(entry.name)) continue;
    const path = folder === '.' ? entry.name : join(folder, entry.name);
    if (entry.isDirectory()) found.push(...filesBelow(path, fits));
    else if (fits.test(entry.name)) found.push(path);
  }
  return found.toSorted();
}

export function parse(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  return { path, text, program: program as unknown as Node };
}

const cache = new Map<string, Source>();

/** Every source file below the given folders, parsed. */
export function sources(...folders: readonly string[]): Source[] {
  return folders
    .flatMap((folder) => (existsSync(folder) ? filesBelow(folder, CODE) : []))
    .map((path) => {
      const known = cache.get(path) ?? parse(path, readFileSync(path, 'utf8'));
      cache.set(path, known);
      return known;
    });
}

export const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';

/** Visits every node of a tree, parents first. */
export function walk(node: Node, visit: (node: Node, parent: Node | undefined) => void, parent?: Node): void {
  visit(node, parent);
  for (const value of Object.values(node)) {
    if (isNode(value)) walk(value, visit, node);
    else if (Array.isArray(value)) for (const item of value) if (isNode(item)) walk(item, visit, node);
  }
}

/** `path:line what` */
export function at(source: Source, node: Node, what: string): Offence {
  return `${source.path}:${source.text.slice(0, node.start).split('\n').length} ${what}`;
}

/** `a.b.c` for a chain of plain names, else undefined. */
export function chain(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Identifier') return String(node['name']);
  if (node.type === 'ChainExpression') return chain(node['expression']);
  if (node.type !== 'MemberExpression' || node['computed'] === true) return undefined;
  const object = chain(node['object']);
  const property = chain(node['property']);
  return object === undefined || property === undefined ? undefined : `${object}.${property}`;
}

export function stringOf(node: unknown): string | undefined {
  return isNode(node) && node.type === 'Literal' && typeof node['value'] === 'string' ? node['value'] : undefined;
}

/** The value of a property of an object literal. */
export function property(object: Node, name: string): Node | undefined {
  for (const p of object['properties'] as Node[]) {
    if (p.type === 'Property' && isNode(p['key']) && (chain(p['key']) === name || stringOf(p['key']) === name)) return p['value'] as Node;
  }
  return undefined;
}

/** Specifiers of imports and re-exports; `types` tells those that vanish when compiled. */
export function imports(source: Source): { from: string; types: boolean; node: Node }[] {
  const found: { from: string; types: boolean; node: Node }[] = [];
  walk(source.program, (node) => {
    const kind = node['importKind'] ?? node['exportKind'];
    const from =
      node.type === 'ImportExpression' || /^(Import|Export(Named|All))Declaration$/.test(node.type) ? stringOf(node['source']) : undefined;
    if (from !== undefined) found.push({ from, types: kind === 'type', node });
  });
  return found;
}

/** The rule finds the guilty example, leaves the innocent one alone, and the repository keeps it. */
export function holds(
  t: ExecutionContext,
  rule: Rule,
  o: {
    over: readonly Source[];
    guilty: readonly (readonly [path: string, text: string])[];
    innocent?: readonly (readonly [path: string, text: string])[];
  },
): void {
  for (const [path, text] of o.guilty) t.not(rule(parse(path, text)).length, 0, `not found by the rule: ${text}`);
  for (const [path, text] of o.innocent ?? []) t.deepEqual(rule(parse(path, text)), []);
  t.deepEqual(o.over.flatMap(rule), []);
}
