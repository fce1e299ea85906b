/** The API as one page, made on the server from the route table: no script, no foreign host. */
import { problems } from '../problems.ts';
import { pathOf, problemsOf, tagOf } from './openapi.ts';
import type { OpenApi } from './openapi.ts';
import type { Route } from './route.ts';

type Schema = Record<string, unknown>;

const escape = (text: unknown): string => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const code = (text: unknown): string => `<code>${escape(text)}</code>`;
const slug = (r: Route): string =>
  `${r.method}-${r.path}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/-$/, '');
const WHO = {
  none: 'everybody',
  user: 'signed in',
  staff: 'staff',
  admin: 'admin',
  'inspect:read': 'inspect:read',
  'inspect:pii': 'inspect:pii',
  'inspect:poke': 'inspect:poke',
  'inspect:admin': 'inspect:admin',
} as const;

export function docsPage(routes: readonly Route[], api: OpenApi): string {
  const groups = new Map<string, Route[]>();
  for (const r of routes) groups.set(tagOf(r), [...(groups.get(tagOf(r)) ?? []), r]);
  const tags = [...groups.keys()].sort();
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Thrum API</title>
<link rel="stylesheet" href="/docs/api.css">
</head>
<body>
<a class="skip" href="#main">Skip to the routes</a>
<header>
<h1>Thrum API</h1>
<p>Version ${escape(api.info['version'])}. Commands answer after their commit; repeat one with the same <code>Idempotency-Key</code> and it is not applied twice.
Errors are problem documents. The same as <a href="/v1/openapi.json">OpenAPI 3.1</a>.</p>
</header>
<div class="columns">
<nav aria-label="Groups"><ul>
${tags.map((tag) => `<li><a href="#${tag}">${escape(tag)}</a> <span>${groups.get(tag)?.length ?? 0}</span></li>`).join('\n')}
<li><a href="#problems">problems</a> <span>${Object.keys(problems).length}</span></li>
</ul></nav>
<main id="main">
${tags.map((tag) => group(tag, groups.get(tag) ?? [], api)).join('\n')}
${problemTable()}
</main>
</div>
</body>
</html>
`;
}

const group = (tag: string, routes: readonly Route[], api: OpenApi): string => `<section id="${tag}">
<h2>${escape(tag)}</h2>
${routes.map((r) => entry(r, api)).join('\n')}
</section>`;

function entry(r: Route, api: OpenApi): string {
  const operation = api.paths[pathOf(r.path)]?.[r.method.toLowerCase()] ?? {};
  const parameters = (operation['parameters'] ?? []) as Schema[];
  const body = schemaIn(operation['requestBody']);
  const responses = Object.entries((operation['responses'] ?? {}) as Record<string, Schema>).filter(([status]) => Number(status) < 400);
  return `<details id="${slug(r)}">
<summary><b class="${r.method.toLowerCase()}">${r.method}</b> ${code(pathOf(r.path))} <span class="who">${WHO[r.auth]}</span> <span class="text">${escape(r.summary)}</span></summary>
<div class="body">
${r.aliases === undefined ? '' : `<p>Also ${r.aliases.map((a) => code(pathOf(a))).join(', ')}</p>`}
${parameters.length === 0 ? '' : `<h3>Parameters</h3><div class="scroll" tabindex="0" role="region" aria-label="Parameters"><table><thead><tr><th>name</th><th>in</th><th>type</th><th>meaning</th></tr></thead><tbody>${parameters.map(parameter).join('')}</tbody></table></div>`}
${body === undefined ? '' : `<h3>Body</h3>${tree(body)}`}
${responses.map(([status, response]) => `<h3>${status}</h3>${tree(schemaIn(response))}`).join('\n')}
<h3>Problems</h3><p>${problemsOf(r)
    .map((c) => `<a href="#problem-${c}">${code(c)}</a>`)
    .join(' ')}</p>
</div>
</details>`;
}

const parameter = (p: Schema): string =>
  `<tr><td>${code(p['name'])}${p['required'] === true ? ' *' : ''}</td><td>${escape(p['in'])}</td><td>${escape(typeOf(p['schema'] as Schema))}</td><td>${escape(p['description'] ?? (p['schema'] as Schema)['description'] ?? '')}</td></tr>`;

function schemaIn(part: unknown): Schema | string | undefined {
  const content = (part as { content?: Record<string, { schema?: Schema }> } | undefined)?.content;
  if (content === undefined) return undefined;
  const [[media, { schema }] = ['', {}]] = Object.entries(content);
  return media === 'application/json' ? schema : media;
}

function tree(schema: Schema | string | undefined): string {
  if (schema === undefined) return '<p>no content</p>';
  if (typeof schema === 'string') return `<p>${code(schema)}</p>`;
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);
  if (properties.length === 0) {
    const items = schema['items'] as Schema | undefined;
    return `<p>${code(typeOf(schema))}</p>${items === undefined ? '' : tree(items)}`;
  }
  const required = (schema['required'] ?? []) as string[];
  return `<ul class="tree">${properties.map(([name, p]) => `<li>${code(name)}${required.includes(name) ? '' : '<i>optional</i>'} <span>${escape(typeOf(p))}</span> ${escape(p['description'] ?? '')}${nested(p)}</li>`).join('')}</ul>`;
}

