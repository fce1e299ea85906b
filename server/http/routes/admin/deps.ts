import type { Inspect } from '../../../../actors/inspect.ts';
import type { Operate, Operator } from '../../../../actors/operate.ts';
import type { Reply } from '../../../../actors/types.ts';
import { Problem } from '../../../problems.ts';
import type { Erasures } from '../../../lifecycle/erasures.ts';
import type { RouteContext } from '../../route.ts';

/** What the routes of the inspector work with. */
export interface AdminDeps {
  readonly inspect: Inspect;
  readonly operate: Operate;
  readonly erasures: Erasures;
}

type Asked = Pick<RouteContext, 'caller' | 'requestId'>;

/** Whoever reads what an actor holds leaves a trace. */
export async function auditRead({ inspect }: AdminDeps, c: Asked, action: string, actorId: string, seq: number): Promise<void> {
  const detail = { requestId: c.requestId };
  await inspect.audit({ admin: c.caller.id, action, actorId, beforeSeq: seq, afterSeq: seq, reason: null, detail });
}

/** The caller as an operator who gives a reason. */
export const operator = (c: { readonly caller: RouteContext['caller']; readonly body: { readonly reason: string } }): Operator => ({
  id: c.caller.id,
  roles: c.caller.roles,
  reason: c.body.reason,
});

/** @throws Problem when the actor refused */
export function accepted(reply: Reply): Reply & { ok: true } {
  if (!reply.ok) throw Problem.from(reply.error);
  return reply;
}
