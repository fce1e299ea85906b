import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Lane } from './cluster-view.ts';
import type { NodeLimits } from './limits.ts';

/**
 * Counts by one key that are cheap enough for the hot path: a map of numbers, read into a Prometheus counter only when it is scraped.
 */
class Tally {
  readonly #counts = new Map<string, number>();

  constructor(registry: Registry, name: string, help: string, labelNames: readonly string[]) {
    const counts = this.#counts;
    const counter = new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [],
      collect() {
        this.reset();
        for (const [key, n] of counts) {
          const values = key.split('\0');
          this.inc(Object.fromEntries(labelNames.map((label, i) => [label, values[i] ?? ''])), n);
        }
      },
    });
    registry.registerMetric(counter);
  }

  /** One more under the label values, given in the order of the declaration. */
  add(...labels: readonly string[]): void {
    const key = labels.join('\0');
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** So many more. */
  by(n: number, ...labels: readonly string[]): void {
    const key = labels.join('\0');
    if (n > 0) this.#counts.set(key, (this.#counts.get(key) ?? 0) + n);
  }

  get(...labels: readonly string[]): number {
    return this.#counts.get(labels.join('\0')) ?? 0;
  }
}

/** What gauges read when they are scraped. */
export interface Levels {
  readonly activations: () => { readonly hot: number; readonly warm: number };
  readonly activationBytes: () => number;
  readonly inflight: () => number;
  readonly inflightBytes: () => number;
  readonly queueAge: () => number;
  readonly shedProbability: () => number;
  readonly loadsWaiting: () => number;
  readonly ringBytes: () => number;
  readonly bounds: () => NodeLimits;
  readonly lanes: () => readonly Lane[];
  readonly outboxPending: () => number;
  readonly timersPending: () => number;
  readonly mailboxMax: () => number;
  readonly coverage: () => readonly (readonly [kind: string, share: number])[];
  readonly projections: () => { readonly lag: number; readonly failed: number };
  readonly slots: () => number;
  readonly leaseLeft: () => number;
  readonly roaming: () => number;
  readonly macrosteps: () => readonly (readonly [kind: string, n: number])[];
  /** as the store told it last */
  readonly deadUnresolved: () => number;
  readonly clockSkewMs: () => number;
}

const microseconds = [0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1];
const seconds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

const walks = [0.1, 1, 10, 60, 300, 900, 3_600];

