/** Spans of commands and effects with the real SDK: what each tells, and how those that cause each other are tied together. */
import { SpanStatusCode } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import test from 'ava';
import type { Spans } from '../../actors/spans.ts';
import { createSpans, registeredTracer } from '../../server/observe/spans.ts';
import { settle } from '../support/clock.ts';
import { testCluster } from '../support/cluster.ts';
import type { TestNode } from '../support/cluster.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 7 }) } };
const PARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

function recorder(share = 1): { spans: Spans; told: () => ReadableSpan[]; named: (name: string) => ReadableSpan } {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const told = (): ReadableSpan[] => exporter.getFinishedSpans();
  return {
    spans: createSpans({ tracer: provider.getTracer('test'), share, random: () => 0.5, node: 'n1' }),
    told,
    named: (name) => {
      const found = told().find((s) => s.name === name);
      if (found === undefined)
        throw new Error(
          `no span ${name}: ${told()
            .map((s) => s.name)
            .join(' ')}`,
        );
      return found;
    },
  };
}

const traceOf = (s: ReadableSpan): string => s.spanContext().traceId;
const idOf = (s: ReadableSpan): string => s.spanContext().spanId;

test('a command has one span, from its admission to its answer, with kind, type, outcome and seq', async (t) => {
  const { spans, told } = recorder();
  const k = await testKernel({ kinds: [counter], effects, spans });
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, { key: 'k', trace: 'req-1' }));
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, { key: 'k' }));
  await k.system.ask('counter:a', { type: 'counter.refuse' }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.throw' }, as(alice));
  t.deepEqual(
    told().map((s) => [s.name, s.attributes['thrum.outcome'], s.attributes['thrum.seq'], s.status.code]),
    [
      ['counter.add', 'ok', 2, SpanStatusCode.UNSET],
      ['counter.add', 'repeated', 2, SpanStatusCode.UNSET],
      ['counter.refuse', 'COUNTER_SAYS_NO', 2, SpanStatusCode.UNSET],
      ['counter.throw', 'ACTOR_FAULT', 2, SpanStatusCode.ERROR],
    ],
  );
  t.like(told()[0]?.attributes, {
    'thrum.kind': 'counter',
    'thrum.actor': 'counter:a',
    'thrum.from': 'user',
    'thrum.cause': 'req-1',
    'thrum.node': 'n1',
  });
  t.is(new Set(told().map(traceOf)).size, 4);
  t.true(told().every((s) => s.ended && s.parentSpanContext === undefined));
});

for (const fused of [false, true]) {
  test(`a message is in the trace of the command that sent it and linked to it, ${fused ? 'fused' : 'by the outbox'}`, async (t) => {
    const { spans, told, named } = recorder();
    const k = await testKernel({ kinds: [counter], effects, spans, ...(fused ? { fuse: () => true } : {}) });
    await k.system.ask('counter:b', { type: 'counter.add', by: 1 }, as(alice));
    await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
    await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 1 }, as(alice, { traceparent: PARENT }));
    await k.clock.advance(100);
    const [cause, caused] = [named('counter.send'), named('counter.take')];
    t.is(traceOf(cause), 'a'.repeat(32));
    t.is(cause.parentSpanContext?.spanId, 'b'.repeat(16));
    t.is(traceOf(caused), traceOf(cause));
    t.is(caused.parentSpanContext?.spanId, idOf(cause));
    t.deepEqual(
      caused.links.map((l) => l.context.spanId),
      [idOf(cause)],
    );
    t.like(caused.attributes, { 'thrum.actor': 'counter:b', 'thrum.from': 'actor', 'thrum.outcome': 'ok', 'thrum.seq': 3 });
    t.is(told().length, 4);
    t.is(await k.metric('fused_total'), fused ? 1 : 0);
  });
}

test('every attempt of an effect is in the trace of the command that asked for it', async (t) => {
  const { spans, told, named } = recorder();
  let fails = 1;
  const work = async (): Promise<{ done: number }> => {
    fails -= 1;
    if (fails >= 0) throw new Error('not yet');
    return { done: 1 };
  };
  const k = await testKernel({ kinds: [counter], effects: { counter: { work } }, spans });
  await k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  await settle();
  await k.clock.advance(1_000);
  const cause = named('counter.start');
  const attempts = told().filter((s) => s.name === 'effect work');
  t.deepEqual(
    attempts.map((s) => [s.attributes['thrum.outcome'], traceOf(s), s.links[0]?.context.spanId]),
    [
      ['failed', traceOf(cause), idOf(cause)],
      ['ok', traceOf(cause), idOf(cause)],
    ],
  );
});

test('a trace goes on at other nodes, for commands and for messages', async (t) => {
  const { spans, named } = recorder();
  const c = await testCluster({ kinds: [counter], effects, node: { spans } });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [from, to] = [c.refOf(b, 'counter'), c.refOf(a, 'counter')];
  const over: true[] = [];
  const work = (async () => {
    await b.system.ask(to, { type: 'counter.add', by: 1 }, as(alice));
    await a.system.ask(from, { type: 'counter.add', by: 1 }, as(alice));
    await a.system.ask(from, { type: 'counter.send', to, times: 1 }, as(alice, { traceparent: PARENT }));
  })().finally(() => over.push(true));
  for (let ms = 0; over.length === 0 && ms < 20_000; ms += 50) await c.clock.advance(50);
  await work;
  await c.clock.advance(500);
  const [cause, caused] = [named('counter.send'), named('counter.take')];
  t.is(cause.parentSpanContext?.spanId, 'b'.repeat(16));
  t.is(caused.parentSpanContext?.spanId, idOf(cause));
  t.is(traceOf(caused), 'a'.repeat(32));
});

test('only the wanted share of commands has spans, and what they cause follows them; faults always have one', async (t) => {
  const none = recorder(0.4);
  const k = await testKernel({ kinds: [counter], effects, spans: none.spans });
  for (const ref of ['counter:b', 'counter:a']) await k.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 1 }, as(alice));
  await k.clock.advance(100);
  t.deepEqual(none.told(), []);
  await k.system.ask('counter:a', { type: 'counter.throw' }, as(alice));
  t.like(none.named('counter.throw'), { status: { code: SpanStatusCode.ERROR } });
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, { traceparent: PARENT }));
  t.is(none.told().length, 2, 'who is traced by the caller has a span');
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, { traceparent: PARENT.replace(/01$/, '00') }));
  t.is(none.told().length, 2);
});

test('without an SDK there is no tracer, and no event carries anything of it', async (t) => {
  t.is(registeredTracer('1'), undefined);
  const k = await testKernel({ kinds: [counter], effects });
  t.true((await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, { traceparent: PARENT }))).ok);
});
