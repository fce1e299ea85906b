import type { Inspect } from '../../../../actors/inspect.ts';
import type { Operate, Operator } from '../../../../actors/operate.ts';
import type { Reply } from '../../../../actors/types.ts';
import type { Audit } from '../../../audit/audit.ts';
import { Problem } from '../../../problems.ts';
import type { ProblemCode } from '../../../problems.ts';
import type { Erasures } from '../../../lifecycle/erasures.ts';
import { unmasked } from '../../../inspector/redact.ts';
import type { Redactor } from '../../../inspector/redact.ts';
import { mayInspect } from '../../../inspector/roles.ts';
import type { RouteContext } from '../../route.ts';

/** What the routes of the inspector work with. */
export interface AdminDeps {
  readonly audit: Audit;
  readonly inspect: Inspect;
  readonly operate: Operate;
  readonly erasures: Erasures;
  readonly redactor: Redactor;
}

type Asked = Pick<RouteContext, 'caller' | 'requestId'>;

/** How the caller sees actors: as they are, or with personal fields masked. */
export const eyesOf = ({ redactor }: Pick<AdminDeps, 'redactor'>, { caller }: Pick<RouteContext, 'caller'>): Redactor =>
  mayInspect(caller, 'inspect:pii') ? unmasked : redactor;

/** Whoever reads what an actor holds leaves a trace. */
export async function auditRead({ inspect }: AdminDeps, c: Asked, action: string, actorId: string, seq: number): Promise<void> {
  const detail = { requestId: c.requestId, pii: mayInspect(c.caller, 'inspect:pii') };
  await inspect.audit({ admin: c.caller.id, action, actorId, beforeSeq: seq, afterSeq: seq, reason: null, detail });
}

/** The caller as an operator who gives a reason; the act has the name that the request has. */
export const operator = (c: Pick<RouteContext, 'caller' | 'key'> & { readonly body: { readonly reason: string } }): Operator => ({
  id: c.caller.id,
  roles: c.caller.roles,
  reason: c.body.reason,
  key: c.key,
});

/** What every act on an actor may end with when its node, or the database, does not answer. */
export const unreached = ['TIMEOUT', 'COMMIT_UNKNOWN', 'UNAVAILABLE'] as const satisfies readonly ProblemCode[];

/** @throws Problem when the actor refused */
export function accepted(reply: Reply, eyes: Redactor): Reply & { ok: true } {
  if (!reply.ok) throw Problem.from(eyes.refusal(reply.error));
  return reply;
}
