/** Login sessions and their refresh tokens (biosync B1.2). */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Knex } from 'knex';
import { z } from 'zod';
import type { Clock } from '../../actors/types.ts';
import { Problem } from '../problems.ts';

export const SessionView = z.strictObject({
  id: z.string(),
  createdAt: z.iso.datetime(),
  lastSeenAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  userAgent: z.string().optional(),
  current: z.boolean(),
});
export type SessionView = z.output<typeof SessionView>;

export interface Sessions {
  start(userId: string, userAgent: string | undefined): Promise<{ sid: string; refreshToken: string }>;
  /**
   * Exchanges a refresh token for its successor. The same token within 10 s gives the same successor (two tabs, lost answers); later it is
   * proof of theft and ends the session.
   *
   * @throws Problem UNAUTHENTICATED, REFRESH_REUSED
   */
  rotate(refreshToken: string): Promise<{ sid: string; userId: string; refreshToken: string }>;
  /** Ends one session of the user; false when there is none that is open. */
  revoke(userId: string, sid: string, reason: string): Promise<boolean>;
  revokeAll(userId: string, reason: string): Promise<void>;
  list(userId: string, currentSid: string): Promise<SessionView[]>;
  isRevoked(sid: string): boolean;
  /** Called after the commit that ends a session; `here`: by this node. */
  onRevoked(fn: (sid: string, here: boolean) => void): void;
  /** Another node has ended the session. */
  endedElsewhere(sid: string): void;
  /** Learns of sessions that other nodes have ended since it was last asked; needs nothing but the database. */
  catchUp(): Promise<void>;
  /** Reads the sessions whose access tokens may still be valid though they have ended. */
  load(): Promise<void>;
}

/** Instants in epoch ms, as the driver gives them. */
interface SessionRow {
  readonly id: string;
  readonly user_id: string;
  readonly refresh_hash: Buffer;
  readonly prev_hash: Buffer | null;
  readonly created_at: number;
  readonly rotated_at: number;
  readonly expires_at: number;
  readonly revoked_at: number | null;
  readonly user_agent: string | null;
}

const FORM = /^rt_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;
const iso = (at: number): string => new Date(at).toISOString();

const GRACE_MS = 10_000;
/** an access token lives at most 15 min, and 30 s of clock tolerance */
const REMEMBER_MS = 930_000;
/** by which the clocks of nodes may differ, and a commit may come after its own time */
const CLOCKS_MS = 30_000;

