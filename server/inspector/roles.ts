/** Who may do what at the inspector (kernel 13). */
import type { Principal } from '../../actors/types.ts';

/**
 * `inspect:read` sees lists, machines, pauses and what actors hold, with personal fields masked; `inspect:pii` sees those too; `inspect:poke` acts on
 * single actors, `inspect:admin` stops and restarts them.
 */
export const INSPECT_ROLES = ['inspect:read', 'inspect:poke', 'inspect:admin', 'inspect:pii'] as const;
export type InspectRole = (typeof INSPECT_ROLES)[number];

/** Administrators may everything, staff may read; everybody else what was granted by name, and any grant includes reading. */
export function mayInspect(p: Principal, role: InspectRole): boolean {
  if (p.roles.includes('admin') || p.roles.includes(role)) return true;
  return role === 'inspect:read' && p.roles.some((r) => r === 'staff' || r.startsWith('inspect:'));
}
