/** Messages of other actors on their way into the mailbox of their receiver, at the node that serves it. */
import { tooLarge } from './admission.ts';
import type { RemoteTells } from './bus/bus.ts';
import type { Command } from './define.ts';
import { message } from './envelope.ts';
import type { Envelope, Frame } from './envelope.ts';
import { KernelProblem, refusal } from './errors.ts';
import { splitRef } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { traced } from './spans.ts';
import type { ActorRef, Json, Refusal, Reply } from './types.ts';

/** Brings a frame of messages to its receiver, which this node serves. */
export const received = (k: Kernel, tells: RemoteTells): Promise<readonly Reply[]> => new Promise((resolve) => receive(k, tells, resolve));

/** @param done is given the replies when there is one to each message, in their order */
export function receive(k: Kernel, { source, to, messages }: RemoteTells, done: (replies: readonly Reply[]) => void): void {
  const frame: Frame = { broken: false };
  let left = messages.length;
  const replies: Reply[] = [];
  for (const [i, m] of messages.entries()) {
    deliver(k, source, to, m, frame, (reply) => {
      replies[i] = reply;
      left -= 1;
      if (left === 0) done(replies);
    });
  }
}

/** The payload of a message as the command's schema makes it, or why not. A schema that throws is a fault of its kind. */
export function payloadOf({ input }: Command, payload: unknown): { readonly payload: object } | Refusal {
  try {
    const parsed = input.safeParse(payload);
    if (parsed.success) return { payload: parsed.data as object };
    return refusal('VALIDATION', undefined, { issues: parsed.error.issues.map((i) => ({ path: i.path.join('.'), message: i.message })) });
  } catch (error) {
    return refusal('ACTOR_FAULT', error instanceof Error ? error.message : String(error));
  }
}

function deliver(
  k: Kernel,
  source: ActorRef,
  to: ActorRef,
  m: RemoteTells['messages'][number],
  frame: Frame,
  resolve: (reply: Reply) => void,
): void {
  const target = splitRef(to);
  const rt = target === undefined ? undefined : k.kinds.get(target.kind);
  const declared = rt?.def.commands[m.type];
  const error = (code: string, details?: { [key: string]: Json }): Reply => {
    frame.broken = true;
    return { ok: false, seq: 0, error: { code, ...(details ? { details } : {}) } };
  };
  if (rt === undefined) return resolve(error('UNKNOWN_KIND'));
  if (declared === undefined) return resolve(error('UNKNOWN_COMMAND'));
  if (frame.broken) return resolve(error('RETRY'));
  const parsed = payloadOf(declared, m.payload);
  if ('code' in parsed) return resolve(error(parsed.code, parsed.details));
  if (tooLarge(JSON.stringify(parsed.payload), k.limits)) return resolve(error('PAYLOAD_TOO_LARGE'));
  let receiver;
  try {
    receiver = k.activation(to, rt);
  } catch (problem) {
    return resolve(error(problem instanceof KernelProblem ? problem.code : 'OVERLOADED'));
  }
  if (receiver.mailboxLength >= rt.def.limits.mailbox) return resolve(error('MAILBOX_FULL'));
  const e: Envelope = {
    ...message(m, source, parsed.payload),
    kind: 'tell',
    frame,
    ...(m.min === undefined ? {} : { min: m.min }),
    resolve,
  };
  receiver.deliver(k.spans === undefined ? e : traced(k.spans, receiver, e, m.traceparent));
}