export function createSessions(o: {
  knex: Knex;
  clock: Clock;
  newId: () => string;
  /** base64url; derives successors, so that none has to be stored in the clear */
  refreshSecret: string;
  refreshTtlS: number;
  maxS: number;
  /** a session was ended because its refresh token was used twice: its person should know */
  onReused: (userId: string, sid: string) => Promise<void>;
}): Sessions {
  const { knex } = o;
  const secret = Buffer.from(o.refreshSecret, 'base64url');
  const revoked = new Map<string, number>();
  const listeners: ((sid: string, here: boolean) => void)[] = [];
  const digest = (token: string): Buffer => createHash('sha256').update(token).digest();
  const successor = (sid: string, token: string): string => `rt_${sid}_${createHmac('sha256', secret).update(token).digest('base64url')}`;

  const remember = (sid: string, at: number): void => {
    const now = o.clock.wall();
    for (const [old, until] of revoked) {
      if (until > now) break;
      revoked.delete(old);
    }
    revoked.set(sid, at + REMEMBER_MS);
  };
  const announce = (sid: string, at: number, here: boolean): void => {
    if (revoked.has(sid)) return;
    remember(sid, at);
    for (const fn of listeners) fn(sid, here);
  };
  const endedSince = (since: number): Promise<Pick<SessionRow, 'id' | 'revoked_at'>[]> =>
    knex<SessionRow>('sessions').select('id', 'revoked_at').where('revoked_at', '>', new Date(since)).orderBy('revoked_at');
  let watermark = 0;
  const end = async (where: { user_id: string; id?: string }, reason: string): Promise<string[]> => {
    const rows = await knex('sessions')
      .where(where)
      .whereNull('revoked_at')
      .update({ revoked_at: new Date(o.clock.wall()), revoke_reason: reason })
      .returning<{ id: string }[]>('id');
    const sids = rows.map((r) => r.id);
    for (const sid of sids) announce(sid, o.clock.wall(), true);
    return sids;
  };

  return {
    async start(userId, userAgent) {
      const sid = o.newId();
      const refreshToken = `rt_${sid}_${randomBytes(32).toString('base64url')}`;
      const now = o.clock.wall();
      const max = now + o.maxS * 1_000;
      await knex('sessions').insert({
        id: sid,
        user_id: userId,
        refresh_hash: digest(refreshToken),
        created_at: new Date(now),
        rotated_at: new Date(now),
        expires_at: new Date(Math.min(max, now + o.refreshTtlS * 1_000)),
        max_at: new Date(max),
        user_agent: userAgent?.slice(0, 200),
      });
      return { sid, refreshToken };
    },

    async rotate(presented) {
      const sid = FORM.exec(presented)?.[1];
      if (sid === undefined) throw new Problem('UNAUTHENTICATED', 'the refresh token is malformed');
      const next = successor(sid, presented);
      const now = o.clock.wall();
      const [row] = await knex('sessions')
        .where({ id: sid, refresh_hash: digest(presented) })
        .whereNull('revoked_at')
        .where('expires_at', '>', new Date(now))
        .update({
          refresh_hash: digest(next),
          prev_hash: knex.ref('refresh_hash'),
          generation: knex.raw('generation + 1'),
          rotated_at: new Date(now),
          expires_at: knex.raw('least(max_at, ?::timestamptz)', [new Date(now + o.refreshTtlS * 1_000)]),
        })
        .returning<{ user_id: string }[]>('user_id');
      if (row !== undefined) return { sid, userId: row.user_id, refreshToken: next };

      const known = await knex<SessionRow>('sessions')
        .select('user_id', 'prev_hash', 'rotated_at', 'revoked_at')
        .where({ id: sid })
        .first();
      const isPrevious = known?.prev_hash != null && timingSafeEqual(known.prev_hash, digest(presented));
      if (known === undefined || known.revoked_at !== null || !isPrevious)
        throw new Problem('UNAUTHENTICATED', 'the refresh token is not valid');
      if (now - known.rotated_at <= GRACE_MS) return { sid, userId: known.user_id, refreshToken: next };
      const ended = await end({ user_id: known.user_id, id: sid }, 'refresh_reused');
      if (ended.length > 0) await o.onReused(known.user_id, sid);
      throw new Problem('REFRESH_REUSED');
    },

    revoke: async (userId, sid, reason) => (await end({ user_id: userId, id: sid }, reason)).length > 0,
    revokeAll: async (userId, reason) => void (await end({ user_id: userId }, reason)),

    async list(userId, currentSid) {
      const rows = await knex<SessionRow>('sessions')
        .select('id', 'created_at', 'rotated_at', 'expires_at', 'user_agent')
        .where('user_id', userId)
        .whereNull('revoked_at')
        .where('expires_at', '>', new Date(o.clock.wall()))
        .orderBy('created_at', 'desc')
        .limit(200);
      return rows.map((r) => ({
        id: r.id,
        createdAt: iso(r.created_at),
        lastSeenAt: iso(r.rotated_at),
        expiresAt: iso(r.expires_at),
        ...(r.user_agent === null ? {} : { userAgent: r.user_agent }),
        current: r.id === currentSid,
      }));
    },

    isRevoked: (sid) => revoked.has(sid),
    onRevoked: (fn) => void listeners.push(fn),
    endedElsewhere: (sid) => announce(sid, o.clock.wall(), false),
    async load() {
      watermark = o.clock.wall();
      for (const { id, revoked_at } of await endedSince(watermark - REMEMBER_MS)) if (revoked_at !== null) remember(id, revoked_at);
    },
    async catchUp() {
      const now = o.clock.wall();
      for (const { id, revoked_at } of await endedSince(watermark - CLOCKS_MS)) if (revoked_at !== null) announce(id, revoked_at, false);
      watermark = now;
    },
  };
}
