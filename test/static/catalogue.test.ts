import test from 'ava';
import { problems } from '../../server/problems.ts';
import { at, chain, holds, isNode, property, sources, stringOf, walk } from './sources.ts';
import type { Node, Offence, Source } from './sources.ts';

const LISTS = new Set(['rejects', 'problems']);
const FACTORIES = new Set(['Problem', 'refusal']);

const stringsOf = (node: unknown): { node: Node; text: string }[] => {
  if (!isNode(node)) return [];
  if (node.type === 'TSAsExpression' || node.type === 'TSSatisfiesExpression') return stringsOf(node['expression']);
  const items = node.type === 'ArrayExpression' ? (node['elements'] as unknown[]) : [node];
  return items.flatMap((item) => (stringOf(item) === undefined ? [] : [{ node: item as Node, text: stringOf(item)! }]));
};

/** Literal codes: in `rejects` and `problems`, in `reject` actions and `refuse` of companions, and where a problem is made. */
function codesOf(source: Source): { node: Node; text: string }[] {
  const found: { node: Node; text: string }[] = [];
  walk(source.program, (node, parent) => {
    if (node.type === 'Property' && LISTS.has(chain(node['key']) ?? '')) found.push(...stringsOf(node['value']));
    if (node.type === 'NewExpression' || node.type === 'CallExpression') {
      if (FACTORIES.has(chain(node['callee']) ?? '')) found.push(...stringsOf((node['arguments'] as unknown[])[0]));
    }
    const key = node.type === 'Property' ? chain(node['key']) : undefined;
    if (key === 'refuse' && isNode(node['value']) && node['value'].type === 'ObjectExpression') {
      found.push(...stringsOf(property(node['value'], 'code')));
    }
    if (key === 'params' && parent !== undefined && stringOf(property(parent, 'type')) === 'reject') {
      walk(node, (inner) => {
        if (inner.type === 'Property' && chain(inner['key']) === 'code') found.push(...stringsOf(inner['value']));
      });
    }
  });
  return found;
}

const uncatalogued = (source: Source): Offence[] =>
  codesOf(source)
    .filter(({ text }) => !(text in problems))
    .map(({ node, text }) => at(source, node, `${text} is not in server/problems.ts`));

test('every code that is declared, refused or thrown stands in the catalogue', (t) => {
  holds(t, uncatalogued, {
    over: sources('actors', 'machines', 'server'),
    guilty: [
      ['machines/a.ts', "command({ input, reply, rejects: ['NO_SUCH_CODE'] });"],
      ['machines/a.ts', "const a = { actions: { type: 'reject', params: { code: 'NO_SUCH_CODE' } } };"],
      ['machines/a.ts', "const a = { actions: { type: 'reject', params: ({ context }) => ({ code: 'NO_SUCH_CODE' }) } };"],
      ['machines/a.ts', "companion({ table: 'a', refuse: { code: 'NO_SUCH_CODE', alarm: false } });"],
      ['server/a.ts', "throw new Problem('NO_SUCH_CODE');"],
      ['server/a.ts', "route({ problems: ['NO_SUCH_CODE'] });"],
    ],
    innocent: [['machines/a.ts', "command({ input, reply, rejects: ['NOT_ALLOWED'] });"]],
  });
});

test('the catalogue is written as its readers expect', (t) => {
  for (const [code, { status, title }] of Object.entries(problems)) {
    t.regex(code, /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
    t.true(status >= 400 && status < 600, code);
    t.regex(title, /^[A-Z][^\n]{5,100}[^.]$/, code);
  }
});

const ROUTES = new Set(['route', 'askRoute', 'readRoute']);
const OPEN_PATHS = /^\/(v1\/|\.well-known\/|api\/|healthz$|readyz$|metrics$|cache\/|performance\/|analytics\/|dashboard\/)/;

/** Each entry of the route table says who may call it, and lies below a prefix that clients know. */
function entries(source: Source): Offence[] {
  const found: Offence[] = [];
  walk(source.program, (node) => {
    const entry = node.type === 'CallExpression' && ROUTES.has(chain(node['callee']) ?? '') ? (node['arguments'] as Node[])[0] : undefined;
    if (entry?.type !== 'ObjectExpression' || (entry['properties'] as Node[]).some(({ type }) => type === 'SpreadElement')) return;
    for (const field of ['method', 'path', 'auth', 'summary', 'reply']) {
      if (property(entry, field) === undefined) found.push(at(source, entry, `route without ${field}`));
    }
    const path = stringOf(property(entry, 'path'));
    if (path !== undefined && !OPEN_PATHS.test(path)) found.push(at(source, entry, `route outside the known prefixes: ${path}`));
  });
  return found;
}

test('every route says who may call it', (t) => {
  holds(t, entries, {
    over: sources('server'),
    guilty: [
      ['server/http/routes/a.ts', "route({ method: 'GET', path: '/v1/a', summary: 'A', reply: { 200: A }, run });"],
      ['server/http/routes/a.ts', "askRoute({ method: 'GET', path: '/a', auth: 'user', summary: 'A', reply: { 200: A }, ask });"],
    ],
    innocent: [['server/http/routes/a.ts', "route({ method: 'GET', path: '/v1/a', auth: 'none', summary: 'A', reply: { 200: A }, run });"]],
  });
});

/** Routes that bypass the table would have neither validation nor a place in the API document. */
function bypasses(source: Source): Offence[] {
  const found: Offence[] = [];
  if (source.path.startsWith('server/http/') && !source.path.startsWith('server/http/routes/')) return found;
  walk(source.program, (node) => {
    const from = node.type === 'ImportDeclaration' && node['importKind'] !== 'type' ? stringOf(node['source']) : undefined;
    if (from === 'koa' || from === '@koa/router') found.push(at(source, node, `imports ${from}`));
  });
  return found;
}

test('no route is made outside the table', (t) => {
  holds(t, bypasses, {
    over: sources('server'),
    guilty: [['server/inspector/a.ts', "import Router from '@koa/router';\nexport const r = new Router();"]],
  });
});
