import test from 'ava';
import { Registry } from 'prom-client';
import { createMetrics } from '../../actors/metrics.ts';
import { defaultLimits } from '../../actors/limits.ts';
import { Overload } from '../../actors/overload.ts';
import type { Work } from '../../actors/overload.ts';
import { seeded } from '../../calc/prng.ts';
import type { Principal } from '../../actors/types.ts';
import { settle } from '../support/clock.ts';
import { as, system, testKernel, user } from '../support/kernel.ts';
import type { TestKernelOptions } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const operator: Principal = { kind: 'operator', id: 'root', roles: [] };
const kinds = { kinds: [counter], effects: { counter: { work: async () => ({ done: 7 }) } } };

/** A kernel whose commits wait while it is held, and whose reads of actors wait while they are stuck. */
async function start(o: Partial<TestKernelOptions> = {}) {
  const waiting: (() => void)[] = [];
  let held = false;
  const k = await testKernel({
    ...kinds,
    ...o,
    fault: async () => {
      if (held) await new Promise<void>((resolve) => waiting.push(resolve));
      return 'ok';
    },
  });
  const load = k.store.load.bind(k.store);
  const loading: (() => void)[] = [];
  let stuck = false;
  k.store.load = async (ids) => {
    if (stuck) await new Promise<void>((resolve) => loading.push(resolve));
    return load(ids);
  };
  const letGo = async (list: (() => void)[]): Promise<void> => {
    for (const go of list.splice(0)) go();
    await settle();
  };
  return {
    ...k,
    add: (id: string, from = alice) => k.system.ask(`counter:${id}`, { type: 'counter.add', by: 1 }, as(from, { deadline: 30_000 })),
    hold: () => (held = true),
    release: async () => {
      held = false;
      await letGo(waiting);
    },
    stick: () => (stuck = true),
    unstick: async () => {
      stuck = false;
      await letGo(loading);
    },
  };
}

const unlevelled = { inflight: 0, inflightBytes: 0 };

test('new work is shed when the oldest queued command has been too old for a second, with a rising chance, and by class', (t) => {
  const levels = {
    ...Object.fromEntries(
      ['activationBytes', 'queueAge', 'shedProbability', 'loadsWaiting', 'ringBytes', 'outboxPending', 'timersPending', 'mailboxMax'].map(
        (name) => [name, () => 0],
      ),
    ),
    activations: () => ({ hot: 0, warm: 0 }),
    uncommitted: () => [],
    bounds: () => defaultLimits,
    ...unlevelled,
  };
  const metrics = createMetrics(new Registry(), levels as never);
  const overload = new Overload({ limits: defaultLimits, random: seeded('abcd'.repeat(8), 1), metrics });
  const refused = (work: Work): number => {
    let n = 0;
    for (let i = 0; i < 1_000; i += 1) if (overload.refusal(work, 0) !== undefined) n += 1;
    return n / 1_000;
  };
  for (const now of [0, 250, 500, 750]) overload.sample(600, now);
  t.is(refused('inspector'), 0);
  overload.sample(700, 1_000);
  t.is(overload.refusal('inspector', 0)?.retryAfterMs ?? 700, 700);
  for (let now = 1_250; now < 1_750; now += 250) overload.sample(900, now);
  const rates = { internal: refused('internal'), admin: refused('admin'), client: refused('client'), query: refused('query') };
  t.is(rates.internal, 0);
  t.is(rates.admin, 0);
  t.true(rates.client > 0.25 && rates.client < 0.35, String(rates.client));
  t.true(rates.query > 0.55 && rates.query < 0.65, String(rates.query));
  t.is(refused('inspector'), 1);
  t.true(metrics.shed.get('client') > 250);
  for (let now = 2_000; now < 10_000; now += 250) overload.sample(4_000, now);
  t.true(overload.probability < 1, 'some work always goes through, so that the age can be seen to fall');
  t.true(refused('client') > 0.9);
  // One young sample is enough to turn the trend; a short burst of age starts from anew.
  overload.sample(100, 10_000);
  t.true(overload.probability < 0.5);
  overload.sample(600, 10_250);
  overload.sample(100, 10_500);
  for (let now = 10_750; now < 13_000; now += 250) overload.sample(10, now);
  t.is(overload.probability, 0);
  t.is(refused('inspector'), 0);
});

test('while the queues are old clients are refused OVERLOADED, operators and the platform are served, and nothing is lost', async (t) => {
  const k = await start({ random: () => 0, limits: { uncommitted: 1 } });
  await k.add('known');
  await k.add('slow');
  k.hold();
  const waits = Promise.all([k.add('slow'), k.add('slow')]);
  await k.clock.advance(2_000);
  t.true((await k.metric('queue_age_seconds')) >= 1.5);
  t.like(await k.add('known'), { ok: false, error: { code: 'OVERLOADED' } });
  const refused = await k.add('known');
  t.true(!refused.ok && (refused.error.retryAfterMs ?? 0) >= 1_000, 'the time to come back follows the age of the queue');
  await t.throwsAsync(k.system.read('counter:known', 'n', {}, { from: alice }), { message: /queues are old/ });
  await t.throwsAsync(k.system.inspect.one('counter:known'), { message: /queues are old/ });
  const served = Promise.all([k.add('known', operator), k.add('known', system)]);
  t.is(await k.metric('shed_total', { class: 'client' }), 2);
  t.is(await k.metric('shed_total', { class: 'query' }), 1);
  t.is(await k.metric('shed_total', { class: 'inspector' }), 1);
  await k.release();
  t.true([...(await waits), ...(await served)].every((r) => r.ok));
  await k.clock.advance(3_000);
  t.like(await k.add('known'), { ok: true });
});

