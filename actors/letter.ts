/** Dead letters: what is kept of an event or effect that was given up, and how it comes back. */
import { z } from 'zod';
import { internal } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { derivedIdem, effectKey } from './ids.ts';
import type { DeadLetter } from './store/admin.ts';
import type { EffectCall } from './step.ts';
import type { EffectId } from './store/store.ts';
import type { ActorRef, Json, Principal, Reply } from './types.ts';

const Sender = z.object({
  kind: z.enum(['user', 'anonymous', 'actor', 'webhook', 'operator', 'system']),
  id: z.string(),
  roles: z.array(z.string()),
  reason: z.string().exactOptional(),
});
const Event = { type: z.string(), payload: z.record(z.string(), z.unknown()) };
const Id = z.object({ actorId: z.string(), seq: z.number(), n: z.number() });

/** What a letter holds, by its source. */
const Letter = z.union([
  z.object({ ...Event, from: Sender, idem: z.string(), chk: z.number(), cause: z.string().optional() }),
  z.object({ ...Event, to: z.string(), id: Id }),
  z.object({ id: Id, invoke: z.string(), src: z.string(), input: z.unknown() }),
  z.object({ ...Event, invoke: z.string().optional() }),
]);

/** The letter of an event that failed: with its sender and key, if it has any, so that it is applied once however often it comes back. */
export function letterOf(e: Envelope): Json {
  const event = { type: e.type, payload: e.payload as Json };
  if (e.kind === 'result') return { ...event, invoke: e.call.invoke };
  if (e.kind !== 'command' && e.kind !== 'tell') return event;
  const { kind, id, roles, reason } = e.from;
  const from = { kind, id, roles, ...(reason === undefined ? {} : { reason }) };
  const sent = { ...event, from, idem: e.idem, chk: e.chk };
  return e.cause === undefined ? sent : { ...sent, cause: e.cause };
}

/** The letter of a message that its receiver refused. */
export const messageLetter = (to: ActorRef, type: string, payload: object, { actorId, seq, n }: EffectId): Json => ({
  to,
  type,
  payload: payload as Json,
  id: { actorId, seq, n },
});

/** The letter of an effect whose failure nobody hears. */
export const effectLetter = ({ id: { actorId, seq, n }, invoke, src, input }: EffectCall): Json => ({
  id: { actorId, seq, n },
  invoke,
  src,
  input,
});

/** The actor that gets the letter when it is tried again. @throws ZodError as {@link deliveryOf} */
export function receiverOf(d: DeadLetter): ActorRef {
  const letter = Letter.parse(d.event);
  return 'to' in letter ? letter.to : `${d.kind}:${d.id}`;
}

/**
 * The event that brings a dead letter back, under the key that it had: whatever was applied before is answered as a repetition.
 *
 * @param deadline monotonic ms
 * @throws ZodError when an older version wrote the letter, and it lacks what a retry needs
 */
export function deliveryOf(d: DeadLetter, deadline: number, resolve: (reply: Reply) => void): Envelope {
  const letter = Letter.parse(d.event);
  const retried = { deadline, resolve, letter: true } as const;
  if ('from' in letter) {
    const { type, payload, idem, chk, from, cause } = letter;
    const sent = { ...internal(type, payload), ...retried, idem, chk, from, ...(cause === undefined ? {} : { cause }) };
    return d.source === 'tell' ? { ...sent, kind: 'tell', frame: { broken: false } } : { ...sent, kind: 'command' };
  }
  if ('to' in letter) {
    const cause = effectKey(letter.id);
    const from: Principal = { kind: 'actor', id: `${d.kind}:${d.id}`, roles: [] };
    const sent = { ...internal(letter.type, letter.payload), ...retried, idem: derivedIdem(cause), from, cause };
    return { ...sent, kind: 'tell', frame: { broken: false } };
  }
  const idem = derivedIdem('dead letter', d.n);
  if ('src' in letter) {
    const { id, invoke, src } = letter;
    const call: EffectCall = { id, invoke, src, input: letter.input as Json };
    return { ...internal('thrum.retried', { invoke, letter: d.n }), ...retried, idem, kind: 'again', again: { call } };
  }
  const { type, payload, invoke } = letter;
  return { ...internal(type, payload), ...retried, idem, kind: 'again', again: { invoke } };
}
