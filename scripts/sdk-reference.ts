/**
 * The reference of the client library, made from its declaration files. TypeScript 7 has no JavaScript API, which the usual tools need; the
 * parser of Vite reads declarations as well (ADR 20).
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseSync } from 'vite';

const FOLDER = 'client-sdk';
/** declarations that another page lists */
const ELSEWHERE = /\/generated\//;

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** The parts of the syntax tree that are looked at. */
interface Declaration extends Node {
  readonly id?: { readonly name: string };
  readonly superClass?: { readonly name?: string };
  readonly body?: { readonly start: number; readonly body?: readonly Member[] };
  readonly declarations?: readonly { readonly id: { readonly name: string } }[];
}
interface Member extends Node {
  readonly accessibility?: string;
  readonly kind?: string;
  readonly key?: { readonly type: string };
}
interface Statement extends Node {
  readonly declaration?: Declaration | null;
  readonly source?: { readonly value: string } | null;
  readonly specifiers?: readonly { readonly local: { readonly name: string }; readonly exported: { readonly name: string } }[];
}

interface Module {
  readonly path: string;
  readonly text: string;
  readonly body: readonly Statement[];
  readonly comments: readonly Node[];
}

const modules = new Map<string, Module>();

function moduleAt(path: string): Module {
  const known = modules.get(path);
  if (known !== undefined) return known;
  const text = readFileSync(path, 'utf8');
  const { program, comments } = parseSync(path, text, { astType: 'ts' });
  const m = { path, text, body: program.body as unknown as readonly Statement[], comments };
  modules.set(path, m);
  return m;
}

const namesOf = (d: Declaration): readonly string[] => [
  ...(d.id === undefined ? [] : [d.id.name]),
  ...(d.declarations ?? []).map((x) => x.id.name),
];

interface Found {
  readonly module: Module;
  readonly declaration: Declaration;
  /** where the statement begins; the comment of the declaration ends before it */
  readonly at: number;
}

/** Where a name is declared, through re-exports and imports. */
function find(m: Module, name: string): Found | undefined {
  for (const s of m.body) {
    const plain = s as unknown as Declaration;
    const d = s.declaration ?? (plain.id === undefined ? undefined : plain);
    if (d !== undefined && namesOf(d).includes(name)) return { module: m, declaration: d, at: s.start };
    const from = s.source?.value;
    if (from?.startsWith('.') !== true) continue;
    const specifier = (s.specifiers ?? []).find((x) => (x.exported ?? x.local).name === name);
    if (specifier !== undefined) return find(moduleAt(join(dirname(m.path), from.replace(/\.ts$/, '.d.ts'))), specifier.local.name);
  }
  return undefined;
}

/** Text of the comment right before a place, without its marks. */
function commentBefore(m: Module, at: number): string {
  const c = m.comments.findLast((x) => x.end <= at);
  if (c === undefined || m.text.slice(c.end, at).trim() !== '' || !m.text.startsWith('/**', c.start)) return '';
  const lines = m.text.slice(c.start + 3, c.end - 2).split('\n');
  return lines
    .map((line) => line.replace(/^\s*\*? ?/, '').trimEnd())
    .join('\n')
    .trim();
}

const isPublic = (x: Member): boolean =>
  x.accessibility !== 'protected' && x.accessibility !== 'private' && x.key?.type !== 'PrivateIdentifier' && x.kind !== 'constructor';

/** A declaration as text: classes without what is not public. */
function textOf({ module: m, declaration: d }: Found): string {
  const members = d.body?.body;
  if (d.type !== 'ClassDeclaration' || d.body === undefined || members === undefined) return m.text.slice(d.start, d.end);
  const lines = members.filter(isPublic).map((x) => {
    const doc = m.comments.findLast((c) => c.end <= x.start && m.text.slice(c.end, x.start).trim() === '');
    return `    ${m.text.slice(doc?.start ?? x.start, x.end)}`;
  });
  return [`${m.text.slice(d.start, d.body.start)}{`, ...lines, '}'].join('\n');
}

const tidy = (text: string): string =>
  text
    .replaceAll(/^declare |^export declare /gm, '')
    .replaceAll(/^( {4})+/gm, (indent) => ' '.repeat(indent.length / 2))
    .replaceAll(/^( *) {5}\*/gm, '$1   *');

function section(m: Module, name: string, exported: ReadonlySet<string>): string {
  const found = find(m, name);
  if (found === undefined) throw new Error(`${m.path} exports ${name}, which is declared nowhere`);
  if (ELSEWHERE.test(found.module.path)) return `### ${name}\n\nThe names and types of the server: [topics and commands](topics.md).\n`;
  const blocks = [tidy(textOf(found))];
  const base = found.declaration.superClass?.name;
  const inherited = base === undefined || exported.has(base) ? undefined : find(found.module, base);
  if (inherited !== undefined) blocks.push(tidy(textOf(inherited)));
  const comment = commentBefore(found.module, found.at);
  return `### ${name}\n\n${comment === '' ? '' : `${comment}\n\n`}\`\`\`ts\n${blocks.join('\n\n')}\n\`\`\`\n`;
}

/** What a module exports by name, in its order. */
const exportsOf = (m: Module): string[] =>
  m.body.flatMap((s) =>
    s.type !== 'ExportNamedDeclaration'
      ? []
      : [...(s.declaration ? namesOf(s.declaration) : []), ...(s.specifiers ?? []).map((x) => x.exported.name)],
  );

export function sdkText(): string {
  modules.clear();
  const manifest = JSON.parse(readFileSync(join(FOLDER, 'package.json'), 'utf8')) as {
    readonly name: string;
    readonly exports: { readonly [entry: string]: string | { readonly types: string } };
  };
  const parts = Object.entries(manifest.exports).flatMap(([entry, target]) => {
    if (typeof target === 'string') return [];
    const m = moduleAt(join(FOLDER, target.types));
    const names = exportsOf(m);
    const exported = new Set(names);
    return [`## ${join(manifest.name, entry)}\n`, ...names.map((name) => section(m, name, exported))];
  });
  return `<!-- Written by \`npm run gen\`; do not edit. -->

# Client library

Everything that the entries of the package export. How it is used: [its README](../../client-sdk/README.md).

${parts.join('\n')}`;
}
