import type { Reading } from '../../calc/anomaly/monitor.ts';
import type { Direction } from './schema.ts';

interface Words {
  readonly name: string;
  readonly format: (v: number) => string;
  /** what a person may do about it, by direction */
  readonly hint?: Partial<Record<Direction, string>>;
}

const whole = (unit: string) => (v: number) => `${Math.round(v)} ${unit}`;

const WORDS: Readonly<Record<string, Words>> = {
  utilization: {
    name: 'Utilization',
    format: (v) => `${Math.round(v * 100)} %`,
    hint: {
      high: 'Check for group bookings, calendar changes or shorter opening hours; the room may soon be full.',
      low: 'Check for cancellations, closures or a booking page that does not work.',
    },
  },
  hrv_rmssd: {
    name: 'Heart-rate variability (HRV)',
    format: whole('ms'),
    hint: { low: 'Common after hard training, short sleep, alcohol or at the start of an illness: ask before the next hard session.' },
  },
  resting_heart_rate: {
    name: 'Resting heart rate',
    format: whole('bpm'),
    hint: { high: 'Common with incomplete recovery, stress, heat or the start of an illness: consider an easy day.' },
  },
  sleep_total: { name: 'Sleep', format: (v) => `${Math.floor(v / 60)} h ${Math.round(v % 60)} min` },
  skin_temp_delta: { name: 'Skin temperature', format: (v) => `${v.toFixed(1)} °C` },
};

const wordsOf = (metric: string, unit: string): Words =>
  WORDS[metric] ?? { name: metric.replaceAll('_', ' '), format: (v) => `${Number(v.toPrecision(4))} ${unit}`.trim() };

/** One short line: "Resting heart rate is unusually high". */
export function titleOf(metric: string, direction: Direction, points: number): string {
  const { name } = wordsOf(metric, '');
  return points > 1 ? `${name} stays unusually ${direction}` : `${name} is unusually ${direction}`;
}

/** The numbers behind an alert in one or two sentences, and what a person may do. */
export function explanationOf(
  metric: string,
  unit: string,
  r: Pick<Reading, 'value' | 'expected' | 'lower' | 'upper' | 'persistence'>,
  direction: Direction,
  points: number,
): string {
  const { name, format, hint } = wordsOf(metric, unit);
  const said = `${name} was ${format(r.value)}; ${format(r.expected)} was expected, usually ${format(r.lower)} to ${format(r.upper)}.`;
  const lasting =
    r.persistence >= 1
      ? ' It is a lasting shift, not a single outlier.'
      : points > 1
        ? ` It is the ${ordinal(points)} point of this episode.`
        : '';
  const advice = hint?.[direction];
  return advice === undefined ? said + lasting : `${said}${lasting} ${advice}`;
}

function ordinal(n: number): string {
  const tail = n % 100 >= 11 && n % 100 <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${n}${tail}`;
}
