/** What a person reads when the server has started. */
import type { Durability } from './observe/health.ts';
import { durabilityText } from './observe/health.ts';

export interface BannerFacts {
  readonly version: string;
  /** where people reach the installation, behind whatever is in front of it */
  readonly url: string;
  /** where this process is reached from its own machine */
  readonly local: string;
  readonly database: string;
  readonly durability: Durability;
  /** kinds whose last commits may be lost when the database crashes */
  readonly relaxed: readonly string[];
  /** absent on a single node */
  readonly cluster: { readonly node: string; readonly nodes: readonly unknown[]; readonly roaming: boolean } | undefined;
  readonly logins: readonly { readonly email: string; readonly password: string; readonly role: string }[];
  readonly startedMs: number;
}

const row = (name: string, value: string): string => `  ${name.padEnd(12)}${value}`;
const loginRows = (logins: BannerFacts['logins']): string[] =>
  logins.map((l) => row(l.role, `${l.email.padEnd(24)}password: ${l.password}`));

/** What a person reads when the demo studio has its rooms, bookings and wearables. */
export const completeText = (url: string, logins: BannerFacts['logins']): string =>
  ['', '  The demo studio is complete', '', row('dashboard', `${url}/`), ...loginRows(logins), '', ''].join('\n');

const clusterText = ({ node, nodes, roaming }: NonNullable<BannerFacts['cluster']>): string =>
  roaming ? `node ${node}, without Redis: it serves whatever reaches it` : `node ${node}, one of ${nodes.length}`;

export function bannerText(f: BannerFacts): string {
  return [
    '',
    `  Thrum ${f.version} is ready (${(f.startedMs / 1_000).toFixed(1)} s)`,
    '',
    row('dashboard', `${f.url}/`),
    row('inspector', `${f.url}/inspect`),
    row('API', `${f.url}/docs/api`),
    row('health', `${f.local}/readyz   ${f.local}/metrics`),
    '',
    ...(f.logins.length === 0 ? [] : ['  demo logins', ...loginRows(f.logins), '']),
    row('database', f.database),
    row('durability', `${f.durability}: ${durabilityText[f.durability]}`),
    ...(f.relaxed.length === 0 ? [] : [row('relaxed', `${f.relaxed.join(', ')}: the last 600 ms may be lost when the database crashes`)]),
    ...(f.cluster === undefined ? [] : [row('cluster', clusterText(f.cluster))]),
    '',
    '',
  ].join('\n');
}
