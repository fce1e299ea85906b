/** Access tokens: JWT by ES256 (realtime R2). */
import { hash } from 'node:crypto';
import { errors, importJWK, jwtVerify, SignJWT } from 'jose';
import type { JWTPayload } from 'jose';
import { z } from 'zod';
import type { Clock } from '../../actors/types.ts';
import { Problem } from '../problems.ts';
import type { Session } from './caller.ts';
import type { Secrets } from './keys.ts';

export interface TokenSubject {
  readonly userId: string;
  readonly sid: string;
  readonly roles: readonly string[];
  readonly plan: string;
  readonly org?: string | undefined;
}

export interface Tokens {
  /** `scope`: for the socket only, and there for what it names */
  sign(s: TokenSubject, scope?: string): Promise<{ token: string; expiresIn: number }>;
  /** @throws Problem TOKEN_EXPIRED, UNAUTHENTICATED */
  verify(token: string): Promise<Session>;
  /** public keys, RFC 7517 */
  jwks(): { keys: object[] };
}

/** An organisation, as topics name it. */
export const Org = z.string().regex(/^[A-Za-z0-9_.:-]{1,120}$/);

const Claims = z.object({
  sub: z.string().min(1),
  sid: z.string().min(1),
  jti: z.string().min(1),
  iat: z.int(),
  exp: z.int(),
  roles: z.array(z.string()).default([]),
  plan: z.string().default('free'),
  org: Org.optional(),
  aud: z.array(z.string()).or(z.string().transform((one) => [one])),
  scope: z.string().optional(),
});

const TOLERANCE_S = 30;
const LONGEST_S = 900;
const MOST_CACHED = 50_000;
const READ_MS = 5_000;

type Key = Awaited<ReturnType<typeof keysOf>>[number];

const keysOf = (secrets: Secrets) =>
  Promise.all(
    secrets.signing.map(async ({ kid, jwk }) => {
      const { d: _, ...open } = jwk;
      return { kid, open, private: await importJWK(jwk, 'ES256'), public: await importJWK(open, 'ES256') };
    }),
  );

export async function createTokens(o: {
  secrets: Secrets;
  issuer: string;
  ttlS: number;
  clock: Clock;
  newId: () => string;
  /** the secrets as they are stored now: a node that has started later may sign with a newer key */
  stored?: () => Promise<Secrets | undefined>;
}): Promise<Tokens> {
  let keys = await keysOf(o.secrets);
  let readAt = Number.NEGATIVE_INFINITY;
  const [first] = keys;
  if (first === undefined) throw new Error('no signing key');
  /** SHA-256 of the token -> session; the oldest entry goes first */
  const verified = new Map<string, Session>();
  const isOver = (s: Session): boolean => o.clock.wall() > s.exp + TOLERANCE_S * 1_000;

  return {
    async sign(s, scope) {
      const iat = Math.floor(o.clock.wall() / 1_000);
      const own = { sid: s.sid, roles: s.roles, plan: s.plan };
      const more = { ...(s.org === undefined ? {} : { org: s.org }), ...(scope === undefined ? {} : { scope }) };
      const token = await new SignJWT({ ...own, ...more })
        .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: first.kid })
        .setIssuer(o.issuer)
        .setAudience(scope === undefined ? ['api', 'realtime'] : ['realtime'])
        .setSubject(s.userId)
        .setJti(o.newId())
        .setIssuedAt(iat)
        .setExpirationTime(iat + o.ttlS)
        .sign(first.private);
      return { token, expiresIn: o.ttlS };
    },

    async verify(token) {
      const digest = hash('sha256', token, 'base64url');
      const known = verified.get(digest);
      if (known !== undefined) {
        if (!isOver(known)) return known;
        verified.delete(digest);
        throw new Problem('TOKEN_EXPIRED');
      }
      const session = sessionOf(await payloadOf(token));
      if (verified.size >= MOST_CACHED) {
        const oldest = verified.keys().next().value;
        if (oldest !== undefined) verified.delete(oldest);
      }
      verified.set(digest, session);
      return session;
    },

    jwks: () => ({ keys: keys.map(({ kid, open }) => ({ ...open, kid, alg: 'ES256', use: 'sig' })) }),
  };

  /** A key that is not known is looked for in the file of the secrets, now and then. */
  async function keyOf(kid: string | undefined): Promise<Key | undefined> {
    const known = keys.find((k) => k.kid === kid);
    if (known !== undefined || kid === undefined || o.clock.mono() - readAt < READ_MS) return known;
    readAt = o.clock.mono();
    const stored = await o.stored?.();
    if (stored !== undefined) keys = await keysOf(stored);
    return keys.find((k) => k.kid === kid);
  }

  async function payloadOf(token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(
        token,
        async (header) => {
          const key = await keyOf(header.kid);
          if (key === undefined) throw new errors.JWKSNoMatchingKey();
          return key.public;
        },
        {
          algorithms: ['ES256'],
          issuer: o.issuer,
          audience: ['api', 'realtime'],
          clockTolerance: TOLERANCE_S,
          currentDate: new Date(o.clock.wall()),
        },
      );
      return payload;
    } catch (cause) {
      if (cause instanceof errors.JWTExpired) throw new Problem('TOKEN_EXPIRED', undefined, undefined, { cause });
      if (cause instanceof errors.JOSEError) throw new Problem('UNAUTHENTICATED', 'the access token is not valid', undefined, { cause });
      throw cause;
    }
  }
}

function sessionOf(payload: JWTPayload): Session {
  const claims = Claims.safeParse(payload);
  if (!claims.success || claims.data.exp - claims.data.iat > LONGEST_S)
    throw new Problem('UNAUTHENTICATED', 'the access token lacks claims');
  const { sub, sid, roles, plan, org, exp, aud, scope } = claims.data;
  // a token that is not for the API may do what its scope names, and without one nothing
  const narrowed = aud.includes('api') ? {} : { scope: scope?.split(' ') ?? [] };
  const of = org === undefined ? {} : { org };
  return { userId: sub, sid, roles, plan, ...of, exp: exp * 1_000, principal: { kind: 'user', id: sub, roles, ...of }, ...narrowed };
}
