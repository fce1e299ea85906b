/** One run: stage, load, faults, rest, verdict, report. */
import { finalStates, untilQuiet, verdict } from './verdict.ts';
import type { Check } from './verdict.ts';
import { chance, ERRANDS, LISTS, ROOMS, seriesOf, startLoad } from './load.ts';
import { nemesis } from './nemesis.ts';
import type { Deed } from './nemesis.ts';
import { openStage } from './stage.ts';
import { startWatchers } from './watchers.ts';

export interface ChaosOptions {
  readonly nodes: number;
  readonly clients: number;
  readonly watchers: number;
  /** ms of faults */
  readonly duration: number;
  /** think time of a client, ms */
  readonly thinkMs: number;
  readonly seed: string;
  /** scale of the times of faults; default 1 */
  readonly scale?: number;
  /** names of faults; default all */
  readonly only?: readonly string[];
  readonly say: (line: string) => void;
}

export interface Chaos {
  readonly deeds: readonly Deed[];
  readonly checks: readonly Check[];
  readonly figures: { readonly [name: string]: number };
  readonly ok: boolean;
}

/** @returns undefined when Postgres or Redis is not installed */
export async function chaos(o: ChaosOptions): Promise<Chaos | undefined> {
  const stage = await openStage({ nodes: o.nodes, keep: true });
  if (stage === undefined) return undefined;
  try {
    const load = await startLoad(stage, o);
    const logs = [
      ...Array.from({ length: LISTS }, (_, i) => `list:l${i}/entries`),
      ...Array.from({ length: ERRANDS }, (_, i) => `errand:e${i}/done`),
      ...Array.from({ length: ROOMS }, (_, i) => `resource:room-${i}/anomalies`),
      ...Array.from({ length: ROOMS }, (_, i) => `${seriesOf(i)}/alerts`),
    ];
    const views = Array.from({ length: LISTS }, (_, i) => `list:l${i}/head`);
    const watchers = startWatchers(stage, { token: load.token, watchers: o.watchers, logs, views });
    try {
      o.say(`${o.nodes} nodes, ${o.clients} clients, ${o.watchers} subscribers, seed ${o.seed}`);
      const next = chance(`nemesis ${o.seed}`);
      const deeds = await nemesis(stage, { ...o, next });
      await load.stop();
      o.say('the faults are over; waiting until nothing moves');
      const rest = await untilQuiet(stage, watchers);
      const states = await finalStates(stage, load);
      await Promise.all(stage.nodes.map(async (n) => n.process?.end('SIGTERM')));
      const checks = [rest, ...(await verdict(stage, load, watchers, states))];
      const counts = (outcome: string): number => load.ops.filter((op) => op.outcome === outcome).length;
      const figures = {
        commands: load.ops.length,
        acknowledged: counts('done'),
        refused: counts('refused'),
        unanswered: counts('unknown'),
        'sent again': load.ops.reduce((s, op) => s + Math.max(0, op.attempts - 1), 0),
        'slowest answer, ms': Math.round(load.slowest()),
        bookings: load.wishes.filter((w) => w.bookingId !== undefined).length,
        reads: load.reads.length,
        'points of series': load.points.length,
        'items seen': watchers.logs.reduce((s, w) => s + w.numbers.length, 0),
        faults: deeds.length,
      };
      return { deeds, checks, figures, ok: checks.every((c) => c.faults.length === 0) };
    } finally {
      await watchers.close();
    }
  } catch (error) {
    for (const n of stage.nodes) o.say(`--- ${n.name}\n${n.process?.output().slice(-3_000) ?? 'not running'}`);
    throw error;
  } finally {
    await stage.close();
  }
}

/** The report of a run as Markdown. */
export function report({ deeds, checks, figures, ok }: Chaos): string {
  const lines = [`# Chaos: ${ok ? 'every promise was kept' : 'BROKEN'}`, '', '| figure | |', '|---|---:|'];
  for (const [name, n] of Object.entries(figures)) lines.push(`| ${name} | ${n} |`);
  lines.push('', '| check | looked at | |', '|---|---:|---|');
  for (const { what, looked, faults } of checks)
    lines.push(`| ${what} | ${looked} | ${faults.length === 0 ? 'holds' : `${faults.length} faults`} |`);
  for (const { what, faults } of checks.filter((c) => c.faults.length > 0)) {
    lines.push('', `## ${what}`, '', ...faults.slice(0, 50).map((f) => `- ${f}`));
  }
  lines.push('', '## What was done to it', '', '| s | what | ms |', '|---:|---|---:|');
  for (const { at, what, ms } of deeds) lines.push(`| ${(at / 1_000).toFixed(1)} | ${what} | ${ms} |`);
  return `${lines.join('\n')}\n`;
}
