import { createHash, randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import { z } from 'zod';
import { digest } from '../raw.ts';
import { Profile } from './generator.ts';
import type { Account } from './generator.ts';

/** Shares of the provider's answers that are a fault, 0 to 1. */
export const Faults = z.strictObject({
  rate429: z.number().min(0).max(1).default(0),
  rate500: z.number().min(0).max(1).default(0),
  timeouts: z.number().min(0).max(1).default(0),
});
export type Faults = z.infer<typeof Faults>;

export interface SimulatorAccount extends Account {
  readonly faults: Faults;
  readonly feed: boolean;
  readonly revoked: boolean;
}

interface Db {
  readonly id: string;
  readonly name: string;
  readonly time_zone: string;
  readonly seed: string;
  readonly profile: unknown;
  readonly faults: unknown;
  readonly feed: boolean;
  readonly revoked_at: number | null;
}

const toAccount = (r: Db): SimulatorAccount => ({
  id: r.id,
  name: r.name,
  timeZone: r.time_zone,
  seed: r.seed,
  profile: Profile.parse(r.profile),
  faults: Faults.parse(r.faults),
  feed: r.feed,
  revoked: r.revoked_at !== null,
});

const rowsOf = <T>(result: unknown): T[] => (result as { rows: T[] }).rows;
const CODE_MS = 300_000;

/** Accounts of the simulated provider and the grants that its consent page gives. */
export class SimulatorAccounts {
  readonly #knex: Knex;
  readonly #now: () => number;

  constructor(knex: Knex, now: () => number) {
    this.#knex = knex;
    this.#now = now;
  }

  async list(): Promise<SimulatorAccount[]> {
    return rowsOf<Db>(await this.#knex.raw('select * from simulator_accounts order by created_at, id limit 1000')).map(toAccount);
  }

  async get(id: string): Promise<SimulatorAccount | undefined> {
    const row = rowsOf<Db>(await this.#knex.raw('select * from simulator_accounts where id = ?', [id]))[0];
    return row === undefined ? undefined : toAccount(row);
  }

  /** Creates the account, or changes name, zone, profile and feed of the one with this id. */
  async put(a: { id: string; name: string; timeZone: string; seed: string; profile: Profile; feed: boolean }): Promise<void> {
    await this.#knex.raw(
      `insert into simulator_accounts (id, name, time_zone, seed, profile, feed, created_at) values (?, ?, ?, ?, ?::jsonb, ?, ?)
       on conflict (id) do update set name = excluded.name, time_zone = excluded.time_zone, profile = excluded.profile, feed = excluded.feed`,
      [a.id, a.name, a.timeZone, a.seed, JSON.stringify(a.profile), a.feed, new Date(this.#now())],
    );
  }

  async setFaults(id: string, faults: Faults): Promise<void> {
    await this.#knex.raw('update simulator_accounts set faults = ?::jsonb where id = ?', [JSON.stringify(faults), id]);
  }

  async setRevoked(id: string, revoked: boolean): Promise<void> {
    await this.#knex.raw('update simulator_accounts set revoked_at = ? where id = ?', [revoked ? new Date(this.#now()) : null, id]);
  }

  /** Accounts that send by themselves: feed on, and somebody is connected. */
  async feeding(): Promise<SimulatorAccount[]> {
    const result = await this.#knex.raw(
      `select a.* from simulator_accounts a where a.feed and a.revoked_at is null
          and exists (select 1 from devices d where d.provider = 'simulator' and d.provider_user_id = a.id and d.state = 'connected') order by a.id limit 100`,
    );
    return rowsOf<Db>(result).map(toAccount);
  }

  /** A grant, shown once as a code. */
  async grant(o: { accountId: string; scopes: readonly string[]; challenge: string; redirectUri: string }): Promise<string> {
    const code = randomBytes(24).toString('base64url');
    await this.#knex.raw(
      'insert into simulator_codes (code_hash, account_id, scopes, challenge, redirect_uri, expires_at) values (?, ?, ?, ?, ?, ?)',
      [digest(code), o.accountId, [...o.scopes], o.challenge, o.redirectUri, new Date(this.#now() + CODE_MS)],
    );
    await this.setRevoked(o.accountId, false);
    return code;
  }

  /** Redeems a code once, for whoever knows the PKCE verifier. */
  async redeem(code: string, verifier: string, redirectUri: string): Promise<{ accountId: string; scopes: string[] } | undefined> {
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    const now = new Date(this.#now());
    const result = await this.#knex.raw(
      `update simulator_codes set used_at = ? where code_hash = ? and challenge = ? and redirect_uri = ? and used_at is null and expires_at > ?
       returning account_id, scopes`,
      [now, digest(code), challenge, redirectUri, now],
    );
    const row = rowsOf<{ account_id: string; scopes: string[] }>(result)[0];
    return row === undefined ? undefined : { accountId: row.account_id, scopes: row.scopes };
  }
}
