import type { Activation } from './activation.ts';
import { repeatedAnswer } from './command.ts';
import { answer } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import type { Kernel } from './kernel.ts';
import { REMEMBERED } from './keys.ts';
import { knownOf } from './rows.ts';

/**
 * A refusal may be that of a repeated command whose key is older than what the actor remembers: then the journal is asked, once, and the command is
 * answered by it or decided again. True when the journal is asked.
 */
export function recall(k: Kernel, a: Activation, e: Envelope): boolean {
  if (e.kind !== 'command' || e.idem === null || e.looked === true || (a.spec.keys?.size ?? 0) < REMEMBERED) return false;
  e.looked = true;
  const again = (): void => k.deliver(a.at.ref, a.rt, e);
  k.store.byIdem(a.actorId, e.idem).then((entry) => (entry === undefined ? again() : answer(e, repeatedAnswer(e, knownOf(entry)))), again);
  return true;
}
