/** Assembles the OpenAPI 3.1 document from the route table. */
import { z } from 'zod';
import { problems } from '../problems.ts';
import type { ProblemCode } from '../problems.ts';
import type { Route } from './route.ts';

type Schema = Record<string, unknown>;

const problemSchema: Schema = {
  type: 'object',
  required: ['type', 'code', 'status', 'title', 'instance', 'retryable'],
  properties: {
    type: { type: 'string', pattern: '^urn:thrum:error:' },
    code: { type: 'string', enum: Object.keys(problems) },
    status: { type: 'integer' },
    title: { type: 'string' },
    detail: { type: 'string' },
    instance: { type: 'string', pattern: '^urn:thrum:request:' },
    retryable: { type: 'boolean' },
    retryAfterMs: { type: 'integer' },
    details: {},
  },
};

export interface OpenApi {
  readonly openapi: '3.1.0';
  readonly info: Schema;
  readonly servers: readonly Schema[];
  readonly paths: { readonly [path: string]: { readonly [method: string]: Schema } };
  readonly components: Schema;
  readonly [field: string]: unknown;
}

export function openApi(routes: readonly Route[], o: { version: string; publicUrl: string }): OpenApi {
  const paths: Record<string, Record<string, Schema>> = {};
  for (const r of routes) {
    const path = pathOf(r.path);
    (paths[path] ??= {})[r.method.toLowerCase()] = operation(r);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Thrum',
      version: o.version,
      description:
        'Every user, device and bookable resource is a durable actor. Commands answer after their commit; repeat one with the same `Idempotency-Key` and it is not applied twice. Errors are problem documents (RFC 9457).',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: o.publicUrl }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: { Problem: problemSchema },
    },
  };
}

/** `/v1/a/:id` -> `/v1/a/{id}` */
export const pathOf = (path: string): string => path.replace(/[:*]([A-Za-z_]\w*)/g, '{$1}');

const jsonSchema = (schema: z.ZodType, io: 'input' | 'output'): Schema => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' }) as Schema;
  return rest;
};

/** Group of a route: its `tag`, or the first word of the path after the version. */
export const tagOf = (r: Route): string => r.tag ?? (/^\/v1\/([a-z-]+)/.exec(r.path)?.[1] || 'system');

/** Codes that a route may answer: those it names and those that come with what it uses. */
export function problemsOf(r: Route): ProblemCode[] {
  const codes = new Set<ProblemCode>(r.problems ?? []);
  if (r.auth !== 'none') codes.add('UNAUTHENTICATED').add('TOKEN_EXPIRED');
  if (r.auth !== 'none' && r.auth !== 'user') codes.add('FORBIDDEN');
  if (r.body !== undefined || r.query !== undefined || r.path.includes(':')) codes.add('VALIDATION');
  if (r.body !== undefined) codes.add('PAYLOAD_TOO_LARGE').add('UNSUPPORTED_MEDIA_TYPE');
  if (r.idempotent === true) codes.add('IDEMPOTENCY_MISMATCH').add('INVALID_IDEMPOTENCY_KEY');
  if (r.ifMatch === true) codes.add('SEQ_MISMATCH');
  if (r.unlimited !== true) codes.add('RATE_LIMITED');
  return [...codes.add('INTERNAL')];
}

function operation(r: Route): Schema {
  const responses: Record<string, Schema> = {};
  for (const [status, reply] of Object.entries(r.reply)) {
    const content =
      reply === null
        ? {}
        : typeof reply === 'string'
          ? { content: { [reply]: { schema: { type: 'string' } } } }
          : { content: { 'application/json': { schema: jsonSchema(reply, 'output') } } };
    responses[status] = { description: Number(status) < 400 ? 'Success' : 'Problem', ...content };
  }
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of problemsOf(r)) {
    const { status } = problems[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  for (const [status, codes] of byStatus) {
    responses[status] ??= {
      description: codes.map((c) => `\`${c}\` ${problems[c].title}`).join(' · '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  return {
    operationId: operationId(r),
    summary: r.summary,
    tags: [tagOf(r)],
    ...(r.auth === 'none' ? {} : { security: [{ bearer: [] }] }),
    'x-thrum-auth': r.auth,
    ...(r.aliases === undefined ? {} : { 'x-thrum-aliases': r.aliases.map(pathOf) }),
    parameters: [...pathParameters(r), ...queryParameters(r), ...headerParameters(r)],
    ...(r.rawBody === true
      ? { requestBody: { required: true, content: { '*/*': { schema: { type: 'string', format: 'binary' } } } } }
      : {}),
    ...(r.body === undefined ? {} : { requestBody: { content: { 'application/json': { schema: jsonSchema(r.body, 'input') } } } }),
    responses,
  };
}

const operationId = (r: Route): string =>
  [r.method.toLowerCase(), ...r.path.split('/').flatMap((s) => s.split(/[^A-Za-z0-9]+/))]
    .filter((s) => s !== '' && s !== 'v1')
    .map((s, i) => (i === 0 ? s : s.charAt(0).toUpperCase() + s.slice(1)))
    .join('');

function pathParameters(r: Route): Schema[] {
  const properties = r.params === undefined ? {} : ((jsonSchema(r.params, 'input')['properties'] ?? {}) as Record<string, Schema>);
  return [...r.path.matchAll(/[:*]([A-Za-z_]\w*)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: properties[name] ?? { type: 'string' },
  }));
}

function queryParameters(r: Route): Schema[] {
  if (r.query === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(r.query, 'input') as { properties?: Record<string, Schema>; required?: string[] };
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', required: required.includes(name), schema }));
}

function headerParameters(r: Route): Schema[] {
  const header = (name: string, description: string): Schema => ({ name, in: 'header', description, schema: { type: 'string' } });
  return [
    ...(r.idempotent === true
      ? [header('Idempotency-Key', '1 to 255 visible characters; a repeat is answered and not applied again')]
      : []),
    ...(r.ifMatch === true ? [header('If-Match', 'version in quotes, as in the ETag; another version is 412 SEQ_MISMATCH')] : []),
  ];
}
