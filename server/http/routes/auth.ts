/**
 * Login, refresh, logout, sessions (biosync B1.3). `client: 'web'` in the login body sets session cookies and keeps the refresh token out
 * of the reply; everybody else gets both tokens as JSON.
 */
import { timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Config } from '../../config.ts';
import { readCookie, refreshCookie, sessionCookies } from '../../identity/cookies.ts';
import type { Identity, TokenPair } from '../../identity/identity.ts';
import { Scope } from '../../identity/scope.ts';
import { SessionView } from '../../identity/sessions.ts';
import { Org } from '../../identity/tokens.ts';
import { User, userOf } from '../../identity/users.ts';
import { Problem } from '../../problems.ts';
import { CursorText, readCursor, writeCursor } from '../cursor.ts';
import { answer, route } from '../route.ts';
import type { Answer, Route, RouteContext } from '../route.ts';

const Login = z.strictObject({
  email: z.string().min(3).max(254),
  password: z.string().min(1).max(128),
  client: z.enum(['web', 'sdk']).default('sdk').describe('web: session cookies are set and the refresh token is not in the reply'),
});
const Refresh = z.strictObject({ refreshToken: z.string().max(200).optional().describe('absent: the session cookie is used') });
const Pair = z.strictObject({
  accessToken: z.string(),
  refreshToken: z.string().optional(),
  expiresIn: z.int().describe('seconds'),
  user: User,
});
const Jwks = z.strictObject({ keys: z.array(z.record(z.string(), z.unknown())) });

const Place = z.tuple([CursorText, z.uuid()]);

export interface AuthRouteDeps {
  readonly config: Config;
  readonly identity: Identity;
  readonly operatorSecret: string;
}

