/** A provider behind its circuit (B3.7): no more is asked of one that does not answer. */
import type { Clock } from '../../actors/types.ts';
import type { Circuits } from '../outgoing/circuits.ts';
import { createPolicy } from '../outgoing/policy.ts';
import type { Judgement } from '../outgoing/policy.ts';
import { Problem } from '../problems.ts';
import { ProviderRefused } from './provider.ts';
import type { Page, Provider } from './provider.ts';

const TIMEOUT_MS = 20_000;
/** Waits at most twice for an answer: an effect has a minute. */
const RETRIES = 1;

const good = {
  judge: (): Judgement => 'ok',
  judgeError: (error: unknown): Judgement => (error instanceof ProviderRefused ? 'ok' : { failed: true, again: true }),
};

/** Only what may pass by itself says something about the provider: a refused grant and a limit do not. */
const judged = (page: Page): Judgement => (page.ok || page.class !== 'transient' ? 'ok' : { failed: true, again: true });

/** A call that was not made is no failure of the account: the device waits and calls again. */
function unmade(error: unknown): Page {
  if (!(error instanceof Problem)) return { ok: false, class: 'transient', code: 'PROVIDER_UNREACHABLE' };
  const { code, retryAfterMs = 1_000 } = error;
  return { ok: false, class: 'rate_limited', code, retryAfterS: Math.ceil(retryAfterMs / 1_000) };
}

export function guarded(provider: Provider, d: { circuits: Circuits; clock: Clock; random: () => number }): Provider {
  if (provider.fetch === undefined) return provider;
  const circuit = d.circuits.of(`provider:${provider.id}`, 'provider', provider.health?.bind(provider));
  const policy = (retries: number) => createPolicy({ ...d, circuit, timeoutMs: TIMEOUT_MS, retries });
  const [once, again] = [policy(0), policy(RETRIES)];
  const fetch = provider.fetch.bind(provider);
  const exchange = provider.exchange?.bind(provider);
  const deregister = provider.deregister?.bind(provider);
  return {
    ...provider,
    fetch: (target) => again.call({ signal: target.signal, run: (signal) => fetch({ ...target, signal }), judge: judged }).catch(unmade),
    ...(exchange === undefined
      ? {}
      : {
          exchange: (code, verifier, redirectUri, signal) =>
            once.call({ signal, run: (s) => exchange(code, verifier, redirectUri, s), ...good }),
        }),
    ...(deregister === undefined ? {} : { deregister: (id, signal) => once.call({ signal, run: (s) => deregister(id, s), ...good }) }),
  };
}
