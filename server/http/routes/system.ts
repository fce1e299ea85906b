/** Probes, metrics and the documentation of the API itself. */
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { Health } from '../../observe/health.ts';
import { docsPage, docsStyle } from '../docs-page.ts';
import { PAGE_HEADERS } from '../headers.ts';
import { openApi } from '../openapi.ts';
import { answer, route } from '../route.ts';
import type { Answer, Route } from '../route.ts';

const Check = z.strictObject({ status: z.enum(['up', 'down']), ms: z.number() });
const Ready = z.strictObject({
  status: z.literal('ready'),
  durability: z.enum(['power', 'process', 'none']),
  durabilityText: z.string(),
  relaxed: z.array(z.string()).describe('kinds of which the last 600 ms may be lost when the database crashes'),
  checks: z.record(z.string(), Check),
});

export interface SystemRouteDeps {
  readonly health: Health;
  readonly registry: Registry;
  readonly version: string;
  readonly publicUrl: string;
  /** the whole table, these routes included */
  readonly table: () => readonly Route[];
}

export function systemRoutes(d: SystemRouteDeps): Route[] {
  const text = (body: string, type: string, more: object = {}): Answer =>
    answer(body, { headers: { ...more, 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-cache' } });
  /** Made from the whole table, so not before it is complete. */
  let made: { readonly json: string; readonly page: string } | undefined;
  const documents = (): { readonly json: string; readonly page: string } => {
    if (made !== undefined) return made;
    const api = openApi(d.table(), d);
    return (made = { json: JSON.stringify(api), page: docsPage(d.table(), api) });
  };
  const common = { method: 'GET', auth: 'none', tag: 'system' } as const;

  return [
    route({
      ...common,
      path: '/healthz',
      summary: 'Whether the process answers; asks nobody else',
      unlimited: true,
      reply: { 200: z.strictObject({ status: z.literal('ok'), uptimeS: z.int(), version: z.string() }) },
      run: () => answer(d.health.live()),
    }),
    route({
      ...common,
      path: '/readyz',
      summary: 'Whether the server can do its work, and what survives a crash',
      unlimited: true,
      reply: { 200: Ready },
      problems: ['NOT_READY', 'DRAINING'],
      run: async () => answer(await d.health.ready()),
    }),
    route({
      ...common,
      path: '/metrics',
      summary: 'Metrics in the text format of Prometheus',
      unlimited: true,
      reply: { 200: 'text/plain' },
      run: async () => answer(await d.registry.metrics(), { headers: { 'content-type': d.registry.contentType } }),
    }),
    route({
      ...common,
      path: '/v1/openapi.json',
      summary: 'This API as OpenAPI 3.1',
      reply: { 200: 'application/json' },
      run: () => text(documents().json, 'application/json'),
    }),
    route({
      ...common,
      path: '/docs/api',
      summary: 'This API as a page',
      reply: { 200: 'text/html' },
      run: () => text(documents().page, 'text/html', PAGE_HEADERS),
    }),
    route({
      ...common,
      path: '/docs/api.css',
      summary: 'Style of the page',
      reply: { 200: 'text/css' },
      run: () => text(docsStyle, 'text/css', PAGE_HEADERS),
    }),
  ];
}
