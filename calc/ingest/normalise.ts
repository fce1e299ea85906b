import { addDays } from '../time/civil.ts';
import type {
  CanonicalRecord,
  CanonicalRow,
  DailyRecord,
  DailyRow,
  DeleteRecord,
  Rejected,
  RejectCode,
  SampleRecord,
  SampleRow,
  SleepRecord,
  SleepRow,
  WorkoutRecord,
  WorkoutRow,
} from './canonical.ts';
import { dayAt, statedOffset } from './days.ts';
import type { OffsetOf } from './days.ts';
import { metrics } from './metrics.ts';
import { toUnit } from './units.ts';

/** Raised when a rule below changes, so that stored payloads can be normalised again and the difference be seen. */
export const NORMALISER_VERSION = 1;

export interface NormaliseContext {
  /** when the payload was last received, epoch ms: the version of records that carry none, and the present of the plausibility check */
  readonly receivedAt: number;
  /** offset of the user's zone, for instants that state none */
  readonly offsetOf: OffsetOf;
  /** digest of a text, hexadecimal */
  readonly hash: (text: string) => string;
}

export interface Normalised {
  readonly rows: readonly CanonicalRow[];
  /** records and fields that were not taken; the rest of their batch was */
  readonly rejected: readonly Rejected[];
}

const EARLIEST = Date.UTC(2000, 0, 1);
const AHEAD = 86_400_000;

class Refused extends Error {
  readonly code: RejectCode;
  constructor(code: RejectCode) {
    super(code);
    this.code = code;
  }
}

/** Canonical records to rows: units, ranges, instants and local days. Pure; equal input gives equal rows. */
export function normalise(records: readonly CanonicalRecord[], c: NormaliseContext): Normalised {
  const rows: CanonicalRow[] = [];
  const rejected: Rejected[] = [];
  records.forEach((r, index) => {
    const dropped = (field: string, code: RejectCode): void => void rejected.push({ index, field, code });
    try {
      rows.push(rowOf(r, c, dropped));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      rejected.push({ index, code: error.code });
    }
  });
  return { rows, rejected };
}

type Dropped = (field: string, code: RejectCode) => void;

function rowOf(r: CanonicalRecord, c: NormaliseContext, dropped: Dropped): CanonicalRow {
  switch (r.type) {
    case 'sleep':
      return sleepRow(r, c, dropped);
    case 'workout':
      return workoutRow(r, c, dropped);
    case 'sample':
      return sampleRow(r, c);
    case 'daily':
      return dailyRow(r, c);
    default:
      return deleteRow(r, c);
  }
}

function sleepRow(r: SleepRecord, c: NormaliseContext, dropped: Dropped): SleepRow {
  const { startAt, endAt, key } = interval(r, c);
  const offsetMin = statedOffset(r.end) ?? c.offsetOf(endAt);
  const stages = r.stages?.map((s) => ({ s: s.s, start: Date.parse(s.start), end: Date.parse(s.end) }));
  if (stages?.some((s, i) => !(s.end > s.start) || s.start < (stages[i - 1]?.end ?? startAt) || s.end > endAt))
    throw new Refused('BAD_INTERVAL');
  const seconds = (name: string): number | undefined =>
    stages === undefined ? undefined : stages.reduce((sum, s) => sum + (s.s === name ? (s.end - s.start) / 1000 : 0), 0);
  const asleep = stages?.filter((s) => s.s !== 'awake');
  const [first, last] = [asleep?.[0], asleep?.at(-1)];
  const tibS = r.timeInBedS ?? (endAt - startAt) / 1000;
  const tstS = r.totalSleepS ?? asleep?.reduce((sum, s) => sum + (s.end - s.start) / 1000, 0);
  for (const s of [tibS, tstS, r.latencyS]) if (s !== undefined && (s < 0 || s > 86_400)) throw new Refused('OUT_OF_RANGE');
  if (tstS !== undefined && tstS > tibS) throw new Refused('OUT_OF_RANGE');
  const field = (name: string, metric: string, value: number | undefined): number | undefined => {
    const checked = value === undefined ? undefined : check(metric, value);
    if (typeof checked === 'string') dropped(name, checked);
    return typeof checked === 'number' ? checked : undefined;
  };
  const body = present({
    startAt,
    endAt,
    isNap: r.isNap ?? false,
    tibS,
    tstS,
    sptS: first === undefined || last === undefined ? undefined : (last.end - first.start) / 1000,
    deepS: seconds('deep'),
    remS: seconds('rem'),
    lightS: seconds('light'),
    awakeS: seconds('awake'),
    latencyS: r.latencyS,
    hrLowestBpm: field('hrLowestBpm', 'heart_rate', r.hrLowestBpm),
    hrvRmssdMs: field('hrvRmssdMs', 'hrv_rmssd', r.hrvRmssdMs),
    respRate: field('respRate', 'respiratory_rate', r.respRate),
    skinTempDeltaC: field('skinTempDeltaC', 'skin_temp_delta', r.skinTempDeltaC),
    stages,
  });
  return {
    table: 'sleep',
    key,
    ...present({ externalId: r.id }),
    day: dayAt(endAt, offsetMin),
    offsetMin,
    deleted: false,
    ...rankOf(r, c, c.hash(JSON.stringify(body))),
    ...body,
  };
}

