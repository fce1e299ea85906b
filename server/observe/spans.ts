/** Spans by OpenTelemetry, when an SDK was loaded (`node --import`). Which commands get one is decided where a trace begins, except that faults always do. */
import { ProxyTracerProvider, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import type { Attributes, SpanContext, Tracer } from '@opentelemetry/api';
import type { Span, Spans, Told } from '../../actors/spans.ts';

const FORM = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
/** named to what is caused by something that has no span: it has none either */
const UNSAMPLED = `00-${'0'.repeat(31)}1-${'0'.repeat(15)}1-00`;
const KINDS = { call: SpanKind.SERVER, message: SpanKind.CONSUMER, effect: SpanKind.CLIENT } as const;

export const isTraceparent = (text: string | undefined): text is string => text !== undefined && FORM.test(text);

/** The tracer of the SDK; undefined when none is registered. */
export function registeredTracer(version: string): Tracer | undefined {
  const provider = trace.getTracerProvider();
  const idle = provider instanceof ProxyTracerProvider && provider.getDelegateTracer('thrum') === undefined;
  return idle ? undefined : provider.getTracer('thrum', version);
}

export interface SpansOptions {
  readonly tracer: Tracer;
  /** of the commands that nobody has caused, 0 to 1 */
  readonly share: number;
  /** uniform in [0, 1) */
  readonly random: () => number;
  readonly node: string;
}

export function createSpans({ tracer, share, random, node }: SpansOptions): Spans {
  const start = ({ name, actor, kind, from, cause, by }: Told, parent: SpanContext | undefined, startTime?: Date) => {
    const attributes: Attributes = { 'thrum.actor': actor, 'thrum.kind': kind, 'thrum.type': name, 'thrum.node': node };
    if (from !== undefined) attributes['thrum.from'] = from;
    if (cause !== undefined) attributes['thrum.cause'] = cause;
    // What a message or an effect was caused by is over: a link says so.
    const links = parent !== undefined && by !== 'call' ? { links: [{ context: parent }] } : {};
    const within = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const title = by === 'effect' ? `effect ${name}` : name;
    return tracer.startSpan(title, { kind: KINDS[by], attributes, ...links, ...(startTime === undefined ? {} : { startTime }) }, within);
  };

  return {
    begin(told): Span {
      const parent = contextOf(told.parent);
      const sampled = parent === undefined ? random() < share : (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
      if (!sampled) return unsampled(told, start);
      const span = start(told, parent);
      const own = span.spanContext();
      return {
        traceparent: textOf(own),
        end(outcome, seq) {
          span.setAttributes({ 'thrum.outcome': outcome, 'thrum.seq': seq });
          if (outcome === 'ACTOR_FAULT' || outcome === 'failed') span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
          span.end();
        },
      };
    },
  };
}

/** Only a fault is told of: as a trace of its own, for nobody has kept what led to it. */
function unsampled(told: Told, start: (told: Told, parent: undefined, startTime: Date) => ReturnType<Tracer['startSpan']>): Span {
  const began = Date.now();
  return {
    traceparent: told.parent ?? UNSAMPLED,
    end(outcome, seq) {
      if (outcome !== 'ACTOR_FAULT') return;
      const span = start(told, undefined, new Date(began));
      span.setAttributes({ 'thrum.outcome': outcome, 'thrum.seq': seq });
      span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
      span.end();
    },
  };
}

function contextOf(text: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = FORM.exec(text ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}

const textOf = ({ traceId, spanId, traceFlags }: SpanContext): string => `00-${traceId}-${spanId}-${(traceFlags & 1) === 1 ? '01' : '00'}`;
