/** A push service behind its circuits: one for each host that is called, so that one vendor's outage is not another's. */
import type { Clock } from '../../actors/types.ts';
import type { Circuits } from '../outgoing/circuits.ts';
import { createPolicy } from '../outgoing/policy.ts';
import type { Policy } from '../outgoing/policy.ts';
import { Problem } from '../problems.ts';
import type { Outcome, PushProvider, Target, VendorProvider } from './provider.ts';

const TIMEOUT_MS = 10_000;
const LEAST_WAIT_MS = 1_000;
/** hosts with a circuit of their own: devices name theirs, and there are few vendors */
const MOST_HOSTS = 32;

/** What a policy says that has called nobody. */
export const heldBy = (error: unknown): Outcome | undefined =>
  error instanceof Problem ? { kind: 'held', reason: error.code, afterMs: error.retryAfterMs ?? LEAST_WAIT_MS } : undefined;

export function guarded(provider: VendorProvider, d: { circuits: Circuits; clock: Clock; random: () => number }): PushProvider {
  const retract = provider.retract?.bind(provider);
  const policies = new Map<string, Policy>();

  function policyOf(target: Target): Policy {
    const host = provider
      .hostOf(target)
      .replaceAll(/[^A-Za-z0-9.:_-]/g, '')
      .slice(0, 100);
    const name = policies.has(host) || policies.size < MOST_HOSTS ? host : 'others';
    let policy = policies.get(name);
    if (policy === undefined) {
      policy = createPolicy({ ...d, circuit: d.circuits.of(`push:${name}`, 'remote'), timeoutMs: TIMEOUT_MS });
      policies.set(name, policy);
    }
    return policy;
  }

  /** The job tries again later by itself, so no call is repeated here. */
  const call = (target: Target, signal: AbortSignal, run: (signal: AbortSignal) => Promise<Outcome>): Promise<Outcome> =>
    policyOf(target)
      .call({ signal, run, judge: ({ kind }) => (kind === 'retry' ? { failed: true, again: false } : 'ok') })
      .catch((error: unknown): Outcome => {
        return heldBy(error) ?? { kind: 'retry', reason: error instanceof Error ? error.message : String(error) };
      });

  return {
    ...provider,
    send: (target, message, signal) => call(target, signal, (s) => provider.send(target, message, s)),
    ...(retract === undefined ? {} : { retract: (target, tag, signal) => call(target, signal, (s) => retract(target, tag, s)) }),
  };
}
