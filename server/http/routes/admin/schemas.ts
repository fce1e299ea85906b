/** What several routes of the inspector take and answer. */
import { z } from 'zod';

export const Kind = z.string().regex(/^[a-z]{1,20}$/);
export const ActorPath = z.object({ kind: Kind, id: z.string().regex(/^[A-Za-z0-9_.:-]{1,120}$/) });
export const Seq = z.coerce.number().int().min(0);

/** Why an operator acts; kept in the audit log. */
export const Reason = z.string().trim().min(3).max(500).describe('why; kept in the audit log');

export const iso = (at: number): string => new Date(at).toISOString();
export const refOf = (p: z.output<typeof ActorPath>): string => `${p.kind}:${p.id}`;
