import type { Admitted } from './admission.ts';
import { storable } from './columns.ts';
import { refusal } from './errors.ts';
import { derivedIdem, effectKey } from './ids.ts';
import type { Sight } from './feed.ts';
import type { Live } from './runtime.ts';
import type { Span } from './spans.ts';
import type { EffectCall } from './step.ts';
import type { EffectId } from './store/store.ts';
import type { ActorRef, Principal, Refusal, Reply } from './types.ts';
import type { Group } from './unit.ts';

interface Base {
  readonly type: string;
  readonly payload: object;
  /** JSON text of the payload */
  readonly text: string;
  readonly idem: string | null;
  /** checksum of type and payload, to see a key used for another request */
  readonly chk: number;
  readonly from: Principal;
  readonly cause?: string;
  /** monotonic ms; Infinity for the kernel's own events */
  readonly deadline: number;
  /** monotonic ms since which it waits in a mailbox; 0 before */
  since: number;
  /** how often it has been run on a state that was then lost */
  tries: number;
  /** how often the machine, or a companion table, failed on it */
  failures: number;
  answered: boolean;
  /** the journal was asked for the key, because the actor may have forgotten it */
  looked?: true;
  /** somebody wants to be told of it */
  sight?: Sight;
  /** it is traced */
  readonly span?: Span;
  /** a dead letter tried again: another failure needs no second letter */
  readonly letter?: true;
  readonly resolve: (reply: Reply) => void;
}

const RERUNS = 3;

/** Messages of one sender that stand or fall in order: when one is refused or must be repeated, those behind it are not run either. */
export interface Frame {
  broken: boolean;
}

/**
 * A command of another actor. With `group` it is committed together with the event that sends it, and lives and dies with it. `min`: the state must
 * have at least this seq.
 */
export interface Message {
  readonly kind: 'tell';
  readonly frame: Frame;
  readonly min?: number;
  readonly group?: Group;
}

/**
 * The armed timer `id`, woken by the row that the arming `rowSeq` wrote. `act`: what an operator does with it, whenever it is due, as long as it is
 * the one that was armed by `seq`; its name stands in the audit.
 */
export interface FiredTimer {
  readonly id: string;
  readonly rowSeq: number;
  seq: number;
  readonly act?: { readonly verb: 'fire' | 'cancel'; readonly id: string };
}

/** A dead letter of the kernel itself: an event that the machine is to see once more, or a failed effect that is to be run once more. */
export type Again = { readonly invoke: string | undefined } | { readonly call: EffectCall };

/** What waits in a mailbox. */
export type Envelope = Base &
  (
    | { readonly kind: 'command'; readonly expect?: number }
    | Message
    | { readonly kind: 'timer'; readonly timer: FiredTimer }
    | { readonly kind: 'result'; readonly call: EffectCall & { readonly failed: boolean } }
    | { readonly kind: 'undelivered'; readonly done: EffectId }
    | { readonly kind: 'migration' }
    | { readonly kind: 'again'; readonly again: Again }
    /** `min`: the state must have at least this seq */
    | { readonly kind: 'read'; readonly run: (live: Live | undefined) => Reply; readonly min: number }
  );

/** @param since monotonic ms at which it was accepted */
export const commandOf = (c: Admitted, since: number, resolve: (reply: Reply) => void): Envelope => ({
  kind: 'command',
  type: c.type,
  payload: c.payload,
  text: c.text,
  idem: c.idem,
  chk: c.chk,
  from: c.from,
  cause: c.trace,
  expect: c.expect,
  deadline: since + c.deadline,
  since,
  tries: 0,
  failures: 0,
  answered: false,
  resolve,
});

/** It does not run again by itself: the event that sent it was lost with it, and sends it anew. */
export const fused = (e: Envelope): boolean => e.kind === 'tell' && e.group !== undefined;

/** Whether somebody waits for the outcome: a failure is the answer then, and not a reason to try again. */
export const isAsked = (e: Envelope): boolean =>
  e.kind === 'command' || e.kind === 'tell' || e.kind === 'again' || e.from.kind === 'operator';

export function answer(e: Envelope, reply: Reply): void {
  if (e.answered) return;
  e.answered = true;
  if (e.sight !== undefined) e.sight.told(reply);
  e.resolve(reply);
}

/** Whether an event whose state was lost is taken back into the mailbox; one that is not has its answer. */
export function mayRunAgain(e: Envelope): boolean {
  e.tries += 1;
  if (e.kind === 'migration') return false; // what is loaded anew tells whether one is needed
  if (e.kind !== 'command') return true;
  if (e.tries <= RERUNS) return !e.answered;
  refuse(e, refusal('RETRY', undefined, undefined, 50));
  return false;
}

export function refuse(e: Envelope, error: Refusal, seq = 0): void {
  breakFrame(e);
  answer(e, { ok: false, seq, error });
}

/** The messages behind a refused one wait until its sender has heard of it: after a crash it would be sent once more. */
export function breakFrame(e: Envelope): void {
  if (e.kind === 'tell') e.frame.broken = true;
}

/** An event of the kernel itself, without what only its kind has. What it brings from outside is changed where the database could not keep it. */
export function internal(type: string, given: object): Omit<Envelope, 'kind' | 'resolve'> {
  const payload = storable(given);
  return {
    type,
    payload,
    text: JSON.stringify(payload),
    idem: null,
    chk: 0,
    from: { kind: 'system', id: 'kernel', roles: [] },
    deadline: Number.POSITIVE_INFINITY,
    since: 0,
    tries: 0,
    failures: 0,
    answered: false,
  };
}

/** A message of an actor as its receiver gets it. `payload` has been parsed by the command's schema. */
export function message(tell: { readonly id: EffectId; readonly type: string }, source: ActorRef, payload: object): Omit<Base, 'resolve'> {
  const key = effectKey(tell.id);
  return {
    type: tell.type,
    payload,
    text: JSON.stringify(payload),
    idem: derivedIdem(key),
    chk: 0,
    from: { kind: 'actor', id: source, roles: [] },
    cause: key,
    deadline: Number.POSITIVE_INFINITY,
    since: 0,
    tries: 0,
    failures: 0,
    answered: false,
  };
}