/** The kernel's metrics (specification 14.2), registered in `registry`. */
export function createMetrics(registry: Registry, levels: Levels) {
  const tally = (name: string, help: string, ...labels: readonly string[]): Tally =>
    new Tally(registry, `thrum_kernel_${name}`, help, labels);
  const histogram = (name: string, help: string, buckets = seconds): Histogram =>
    new Histogram({ name: `thrum_kernel_${name}`, help, buckets, registers: [registry] });
  const histogramBy = <L extends string>(label: L, name: string, help: string, buckets = seconds): Histogram<L> =>
    new Histogram({ name: `thrum_kernel_${name}`, help, buckets, labelNames: [label], registers: [registry] });
  const gauge = (name: string, help: string, read: () => number): void => {
    const metric = new Gauge({
      name: `thrum_kernel_${name}`,
      help,
      registers: [],
      collect() {
        this.set(read());
      },
    });
    registry.registerMetric(metric);
  };
  const labelled = (name: string, help: string, label: string, read: () => readonly (readonly [string, number])[]): void => {
    const metric = new Gauge({
      name: `thrum_kernel_${name}`,
      help,
      labelNames: [label],
      registers: [],
      collect() {
        for (const [value, n] of read()) this.set({ [label]: value }, n);
      },
    });
    registry.registerMetric(metric);
  };
  labelled('activations', 'Actors held in memory', 'temperature', () => Object.entries(levels.activations()));
  gauge('activation_bytes', 'Estimated bytes of the actors held in memory', levels.activationBytes);
  gauge('inflight_bytes', 'Bytes of the payloads of commands accepted and not answered', levels.inflightBytes);
  gauge('queue_age_seconds', 'How long the oldest queued command had waited when it was last looked at', () => levels.queueAge() / 1_000);
  gauge('shed_probability', 'With which a new command of a client is refused', levels.shedProbability);
  gauge('loads_waiting', 'Actors that are being read from the store or wait for it', levels.loadsWaiting);
  gauge('ring_bytes', 'Bytes of the recent publications kept for reconnecting clients', levels.ringBytes);
  labelled('bound', 'What the node holds at most, by the name of the bound', 'bound', () => Object.entries(levels.bounds()));
  gauge('inflight', 'Commands accepted and not answered', levels.inflight);
  gauge('outbox_pending', 'Messages and effects not finished', levels.outboxPending);
  gauge('timers_pending', 'Timers in the wheel', levels.timersPending);
  gauge('projection_lag_seconds', 'Age of the oldest commit that no projection shows yet', () => levels.projections().lag);
  gauge('projection_failed', 'Actors whose row in a projection cannot be written', () => levels.projections().failed);
  gauge('dead_unresolved', 'Dead letters that nobody has resolved, looked at each half minute', levels.deadUnresolved);
  gauge('clock_skew_seconds', 'By how much the clock of this node is ahead of that of the database', () => levels.clockSkewMs() / 1_000);
  const macrosteps = new Counter({
    name: 'thrum_kernel_macrosteps_total',
    help: 'Macrosteps',
    labelNames: ['kind'],
    registers: [],
    collect() {
      this.reset();
      for (const [kind, n] of levels.macrosteps()) this.inc({ kind }, n);
    },
  });
  registry.registerMetric(macrosteps);
  gauge('slots_owned', 'Slots that this node serves', levels.slots);
  gauge('lease_left_seconds', 'Time for which the lease is still believed', levels.leaseLeft);
  gauge('roaming', '1 while the store of leases is out of reach', levels.roaming);
  labelled('coverage', 'Share of the transitions of a machine that this node has taken since its start', 'kind', levels.coverage);
  gauge('mailbox_max', 'Longest mailbox', levels.mailboxMax);
  labelled('uncommitted', 'Events that wait for their commit', 'lane', () =>
    levels.lanes().map((l, lane) => [String(lane), l.uncommitted]),
  );
  return {
    commands: tally('commands_total', 'Commands by outcome', 'kind', 'type', 'outcome'),
    rejected: tally('rejected_total', 'Refusals by machines', 'kind', 'code'),
    faults: tally('faults_total', 'Macrosteps that threw', 'kind'),
    duplicates: tally('duplicates_total', 'Commands recognised as repeats', 'source'),
    fenceConflicts: tally('fence_conflicts_total', 'Appends that met a newer tail'),
    indoubt: tally('indoubt_total', 'Commits whose answer was lost'),
    activations: tally('activations_total', 'Activations by origin', 'kind', 'from'),
    passivations: tally('passivations_total', 'Passivations by reason', 'reason'),
    timersFired: tally('timers_fired_total', 'Timers fired', 'late'),
    effects: tally('effects_total', 'Effects by outcome', 'effect', 'outcome'),
    effectsStale: tally('effects_stale_total', 'Results that came after their call was left'),
    outboxDead: tally('outbox_dead_total', 'Messages and effects that ended as dead letters'),
    companionRows: tally('companion_rows_total', 'Companion rows written', 'companion'),
    companionConflicts: tally('companion_conflicts_total', 'Companion rows refused', 'kind', 'companion'),
    batchSplits: tally('batch_splits_total', 'Batches that were split', 'cause'),
    fused: tally('fused_total', 'Messages committed together with the event that sent them'),
    fuseSkipped: tally('fuse_skipped_total', 'Messages that could not be, by reason', 'reason'),
    shed: tally('shed_total', 'Work refused because the node is overloaded', 'class'),
    projected: tally('projected_total', 'Rows written to projections', 'projection'),
    projectionFailures: tally('projection_failures_total', 'Rows that a projection could not show', 'projection'),
    publications: tally('publications_total', 'Publications by topic kind', 'kind'),
    topicItems: tally('topic_items_total', 'Items of log topics'),
    commandSeconds: histogramBy('kind', 'command_seconds', 'From admission to answer, sampled one in 16'),
    queueSeconds: histogram('queue_seconds', 'From the mailbox to the turn, sampled one in 16'),
    macrostepSeconds: histogramBy(
      'kind',
      'macrostep_seconds',
      'One event of a turn, from the mailbox to its rows, sampled one in 16',
      microseconds,
    ),
    commitSeconds: histogramBy('lane', 'commit_seconds', 'Duration of one commit statement'),
    batchRows: histogramBy('lane', 'batch_rows', 'Journal rows of one commit', [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]),
    migrations: tally('migrations_total', 'Actors met at another version of their machine', 'kind', 'outcome'),
    removed: tally('removed_total', 'What retention has removed: events, snapshots, items, actors', 'what'),
    retentionSeconds: histogram('retention_seconds', 'Duration of one walk of retention over the actors of a node', walks),
    replayMismatches: tally('replay_mismatch_total', 'Sampled events that do not give what was recorded of them'),
    activationSeconds: histogramBy('from', 'activation_seconds', 'From the question to the store, or from warm text, to a live actor'),
    timerLate: histogram('timer_late_seconds', 'How late timers fired'),
    slotsMoved: tally('slots_moved_total', 'Slots that came or went, by reason', 'reason'),
    handedActors: tally(
      'handed_actors_total',
      'Actors in memory at a planned move: sent to the new owner or left to be read (cold); there taken in (warm) or dropped',
      'outcome',
    ),
    busSeconds: histogram('bus_seconds', 'From a question to another node to its answer'),
    handoverSeconds: histogram('handover_seconds', 'From the first refusal to the transfer of slots that move'),
    effectSeconds: histogramBy('effect', 'effect_seconds', 'Duration of one effect attempt'),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
