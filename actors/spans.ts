/**
 * What a tracer is told of commands, from their admission to their answer, and of effects (kernel specification 14.2). While there is no tracer a
 * command costs one boolean test.
 */
import type { Activation } from './activation.ts';
import type { Envelope } from './envelope.ts';
import type { Principal, Reply } from './types.ts';

/** Something that is under way. */
export interface Span {
  /** in the form of the W3C: what names this span to those that it causes, here or at another node */
  readonly traceparent: string;
  end(outcome: string, seq: number): void;
}

export interface Told {
  readonly name: string;
  readonly actor: string;
  readonly kind: string;
  readonly from?: Principal['kind'];
  /** key of the message or effect, or id of the request that it came with */
  readonly cause?: string | undefined;
  /** traceparent of what caused it */
  readonly parent?: string | undefined;
  /** `call`: the cause waits for it; `message`: the cause is over */
  readonly by: 'call' | 'message' | 'effect';
}

export interface Spans {
  begin(told: Told): Span;
}

export const outcomeOfReply = (reply: Reply): string => (reply.ok ? (reply.dup === true ? 'repeated' : 'ok') : reply.error.code);

/** The event, with a span that ends when it is answered. */
export function traced<E extends Envelope>(
  spans: Spans,
  { kind, at }: Pick<Activation, 'kind' | 'at'>,
  e: E,
  parent: string | undefined,
): E {
  const by = e.kind === 'tell' ? 'message' : 'call';
  const span = spans.begin({ name: e.type, actor: at.ref, kind, from: e.from.kind, cause: e.cause, parent, by });
  const resolve = (reply: Reply): void => {
    span.end(outcomeOfReply(reply), reply.seq);
    e.resolve(reply);
  };
  return Object.assign({}, e, { span, resolve });
}
