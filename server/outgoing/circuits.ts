/**
 * The circuits of this node: each reports to its actor `breaker:{hash}`, at most once a second while all is well, and hears from it by the answers,
 * by the items of the actor's topic and, when that actor is served elsewhere, by a channel of Redis.
 */
import { createHash } from 'node:crypto';
import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { ActorSystem, CommandInput, Publication } from '../../actors/system.ts';
import type { Clock, Log, Principal } from '../../actors/types.ts';
import { ruleSets } from '../../machines/breaker/rules.ts';
import type { RuleSet } from '../../machines/breaker/rules.ts';
import { Change, Standing } from '../../machines/breaker/schema.ts';
import type { BreakerState } from '../../machines/breaker/schema.ts';
import { addCounts } from '../../calc/breaker/window.ts';
import type { Channel } from '../redis/channel.ts';
import { Circuit } from './circuit.ts';
import type { Batch } from './circuit.ts';

export interface CircuitsDeps {
  readonly actors: () => Pick<ActorSystem, 'ask' | 'read' | 'onPublish'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newId: () => string;
  readonly log: Log;
  readonly registry: Registry;
  /** absent on a node alone */
  readonly news?: Channel<News>;
}

/** A change of a circuit's actor, for nodes that do not serve it. */
export const News = z.object({ id: z.string(), change: Change });
export type News = z.output<typeof News>;

export type Health = (signal: AbortSignal) => Promise<unknown>;

/** A circuit of this node, as operators see it. */
export interface Known {
  readonly id: string;
  readonly name: string;
  readonly rules: RuleSet;
  readonly circuit: Circuit;
}

export interface Circuits {
  /**
   * The circuit of a dependency; the same for the same name.
   *
   * @param health asks the dependency beside the calls whether it works, and rejects when not; while the circuit is open, each 15 s
   */
  of(name: string, rules: RuleSet, health?: Health): Circuit;
  list(): readonly Known[];
  /** From now on changes of the actors are heard. */
  start(): void;
  stop(): void;
}

const REPORT_MS = 1_000;
/** how often a node asks about a circuit that an operator has opened and that might have been reset unheard */
const ASK_MS = 5_000;
const HEALTH_MS = 15_000;
const HEALTH_TIMEOUT_MS = 1_000;
const TOPIC = /^breaker:([0-9a-f]{20})\/changes$/;
const self: Principal = { kind: 'system', id: 'circuits', roles: [] };
const VALUES: { readonly [state in BreakerState]: number } = { closed: 0, half_open: 1, open: 2, isolated: 3, forced_closed: 4 };

export const circuitId = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, 20);

interface Entry extends Known {
  hear(standing: Standing): void;
  ask(): void;
}

