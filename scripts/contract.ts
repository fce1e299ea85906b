/** The client SDK's types of all topics and commands, from the zod schemas of the actor kinds. */
import { z } from 'zod';
import { platformOnly } from '../actors/define.ts';
import type { ActorKind, Topic } from '../actors/define.ts';
import type { Computed } from '../server/live/computed.ts';
import { problems } from '../server/problems.ts';
import { typeText } from './schema-text.ts';
import type { JsonSchema } from './schema-text.ts';

const HEAD = `/**
 * Topics, commands and error codes of the server, as types. Written by \`npm run gen\` from the zod schemas of the actor kinds; do not edit.
 *
 * \`{id}\` stands for the id of the actor. \`query\` lists the declared query keys of a topic. Commands that only the platform may send are
 * left out.
 */
`;

export function schemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  return z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' }) as JsonSchema;
}

export const nameOf = (t: Topic): string => `${t.subject}:{id}/${t.view}`;

/** Declared query keys of a topic, sorted. */
export const queryKeys = (t: Topic): string[] =>
  t.kind === 'state' && t.query !== undefined ? Object.keys(schemaOf(t.query, 'input').properties ?? {}).sort() : [];

const sorted = <T>(items: readonly T[], key: (item: T) => string): T[] => [...items].sort((a, b) => (key(a) < key(b) ? -1 : 1));

function topicText(t: Topic): string {
  const keys = queryKeys(t);
  const query = keys.length === 0 ? [] : [`    query: ${keys.map((k) => `'${k}'`).join(' | ')};`];
  const text = typeText(schemaOf(t.kind === 'state' ? t.schema : t.item, 'output'), 4);
  const can = t.kind === 'state' && t.can === true ? ' & { can?: { [role: string]: string[] } }' : '';
  return [
    `  '${nameOf(t)}': {`,
    `    kind: '${t.kind}';`,
    ...query,
    `    ${t.kind === 'log' ? 'item' : 'view'}: ${text}${can};`,
    '  };',
  ].join('\n');
}

function commandsText(kind: ActorKind): string | undefined {
  const open = sorted(
    Object.entries(kind.commands).filter(([, c]) => c.allow !== platformOnly),
    ([type]) => type,
  );
  if (open.length === 0) return undefined;
  const lines = open.flatMap(([type, c]) => [
    `    '${type}': {`,
    `      input: ${typeText(schemaOf(c.input, 'input'), 6)};`,
    `      reply: ${typeText(schemaOf(c.reply, 'output'), 6)};`,
    `      rejects: ${c.rejects.length === 0 ? 'never' : c.rejects.map((r) => `'${r}'`).join(' | ')};`,
    '    };',
  ]);
  return [`  ${kind.kind}: {`, ...lines, '  };'].join('\n');
}

/** Types of commands that a client may keep while it is offline; the one part of the contract that exists at run time. */
export function offlineText(kinds: readonly ActorKind[]): string {
  const types = kinds.flatMap((k) => Object.entries(k.commands).flatMap(([type, c]) => (c.offline === 'queue' ? [type] : [])));
  const list = types.sort().map((type) => `  '${type}',\n`);
  return `/** Commands that may wait for a connection. Written by \`npm run gen\`; do not edit. */\nexport const queueable: readonly string[] = [\n${list.join('')}];\n`;
}

export function contractText(kinds: readonly ActorKind[], computed: readonly Computed[]): string {
  const topics = sorted(
    kinds.flatMap((k) => k.topics ?? []),
    nameOf,
  );
  const own = computed.map((c) => `  '${c.name}': {\n    kind: 'state';\n    view: ${typeText(schemaOf(c.schema, 'output'), 4)};\n  };`);
  const commands = sorted(kinds, (k) => k.kind).flatMap((k) => commandsText(k) ?? []);
  const codes = Object.keys(problems).sort();
  return [
    HEAD,
    `export interface Topics {\n${[...own, ...topics.map(topicText)].join('\n')}\n}\n`,
    `export interface Commands {\n${commands.join('\n')}\n}\n`,
    `export type ProblemCode =\n${codes.map((c) => `  | '${c}'`).join('\n')};\n`,
  ].join('\n');
}