export function authRoutes({ config, identity, operatorSecret }: AuthRouteDeps): Route[] {
  const { sessions, users } = identity;
  const toBrowser = ({ refreshToken, ...pair }: TokenPair): Answer => {
    const cookies = sessionCookies(config.publicUrl, { ...pair, refreshToken, refreshTtlS: config.refreshTtlS });
    return answer(pair, { headers: { 'set-cookie': cookies } });
  };
  const gone = answer(undefined, { status: 204, headers: { 'set-cookie': sessionCookies(config.publicUrl, undefined) } });
  /** Login and refresh by cookie change who a browser is, so they come from our own pages, with or without a session. */
  const ownPage = (c: Pick<RouteContext, 'header'>): void => {
    const origin = c.header('origin');
    if (origin !== undefined && !config.allowedOrigins.includes(origin)) throw new Problem('CSRF');
  };
  const sessionOf = (c: { session: RouteContext['session'] }): NonNullable<RouteContext['session']> => {
    if (c.session === undefined) throw new Problem('UNAUTHENTICATED');
    return c.session;
  };

  return [
    route({
      method: 'POST',
      path: '/v1/realtime/token',
      auth: 'user',
      summary: 'A token for the socket alone, which may do what it names, for a display or a page of another site',
      tag: 'auth',
      body: Scope,
      reply: { 200: z.strictObject({ token: z.string(), expiresIn: z.int().describe('seconds') }) },
      run: async ({ session, body }) => answer(await identity.narrow(sessionOf({ session }), body)),
    }),
    route({
      method: 'POST',
      path: '/v1/auth/login',
      auth: 'none',
      summary: 'Exchanges e-mail and password for tokens',
      body: Login,
      reply: { 200: Pair },
      problems: ['UNAUTHENTICATED', 'ACCOUNT_LOCKED', 'OVERLOADED', 'CSRF'],
      run: async (c) => {
        if (c.body.client === 'web') ownPage(c);
        const { email, password, client } = c.body;
        const pair = await identity.login({ email, password, address: c.address, userAgent: c.header('user-agent') });
        return client === 'web' ? toBrowser(pair) : answer(pair);
      },
    }),
    route({
      method: 'POST',
      path: '/v1/auth/refresh',
      auth: 'none',
      summary: 'Exchanges a refresh token for its successor and a new access token',
      body: Refresh,
      reply: { 200: Pair },
      problems: ['UNAUTHENTICATED', 'REFRESH_REUSED', 'CSRF'],
      run: async (c) => {
        if (c.body.refreshToken !== undefined) return answer(await identity.refresh(c.body.refreshToken));
        ownPage(c);
        const token = readCookie(c.header('cookie'), refreshCookie(config.publicUrl));
        if (token === undefined) throw new Problem('UNAUTHENTICATED', 'there is neither a refresh token nor a cookie');
        return toBrowser(await identity.refresh(token));
      },
    }),
    route({
      method: 'POST',
      path: '/v1/auth/logout',
      auth: 'user',
      summary: 'Ends this session and closes its sockets',
      reply: { 204: null },
      run: async (c) => {
        const { userId, sid } = sessionOf(c);
        await sessions.revoke(userId, sid, 'logout');
        return gone;
      },
    }),
    route({
      method: 'POST',
      path: '/v1/auth/logout-all',
      auth: 'user',
      summary: 'Ends every session of the caller',
      reply: { 204: null },
      run: async (c) => {
        await sessions.revokeAll(sessionOf(c).userId, 'logout_all');
        return gone;
      },
    }),
    route({
      method: 'GET',
      path: '/v1/auth/sessions',
      auth: 'user',
      summary: 'Open sessions of the caller',
      reply: { 200: z.strictObject({ items: z.array(SessionView) }) },
      run: async (c) => {
        const { userId, sid } = sessionOf(c);
        return answer({ items: await sessions.list(userId, sid) });
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/auth/sessions/:id',
      auth: 'user',
      summary: 'Ends one session of the caller',
      params: z.object({ id: z.uuid() }),
      reply: { 204: null },
      problems: ['NOT_FOUND'],
      run: async (c) => {
        const { userId, sid } = sessionOf(c);
        if (!(await sessions.revoke(userId, c.params.id, 'ended_by_user'))) throw new Problem('NOT_FOUND');
        return c.params.id === sid ? gone : answer(undefined, { status: 204 });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/me',
      auth: 'user',
      summary: 'The caller',
      tag: 'auth',
      reply: { 200: User },
      problems: ['NOT_FOUND'],
      run: async (c) => {
        const row = await users.byId(sessionOf(c).userId);
        if (row === undefined) throw new Problem('NOT_FOUND');
        return answer(userOf(row));
      },
    }),
    route({
      method: 'GET',
      path: '/v1/users',
      auth: 'staff',
      summary: 'Active users by name',
      query: z.object({
        role: z.enum(['user', 'staff', 'admin']).optional().describe('only users with this role; everybody is a user'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
        cursor: z.string().max(400).optional(),
      }),
      reply: { 200: z.strictObject({ items: z.array(User), nextCursor: z.string().optional() }) },
      run: async (c) => {
        const { role, limit, cursor } = c.query;
        const [name, id] = cursor === undefined ? [] : readCursor(Place, cursor);
        const after = name === undefined || id === undefined ? undefined : { name, id };
        const rows = await users.list({ role, limit: limit + 1, after });
        const page = rows.slice(0, limit).map(userOf);
        const last = page.at(-1);
        const more = rows.length > limit && last !== undefined;
        return answer({ items: page, ...(more ? { nextCursor: writeCursor([last.displayName, last.id]) } : {}) });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/auth/operator-token',
      auth: 'none',
      summary: 'A token for a known user, for scripts on the same machine that hold the operator secret of the data directory',
      body: z.strictObject({
        email: z.string().min(3).max(254),
        org: Org.optional().describe('organisation that the token names; a renewed token names none'),
      }),
      reply: { 200: Pair },
      problems: ['UNAUTHENTICATED', 'NOT_FOUND'],
      run: async (c) => {
        const sent = Buffer.from(c.header('x-thrum-operator') ?? '');
        const secret = Buffer.from(operatorSecret);
        if (sent.length !== secret.length || !timingSafeEqual(sent, secret)) throw new Problem('UNAUTHENTICATED');
        return answer(await identity.impersonate(c.body.email, c.body.org));
      },
    }),
    route({
      method: 'GET',
      path: '/.well-known/jwks.json',
      auth: 'none',
      summary: 'Public keys of the access tokens',
      tag: 'auth',
      reply: { 200: Jwks },
      run: () => answer(identity.jwks(), { headers: { 'cache-control': 'public, max-age=300' } }),
    }),
  ];
}
