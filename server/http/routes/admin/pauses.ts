/** Pauses of everything, of a kind, of a slot. */
import { z } from 'zod';
import type { PauseScope } from '../../../../actors/pause.ts';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import { operator } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { iso, Kind, Reason } from './schemas.ts';

const Scope = z
  .strictObject({ kind: Kind.optional(), slot: z.int().min(0).max(1_023).optional(), reason: Reason })
  .refine((b) => b.kind === undefined || b.slot === undefined, 'name a kind, or a slot, or neither for everything');
const Pause = z.strictObject({ scope: z.string(), reason: z.string(), admin: z.string(), at: z.iso.datetime() });

const scopeOf = (b: z.output<typeof Scope>): PauseScope => {
  if (b.kind !== undefined) return `kind:${b.kind}`;
  return b.slot === undefined ? 'all' : `slot:${b.slot}`;
};

export function pauseRoutes({ operate }: AdminDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/admin/pauses',
      auth: 'inspect:read',
      summary: 'What is paused beyond single actors',
      reply: { 200: z.strictObject({ items: z.array(Pause) }) },
      run: async () => answer({ items: (await operate.pauses()).map((p) => ({ ...p, at: iso(p.at) })) }),
    }),
    route({
      method: 'POST',
      path: '/v1/admin/pause',
      auth: 'inspect:admin',
      summary: 'Pauses a kind, a slot or everything',
      body: Scope,
      reply: { 204: null },
      problems: ['UNKNOWN_KIND'],
      run: async (c) => answer(await operate.pauseAll(scopeOf(c.body), operator(c))),
    }),
    route({
      method: 'POST',
      path: '/v1/admin/resume',
      auth: 'inspect:admin',
      summary: 'Ends the pause of a kind, a slot or everything',
      body: Scope,
      reply: { 204: null },
      problems: ['NOT_FOUND'],
      run: async (c) => answer(await operate.resumeAll(scopeOf(c.body), operator(c))),
    }),
  ];
}
