import { z } from 'zod';
import { personal } from '../../actors/define.ts';
import { Label } from './schema.ts';
import { ConfigPatch } from './state.ts';

const note = z.string().max(500).meta(personal).optional();

/** One point of the watched series, told by its owner. `t` is the start of the bucket, epoch ms; `v` in the unit of the metric. */
export const Observe = z.strictObject({
  t: z.number().int().nonnegative(),
  v: z.number().nullable().meta(personal),
  quality: z.enum(['good', 'partial', 'invalid']).optional(),
});
export type Observe = z.infer<typeof Observe>;

/** The series up to some point, in strictly ascending order: the detectors are computed anew from it, no alert is opened for it. */
export const Backfill = z.strictObject({
  points: z
    .array(z.strictObject({ t: z.number().int().nonnegative(), v: z.number().meta(personal) }))
    .min(1)
    .max(1_000)
    .refine((points) => points.every((p, i) => i === 0 || p.t > (points[i - 1]?.t ?? Infinity)), 'times must ascend strictly'),
});

export const Acknowledge = z.strictObject({ alertId: z.uuid(), note });
export const Resolve = z.strictObject({ alertId: z.uuid(), note });
export const Feedback = z.strictObject({ alertId: z.uuid(), label: Label });
export const Missed = z.strictObject({ at: z.number().int(), note });
export const Mute = z
  .strictObject({
    until: z.number().int().optional(),
    forMs: z.number().int().min(60_000).optional(),
    reason: z.string().min(1).max(200).meta(personal),
  })
  .refine((m) => (m.until === undefined) !== (m.forMs === undefined), 'give either until or forMs');
export const Unmute = z.strictObject({});
export const Configure = z.strictObject({
  patch: ConfigPatch,
  ifVersion: z.number().int().optional(),
  tune: z.literal('reset').optional(),
});
export const Nothing = z.strictObject({});

/** `repeated`: it had been done before; nothing changed. */
export const Done = z.strictObject({ repeated: z.boolean() });
export const Muted = z.strictObject({ until: z.number() });
export const Configured = z.strictObject({ cfgVersion: z.number() });
export const Counted = z.strictObject({ labels: z.strictObject({ fp: z.number(), tp: z.number(), missed: z.number() }) });

type With<T extends string, S extends z.ZodType> = { readonly type: T } & z.infer<S>;

/** Every event that a monitor handles; those after the commands are raised by itself. */
export type MonitorEvent =
  | With<'anomaly.observe', typeof Observe>
  | With<'anomaly.backfill', typeof Backfill>
  | With<'anomaly.acknowledge', typeof Acknowledge>
  | With<'anomaly.resolve', typeof Resolve>
  | With<'anomaly.feedback', typeof Feedback>
  | With<'anomaly.missed', typeof Missed>
  | With<'anomaly.mute', typeof Mute>
  | With<'anomaly.unmute', typeof Unmute>
  | With<'anomaly.configure', typeof Configure>
  | With<'anomaly.reset', typeof Nothing>
  | With<'anomaly.adopt', typeof Nothing>
  | { readonly type: 'point' | 'point.missing' | 'series.broken' | 'detectors.rebuilt' | 'point.replay' | 'point.replayed' }
  | { readonly type: 'episode.opened' | 'episode.escalated' | 'episode.closed' | 'baseline.adopted' };
