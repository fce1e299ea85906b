import { z } from 'zod';
import { sourceTypes, stageNames } from '../../calc/ingest/canonical.ts';

/** The canonical batch (B4.3): body of the `standard` and `simulator` providers, and what a pull gives. Unknown keys are ignored. */
const instant = z.iso.datetime({ offset: true });
const id = z.string().min(1).max(200);
const seconds = z.number().min(0);
const quantity = z.object({ value: z.number(), unit: z.string().max(20) });
const versioned = { updatedAt: instant.optional(), state: z.enum(['tentative', 'final']).optional() };

export const CanonicalRecordSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('sleep'),
    id: id.optional(),
    start: instant,
    end: instant,
    ...versioned,
    isNap: z.boolean().optional(),
    timeInBedS: seconds.optional(),
    totalSleepS: seconds.optional(),
    latencyS: seconds.optional(),
    stages: z
      .array(z.object({ s: z.enum(stageNames), start: instant, end: instant }))
      .max(500)
      .optional(),
    hrLowestBpm: z.number().optional(),
    hrvRmssdMs: z.number().optional(),
    respRate: z.number().optional(),
    skinTempDeltaC: z.number().optional(),
  }),
  z.object({
    type: z.literal('workout'),
    id: id.optional(),
    start: instant,
    end: instant,
    ...versioned,
    sport: z.string().min(1).max(60),
    energy: quantity.optional(),
    distance: quantity.optional(),
    hrAvgBpm: z.number().optional(),
  }),
  z.object({
    type: z.literal('sample'),
    metric: z.string().max(60),
    ts: instant,
    value: z.number(),
    unit: z.string().max(20).optional(),
    ...versioned,
  }),
  z.object({
    type: z.literal('daily'),
    metric: z.string().max(60),
    day: z.iso.date(),
    value: z.number(),
    unit: z.string().max(20).optional(),
    ...versioned,
  }),
  z.object({
    type: z.literal('delete'),
    of: z.enum(['sleep', 'workout', 'sample', 'daily']),
    id: id.optional(),
    start: instant.optional(),
    metric: z.string().max(60).optional(),
    ts: instant.optional(),
    day: z.iso.date().optional(),
    ...versioned,
  }),
]);

export const Source = z.object({
  name: z.string().min(1).max(120),
  type: z.enum(sourceTypes),
  brand: z.string().min(1).max(60),
  hwId: z.string().max(120).optional(),
});
export type Source = z.infer<typeof Source>;

export const CanonicalBatch = z.object({
  version: z.literal(1),
  user: id,
  source: Source,
  records: z.array(CanonicalRecordSchema).max(5_000),
});
export type CanonicalBatch = z.infer<typeof CanonicalBatch>;

/** Something about the connection itself rather than data. */
export const Lifecycle = z.object({ version: z.literal(1), user: id, event: z.enum(['deauthorized']) });

export const Delivery = z.union([CanonicalBatch, Lifecycle]);
export type Delivery = z.infer<typeof Delivery>;
