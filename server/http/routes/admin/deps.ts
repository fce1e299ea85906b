import type { Inspect } from '../../../../actors/inspect.ts';
import type { RouteContext } from '../../route.ts';

/** What the routes of the inspector work with. */
export interface AdminDeps {
  readonly inspect: Inspect;
}

type Asked = Pick<RouteContext, 'caller' | 'requestId'>;

/** Whoever reads what an actor holds leaves a trace. */
export async function auditRead({ inspect }: AdminDeps, c: Asked, action: string, actorId: string, seq: number): Promise<void> {
  const detail = { requestId: c.requestId };
  await inspect.audit({ admin: c.caller.id, action, actorId, beforeSeq: seq, afterSeq: seq, reason: null, detail });
}
