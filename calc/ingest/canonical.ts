import type { Rank } from './rank.ts';

/** Kind of hardware behind the data; decides which source is believed for a domain (B4.7). */
export const sourceTypes = ['ring', 'band', 'watch', 'phone', 'scale', 'other'] as const;
export type SourceType = (typeof sourceTypes)[number];

export const stageNames = ['awake', 'light', 'deep', 'rem'] as const;
export type StageName = (typeof stageNames)[number];

export interface Stage {
  readonly s: StageName;
  readonly start: string;
  readonly end: string;
}

export interface Quantity {
  readonly value: number;
  readonly unit: string;
}

interface Versioned {
  /** RFC 3339, when the provider made this version */
  readonly updatedAt?: string | undefined;
  readonly state?: 'tentative' | 'final' | undefined;
}

export interface SleepRecord extends Versioned {
  readonly type: 'sleep';
  readonly id?: string | undefined;
  readonly start: string;
  readonly end: string;
  readonly isNap?: boolean | undefined;
  readonly timeInBedS?: number | undefined;
  readonly totalSleepS?: number | undefined;
  readonly latencyS?: number | undefined;
  readonly stages?: readonly Stage[] | undefined;
  readonly hrLowestBpm?: number | undefined;
  readonly hrvRmssdMs?: number | undefined;
  readonly respRate?: number | undefined;
  readonly skinTempDeltaC?: number | undefined;
}

export interface WorkoutRecord extends Versioned {
  readonly type: 'workout';
  readonly id?: string | undefined;
  readonly start: string;
  readonly end: string;
  readonly sport: string;
  readonly energy?: Quantity | undefined;
  readonly distance?: Quantity | undefined;
  readonly hrAvgBpm?: number | undefined;
}

export interface SampleRecord extends Versioned {
  readonly type: 'sample';
  readonly metric: string;
  readonly ts: string;
  readonly value: number;
  readonly unit?: string | undefined;
}

export interface DailyRecord extends Versioned {
  readonly type: 'daily';
  readonly metric: string;
  /** local date, as the provider counts it */
  readonly day: string;
  readonly value: number;
  readonly unit?: string | undefined;
}

/** Takes back a record; `of` tells which sort, the other fields name it. */
export interface DeleteRecord extends Versioned {
  readonly type: 'delete';
  readonly of: 'sleep' | 'workout' | 'sample' | 'daily';
  readonly id?: string | undefined;
  readonly start?: string | undefined;
  readonly metric?: string | undefined;
  readonly ts?: string | undefined;
  readonly day?: string | undefined;
}

export type CanonicalRecord = SleepRecord | WorkoutRecord | SampleRecord | DailyRecord | DeleteRecord;

// ------------------------------------------------------------------------------------------------------------------- rows

/** A version of a stored row. `key` names the row among those of its user, source and table. */
interface RowBase extends Rank {
  readonly key: string;
  readonly deleted: boolean;
  /** local day that the row counts for; absent on a deletion that does not say */
  readonly day?: string;
  readonly offsetMin?: number;
}

export interface SleepRow extends RowBase {
  readonly table: 'sleep';
  readonly externalId?: string;
  readonly startAt?: number;
  readonly endAt?: number;
  readonly isNap?: boolean;
  readonly tibS?: number;
  readonly tstS?: number;
  readonly sptS?: number;
  readonly deepS?: number;
  readonly remS?: number;
  readonly lightS?: number;
  readonly awakeS?: number;
  readonly latencyS?: number;
  readonly hrLowestBpm?: number;
  readonly hrvRmssdMs?: number;
  readonly respRate?: number;
  readonly skinTempDeltaC?: number;
  readonly stages?: readonly { readonly s: StageName; readonly start: number; readonly end: number }[];
}

export interface WorkoutRow extends RowBase {
  readonly table: 'workout';
  readonly externalId?: string;
  readonly startAt?: number;
  readonly endAt?: number;
  readonly sport?: string;
  readonly energyKcal?: number;
  readonly distanceM?: number;
  readonly hrAvgBpm?: number;
}

export interface SampleRow extends RowBase {
  readonly table: 'sample';
  readonly metric: string;
  readonly ts: number;
  readonly value?: number;
}

export interface DailyRow extends RowBase {
  readonly table: 'daily';
  readonly metric: string;
  readonly value?: number;
}

export type CanonicalRow = SleepRow | WorkoutRow | SampleRow | DailyRow;

export type RejectCode =
  | 'OUT_OF_RANGE'
  | 'TS_OUT_OF_RANGE'
  | 'UNKNOWN_METRIC'
  | 'UNKNOWN_UNIT'
  | 'BAD_INTERVAL'
  | 'NOT_MEASURED'
  | 'NO_KEY';

export interface Rejected {
  /** position in the batch */
  readonly index: number;
  readonly field?: string;
  readonly code: RejectCode;
}