function workoutRow(r: WorkoutRecord, c: NormaliseContext, dropped: Dropped): WorkoutRow {
  const { startAt, endAt, key } = interval(r, c);
  const offsetMin = statedOffset(r.start) ?? c.offsetOf(startAt);
  const quantity = (name: string, metric: string, q: { value: number; unit: string } | undefined): number | undefined => {
    const checked = q === undefined ? undefined : check(metric, q.value, q.unit);
    if (typeof checked === 'string') dropped(name, checked);
    return typeof checked === 'number' ? checked : undefined;
  };
  const body = present({
    startAt,
    endAt,
    sport: r.sport,
    energyKcal: quantity('energy', 'active_energy', r.energy),
    distanceM: quantity('distance', 'distance', r.distance),
    hrAvgBpm: quantity('hrAvgBpm', 'heart_rate', r.hrAvgBpm === undefined ? undefined : { value: r.hrAvgBpm, unit: 'bpm' }),
  });
  return {
    table: 'workout',
    key,
    ...present({ externalId: r.id }),
    day: dayAt(startAt, offsetMin),
    offsetMin,
    deleted: false,
    ...rankOf(r, c, c.hash(JSON.stringify(body))),
    ...body,
  };
}

function sampleRow(r: SampleRecord, c: NormaliseContext): SampleRow {
  const ts = instant(r.ts, c);
  const value = valueOf(r.metric, r.value, r.unit);
  const offsetMin = statedOffset(r.ts) ?? c.offsetOf(ts);
  const rank = { ...rankOf(r, c, sortable(value)), isFinal: true };
  return {
    table: 'sample',
    key: `${r.metric}@${ts}`,
    metric: r.metric,
    ts,
    value,
    day: dayAt(ts, offsetMin),
    offsetMin,
    deleted: false,
    ...rank,
  };
}

function dailyRow(r: DailyRecord, c: NormaliseContext): DailyRow {
  const day = plausibleDay(r.day, c);
  const value = valueOf(r.metric, r.value, r.unit);
  const rank = rankOf(r, c, c.hash(sortable(value)));
  return { table: 'daily', key: `${r.metric}@${day}`, metric: r.metric, value, day, deleted: false, ...rank };
}

/** A deletion is a version of its own rank: final, of its own time. A higher rank revives the record. */
function deleteRow(r: DeleteRecord, c: NormaliseContext): CanonicalRow {
  const rank = { ...rankOf(r, c, 'deleted'), isFinal: true };
  if (r.of === 'sample') {
    if (r.metric === undefined || r.ts === undefined) throw new Refused('NO_KEY');
    const ts = instant(r.ts, c);
    const offsetMin = statedOffset(r.ts) ?? c.offsetOf(ts);
    return {
      table: 'sample',
      key: `${r.metric}@${ts}`,
      metric: r.metric,
      ts,
      day: dayAt(ts, offsetMin),
      offsetMin,
      deleted: true,
      ...rank,
    };
  }
  if (r.of === 'daily') {
    if (r.metric === undefined || r.day === undefined) throw new Refused('NO_KEY');
    const day = plausibleDay(r.day, c);
    return { table: 'daily', key: `${r.metric}@${day}`, metric: r.metric, day, deleted: true, ...rank };
  }
  return {
    table: r.of,
    key: sessionKey(r.id, r.start === undefined ? undefined : instant(r.start, c)),
    ...present({ externalId: r.id }),
    deleted: true,
    ...rank,
  };
}

// ------------------------------------------------------------------------------------------------------------------- parts

function interval(r: SleepRecord | WorkoutRecord, c: NormaliseContext): { startAt: number; endAt: number; key: string } {
  const startAt = instant(r.start, c);
  const endAt = instant(r.end, c);
  if (endAt <= startAt || endAt - startAt > 172_800_000) throw new Refused('BAD_INTERVAL');
  return { startAt, endAt, key: sessionKey(r.id, startAt) };
}

function sessionKey(id: string | undefined, startAt: number | undefined): string {
  if (id !== undefined) return `id:${id}`;
  if (startAt !== undefined) return `at:${startAt}`;
  throw new Refused('NO_KEY');
}

function instant(text: string, c: NormaliseContext): number {
  const at = Date.parse(text);
  if (!(at >= EARLIEST) || at > c.receivedAt + AHEAD) throw new Refused('TS_OUT_OF_RANGE');
  return at;
}

function plausibleDay(day: string, c: NormaliseContext): string {
  const latest = addDays(dayAt(c.receivedAt, 0), 2);
  if (day < '2000-01-01' || day > latest) throw new Refused('TS_OUT_OF_RANGE');
  return day;
}

function check(metric: string, value: number, unit?: string): number | RejectCode {
  const known = metrics[metric];
  if (known === undefined) return 'UNKNOWN_METRIC';
  const converted = toUnit(value, unit, known.unit);
  if (converted === undefined) return 'UNKNOWN_UNIT';
  if (known.zeroIsAbsent === true && converted === 0) return 'NOT_MEASURED';
  return converted >= known.min && converted <= known.max ? converted : 'OUT_OF_RANGE';
}

function valueOf(metric: string, value: number, unit?: string): number {
  const checked = check(metric, value, unit);
  if (typeof checked === 'string') throw new Refused(checked);
  return checked;
}

function rankOf(
  r: { updatedAt?: string | undefined; state?: string | undefined },
  c: NormaliseContext,
  hash: string,
): { isFinal: boolean; version: number; hash: string } {
  const version = r.updatedAt === undefined ? c.receivedAt : Date.parse(r.updatedAt);
  if (!(version >= EARLIEST) || version > c.receivedAt + AHEAD) throw new Refused('TS_OUT_OF_RANGE');
  return { isFinal: r.state !== 'tentative', version, hash };
}

/** A number as text whose byte order is the order of the numbers, for the accepted ranges. */
const sortable = (value: number): string => (value + 1_000_000).toFixed(6).padStart(20, '0');

/** The object without its undefined fields. */
function present<T extends object>(o: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };
}
