/** Users in the database; each has an actor `user:{id}` that learns of its birth by `user.register`. */
import type { Knex } from 'knex';
import { z } from 'zod';
import type { ActorSystem } from '../../actors/system.ts';
import type { InspectRole } from '../inspector/roles.ts';
import { Problem } from '../problems.ts';

export const User = z.strictObject({
  id: z.string(),
  email: z.string(),
  displayName: z.string(),
  timeZone: z.string(),
  plan: z.enum(['free', 'pro', 'team', 'enterprise']),
  roles: z.array(z.string()),
});
export type User = z.output<typeof User>;

export interface NewUser {
  readonly email: string;
  readonly password: string;
  readonly displayName: string;
  /** IANA name, `Europe/Berlin` */
  readonly timeZone: string;
  /** beside `user`, which everybody has */
  readonly roles?: readonly ('staff' | 'admin' | InspectRole)[];
  readonly plan?: User['plan'];
}

export interface UserRow {
  readonly id: string;
  readonly email: string;
  readonly password_hash: string | null;
  readonly display_name: string;
  readonly time_zone: string;
  readonly plan: User['plan'];
  readonly status: 'active' | 'disabled';
  readonly roles: readonly string[];
}

export interface Users {
  byEmail(email: string): Promise<UserRow | undefined>;
  byId(id: string): Promise<UserRow | undefined>;
  /** in order of the name; `after`: the last of the page before */
  list(q: { role: string | undefined; limit: number; after: { name: string; id: string } | undefined }): Promise<UserRow[]>;
  count(): Promise<number>;
  setPasswordHash(id: string, hash: string): Promise<void>;
  /**
   * Inserts the row and tells the user's actor. Repeating it for the same e-mail changes nothing and finishes what a crash left undone.
   *
   * @throws Problem when the actor refuses
   */
  create(user: NewUser): Promise<{ id: string; created: boolean }>;
}

const COLUMNS = ['id', 'email', 'password_hash', 'display_name', 'time_zone', 'plan', 'status'] as const;

export const normalEmail = (email: string): string => email.trim().normalize('NFKC').toLowerCase();

export const userOf = (r: UserRow): User => ({
  id: r.id,
  email: r.email,
  displayName: r.display_name,
  timeZone: r.time_zone,
  plan: r.plan,
  roles: ['user', ...r.roles.filter((role) => role !== 'user')],
});

export function createUsers(o: {
  knex: Knex;
  actors: ActorSystem;
  hash: (password: string) => Promise<string>;
  newId: () => string;
  wall: () => number;
}): Users {
  const { knex } = o;
  const roles = knex.raw(`array(select role from user_roles r where r.user_id = users.id order by role) as roles`);
  const one = async (column: 'email' | 'id', value: string): Promise<UserRow | undefined> => {
    const row: unknown = await knex('users')
      .select(...COLUMNS, roles)
      .where(column, value)
      .first();
    return row as UserRow | undefined;
  };

  return {
    byEmail: (email) => one('email', normalEmail(email)),
    byId: (id) => one('id', id),
    async list({ role, limit, after }) {
      const query = knex('users')
        .select(...COLUMNS, roles)
        .where('status', 'active')
        .orderBy(['display_name', 'id'])
        .limit(limit);
      if (role !== undefined && role !== 'user') {
        void query.whereExists(knex('user_roles').select(knex.raw('1')).where({ role }).whereRaw('user_id = users.id'));
      }
      if (after !== undefined) void query.whereRaw('(display_name, users.id) > (?, ?::uuid)', [after.name, after.id]);
      const rows: unknown = await query;
      return rows as UserRow[];
    },
    async count() {
      const row = await knex('users').count<{ n: string | number }>({ n: '*' }).first();
      return Number(row?.n ?? 0);
    },
    async setPasswordHash(id, hash) {
      await knex('users').where({ id }).update({ password_hash: hash });
    },
    async create(user) {
      const email = normalEmail(user.email);
      const known = await one('email', email);
      const id = known?.id ?? o.newId();
      if (known === undefined) {
        const now = new Date(o.wall());
        const password_hash = await o.hash(user.password);
        await knex.transaction(async (tx) => {
          const { displayName: display_name, timeZone: time_zone, plan = 'free' } = user;
          await tx('users').insert({ id, email, password_hash, display_name, time_zone, plan, created_at: now });
          const roles = (user.roles ?? []).map((role) => ({ user_id: id, role, granted_at: now }));
          if (roles.length > 0) await tx('user_roles').insert(roles);
        });
      }
      const reply = await o.actors.ask(
        `user:${id}`,
        { type: 'user.register', displayName: known?.display_name ?? user.displayName, timeZone: known?.time_zone ?? user.timeZone },
        { key: 'register', from: { kind: 'system', id: 'identity', roles: [] } },
      );
      if (!reply.ok && reply.error.code !== 'NOT_ALLOWED') throw Problem.from(reply.error);
      return { id, created: known === undefined };
    },
  };
}
