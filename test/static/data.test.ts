import test from 'ava';
import { at, chain, holds, imports, sources, walk } from './sources.ts';
import type { Node, Offence, Source } from './sources.ts';

const QUERIES = new Set(['query', '$query', '$relatedQuery', 'relatedQuery']);

/** A forgotten transaction must fail, so every query names its handle, and no model is bound to a connection for good. */
function handles(source: Source): Offence[] {
  const found: Offence[] = [];
  walk(source.program, (node) => {
    const callee = node.type === 'CallExpression' ? (node['callee'] as Node) : undefined;
    if (callee?.type !== 'MemberExpression') return;
    const name = chain(callee['property']) ?? '';
    const args = node['arguments'] as unknown[];
    const related = name.endsWith('elatedQuery');
    if (QUERIES.has(name) && args.length < (related ? 2 : 1)) found.push(at(source, node, `.${name}() without a handle`));
    if (name === 'knex' && /^[A-Z]/.test(chain(callee['object']) ?? '')) found.push(at(source, node, 'binds a model to a connection'));
  });
  return found;
}

test('every query is given its handle', (t) => {
  holds(t, handles, {
    over: sources('actors', 'server', 'migrations', 'scripts', 'bench', 'test/support'),
    guilty: [
      ['server/a.ts', 'await Booking.query().findById(1);'],
      ['server/a.ts', 'await row.$query().patch({});'],
      ['server/a.ts', "await row.$relatedQuery('slots');"],
      ['server/a.ts', 'Model.knex(knex);'],
    ],
    innocent: [['server/a.ts', "await Booking.query(tx).findById(1); await pool.query('select 1');"]],
  });
});

/** A migration that cannot be undone is found here and not in production. */
function bothWays(source: Source): Offence[] {
  const names = (source.program['body'] as Node[]).flatMap((node) => {
    const declared = node.type === 'ExportNamedDeclaration' ? (node['declaration'] as Node | null) : null;
    return declared?.type === 'FunctionDeclaration' ? [chain(declared['id'])] : [];
  });
  return ['up', 'down'].filter((name) => !names.includes(name)).map((name) => `${source.path} exports no function ${name}`);
}

test('every migration goes up and down', (t) => {
  holds(t, bothWays, {
    over: sources('migrations').filter(({ path }) => /^migrations\/\d/.test(path)),
    guilty: [['migrations/0001-a.ts', 'export async function up() {}']],
    innocent: [['migrations/0001-a.ts', 'export async function up() {}\nexport async function down() {}']],
  });
});

/** Redis has one client folder, and every key is built in one file of it. */
function redis(source: Source): Offence[] {
  if (source.path.startsWith('server/redis/')) return [];
  const found = imports(source).flatMap(({ from, types, node }) =>
    from === 'ioredis' && !types ? [at(source, node, 'imports ioredis')] : [],
  );
  walk(source.program, (node) => {
    const text =
      node.type === 'TemplateElement' ? (node['value'] as { raw: string }).raw : node.type === 'Literal' ? node['value'] : undefined;
    if (typeof text === 'string' && text.startsWith('thrum:')) found.push(at(source, node, 'builds a Redis key'));
  });
  return found;
}

test('Redis keys are built in server/redis/keys.ts only', (t) => {
  holds(t, redis, {
    over: sources('actors', 'calc', 'machines', 'server'),
    guilty: [
      ['server/cache/a.ts', 'export const key = (ns: string) => `thrum:{${ns}}:cache`;'],
      ['server/cache/a.ts', "import { Redis } from 'ioredis';\nexport const r = new Redis();"],
    ],
  });
});
