import { createHmac, hash } from 'node:crypto';
import type { ActorRef, Principal } from './types.ts';
import type { EffectId } from './store/store.ts';

const HEX = 32;
const sha = (text: string): string => hash('sha256', text, 'hex').slice(0, HEX);

/** The same text without the one that it was cut from, which a slice keeps in memory: actors hold many of these for long. */
const scratch = Buffer.alloc(HEX);
function detached(hex: string): string {
  scratch.write(hex, 'latin1');
  return scratch.toString('latin1');
}

/** First 16 bytes of SHA-256 of the ref, written as a uuid: addressing an actor needs no lookup. */
export const actorIdOf = (ref: ActorRef): string => uuidOf(sha(ref));

/** 32 hexadecimal digits with their hyphens. */
export const uuidOf = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;

export const SLOTS = 1_024;

/** Top ten bits of the actor id: the unit of placement, 0 to 1,023. */
export const slotOf = (actorId: string): number => Number.parseInt(actorId.slice(0, 3), 16) >> 2;

/** Key under which an accepted command is remembered: 32 hexadecimal digits. The scope of a key is its principal. */
export const idemOf = (from: Principal, key: string): string => detached(sha(`${from.kind}:${from.id}\0${key}`));

/** Key of an event that the kernel itself sends, such as a timer, made from what names it for ever. */
export const derivedIdem = (...parts: readonly (string | number)[]): string => detached(sha(parts.join('\0')));

/** `<actor_id>/<seq>/<n>`, the idempotency key that an effect hands to the outside world. */
export const effectKey = (e: EffectId): string => `${e.actorId}/${e.seq}/${e.n}`;

/** What stands for the id of an erased actor: 32 hexadecimal digits that only the holder of the key can connect with it. */
export const pseudonymOf = (key: string, ref: ActorRef): string => createHmac('sha256', key).update(ref).digest('hex').slice(0, 32);

/** The kind of a ref that is known to be one. */
export const kindOf = (ref: ActorRef): string => ref.slice(0, ref.indexOf(':'));

/** Splits `kind:id` at the first colon; `undefined` when it is no ref. */
export function splitRef(ref: ActorRef): { kind: string; id: string } | undefined {
  const colon = ref.indexOf(':');
  if (colon < 1) return undefined;
  const kind = ref.slice(0, colon);
  const id = ref.slice(colon + 1);
  return /^[a-z]{1,20}$/.test(kind) && /^[A-Za-z0-9_.:-]{1,120}$/.test(id) ? { kind, id } : undefined;
}
