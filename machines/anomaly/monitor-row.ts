/** Monitors as a list shows them: a projection, which may trail by about 200 ms (forecast-anomaly 16). */
import { z } from 'zod';
import { projection } from '../../actors/define.ts';
import type { MonitorContext } from './state.ts';
import { ScoresView, scoresView } from './views.ts';

export const { condition: Condition, alerting: Alerting } = ScoresView.shape;

/** Times are epoch ms; what was never measured is absent. */
export const MonitorEntry = z.strictObject({
  id: z.string(),
  owner: z.string(),
  metric: z.string(),
  condition: Condition,
  alerting: Alerting,
  mutedUntil: z.number().optional(),
  lastT: z.number().optional(),
  lastValue: z.number().optional(),
  lastZ: z.number().optional(),
  /** |z| from which a point counts as unusual */
  threshold: z.number(),
  cfgVersion: z.number().int(),
  updatedAt: z.number(),
});
export type MonitorEntry = z.infer<typeof MonitorEntry>;

export const monitorRows = projection<MonitorContext>({
  table: 'monitors',
  columns: {
    id: 'text',
    owner_kind: 'text',
    owner_id: 'text',
    metric: 'text',
    cfg: 'jsonb',
    cfg_version: 'int',
    condition: 'text',
    alerting: 'text',
    muted_until: 'timestamptz?',
    last_t: 'timestamptz?',
    last_value: 'float8?',
    last_z: 'float8?',
    threshold: 'float8',
    updated_at: 'timestamptz',
  },
  row: (s, { id, at }) => {
    const { context: c } = s;
    const { condition, alerting, latest, threshold } = scoresView(s);
    return {
      id,
      owner_kind: c.ownerKind,
      owner_id: c.ownerId,
      metric: c.metric,
      cfg: c.cfg,
      cfg_version: c.cfgVersion,
      condition,
      alerting,
      muted_until: c.muteUntil,
      last_t: c.lastT,
      last_value: c.lastValue,
      last_z: latest?.z ?? null,
      threshold: threshold.effective,
      updated_at: at,
    };
  },
});
