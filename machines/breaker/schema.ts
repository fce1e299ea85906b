import { z } from 'zod';
import { ruleSetNames } from './rules.ts';

export const states = ['closed', 'open', 'half_open', 'isolated', 'forced_closed'] as const;
export type BreakerState = (typeof states)[number];

const count = z.int().min(0).max(1_000_000);
const Counts = z.strictObject({ calls: count, failures: count, slow: count });
/** what the circuit guards, as operators read it: `provider:simulator`, `push:fcm` */
export const Name = z
  .string()
  .regex(/^[a-z][A-Za-z0-9.:_-]*$/)
  .max(120);
const Rules = z.enum(ruleSetNames);

export const Nothing = z.strictObject({});

/** What happened at one node since its last report, at most a second's worth. */
export const Reported = Counts.extend({
  name: Name,
  rules: Rules,
  streak: count.describe('failures at the end of the batch'),
  broken: z.boolean().describe('the batch holds a success: no earlier failure is in a row with those'),
  tripped: z.boolean().describe('the node has opened its circuit'),
});
export type Reported = z.infer<typeof Reported>;

/** A single call that tried whether it works again. */
export const Probe = z.strictObject({
  of: z.int().nullable().describe('`rev` of the change that let it through; null: a health check beside the calls'),
});
export type Probe = z.infer<typeof Probe>;

/** How a circuit stands. `until`: end of the wait, or of the time without a breaker, epoch ms. */
export const Standing = z.strictObject({
  state: z.enum(states),
  until: z.number().optional(),
  openings: z.int().describe('in a row, without ten quiet minutes between them'),
  rev: z.int().describe('number of its last change'),
});
export type Standing = z.infer<typeof Standing>;

/** An item of `breaker:{id}/changes`. */
export const Change = Standing.extend({
  at: z.number(),
  name: Name,
  why: z.enum(['failures', 'probe failed', 'wait is over', 'healthy', 'operator', 'time is over']),
  by: z.string().optional().describe('the operator'),
});
export type Change = z.infer<typeof Change>;

/** What subscribers are told with `breaker.opened` and `breaker.closed`. */
export const Told = z.strictObject({ name: Name, until: z.number().optional() });

export const BreakerContext = z.object({
  name: z.string(),
  rules: Rules,
  buckets: z.record(z.string(), Counts),
  streak: z.number(),
  rev: z.number(),
  openings: z.number(),
  /** epoch ms */
  until: z.number().optional(),
  closedAt: z.number().optional(),
  /** of the half-open circuit that have succeeded */
  probes: z.number(),
  /** refs of actors */
  subscribers: z.record(z.string(), z.literal(true)),
});
export type BreakerContext = z.infer<typeof BreakerContext>;

type With<T extends string, S extends z.ZodType> = { readonly type: T } & z.infer<S>;
export type BreakerEvent =
  | With<'calls.reported', typeof Reported>
  | With<'probe.succeeded' | 'probe.failed', typeof Probe>
  | With<'breaker.isolate' | 'breaker.reset' | 'breaker.force' | 'breaker.subscribe' | 'breaker.unsubscribe', typeof Nothing>;
