/** What all benches share: alternating rounds, medians, one table, one JSON document. */
import { cpus, totalmem } from 'node:os';

/** One thing that is measured: `run` works for about `ms` milliseconds and gives its rate per second. */
export interface Contender {
  readonly name: string;
  readonly run: (ms: number) => Promise<number>;
  /** gives back connections and the like */
  readonly close?: () => Promise<void>;
}

export interface Plan {
  readonly rounds: number;
  /** length of one measurement */
  readonly ms: number;
  /** clients that come back at once, in benches of the realtime edge */
  readonly clients: number;
}

export const FULL: Plan = { rounds: 5, ms: 3_000, clients: 2_000 };
export const QUICK: Plan = { rounds: 2, ms: 700, clients: 2_000 };

/** One line of the result. `ratio` is value by baseline where there is one; `ok` says whether the target is met. */
export interface Row {
  readonly id: string;
  readonly what: string;
  readonly value: number;
  readonly min: number;
  readonly unit: string;
  readonly baseline?: number;
  readonly ratio?: number;
  readonly target?: string;
  readonly ok?: boolean;
  /** missed by more than 30 %: no noise any more */
  readonly broken?: boolean;
}

export interface Report {
  readonly name: string;
  readonly at: string;
  readonly machine: string;
  readonly rows: readonly Row[];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[middle - 1] ?? Number.NaN, sorted[middle] ?? Number.NaN];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

const TOLERANCE = 0.7;

export type Rates = ReadonlyMap<string, readonly number[]>;

/**
 * Runs every contender once a round, each round beginning with another one, so that a machine that slows down slows all of them.
 *
 * @returns the rates by name, one per round
 */
export async function alternate(contenders: readonly Contender[], plan: Plan, say: (line: string) => void): Promise<Rates> {
  const rates = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < plan.rounds; round += 1) {
    const order = contenders.map((_, i) => contenders[(i + round) % contenders.length]!);
    for (const { name, run } of order) {
      const rate = await run(plan.ms);
      rates.get(name)!.push(rate);
      say(`  round ${round + 1}/${plan.rounds} ${name}: ${format(rate)}/s`);
    }
  }
  return rates;
}

/** A row that compares medians; `atLeast` is the target of the ratio, or of the value when there is no baseline. */
export function compare(rates: Rates, o: { id: string; what: string; of: string; by?: string; atLeast?: number; unit?: string }): Row {
  const of = rates.get(o.of) ?? [];
  const value = median(of);
  const unit = o.unit ?? '/s';
  const row = { id: o.id, what: o.what, value, min: Math.min(...of), unit };
  if (o.by === undefined) return row;
  const baseline = median(rates.get(o.by) ?? []);
  const ratio = value / baseline;
  if (o.atLeast === undefined) return { ...row, baseline, ratio };
  return { ...row, baseline, ratio, target: `>= ${o.atLeast}`, ok: ratio >= o.atLeast, broken: ratio < TOLERANCE * o.atLeast };
}

/** A row whose value should be at most `atMost` times its baseline, or at most `atMost` when there is none. */
export function bounded(o: {
  id: string;
  what: string;
  values: readonly number[];
  unit: string;
  by?: readonly number[];
  atMost?: number;
}): Row {
  const value = median(o.values);
  const row = { id: o.id, what: o.what, value, min: Math.min(...o.values), unit: o.unit };
  const baseline = o.by === undefined ? undefined : median(o.by);
  const measured = baseline === undefined ? value : value / baseline;
  const compared = baseline === undefined ? row : { ...row, baseline, ratio: measured };
  if (o.atMost === undefined) return compared;
  return { ...compared, target: `<= ${o.atMost}`, ok: measured <= o.atMost, broken: measured > o.atMost / TOLERANCE };
}

/** The value below which a share `q` of the numbers lies. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

export function format(n: number | undefined): string {
  if (n === undefined) return '';
  if (Math.abs(n) >= 100) return Math.round(n).toLocaleString('en-US');
  return n.toFixed(2);
}

export function table(rows: readonly Row[]): string {
  const head = ['', 'measure', 'median', 'minimum', 'unit', 'baseline', 'ratio', 'target', ''];
  const verdict = (ok: boolean | undefined): string => (ok === undefined ? '' : ok ? 'met' : 'MISSED');
  const cells = rows.map((r) => [
    r.id,
    r.what,
    format(r.value),
    format(r.min),
    r.unit,
    format(r.baseline),
    r.ratio === undefined ? '' : r.ratio.toFixed(2),
    r.target ?? '',
    verdict(r.ok),
  ]);
  const widths = head.map((h, i) => Math.max(h.length, ...cells.map((c) => c[i]!.length)));
  const numeric = new Set([2, 3, 5, 6]);
  const line = (row: readonly string[]): string =>
    row
      .map((c, i) => (numeric.has(i) ? c.padStart(widths[i]!) : c.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((w) => '-'.repeat(w))), ...cells.map(line)].join('\n');
}

export function machine(): string {
  const cores = cpus();
  return `${cores.length} x ${cores[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
}

/**
 * Keeps `width` calls under way until `ms` have passed, then waits for the last.
 *
 * @returns finished calls per second
 */
export async function flood(width: number, ms: number, call: (i: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const began = performance.now();
  const until = began + ms;
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      next += 1;
      await call(next);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return next / ((performance.now() - began) / 1_000);
}
