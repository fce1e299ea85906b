/** Who somebody is: logins, sessions, tokens. The rest of the server asks {@link Identity.authenticate} and nothing else. */
import { createHash } from 'node:crypto';
import type { Knex } from 'knex';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock } from '../../actors/types.ts';
import type { Audit } from '../audit/audit.ts';
import type { Config } from '../config.ts';
import type { NewLimiter } from '../limits/limiter.ts';
import { Problem } from '../problems.ts';
import { URL_NAMESPACE, uuid5 } from '../../calc/uuid.ts';
import { createAttempts } from './attempts.ts';
import { ANONYMOUS } from './caller.ts';
import type { Caller, Session } from './caller.ts';
import { accessCookie, readCookie } from './cookies.ts';
import { readSecrets } from './keys.ts';
import type { Locks } from './locks.ts';
import type { Secrets } from './keys.ts';
import { scopeText } from './scope.ts';
import type { Scope } from './scope.ts';
import { createPasswords } from './password.ts';
import { createSessions } from './sessions.ts';
import type { Sessions } from './sessions.ts';
import { createTokens } from './tokens.ts';
import { createUsers, normalEmail, userOf } from './users.ts';
import type { User, UserRow, Users } from './users.ts';

export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** seconds until the access token expires */
  readonly expiresIn: number;
  readonly user: User;
}

export interface Identity {
  readonly users: Users;
  readonly sessions: Sessions;
  readonly jwks: () => { keys: object[] };
  /** HTTP. @throws Problem UNAUTHENTICATED, TOKEN_EXPIRED for a bearer token; a cookie that is not valid counts as none */
  authenticate(c: { authorization: string | undefined; cookie: string | undefined }): Promise<Caller>;
  /** One access token. @throws Problem UNAUTHENTICATED, TOKEN_EXPIRED */
  verify(token: string): Promise<Session>;
  /** @throws Problem UNAUTHENTICATED, ACCOUNT_LOCKED, RATE_LIMITED, OVERLOADED */
  login(o: { email: string; password: string; address: string; userAgent: string | undefined }): Promise<TokenPair>;
  /** @throws Problem UNAUTHENTICATED, REFRESH_REUSED */
  refresh(refreshToken: string): Promise<TokenPair>;
  /** A token for the socket alone, for what `scope` names; it ends with the session that it comes from. */
  narrow(session: Session, scope: Scope): Promise<{ token: string; expiresIn: number }>;
  /** A session without password, for local scripts that hold the operator secret. `org` is in this token alone. @throws Problem NOT_FOUND */
  impersonate(email: string, org?: string): Promise<TokenPair>;
}

export interface IdentityDeps {
  readonly config: Config;
  readonly knex: Knex;
  readonly actors: ActorSystem;
  readonly audit: Pick<Audit, 'write'>;
  readonly secrets: Secrets;
  readonly newLimiter: NewLimiter;
  /** accounts that are locked */
  readonly locks: Locks;
  readonly clock: Clock;
  readonly newId: () => string;
}

