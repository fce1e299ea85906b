/** Connecting an account at a provider (B3.3): the state row, PKCE, the exchange of the code. */
import { createHash, randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Log, Principal } from '../../actors/types.ts';
import { AUTH_MS } from '../../machines/biosync/timing.ts';
import { Problem } from '../problems.ts';
import type { Intake } from './intake.ts';
import type { Provider, Providers } from './provider.ts';
import { digest } from './raw.ts';

const CONNECT: Principal = { kind: 'system', id: 'connect', roles: [] };

export interface ConnectDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Log;
  readonly publicUrl: string;
  readonly providers: Providers;
  readonly intake: Intake;
  readonly actors: () => ActorSystem;
}

export interface Started {
  readonly deviceId: string;
  readonly authorizeUrl?: string;
  readonly expiresAt?: number;
  /** `standard`: the account name that the sender writes into `user` */
  readonly account?: string;
}

export interface Connector {
  start(o: {
    provider: string;
    userId: string;
    deviceId?: string;
    label?: string;
    timeZone: string;
    returnTo?: string;
    key: string;
  }): Promise<Started>;
  /** The provider sent the person back. Gives where the browser goes next. */
  callback(o: {
    provider: string;
    state: string;
    code?: string;
    error?: string;
  }): Promise<{ deviceId: string; status: string; returnTo: string }>;
}

export function createConnector({ knex, clock, newId, log, publicUrl, providers, intake, actors }: ConnectDeps): Connector {
  const redirectUri = (provider: string): string => `${publicUrl}/v1/integrations/${provider}/callback`;

  async function tell(deviceId: string, command: { type: string; [field: string]: unknown }, key: string) {
    const reply = await actors().ask(`device:${deviceId}`, command, { key, from: CONNECT });
    if (!reply.ok) throw Problem.from(reply.error);
    return reply.reply;
  }

  async function succeed(
    provider: Provider,
    o: { deviceId: string; userId: string; providerUserId: string; scopes: readonly string[]; key: string },
  ): Promise<string> {
    const missing = provider.requiredScopes.filter((s) => !o.scopes.includes(s));
    const reply = await tell(
      o.deviceId,
      { type: 'connect.succeeded', providerUserId: o.providerUserId, scopes: [...o.scopes], missing },
      o.key,
    );
    if (missing.length > 0) return 'SCOPES_MISSING';
    await intake.adopt({ provider: provider.id, providerUserId: o.providerUserId, userId: o.userId, deviceId: o.deviceId });
    return (reply as { state: string }).state;
  }

  return {
    async start({ provider: name, userId, timeZone, returnTo, key, ...o }) {
      const provider = providers.get(name);
      if (provider === undefined) throw new Problem('NOT_FOUND', 'there is no such provider');
      const deviceId = o.deviceId ?? newId();
      await tell(deviceId, { type: 'device.connect', userId, provider: provider.id, label: o.label ?? provider.label, timeZone }, key);
      if (provider.authorize === undefined) {
        // the name cannot be guessed, so nobody can send data into another person's account or claim it
        await succeed(provider, { deviceId, userId, providerUserId: deviceId, scopes: [], key: `${key}:granted` });
        return { deviceId, account: deviceId };
      }
      const state = randomBytes(24).toString('base64url');
      const verifier = randomBytes(32).toString('base64url');
      const now = clock.wall();
      const expiresAt = now + AUTH_MS;
      await knex.raw(
        `insert into device_authorizations (state_hash, device_id, user_id, provider, verifier, return_to, created_at, expires_at) values (?, ?, ?, ?, ?, ?, ?, ?)`,
        [digest(state), deviceId, userId, name, verifier, returnTo ?? null, new Date(now), new Date(expiresAt)],
      );
      const challenge = createHash('sha256').update(verifier).digest('base64url');
      return { deviceId, authorizeUrl: provider.authorize({ state, redirectUri: redirectUri(name), challenge }), expiresAt };
    },

    async callback({ provider: name, state, code, error }) {
      const provider = providers.get(name);
      const now = new Date(clock.wall());
      const result = (await knex.raw(
        `update device_authorizations set used_at = ? where state_hash = ? and provider = ? and used_at is null and expires_at > ?
         returning device_id, user_id, verifier, return_to`,
        [now, digest(state), name, now],
      )) as { rows: { device_id: string; user_id: string; verifier: string; return_to: string | null }[] };
      const row = result.rows[0];
      if (provider?.exchange === undefined || row === undefined)
        throw new Problem('NOT_FOUND', 'this authorization is unknown, used or too old');
      const where = { deviceId: row.device_id, returnTo: row.return_to ?? '/' };
      const key = `authorization:${digest(state)}`;
      if (code === undefined) {
        await tell(row.device_id, { type: 'connect.failed', reason: error ?? 'denied' }, key);
        return { ...where, status: 'denied' };
      }
      try {
        const identity = await provider.exchange(code, row.verifier, redirectUri(name), new AbortController().signal);
        const status = await succeed(provider, { deviceId: row.device_id, userId: row.user_id, ...identity, key });
        return { ...where, status };
      } catch (cause) {
        log.warn({ err: cause, deviceId: row.device_id }, 'a provider did not give the grant');
        await tell(row.device_id, { type: 'connect.failed', reason: 'exchange' }, `${key}:failed`);
        return { ...where, status: 'failed' };
      }
    },
  };
}
