import { seeded } from '../calc/prng.ts';
import type { ActorRef, Principal, Stamp } from './types.ts';

/** What a macrostep may know of the world. Set by the kernel around each macrostep; a replay sets it from the journal row. */
export interface Scope {
  readonly ref: ActorRef;
  readonly actorId: string;
  readonly stamp: Stamp;
  /** number of the last item of each log topic before the event */
  readonly logs: { readonly [view: string]: number };
}

let current: Scope | undefined;
let stream: (() => number) | undefined;

function scope(name: string): Scope {
  if (current === undefined) throw new Error(`${name}() is valid only while a macrostep runs`);
  return current;
}

/** Runs `fn` with the helpers below bound to `s`; they are unbound again when it returns or throws. */
export function withScope<T>(s: Scope, fn: () => T): T {
  const outer = current;
  const outerStream = stream;
  current = s;
  stream = undefined;
  try {
    return fn();
  } finally {
    current = outer;
    stream = outerStream;
  }
}

/** The scope of the running macrostep, to run it once more: under {@link withScope} its stream of chance begins anew. */
export const scopeNow = (): Scope => scope('scopeNow');

/** Wall time of the event being handled, epoch ms; never smaller than that of the actor's previous event. */
export const now = (): number => scope('now').stamp.at;

/** Sequence number that the event being handled gets when it commits. */
export const seq = (): number => scope('seq').stamp.seq;

/** Ref of the actor that handles the event. */
export const self = (): ActorRef => scope('self').ref;

/** Id part of {@link self}. */
export const selfId = (): string => self().slice(self().indexOf(':') + 1);

/** Who sent the event being handled. */
export const from = (): Principal => scope('from').stamp.from;

/** Number of the last item of the log topic `view` before this event; 0 when there is none. */
export const last = (view: string): number => scope('last').logs[view] ?? 0;

/** Next number in [0, 1) of the stream that belongs to this actor and event; a replay draws the same numbers. */
export function rnd(): number {
  const s = scope('rnd');
  stream ??= seeded(s.actorId, s.stamp.seq);
  return stream();
}
