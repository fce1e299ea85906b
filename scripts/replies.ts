/** The pages' types of what the REST API answers, from the route table. */
import type { Route } from '../server/http/route.ts';
import { schemaOf } from './contract.ts';
import { typeText } from './schema-text.ts';

const HEAD = `/** What the routes of the REST API answer on success. Written by \`npm run gen\` from the route table; do not edit. */
`;

/** JSON answers only; routes that answer nothing or another medium are left out. */
export function repliesText(routes: readonly Route[]): string {
  const entries = routes.flatMap(({ method, path, reply }) => {
    const [schema] = Object.entries(reply).flatMap(([status, s]) => (Number(status) < 300 ? [s] : []));
    if (schema === undefined || schema === null || typeof schema === 'string') return [];
    return [[`${method} ${path}`, typeText(schemaOf(schema, 'output'), 2)] as const];
  });
  const lines = entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, type]) => `  '${name}': ${type};`);
  return `${HEAD}export interface Replies {\n${lines.join('\n')}\n}\n`;
}
