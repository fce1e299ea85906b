import type { Activation } from './activation.ts';
import { repeatedAnswer } from './command.ts';
import { answer, refuse } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { refusal } from './errors.ts';
import type { Kernel } from './kernel.ts';
import { REMEMBERED } from './keys.ts';
import { knownOf } from './rows.ts';

/** Whether a refusal may be that of a repeated command whose key is older than what the actor remembers. */
export const mayHave = (a: Activation, e: Envelope): boolean => e.kind === 'command' && (a.spec.keys?.size ?? 0) >= REMEMBERED;

/**
 * The actor has had the key, or may have forgotten it: then the journal is asked, once, and the event is answered by it or runs. A journal that
 * cannot be asked is no reason to run it: a refusal would hide that it was carried out. True when the journal is asked.
 */
export function recall(k: Kernel, a: Activation, e: Envelope): boolean {
  const { idem } = e;
  if (idem === null || e.looked === true) return false;
  e.looked = true;
  k.store.byIdem(a.actorId, idem).then(
    (entry) => (entry === undefined ? k.deliver(a.at.ref, a.rt, e) : answer(e, repeatedAnswer(e, knownOf(entry)))),
    () => refuse(e, refusal('UNAVAILABLE', undefined, undefined, 1_000)),
  );
  return true;
}