test('under overload a message between actors waits at its sender and is never refused', async (t) => {
  const k = await start({ random: () => 0, limits: { uncommitted: 4 } });
  await k.add('b');
  const sent = await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 90 }, as(alice));
  t.true(sent.ok);
  k.hold();
  const flood = Promise.all(Array.from({ length: 100 }, () => k.add('b')));
  await k.clock.advance(2_000);
  t.like(await k.add('c'), { ok: false, error: { code: 'OVERLOADED' } });
  await k.release();
  await k.clock.advance(20_000);
  t.true((await flood).some((r) => r.ok));
  const heard = (await k.system.inspect.one('counter:b')).state.context['got'] as { [from: string]: number };
  t.is(heard['counter:a'], 89);
  t.is(k.store.dead().length, 0);
});

test('a command whose deadline has passed when its turn comes is answered TIMEOUT and is not run', async (t) => {
  const k = await start({ limits: { uncommitted: 1 } });
  await k.add('a');
  k.hold();
  const first = k.add('a');
  await settle();
  const late = k.system.ask('counter:a', { type: 'counter.add', by: 100 }, as(alice, { deadline: 1_000 }));
  await k.clock.advance(2_000);
  await k.release();
  t.like(await first, { ok: true, reply: { n: 2 } });
  t.like(await late, { ok: false, error: { code: 'TIMEOUT' } });
  t.deepEqual(await k.system.read('counter:a', 'n', {}, { from: alice }), { seq: 3, value: 2 });
});

test('a command that waits for its actor to be read is answered at its deadline', async (t) => {
  const k = await start();
  k.stick();
  const late = k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, { deadline: 1_000 }));
  let answered = false;
  void late.then(() => (answered = true));
  await k.clock.advance(900);
  t.false(answered);
  await k.clock.advance(500);
  t.like(await late, { ok: false, error: { code: 'UNAVAILABLE' } });
  await k.unstick();
  t.like(await k.add('a'), { ok: true, reply: { n: 1 } });
});

test('payloads in flight are bounded by their bytes (I10)', async (t) => {
  const k = await start({ limits: { inflightBytes: 10_000 } });
  await k.add('a');
  k.hold();
  const note = (n: number) => k.system.ask('counter:a', { type: 'counter.note', text: `${n}`.padEnd(4_000) }, as(alice));
  const [one, two] = [note(1), note(2)];
  t.like(await note(3), { ok: false, error: { code: 'OVERLOADED' } });
  t.true((await k.metric('inflight_bytes')) <= 10_000);
  t.is(await k.metric('shed_total', { class: 'client' }), 1);
  await k.release();
  t.true((await one).ok && (await two).ok);
  t.is(await k.metric('inflight_bytes'), 0);
  t.like(await note(4), { ok: true });
});

test('every bound of the node holds at all times (I10)', async (t) => {
  const limits = {
    inflight: 40,
    inflightBytes: 20_000,
    activations: 8,
    activationBytes: 200_000,
    warmAfter: 200,
    uncommitted: 5,
    laneRows: 20,
    loads: 1,
    loadActors: 3,
    ringBytes: 1_500,
  };
  const k = await start({ limits });
  const random = seeded('1010'.repeat(8), 10);
  const below = (n: number): number => Math.floor(random() * n);
  const holds = async (): Promise<void> => {
    const { hot, warm } = {
      hot: await k.metric('activations', { temperature: 'hot' }),
      warm: await k.metric('activations', { temperature: 'warm' }),
    };
    t.true(hot + warm <= limits.activations, `${hot} + ${warm} actors`);
    t.true((await k.metric('inflight')) <= limits.inflight);
    t.true((await k.metric('inflight_bytes')) <= limits.inflightBytes);
    t.true((await k.metric('uncommitted')) <= limits.laneRows + 1);
    t.true((await k.metric('mailbox_max')) <= counter.limits.mailbox);
    t.true((await k.metric('ring_bytes')) <= limits.ringBytes);
    // Busy actors cannot leave; each of the few has at most one small context here.
    t.true((await k.metric('activation_bytes')) <= limits.activationBytes + 1_048_576);
  };
  const answers: Promise<{ ok: boolean }>[] = [];
  let refused = 0;
  for (let i = 0; i < 1_500; i += 1) {
    const id = `${below(12)}`;
    const command = [
      { type: 'counter.add', by: 1 },
      { type: 'counter.note', text: `${i}`.padEnd(below(3_000)) },
      { type: 'counter.grow', size: 1 + below(5_000) },
      { type: 'counter.emit', items: 3 },
      { type: 'counter.send', to: `counter:${below(12)}`, times: below(40) },
      { type: 'counter.arm', ms: below(3_000) },
    ][below(6)]!;
    answers.push(k.system.ask(`counter:${id}`, command, as(alice)));
    if (i % 7 === 0) void k.system.slice(`counter:${id}/value`).catch(() => (refused += 1));
    if (i % 11 === 0) void k.system.read(`counter:${id}`, 'n', {}, { from: alice }).catch(() => (refused += 1));
    if (below(60) === 0) k.hold();
    if (below(20) === 0) await k.release();
    if (below(4) === 0) await k.clock.advance(below(400));
    await holds();
  }
  await k.release();
  await k.clock.advance(60_000);
  await holds();
  const replies = await Promise.all(answers);
  const ok = replies.filter((r) => r.ok).length;
  t.true(ok > 200 && ok < replies.length, `${ok} of ${replies.length} were served, ${refused} reads were not`);
  for (const name of Object.keys(limits)) t.true((await k.metric('bound', { bound: name })) > 0);
});