export async function createIdentity(d: IdentityDeps): Promise<Identity> {
  const { config, clock, newId } = d;
  const passwords = createPasswords({ concurrency: config.argon2Concurrency, memoryKib: config.argon2MemoryKib, time: config.argon2Time });
  const stored = (): Promise<Secrets | undefined> => readSecrets(config.dataDir);
  const tokens = await createTokens({ secrets: d.secrets, issuer: config.publicUrl, ttlS: config.accessTtlS, clock, newId, stored });
  const attempts = createAttempts({ locks: d.locks, perAddress: config.loginsPerAddress, newLimiter: d.newLimiter });
  const sessions = createSessions({
    knex: d.knex,
    clock,
    newId,
    refreshSecret: d.secrets.refresh,
    refreshTtlS: config.refreshTtlS,
    maxS: config.sessionMaxS,
    onReused: (userId, sid) => warnOfReuse(d.actors, userId, sid),
  });
  const users = createUsers({ knex: d.knex, actors: d.actors, hash: (p) => passwords.hash(p), newId, wall: () => clock.wall() });
  const cookieName = accessCookie(config.publicUrl);

  const pair = async (row: UserRow, s: { sid: string; refreshToken: string }, org?: string): Promise<TokenPair> => {
    const user = userOf(row);
    const { token, expiresIn } = await tokens.sign({ userId: user.id, sid: s.sid, roles: user.roles, plan: user.plan, org });
    return { accessToken: token, refreshToken: s.refreshToken, expiresIn, user };
  };
  const verify = async (token: string): Promise<Session> => {
    const session = await tokens.verify(token);
    if (sessions.isRevoked(session.sid)) throw new Problem('UNAUTHENTICATED', 'the session has ended');
    return session;
  };
  const forApi = async (token: string): Promise<Session> => {
    const session = await verify(token);
    if (session.scope !== undefined) throw new Problem('UNAUTHENTICATED', 'the token is for the socket alone');
    return session;
  };

  return {
    users,
    sessions,
    jwks: () => tokens.jwks(),
    verify,

    async authenticate({ authorization, cookie }) {
      if (authorization !== undefined) {
        const token = /^Bearer ([\w.~+/=-]{1,4096})$/i.exec(authorization)?.[1];
        if (token === undefined) throw new Problem('UNAUTHENTICATED', 'the Authorization header must be a bearer token');
        return callerOf(await forApi(token), 'bearer');
      }
      const token = readCookie(cookie, cookieName);
      if (token === undefined) return ANONYMOUS;
      try {
        return callerOf(await forApi(token), 'cookie');
      } catch (error) {
        if (error instanceof Problem) return error.code === 'TOKEN_EXPIRED' ? { ...ANONYMOUS, expired: true } : ANONYMOUS;
        throw error;
      }
    },

    async login({ email, password, address, userAgent }) {
      const name = normalEmail(email);
      await attempts.admit(name, address);
      const row = await users.byEmail(name);
      const right = await passwords.verify(password, row?.password_hash ?? undefined);
      if (!right || row === undefined || row.status !== 'active') {
        await attempts.failed(name, address);
        await refusedLogin(d, name, row);
        throw new Problem('UNAUTHENTICATED', 'e-mail or password is wrong');
      }
      await attempts.succeeded(name, address);
      if (row.password_hash !== null && passwords.isOld(row.password_hash))
        await users.setPasswordHash(row.id, await passwords.hash(password));
      return pair(row, await sessions.start(row.id, userAgent));
    },

    async refresh(refreshToken) {
      const next = await sessions.rotate(refreshToken);
      const row = await users.byId(next.userId);
      if (row === undefined || row.status !== 'active') throw new Problem('UNAUTHENTICATED', 'the account is closed');
      return pair(row, next);
    },

    narrow: ({ userId, sid, roles, plan, org }, scope) => tokens.sign({ userId, sid, roles, plan, org }, scopeText(scope, userId)),

    async impersonate(email, org) {
      const row = await users.byEmail(email);
      if (row === undefined) throw new Problem('NOT_FOUND', 'no user has this e-mail');
      return pair(row, await sessions.start(row.id, 'local script'), org);
    },
  };
}

/** Names of nobody are kept as a hash: somebody may have typed a password there. */
function refusedLogin({ audit }: IdentityDeps, name: string, row: UserRow | undefined): Promise<void> {
  const who = row?.id ?? createHash('sha256').update(name).digest('hex').slice(0, 16);
  const target = row === undefined ? { targetType: 'login', targetId: who } : { targetType: 'user', targetId: who, subjectUserId: who };
  return audit.write({ actorType: 'user', action: 'auth.login_failed', ...target, outcome: 'refused' });
}

/** Tells the person on every device; a person who cannot be told is no reason to keep the session. */
async function warnOfReuse(actors: ActorSystem, userId: string, sid: string): Promise<void> {
  const notice = {
    id: uuid5(URL_NAMESPACE, `notification/session-reused/${sid}`),
    category: 'security',
    severity: 'critical',
    collapseKey: 'session',
    titleKey: 'security.session_reused',
    args: {},
    href: '/',
  };
  const from = { kind: 'system', id: 'identity', roles: [] } as const;
  await actors.ask(`user:${userId}`, { type: 'notification.create', ...notice }, { key: `session-reused:${sid}`, from });
}

export const callerOf = (session: Session, via: 'bearer' | 'cookie'): Caller => ({ principal: session.principal, session, via });
