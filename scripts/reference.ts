/** Reference pages that are made from the code: configuration, errors, metrics, topics and commands. */
import type { Registry } from 'prom-client';
import { platformOnly } from '../actors/define.ts';
import type { ActorKind, Topic } from '../actors/define.ts';
import { settings } from '../server/config.ts';
import type { Computed } from '../server/live/computed.ts';
import { problems } from '../server/problems.ts';
import { nameOf, queryKeys } from './contract.ts';

const NOTE = '<!-- Written by `npm run gen`; do not edit. -->\n';
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const row = (...cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;

export function configurationText(): string {
  const rows = Object.values(settings).map((s) => {
    const {
      name,
      unit,
      text,
      default: preset,
      shown,
    } = s as { name: string; unit?: string; text: string; default?: string; shown?: string };
    const value = shown ?? preset;
    return row(`\`${name}\``, value === undefined ? '–' : `\`${value}\``, unit ?? '', text);
  });
  return `${NOTE}
# Configuration

Everything is read once at the start from environment variables. None is needed. A faulty one stops the process with exit code 78; all faults are reported together, by name.

| variable | default | unit | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

export function errorsText(): string {
  const rows = Object.entries(problems).map(([code, p]) => row(`\`${code}\``, String(p.status), p.retryable ? 'yes' : 'no', p.title));
  return `${NOTE}
# Errors

An error is one object, the same over HTTP (\`application/problem+json\`, RFC 9457) and over the socket:
\`{ type: "urn:thrum:error:<CODE>", code, status, title, detail?, instance, retryable, retryAfterMs?, details? }\`. \`instance\` names the request in the server's log.

| code | status | repeat helps | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

/** Metrics of the product itself; those of Node.js and the process that prom-client adds are described there. */
export function metricsText(registry: Registry): string {
  type Described = { readonly name: string; readonly help: string; readonly type: unknown; readonly labelNames?: readonly string[] };
  const rows = (registry.getMetricsAsArray() as readonly Described[])
    .filter((m) => !/^(nodejs|process)_/.test(m.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((m) => row(`\`${m.name}\``, String(m.type), (m.labelNames ?? []).map((l) => `\`${l}\``).join(', '), m.help));
  return `${NOTE}
# Metrics

\`GET /metrics\` serves them in the Prometheus format, with those of Node.js and the process (\`nodejs_*\`, \`process_*\`). No label holds the id of a person or an actor.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

const about = (t: Topic): string => {
  if (t.kind === 'state') return `at most one publication in ${t.conflateMs ?? 100} ms`;
  return t.kind === 'log' ? `kept ${t.retainDays} days, at most ${t.retainItems.toLocaleString('en')} items` : 'not kept';
};

export function topicsText(kinds: readonly ActorKind[], computed: readonly Computed[]): string {
  const topics = kinds.flatMap((k) => k.topics ?? []).sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  const topicRows = topics.map((t) => {
    const query = queryKeys(t).join(', ');
    return row(`\`${nameOf(t)}\``, t.kind, t.public === true ? 'everybody' : 'by actor', query, about(t));
  });
  const commandRows = [...kinds]
    .sort((a, b) => (a.kind < b.kind ? -1 : 1))
    .flatMap((k) =>
      Object.entries(k.commands).map(([type, c]) =>
        row(`\`${k.kind}\``, `\`${type}\``, c.allow === platformOnly ? 'platform' : 'by actor', c.rejects.map((r) => `\`${r}\``).join(' ')),
      ),
    );
  return `${NOTE}
# Topics and commands

The types of views, items and payloads are in \`client-sdk/src/generated/contract.ts\`. A topic is read by whom its actor admits; somebody else's actor does not exist for a caller.

## Topics

| topic | kind | readers | query | rhythm and retention |
| --- | --- | --- | --- | --- |
${[...computed.map((c) => row(`\`${c.name}\``, 'state', c.readers, '', 'when it changes')), ...topicRows].join('\n')}

## Commands

| actor | command | senders | refuses with |
| --- | --- | --- | --- |
${commandRows.join('\n')}
`;
}
