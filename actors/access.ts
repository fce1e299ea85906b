/** Who may see an actor and what it would accept. */
import type { Principal } from './types.ts';
import type { Address, Live, Runtime } from './runtime.ts';
import { withScope } from './scope.ts';

/** Whether `p` may know that the actor exists. The platform itself may. */
export function visibleTo(rt: Runtime, at: Address, live: Live, p: Principal): boolean {
  if (p.kind !== 'user' && p.kind !== 'anonymous') return true;
  return rt.def.visible?.(p, at.ref, live.snap) ?? true;
}

/** Whether the statechart has an enabled transition. A guard that needs the payload cannot refuse here. */
export function wouldAccept(rt: Runtime, at: Address, live: Live, type: string, p: Principal, now: number): boolean {
  if (live.state.status === 'done') return false;
  const stamp = { at: Math.max(now, live.at), seq: live.seq + 1, from: p };
  const scope = { ref: at.ref, actorId: at.actorId, stamp, logs: live.state.logs };
  try {
    return withScope(scope, () => rt.runner.enabled(live.snap, { type, $: stamp }));
  } catch {
    return true;
  }
}

/** Commands that `p` could send now, in the order of the declaration. */
export function allowedTo(rt: Runtime, at: Address, live: Live, p: Principal, now: number): string[] {
  return Object.entries(rt.def.commands)
    .filter(([type, command]) => (command.allow?.(p, at.ref, live.snap) ?? true) && wouldAccept(rt, at, live, type, p, now))
    .map(([type]) => type);
}

/** The affordances of a view by role: what its owner and what staff could do. */
export function affordances(rt: Runtime, at: Address, live: Live, now: number): { self: string[]; staff: string[] } {
  const owner = rt.def.owner?.(at.ref, live.snap);
  const self: Principal = { kind: 'user', id: owner ?? '', roles: ['user'] };
  const staff: Principal = { kind: 'user', id: '', roles: ['user', 'staff'] };
  return { self: owner === undefined ? [] : allowedTo(rt, at, live, self, now), staff: allowedTo(rt, at, live, staff, now) };
}
