import test from 'ava';
import { at, chain, holds, imports, sources, walk } from './sources.ts';
import type { Node, Offence, Rule } from './sources.ts';

const TIMERS = ['setTimeout', 'setInterval', 'setImmediate'];
const CLOCKS = ['Date.now', 'performance.now', 'process.hrtime', 'process.hrtime.bigint', 'process.uptime', 'Temporal.Now'];
const CHANCE = ['Math.random', 'crypto.randomUUID', 'crypto.getRandomValues', 'randomUUID', 'randomBytes', 'randomInt'];
const WORLD = ['fetch', 'process', 'console', 'globalThis', 'queueMicrotask', 'structuredClone'];

/** A use of a global: a name that is not the key or the member of something else. */
function globalUse(node: Node, parent: Node | undefined): string | undefined {
  if (node.type === 'MemberExpression') return chain(node);
  if (node.type !== 'Identifier' || parent === undefined) return undefined;
  const member = parent.type === 'MemberExpression' && parent['property'] === node;
  const named = /^(Property|MethodDefinition|TS.*|Import.*|Export.*)$/.test(parent.type) && parent['key'] === node;
  return member || named || parent.type.startsWith('TS') ? undefined : chain(node);
}

/** Forbids the names, and `new Date()` without argument, everywhere but in the files that fit `except`. */
function without(names: readonly string[], except: RegExp, modules = /^$/): Rule {
  const forbidden = new Set(names.flatMap((name) => [name, `globalThis.${name}`]));
  return (source) => {
    if (except.test(source.path)) return [];
    const found: Offence[] = imports(source)
      .filter(({ from }) => modules.test(from))
      .map(({ from, node }) => at(source, node, `imports ${from}`));
    walk(source.program, (node, parent) => {
      const used = globalUse(node, parent);
      if (used !== undefined && forbidden.has(used)) found.push(at(source, node, `uses ${used}`));
      const isNew = node.type === 'NewExpression' || node.type === 'CallExpression';
      const callee = isNew ? chain(node['callee']) : undefined;
      const bare = callee === 'Date' && (node.type === 'CallExpression' || (node['arguments'] as unknown[]).length === 0);
      if (bare && forbidden.has('Date.now')) found.push(at(source, node, 'uses the current date'));
    });
    return found;
  };
}

test('machines and calc know no clock, no chance and no world', (t) => {
  holds(t, without([...TIMERS, ...CLOCKS, ...CHANCE, ...WORLD], /^$/, /^node:|^timers/), {
    over: sources('machines', 'calc'),
    guilty: [
      ['calc/a.ts', 'export const a = () => Date.now();'],
      ['calc/a.ts', 'export const a = () => new Date();'],
      ['calc/a.ts', 'export const a = () => Date();'],
      ['calc/a.ts', 'export const a = Math.random;'],
      ['calc/a.ts', 'export const a = () => performance.now();'],
      ['calc/a.ts', 'export const a = () => globalThis.crypto.randomUUID();'],
      ['calc/a.ts', "import { randomUUID } from 'node:crypto';\nexport const a = 1;"],
      ['machines/a.ts', 'setTimeout(() => undefined, 1);'],
      ['machines/a.ts', "export const zone = process.env['TZ'];"],
      ['machines/a.ts', "console.log('x');"],
      ['machines/a.ts', "export const a = () => fetch('http://x');"],
    ],
    innocent: [
      ['calc/a.ts', 'export const a = (at: number) => new Date(at).getUTCDay();'],
      ['calc/a.ts', 'export const a = { process: 1, now: (o: { fetch: number }) => o.fetch };'],
    ],
  });
});

test('the kernel takes time and chance only from its injected clock and random', (t) => {
  holds(t, without([...TIMERS, ...CLOCKS, ...CHANCE, 'process', 'console', 'fetch'], /^actors\/clock\.ts$/, /^node:timers/), {
    over: sources('actors'),
    guilty: [
      ['actors/timers.ts', 'setTimeout(() => undefined, 1);'],
      ['actors/activation.ts', 'export const at = Date.now();'],
      ['actors/committer.ts', "import { randomBytes } from 'node:crypto';\nexport const cid = randomBytes(8);"],
    ],
  });
});

// The worker of the embedded database has an event loop of its own, with no clock to inject.
const OWN_TIMERS = /(^|\/)(clock|timers)\.ts$|^server\/db\/engine\.ts$/;

test('the server sets timers only through the clock', (t) => {
  holds(t, without(TIMERS, OWN_TIMERS, /^node:timers/), {
    over: sources('server'),
    guilty: [
      ['server/jobs/runner.ts', 'setInterval(() => undefined, 1000);'],
      ['server/jobs/runner.ts', "import { setTimeout as sleep } from 'node:timers/promises';\nawait sleep(1);"],
    ],
  });
});

test('nothing that is shipped writes to the console', (t) => {
  holds(t, without(['console'], /^$/), {
    over: sources('actors', 'calc', 'machines', 'migrations', 'server', 'client-sdk/src', 'web/src'),
    guilty: [['server/a.ts', "console.error('x');"]],
  });
});

test('the environment is read in server/config.ts and by tools only', (t) => {
  holds(t, without(['process.env'], /^(server\/config\.ts$|scripts\/|test\/support\/|test\/chaos\/node\.ts$|bench\/peer\.ts$)/), {
    over: sources('actors', 'bench', 'calc', 'machines', 'migrations', 'server', 'test'),
    guilty: [
      ['server/http/app.ts', "export const port = process.env['PORT'];"],
      ['server/http/app.ts', 'const { PORT } = process.env;'],
      ['test/http/a.test.ts', 'export const url = process.env.TEST_DATABASE_URL;'],
    ],
    innocent: [['server/config.ts', 'export const env = process.env;']],
  });
});
