import { z } from 'zod';
import { personal } from '../../actors/define.ts';
import { components } from '../../calc/energy/model.ts';
import { DeviceHead } from '../biosync/schema.ts';
import { NotifyState } from '../notifications/schema.ts';

const Day = z.iso.date();
const partial = <V extends z.ZodType>(value: V) => z.partialRecord(z.enum(components), value);

export const Missing = z.strictObject({
  component: z.enum(components),
  reason: z.enum(['no_data', 'calibrating', 'stale_source', 'not_logged']),
});

export const ScoreStatus = z.enum(['ok', 'insufficient_data']);
export const Band = z.enum(['high', 'good', 'fair', 'low']);

export const Change = z.strictObject({
  score: z.number(),
  parts: partial(z.strictObject({ points: z.number(), reweighted: z.literal(true).optional() })),
});

/** A score as `computeScores` gives it and the view shows it; numbers with 4 decimals, `computedAt` epoch ms. */
export const Score = z.strictObject({
  day: Day,
  status: ScoreStatus,
  score: z.number().meta(personal).optional(),
  band: Band.meta(personal).optional(),
  revision: z.number().int(),
  points: partial(z.number()).meta(personal).optional(),
  /** against the published score of the day before that has one */
  change: Change.meta(personal).optional(),
  confidence: z.number(),
  confidenceLevel: z.enum(['high', 'medium', 'low']),
  missing: z.array(Missing).optional(),
  model: z.string(),
  computedAt: z.number(),
});
export type Score = z.infer<typeof Score>;

/** A day of the chart. */
export const DayPoint = z.strictObject({
  score: z.number().meta(personal).optional(),
  band: Band.meta(personal).optional(),
  hrvMs: z.number().meta(personal).optional(),
  restingBpm: z.number().meta(personal).optional(),
  sleepH: z.number().meta(personal).optional(),
  load: z.number().meta(personal).optional(),
});
export type DayPoint = z.infer<typeof DayPoint>;

export const ScoreResult = z.strictObject({ score: Score, point: DayPoint });
export type ScoreResult = z.infer<typeof ScoreResult>;

export const ComputeInput = z.strictObject({ userId: z.string(), timeZone: z.string().meta(personal), from: Day, to: Day });
/** Results ascending by day; of the recent days only, however far back the rows were recomputed. */
export const ComputeOutput = z.strictObject({ results: z.array(ScoreResult), changed: z.number().int() });
export type ComputeOutput = z.infer<typeof ComputeOutput>;

export const UserContext = z.strictObject({
  id: z.string(),
  displayName: z.string().meta(personal),
  timeZone: z.string().meta(personal),
  registeredAt: z.number(),
  /** others are not told whether the person is there */
  hidden: z.literal(true).optional(),
  devices: z.record(z.string(), DeviceHead),
  /** chart, by local day */
  days: z.record(z.string(), DayPoint),
  /** the newest day that has a result */
  latest: Score.optional(),
  /** earliest and latest local day that changed since the last computation */
  dirty: z.strictObject({ from: Day, to: Day }).optional(),
  /** what is being computed */
  computing: z.strictObject({ from: Day, to: Day }).optional(),
  dirtySince: z.number(),
  attempts: z.number().int(),
  stale: z.boolean(),
  today: z.string(),
  /** log topic -> number of the last item that its user has seen; at most 64 */
  reads: z.record(z.string(), z.number().int()),
  ...NotifyState.shape,
});
export type UserContext = z.infer<typeof UserContext>;

/** How far a user has seen a log, and how: what the edge makes of the message `seen`. */
export const Seen = z.strictObject({
  topic: z.string().max(200),
  s: z.number().int().min(1),
  how: z.enum(['rendered', 'opened', 'dismissed']),
});
export const Reads = z.record(z.string(), z.number().int());

/** View of `user:{id}/energy`. Keys are absent while there is nothing to say. */
export const EnergyView = z.strictObject({
  day: Day.optional(),
  today: z.string(),
  status: z.enum(['waiting', 'ok', 'insufficient_data']),
  score: z.number().meta(personal).optional(),
  band: Band.meta(personal).optional(),
  revision: z.number().int().optional(),
  points: partial(z.number()).meta(personal).optional(),
  change: Change.meta(personal).optional(),
  confidence: z.number().optional(),
  confidenceLevel: z.enum(['high', 'medium', 'low']).optional(),
  missing: z.array(Missing).optional(),
  model: z.string().optional(),
  computedAt: z.number().optional(),
  /** true while the score could not be computed anew */
  stale: z.literal(true).optional(),
  hrvMs: z.number().meta(personal).optional(),
  restingBpm: z.number().meta(personal).optional(),
  /** at most 60 days by local date */
  days: z.record(z.string(), DayPoint),
});
export type EnergyView = z.infer<typeof EnergyView>;

export const DevicesView = z.strictObject({ devices: z.record(z.string(), DeviceHead) });
export type DevicesView = z.infer<typeof DevicesView>;

export const ProfileView = z.strictObject({
  id: z.string(),
  displayName: z.string().meta(personal),
  timeZone: z.string().meta(personal),
  registeredAt: z.number(),
  /** others are not told whether the person is there */
  hidden: z.literal(true).optional(),
  can: z.strictObject({ self: z.array(z.string()), staff: z.array(z.string()) }).optional(),
});
export type ProfileView = z.infer<typeof ProfileView>;
