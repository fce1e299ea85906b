/** What a person reads when the server has started. */
import type { Durability } from './observe/health.ts';
import { durabilityText } from './observe/health.ts';

export interface BannerFacts {
  readonly version: string;
  readonly url: string;
  readonly database: string;
  readonly durability: Durability;
  readonly cluster: boolean;
  readonly logins: readonly { readonly email: string; readonly password: string; readonly role: string }[];
  readonly startedMs: number;
}

export function bannerText(f: BannerFacts): string {
  const row = (name: string, value: string): string => `  ${name.padEnd(12)}${value}`;
  const logins = f.logins.map((l) => row(l.role, `${l.email.padEnd(24)}password: ${l.password}`));
  return [
    '',
    `  Thrum ${f.version} is ready (${(f.startedMs / 1_000).toFixed(1)} s)`,
    '',
    row('dashboard', `${f.url}/`),
    row('inspector', `${f.url}/inspect`),
    row('API', `${f.url}/docs/api`),
    row('health', `${f.url}/readyz   ${f.url}/metrics`),
    '',
    ...(logins.length === 0 ? [] : ['  demo logins', ...logins, '']),
    row('database', f.database),
    row('durability', `${f.durability}: ${durabilityText[f.durability]}`),
    ...(f.cluster ? [row('cluster', 'REDIS_URL is set, but this version runs on one node; Redis is not used')] : []),
    '',
    '',
  ].join('\n');
}
