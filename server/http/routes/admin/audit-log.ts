/** The one audit log of the project, as it is sealed in its chains. */
import { z } from 'zod';
import { CursorText, CursorTime, readCursor, writeCursor } from '../../cursor.ts';
import { answer, route } from '../../route.ts';
import type { Route, RouteContext } from '../../route.ts';
import type { AdminDeps } from './deps.ts';
import { iso } from './schemas.ts';

const Entry = z.strictObject({
  chain: z.string(),
  seq: z.int(),
  at: z.iso.datetime(),
  actorType: z.string().describe('user, key, admin, system or job'),
  actorId: z.string().nullable(),
  action: z.string(),
  targetType: z.string(),
  targetId: z.string(),
  subjectUserId: z.string().nullable(),
  outcome: z.string(),
  reason: z.string().nullable(),
  requestId: z.string().nullable(),
  meta: z.record(z.string(), z.unknown()),
  hash: z.string(),
});
const Verified = z.strictObject({
  ok: z.boolean(),
  chains: z.int(),
  rows: z.int(),
  faults: z.array(z.strictObject({ chain: z.string(), seq: z.int(), what: z.string() })).describe('the first fault of each broken chain'),
  waiting: z.int().describe('entries that nobody has sealed for more than 10 s'),
});
const Instant = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const Place = z.tuple([CursorTime, CursorText, z.int()]);

export function auditLogRoutes({ audit }: AdminDeps): Route[] {
  const read = (c: Pick<RouteContext, 'caller' | 'requestId'>, action: string, meta: { [key: string]: string }): Promise<void> =>
    audit.write({ actorType: 'admin', actorId: c.caller.id, action, targetType: 'audit', targetId: '', requestId: c.requestId, meta });
  return [
    route({
      method: 'GET',
      path: '/v1/admin/audit/log',
      auth: 'inspect:admin',
      summary: 'The audit log, newest first',
      query: z.object({
        actor: z.string().max(200).optional().describe('id of whoever acted'),
        action: z.string().max(60).optional(),
        target: z
          .string()
          .max(300)
          .regex(/^[a-z]+:/)
          .optional()
          .describe('type:id'),
        from: Instant.optional(),
        to: Instant.optional(),
        limit: z.coerce.number().int().min(1).max(200).default(50),
        cursor: z.string().max(200).optional(),
      }),
      reply: { 200: z.strictObject({ items: z.array(Entry), nextCursor: z.string().optional() }) },
      run: async (c) => {
        const { cursor, limit, ...filter } = c.query;
        const after = cursor === undefined ? undefined : readCursor(Place, cursor);
        await audit.seal();
        const found = await audit.list({ ...filter, after, limit: limit + 1 });
        const items = found.slice(0, limit);
        const last = found.length > limit ? items.at(-1) : undefined;
        await read(c, 'audit.read', {});
        const nextCursor = last === undefined ? {} : { nextCursor: writeCursor([last.at, last.chain, last.seq]) };
        return answer({ items: items.map((e) => ({ ...e, at: iso(e.at) })), ...nextCursor });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/admin/audit/verify',
      auth: 'inspect:admin',
      summary: 'Walks the chains of the audit log and names the first row of each that is not as it was written',
      reply: { 200: Verified },
      run: async (c) => {
        const found = await audit.verify();
        await read(c, 'audit.verify', { ok: String(found.ok) });
        return answer({ ...found, faults: [...found.faults] });
      },
    }),
  ];
}
