import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import test from 'ava';
import { at, holds, imports, sources, walk } from './sources.ts';
import type { Offence, Source } from './sources.ts';

/** For each folder: what it may import of ours, and which packages. Outside calc and machines any package may be imported for its types. */
const LAYERS: { readonly [folder: string]: { ours: RegExp; packages: RegExp } } = {
  calc: { ours: /^calc\//, packages: /^temporal-polyfill$/ },
  machines: { ours: /^(calc|machines)\/|^actors\/(define|scope)\.ts$/, packages: /^(xstate|zod)$/ },
  actors: { ours: /^(actors|calc)\//, packages: /^(node:.+|pg|prom-client|xstate|zod)$/ },
  migrations: { ours: /^migrations\//, packages: /^node:crypto$/ },
  server: { ours: /^(actors|calc|machines|server)\//, packages: /./ },
  'client-sdk': { ours: /^client-sdk\//, packages: /^(socket\.io-client|react)$/ },
  web: { ours: /^web\//, packages: /^(@thrum\/client(\/.+)?|preact(\/.+)?|socket\.io-client|uplot|uplot\/.+|vite|@preact\/.+)$/ },
  bench: { ours: /^(actors|bench|calc|machines|scripts|server)\//, packages: /./ },
  scripts: { ours: /^(actors|calc|machines|scripts|server)\//, packages: /./ },
  test: { ours: /./, packages: /./ },
};

function layers(source: Source): Offence[] {
  const folder = source.path.split('/')[0]!;
  const layer = LAYERS[folder];
  if (layer === undefined) return [`${source.path} lies in a folder without a rule`];
  if (/\.config\.(ts|js)$/.test(source.path)) return [];
  return imports(source).flatMap(({ from, types, node }) => {
    if (from.startsWith('.')) {
      const target = posix.join(posix.dirname(source.path), from);
      return layer.ours.test(target) || source.path.endsWith('.mjs') ? [] : [at(source, node, `may not import ${target}`)];
    }
    if (types && folder !== 'calc' && folder !== 'machines') return [];
    return layer.packages.test(from) ? [] : [at(source, node, `may not import ${from}`)];
  });
}

const everything = sources(...Object.keys(LAYERS));

test('each folder imports only what its layer may know', (t) => {
  holds(t, layers, {
    over: everything,
    guilty: [
      ['calc/a.ts', "import { now } from '../actors/scope.ts';"],
      ['calc/a.ts', "import { readFileSync } from 'node:fs';"],
      ['machines/booking/kind.ts', "import { createActorSystem } from '../../actors/system.ts';"],
      ['machines/booking/kind.ts', "import type { Knex } from 'knex';"],
      ['machines/booking/kind.ts', "const log = await import('../../server/observe/log.ts');"],
      ['actors/system.ts', "import { kinds } from '../machines/kinds.ts';"],
      ['server/app.ts', "import { makeWorld } from '../test/support/world.ts';"],
      ['web/src/main.tsx', "import { config } from '../../server/config.ts';"],
      ['client-sdk/src/index.ts', "export * from '../../actors/types.ts';"],
    ],
    innocent: [
      ['machines/booking/kind.ts', "import { defineActor } from '../../actors/define.ts';\nimport { now } from '../../actors/scope.ts';"],
      ['actors/system.ts', "import { sfc32 } from '../calc/prng.ts';"],
    ],
  });
});

function spelling(source: Source): Offence[] {
  return imports(source).flatMap(({ from, node }) => {
    if (builtinModules.includes(from)) return [at(source, node, `write node:${from}`)];
    if (!from.startsWith('.') || source.path.endsWith('.mjs')) return [];
    return /\.(ts|tsx|mjs|css|json)$/.test(from) ? [] : [at(source, node, `relative import without extension: ${from}`)];
  });
}

test('relative imports end in .ts, built-in modules begin with node:', (t) => {
  holds(t, spelling, {
    over: everything,
    guilty: [
      ['server/a.ts', "import { b } from './b';"],
      ['server/a.ts', "import { b } from './b.js';"],
      ['server/a.ts', "import { readFileSync } from 'fs';"],
    ],
  });
});

/** A file that only passes on what others export. The public entry of the SDK is the one exception. */
function barrels(source: Source): Offence[] {
  const body = source.program['body'] as { type: string; source?: unknown }[];
  const passesOn = (n: { type: string; source?: unknown }) => /^Export(Named|All)Declaration$/.test(n.type) && Boolean(n.source);
  return body.length > 0 && body.every(passesOn) && source.path !== 'client-sdk/src/index.ts' ? [`${source.path} is a barrel`] : [];
}

test('there are no barrels', (t) => {
  holds(t, barrels, { over: everything, guilty: [['server/index.ts', "export { a } from './a.ts';\nexport * from './b.ts';"]] });
});

const MAY_EXPORT_DEFAULT = /^(migrations\/|[^/]+\.config\.(js|ts)$|web\/vite\.config\.ts$)/;

function defaults(source: Source): Offence[] {
  const found: Offence[] = [];
  if (MAY_EXPORT_DEFAULT.test(source.path)) return found;
  walk(source.program, (node) => {
    if (node.type === 'ExportDefaultDeclaration') found.push(at(source, node, 'default export'));
  });
  return found;
}

test('nothing is exported by default', (t) => {
  holds(t, defaults, { over: everything, guilty: [['calc/a.ts', 'export default 1;']] });
});

/** XState is reached through one file, so that the next major version is one file's work; definitions only name its types. */
function seam(source: Source): Offence[] {
  return imports(source).flatMap(({ from, types, node }) =>
    /^xstate(\/|$)/.test(from) && !types && source.path !== 'actors/machine.ts'
      ? [at(source, node, 'only actors/machine.ts runs XState')]
      : [],
  );
}

test('the kernel and the server run XState through actors/machine.ts only', (t) => {
  holds(t, seam, {
    over: sources('actors', 'server'),
    guilty: [['actors/activation.ts', "import { transition } from 'xstate';"]],
    innocent: [['actors/define.ts', "import type { AnyStateMachine } from 'xstate';"]],
  });
});