function nested(p: Schema): string {
  const inner = (p['type'] === 'array' ? p['items'] : p) as Schema | undefined;
  return inner?.['properties'] === undefined ? '' : tree(inner);
}

function typeOf(s: Schema | undefined): string {
  if (s === undefined) return 'any';
  if (s['const'] !== undefined) return JSON.stringify(s['const']);
  if (Array.isArray(s['enum'])) return s['enum'].map((v) => JSON.stringify(v)).join(' | ');
  const alternatives = (s['anyOf'] ?? s['oneOf']) as Schema[] | undefined;
  if (alternatives !== undefined) return alternatives.map(typeOf).join(' | ');
  if (s['type'] === 'array') return `${typeOf(s['items'] as Schema | undefined)}[]`;
  const [low, high] = [s['minimum'], s['maximum']];
  const bounded = typeof low === 'number' && typeof high === 'number' && Math.max(Math.abs(low), Math.abs(high)) < 1e15;
  const { type = 'any', format } = s as { type?: string; format?: string };
  return `${type}${format === undefined ? '' : ` (${format})`}${bounded ? ` ${low}…${high}` : ''}`;
}

const problemTable = (): string => `<section id="problems">
<h2>problems</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Problems"><table><thead><tr><th>code</th><th>status</th><th>retry</th><th>meaning</th></tr></thead><tbody>
${Object.entries(problems)
  .map(
    ([c, p]) =>
      `<tr id="problem-${c}"><td>${code(c)}</td><td>${p.status}</td><td>${p.retryable ? 'yes' : 'no'}</td><td>${escape(p.title)}</td></tr>`,
  )
  .join('\n')}
</tbody></table></div>
</section>`;

export const docsStyle = `:root {
  color-scheme: light dark;
  --page: light-dark(oklch(98.5% 0.004 260), oklch(18% 0.015 260));
  --card: light-dark(#fff, oklch(22% 0.018 260));
  --ink: light-dark(oklch(24% 0.02 260), oklch(93% 0.01 260));
  --soft: light-dark(oklch(45% 0.02 260), oklch(74% 0.02 260));
  --line: light-dark(oklch(89% 0.01 260), oklch(33% 0.02 260));
  --link: light-dark(oklch(45% 0.17 262), oklch(78% 0.12 262));
  --read: light-dark(oklch(42% 0.11 155), oklch(80% 0.13 155));
  --write: light-dark(oklch(45% 0.15 262), oklch(79% 0.12 262));
  --remove: light-dark(oklch(47% 0.17 25), oklch(78% 0.13 25));
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: 1rem; background: var(--card); padding: .5rem 1rem; }
header { padding: 2.5rem clamp(1rem, 4vw, 3rem) 1rem; max-width: 80rem; margin: auto; }
h1 { margin: 0 0 .5rem; font-size: 2rem; letter-spacing: -.02em; }
h2 { margin: 2rem 0 .75rem; font-size: 1.25rem; text-transform: capitalize; }
h3 { margin: 1rem 0 .25rem; font-size: .85rem; color: var(--soft); text-transform: uppercase; letter-spacing: .05em; }
p { margin: 0 0 .75rem; max-width: 70ch; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 4px; }
code { font: .875em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.columns { display: grid; grid-template-columns: 12rem minmax(0, 1fr); gap: 2rem; max-width: 80rem; margin: auto; padding: 0 clamp(1rem, 4vw, 3rem) 4rem; }
nav ul { position: sticky; top: 1rem; list-style: none; margin: 2rem 0; padding: 0; }
nav li { padding: .2rem 0; }
nav span { color: var(--soft); font-variant-numeric: tabular-nums; }
details { background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin: .5rem 0; }
summary { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; padding: .7rem 1rem; cursor: pointer; }
summary b { font: 600 .8rem/1 ui-monospace, monospace; min-width: 3.6rem; color: var(--write); }
summary b.get { color: var(--read); }
summary b.delete { color: var(--remove); }
summary .who { font-size: .8rem; color: var(--soft); border: 1px solid var(--line); border-radius: 99px; padding: 0 .6rem; }
summary .text { flex-basis: 100%; color: var(--soft); font-size: .95rem; }
.body { padding: 0 1rem 1rem; border-top: 1px solid var(--line); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.tree { list-style: none; margin: 0; padding-left: .9rem; border-left: 1px solid var(--line); font-size: .9rem; }
.tree span { color: var(--soft); }
.tree i { color: var(--soft); font-size: .8rem; margin-left: .35rem; }
@media (max-width: 48rem) { .columns { grid-template-columns: 1fr; gap: 0; } nav ul { position: static; display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 0; } }
`;