export function createCircuits(d: CircuitsDeps): Circuits {
  const { clock } = d;
  const byName = new Map<string, Entry>();
  const byId = new Map<string, Entry>();
  let unwatch = (): void => undefined;
  let started = false;
  let stopped = false;

  const gauge: Gauge<'name'> = new Gauge({
    name: 'thrum_breaker_state',
    help: 'Circuits of this node: 0 closed, 1 half open, 2 open, 3 isolated, 4 forced closed',
    labelNames: ['name'],
    registers: [d.registry],
    collect() {
      for (const { name, circuit } of byName.values()) gauge.set({ name }, VALUES[circuit.state]);
    },
  });

  function open(name: string, rules: RuleSet, health: Health | undefined): Entry {
    const id = circuitId(name);
    const ref = `breaker:${id}`;
    let batch: Batch | undefined;
    let planned = false;
    let telling = Promise.resolve();
    let askedAt = -Infinity;
    let checking = false;

    async function told(command: CommandInput): Promise<void> {
      try {
        const reply = await d.actors().ask(ref, command, { key: d.newId(), from: self });
        if (reply.ok) hear(Standing.parse(reply.reply));
        else d.log.debug({ code: reply.error.code, circuit: name }, 'a circuit could not be reported');
      } catch (err) {
        d.log.debug({ err, circuit: name }, 'a circuit could not be reported');
      }
    }

    /** One after the other: the order of batches and probes says what is in a row. */
    function tell(command: CommandInput): void {
      telling = telling.then(() => told(command));
    }

    function flush(tripped: boolean): void {
      const due = batch;
      batch = undefined;
      if (due !== undefined && !stopped) tell({ type: 'calls.reported', name, rules, ...due, tripped });
    }

    const add = (more: Batch): Batch =>
      batch === undefined
        ? more
        : {
            ...addCounts(batch, more),
            streak: more.broken ? more.streak : batch.streak + more.streak,
            broken: batch.broken || more.broken,
          };

    const circuit = new Circuit({
      rules: ruleSets[rules],
      wall: () => clock.wall(),
      random: d.random,
      report: {
        counted(more) {
          batch = add(more);
          if (planned) return;
          planned = true;
          clock.setTimer(REPORT_MS, () => {
            planned = false;
            flush(false);
          });
        },
        tripped(more) {
          batch = add(more);
          d.log.warn({ circuit: name, until: circuit.until }, 'a circuit has opened');
          flush(true);
          check();
        },
        probed(ok, of) {
          if (!stopped) tell({ type: ok ? 'probe.succeeded' : 'probe.failed', of });
          check();
        },
      },
    });

    function hear(standing: Standing): void {
      circuit.hear(standing);
      check();
    }

    /** Looks after an open circuit until it is no longer. */
    function check(): void {
      if (health === undefined || checking || stopped || circuit.state !== 'open') return;
      checking = true;
      clock.setTimer(HEALTH_MS, () => void checked(health).finally(check));
    }

    async function checked(asks: Health): Promise<void> {
      const late = new AbortController();
      const timer = clock.setTimer(HEALTH_TIMEOUT_MS, () => late.abort(new Error('no answer')));
      try {
        if (circuit.state === 'open') await asks(late.signal);
        if (circuit.state === 'open' && !stopped) tell({ type: 'probe.succeeded', of: null });
      } catch (err) {
        d.log.debug({ err, circuit: name }, 'a dependency is not healthy yet');
      } finally {
        clock.clearTimer(timer);
        checking = false;
      }
    }

    /** How the actor stands; without one there is nothing to know. */
    function ask(): void {
      if (clock.mono() - askedAt < ASK_MS) return;
      askedAt = clock.mono();
      d.actors()
        .read(ref, 'standing', {}, { from: self })
        .then(
          ({ value }) => hear(Standing.parse(value)),
          () => undefined,
        );
    }

    return { id, name, rules, circuit, ask, hear };
  }

  function heard(id: string, change: Change): void {
    const { state, until, openings, rev } = change;
    byId.get(id)?.hear({ state, ...(until === undefined ? {} : { until }), openings, rev });
  }

  function published({ t, k, d: items }: Publication): void {
    const id = k === 'i' ? TOPIC.exec(t)?.[1] : undefined;
    if (id === undefined) return;
    for (const item of items as unknown[]) {
      const change = Change.parse(item);
      heard(id, change);
      d.news?.tell({ id, change });
    }
  }

  const deafen = d.news?.onMessage(({ id, change }) => heard(id, change));

  return {
    of(name, rules, health) {
      let entry = byName.get(name);
      if (entry === undefined) {
        entry = open(name, rules, health);
        byName.set(name, entry);
        byId.set(entry.id, entry);
        if (started) entry.ask();
      }
      if (entry.circuit.state === 'isolated') entry.ask();
      return entry.circuit;
    },
    list: () => [...byName.values()],
    start() {
      started = true;
      for (const entry of byName.values()) entry.ask();
      unwatch = d.actors().onPublish(published);
    },
    stop() {
      stopped = true;
      deafen?.();
      unwatch();
    },
  };
}
