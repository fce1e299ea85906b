/** Every metric of the kernel specification 14.2 is there under its name and labels, and moves. */
import test from 'ava';
import { as, system, testKernel } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const names: { readonly [name: string]: readonly string[] } = {
  commands_total: ['kind', 'type', 'outcome'],
  macrosteps_total: ['kind'],
  rejected_total: ['kind', 'code'],
  faults_total: ['kind'],
  duplicates_total: ['source'],
  fence_conflicts_total: [],
  indoubt_total: [],
  activations_total: ['kind', 'from'],
  passivations_total: ['reason'],
  timers_fired_total: ['late'],
  effects_total: ['effect', 'outcome'],
  effects_stale_total: [],
  outbox_dead_total: [],
  shed_total: ['class'],
  companion_rows_total: ['companion'],
  companion_conflicts_total: ['kind', 'companion'],
  batch_splits_total: ['cause'],
  publications_total: ['kind'],
  topic_items_total: [],
  fused_total: [],
  fuse_skipped_total: ['reason'],
  slots_moved_total: ['reason'],
  migrations_total: ['kind', 'outcome'],
  replay_mismatch_total: [],
  command_seconds: ['kind'],
  queue_seconds: [],
  macrostep_seconds: ['kind'],
  commit_seconds: ['lane'],
  batch_rows: ['lane'],
  activation_seconds: ['from'],
  timer_late_seconds: [],
  effect_seconds: ['effect'],
  bus_seconds: [],
  handover_seconds: [],
  activations: ['temperature'],
  mailbox_max: [],
  inflight: [],
  uncommitted: ['lane'],
  slots_owned: [],
  lease_left_seconds: [],
  roaming: [],
  outbox_pending: [],
  timers_pending: [],
  dead_unresolved: [],
  clock_skew_seconds: [],
};

test('every metric of the specification is there, with its labels', async (t) => {
  const k = await testKernel({ kinds: [counter], effects: { counter: { work: async () => ({ done: 1 }) } } });
  for (const [name, labels] of Object.entries(names)) {
    const metric = k.metrics.getSingleMetric(`thrum_kernel_${name}`) as unknown as { labelNames: string[] } | undefined;
    t.deepEqual([...(metric?.labelNames ?? [name, 'is missing'])], [...labels], name);
  }
});

test('macrosteps are counted, samples are taken, and what the store knows is looked at', async (t) => {
  const k = await testKernel({ kinds: [counter], effects: { counter: { work: async () => ({ done: 1 }) } } });
  for (let i = 0; i < 64; i += 1) await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(system));
  await k.system.ask('counter:a', { type: 'counter.throw' }, as(system));
  t.is(await k.metric('macrosteps_total', { kind: 'counter' }), 65, 'the birth, 64 commands; what throws is none');
  const text = await k.metrics.metrics();
  t.regex(text, /thrum_kernel_queue_seconds_count [1-9]/);
  t.regex(text, /thrum_kernel_macrostep_seconds_count\{kind="counter"\} [1-9]/);
  t.regex(text, /thrum_kernel_commit_seconds_count\{lane="0"\} [1-9]/);
  t.regex(text, /thrum_kernel_activation_seconds_count\{from="new"\} 1/);
  t.is(await k.metric('dead_unresolved'), 0);
  await k.clock.advance(31_000);
  t.is(await k.metric('dead_unresolved'), 1);
});
