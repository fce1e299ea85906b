import { createHash } from 'node:crypto';
import { KernelProblem, refusal } from './errors.ts';

/** `kind:id/view?key=value`; the query in canonical form: keys sorted, values percent-encoded. */
export interface TopicName {
  readonly kind: string;
  readonly id: string;
  readonly view: string;
  readonly query: { readonly [key: string]: string };
}

const shape = /^([a-z]{1,20}):([A-Za-z0-9_.:-]{1,120})\/([a-z0-9-]{1,40})(?:\?([^?#/]*))?$/;

/** @throws KernelProblem VALIDATION when the name does not follow the grammar of realtime R3 */
export function parseTopic(name: string): TopicName {
  const wrong = (why: string): KernelProblem =>
    new KernelProblem(refusal('VALIDATION', `malformed topic name: ${why}`, { issues: [{ path: 't', message: why }] }));
  if (name.length > 200) throw wrong('longer than 200 bytes');
  const found = shape.exec(name);
  if (found === null) throw wrong('expected kind:id/view?key=value');
  const [, kind = '', id = '', view = '', text] = found;
  const query: Record<string, string> = {};
  for (const part of text === undefined ? [] : text.split('&')) {
    const eq = part.indexOf('=');
    const key = part.slice(0, eq);
    if (eq < 1 || !/^[a-z][A-Za-z0-9]{0,20}$/.test(key) || Object.hasOwn(query, key)) throw wrong(`query '${part}'`);
    try {
      query[key] = decodeURIComponent(part.slice(eq + 1));
    } catch {
      throw wrong(`query '${part}'`);
    }
  }
  if (Object.keys(query).length > 3) throw wrong('more than three query keys');
  return { kind, id, view, query };
}

/** The canonical spelling. */
export function formatTopic({ kind, id, view, query }: TopicName): string {
  return `${kind}:${id}/${viewKey(view, query)}`;
}

/** View with its query, the part of the name behind the subject. */
export function viewKey(view: string, query: TopicName['query']): string {
  const keys = Object.keys(query).sort();
  if (keys.length === 0) return view;
  return `${view}?${keys.map((key) => `${key}=${encodeURIComponent(query[key] ?? '')}`).join('&')}`;
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** Topic epoch: first 8 characters of base32(SHA-256(data id, kind, view, version)). A restored database has another data id. */
export function epochOf(dataId: string, kind: string, view: string, version: number): string {
  const digest = createHash('sha256').update(`${dataId}\0${kind}\0${view}\0${version}`).digest();
  let bits = digest.readUIntBE(0, 5);
  let text = '';
  for (let i = 0; i < 8; i += 1) {
    text = (alphabet[bits % 32] ?? '') + text;
    bits = Math.floor(bits / 32);
  }
  return text;
}
