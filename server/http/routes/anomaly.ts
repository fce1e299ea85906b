/** Alerts and monitors over HTTP (forecast-anomaly 13, 16): for staff over all owners, and for a user over what is theirs. */
import type { Knex } from 'knex';
import { z } from 'zod';
import { classify, SEVERITY_DEFAULTS } from '../../../calc/anomaly/severity.ts';
import { Configured, Counted, Done, Missed, Mute, Muted } from '../../../machines/anomaly/commands.ts';
import { Alerting, Condition, MonitorEntry } from '../../../machines/anomaly/monitor-row.ts';
import { AlertItem, Label, Tier } from '../../../machines/anomaly/schema.ts';
import { ConfigPatch } from '../../../machines/anomaly/state.ts';
import { MonitorView } from '../../../machines/anomaly/views.ts';
import { findAlert, listAlerts, listMonitors } from '../../db/models/anomaly.ts';
import { Problem } from '../../problems.ts';
import { CursorTime, readCursor, writeCursor } from '../cursor.ts';
import { answer, askRoute, readRoute, route } from '../route.ts';
import type { Answer, Route, RouteContext } from '../route.ts';

const note = z.string().max(500).optional();
const Note = z.strictObject({ note });
const Alert = z.object({ id: z.uuid() });
const Metric = z.object({ metric: z.string().regex(/^[a-z][a-z0-9_]{0,39}$/) });
const Status = z.enum(['open', 'acknowledged', 'closed']);

const Filter = z.object({
  owner: z
    .string()
    .regex(/^[a-z]{1,20}:[A-Za-z0-9_.:-]{1,80}$/)
    .optional()
    .describe('`user:{id}` or `resource:{id}`'),
  metric: z.string().max(40).optional(),
  status: Status.or(z.literal('active')).optional().describe('active: open or acknowledged'),
  severity: Tier.exclude(['none']).optional().describe('least severity'),
  since: z.coerce.number().pipe(CursorTime).optional().describe('opened at or after, epoch ms'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(100).optional(),
});
type Filter = z.output<typeof Filter>;
const Page = z.strictObject({ items: z.array(AlertItem), nextCursor: z.string().optional() });

const MonitorFilter = Filter.pick({ owner: true, metric: true, limit: true }).extend({
  condition: Condition.optional(),
  alerting: Alerting.optional(),
  cursor: z.string().max(150).optional(),
});
const MonitorPage = z.strictObject({ items: z.array(MonitorEntry), nextCursor: z.string().optional() });

const Place = z.tuple([CursorTime, z.uuid()]);

function afterCursor(cursor: string | undefined): { openedAt: number; id: string } | undefined {
  if (cursor === undefined) return undefined;
  const [openedAt, id] = readCursor(Place, cursor);
  return { openedAt, id };
}

const Classified = z.strictObject({
  tier: Tier,
  level: z.int(),
  recommendedAction: z.string(),
  text: z.string(),
  reasons: z.array(z.strictObject({ rule: z.string(), value: z.number(), threshold: z.number(), tier: Tier })),
  thresholds: z.strictObject({ z: z.array(z.number()), residualDelta: z.array(z.number()) }),
});
const measure = z.number().min(-1e6).max(1e6);
const Deviation = z.strictObject({
  z: measure.nullable().optional(),
  residualDelta: measure.nullable().optional(),
  persistence: z.number().min(0).max(1).optional(),
  n: z.number().int().min(0).optional(),
});
type Deviation = z.output<typeof Deviation>;

/** @throws Problem NOTHING_TO_CLASSIFY */
function classified(d: Deviation): z.output<typeof Classified> {
  if ((d.z ?? null) === null && (d.residualDelta ?? null) === null) throw new Problem('NOTHING_TO_CLASSIFY');
  const { reasons, ...severity } = classify({ ...d, z: d.z ?? null, residualDelta: d.residualDelta ?? null });
  const thresholds = { z: [...SEVERITY_DEFAULTS.z], residualDelta: [...SEVERITY_DEFAULTS.residualDelta] };
  return { ...severity, reasons: reasons.map((r) => ({ ...r })), thresholds };
}

const SEVERITY = '/v1/admin/resources/anomaly-severity';
const PROBLEMS = ['NOT_FOUND', 'NOT_ALLOWED', 'ALERT_CLOSED'] as const;

export function anomalyRoutes({ knex }: { readonly knex: Knex }): Route[] {
  const page = async (f: Filter, owner: { kind: string; id: string } | undefined): Promise<Answer> => {
    const items = await listAlerts(knex, {
      ownerKind: owner?.kind,
      ownerId: owner?.id,
      metric: f.metric,
      status: f.status === undefined ? undefined : f.status === 'active' ? ['open', 'acknowledged'] : [f.status],
      level: f.severity === undefined ? undefined : Tier.options.indexOf(f.severity),
      since: f.since,
      after: afterCursor(f.cursor),
      limit: f.limit + 1,
    });
    const shown = items.slice(0, f.limit);
    const last = shown.at(-1);
    return answer({
      items: shown,
      ...(items.length > f.limit && last !== undefined ? { nextCursor: writeCursor([last.openedAt, last.id]) } : {}),
    });
  };
  const ownerOf = (owner: string | undefined): { kind: string; id: string } | undefined => {
    if (owner === undefined) return undefined;
    const at = owner.indexOf(':');
    return { kind: owner.slice(0, at), id: owner.slice(at + 1) };
  };
  /** Staff act on every alert, a user on their own; the alert's monitor decides the rest. */
  const alertOf = async (c: Pick<RouteContext, 'caller'>, id: string, mine: boolean): Promise<AlertItem> => {
    const alert = await findAlert(knex, id, mine ? { kind: 'user', id: c.caller.id } : undefined);
    if (alert === undefined) throw new Problem('NOT_FOUND');
    return alert;
  };

  /** The routes on single alerts, below `prefix`. */
  const alertRoutes = (prefix: '/v1/admin/anomalies/alerts' | '/v1/me/alerts', mine: boolean): Route[] => {
    const base = {
      auth: mine ? 'user' : 'staff',
      params: Alert,
      idempotent: true,
      reply: { 200: Done },
      problems: PROBLEMS,
      tag: 'anomalies',
    } as const;
    return [
      route({
        method: 'GET',
        path: `${prefix}/:id`,
        auth: base.auth,
        tag: 'anomalies',
        summary: 'One alert as it now is',
        params: Alert,
        reply: { 200: AlertItem },
        problems: ['NOT_FOUND'],
        run: async (c) => answer(await alertOf(c, c.params.id, mine)),
      }),
      route({
        ...base,
        method: 'POST',
        path: `${prefix}/:id/ack`,
        summary: 'Takes the alert on; a repeat answers repeated: true',
        body: Note,
        run: async (c) =>
          c.ask((await alertOf(c, c.params.id, mine)).monitor, { type: 'anomaly.acknowledge', alertId: c.params.id, ...c.body }),
      }),
      route({
        ...base,
        method: 'POST',
        path: `${prefix}/:id/resolve`,
        summary: 'Closes the alert by hand',
        body: Note,
        run: async (c) =>
          c.ask((await alertOf(c, c.params.id, mine)).monitor, { type: 'anomaly.resolve', alertId: c.params.id, ...c.body }),
      }),
      route({
        ...base,
        method: 'POST',
        path: `${prefix}/:id/feedback`,
        summary: 'Says whether the alert was right; moves the threshold of its monitor',
        body: z.strictObject({ label: Label }),
        run: async (c) =>
          c.ask((await alertOf(c, c.params.id, mine)).monitor, { type: 'anomaly.feedback', alertId: c.params.id, ...c.body }),
      }),
    ];
  };

  return [
    route({
      method: 'GET',
      path: '/v1/admin/anomalies/alerts',
      aliases: ['/api/admin/anomalies/alerts'],
      auth: 'staff',
      tag: 'anomalies',
      summary: 'Alerts of all owners, the newest first',
      query: Filter,
      reply: { 200: Page },
      run: (c) => page(c.query, ownerOf(c.query.owner)),
    }),
    ...alertRoutes('/v1/admin/anomalies/alerts', false),
    route({
      method: 'GET',
      path: '/v1/me/alerts',
      auth: 'user',
      tag: 'anomalies',
      summary: "Alerts of the caller's own metrics, the newest first",
      query: Filter.omit({ owner: true }),
      reply: { 200: Page },
      run: (c) => page(c.query, { kind: 'user', id: c.caller.id }),
    }),
    ...alertRoutes('/v1/me/alerts', true),
    route({
      method: 'GET',
      path: '/v1/admin/anomalies/monitors',
      aliases: ['/api/admin/anomalies/monitors'],
      auth: 'staff',
      tag: 'anomalies',
      summary: 'Monitors as they were within the last second, by id',
      query: MonitorFilter,
      reply: { 200: MonitorPage },
      run: async (c) => {
        const { owner, cursor: after, limit, ...filter } = c.query;
        const items = await listMonitors(knex, { ...filter, owner: ownerOf(owner), after, limit: limit + 1 });
        const shown = items.slice(0, c.query.limit);
        const last = shown.at(-1);
        return answer({ items: shown, ...(items.length > c.query.limit && last !== undefined ? { nextCursor: last.id } : {}) });
      },
    }),
    readRoute({
      method: 'GET',
      path: '/v1/admin/anomalies/monitors/:id',
      auth: 'staff',
      tag: 'anomalies',
      summary: 'One monitor: scores, threshold, labels, configuration',
      reply: { 200: MonitorView },
      problems: ['NOT_FOUND'],
      read: ({ params }) => [`anomaly:${params.id}`, 'monitor', {}],
    }),
    askRoute({
      method: 'PATCH',
      path: '/v1/admin/anomalies/monitors/:id',
      auth: 'staff',
      tag: 'anomalies',
      summary: 'Changes the configuration, under its version if one is given',
      body: z.strictObject({ patch: ConfigPatch, ifVersion: z.number().int().optional(), tune: z.literal('reset').optional() }),
      idempotent: true,
      reply: { 200: Configured },
      problems: ['NOT_FOUND', 'SEQ_MISMATCH'],
      ask: ({ params, body }) => [`anomaly:${params.id}`, { type: 'anomaly.configure', ...body }],
    }),
    ...(['admin', 'me'] as const).flatMap((side) => {
      const of = (p: { id?: string; metric?: string }, userId: string): string =>
        side === 'admin' ? `anomaly:${p.id ?? ''}` : `anomaly:user:${userId}:${p.metric ?? ''}`;
      const prefix = side === 'admin' ? '/v1/admin/anomalies/monitors/:id' : '/v1/me/monitors/:metric';
      const base = {
        auth: side === 'admin' ? 'staff' : 'user',
        tag: 'anomalies',
        idempotent: true,
        ...(side === 'admin' ? {} : { params: Metric }),
        problems: ['NOT_FOUND', 'NOT_ALLOWED', 'INVALID_RANGE'],
      } as const;
      return [
        route({
          ...base,
          method: 'POST',
          path: `${prefix}/mute`,
          summary: 'Holds the alerts of a monitor for a while, at most 90 days',
          body: Mute,
          reply: { 200: Muted },
          run: (c) => c.ask(of(c.params, c.caller.id), { type: 'anomaly.mute', ...c.body }),
        }),
        route({
          ...base,
          method: 'POST',
          path: `${prefix}/unmute`,
          summary: 'Ends a mute',
          reply: { 200: z.null() },
          run: (c) => c.ask(of(c.params, c.caller.id), { type: 'anomaly.unmute' }),
        }),
        route({
          ...base,
          method: 'POST',
          path: `${prefix}/missed`,
          summary: 'Reports an anomaly that raised no alert; lowers the threshold',
          body: Missed,
          reply: { 200: Counted },
          run: (c) => c.ask(of(c.params, c.caller.id), { type: 'anomaly.missed', ...c.body }),
        }),
      ];
    }),
    ...(['reset', 'adopt'] as const).map((verb) =>
      askRoute({
        method: 'POST',
        path: `/v1/admin/anomalies/monitors/:id/${verb}`,
        auth: 'staff',
        tag: 'anomalies',
        summary: verb === 'reset' ? 'Lets the monitor learn its baseline anew' : 'Takes the present level as the new normal',
        idempotent: true,
        reply: { 200: z.null() },
        problems: ['NOT_FOUND', 'NOT_ALLOWED'],
        ask: ({ params }) => [`anomaly:${params.id}`, { type: `anomaly.${verb}` }],
      }),
    ),
    route({
      method: 'GET',
      path: SEVERITY,
      aliases: ['/api/admin/resources/anomaly-severity'],
      auth: 'staff',
      tag: 'anomalies',
      summary: 'Severity of a deviation',
      query: z.object({
        z: z.coerce.number().pipe(measure).optional(),
        residualDelta: z.coerce.number().pipe(measure).optional(),
        persistence: z.coerce.number().min(0).max(1).optional(),
        n: z.coerce.number().int().min(0).optional(),
      }),
      reply: { 200: Classified },
      problems: ['NOTHING_TO_CLASSIFY'],
      run: ({ query }) => answer(classified(query)),
    }),
    route({
      method: 'POST',
      path: SEVERITY,
      aliases: ['/api/admin/resources/anomaly-severity'],
      auth: 'staff',
      tag: 'anomalies',
      summary: 'Severity of a deviation, or of up to 1,000',
      body: Deviation.or(z.strictObject({ items: z.array(Deviation).min(1).max(1_000) })),
      reply: { 200: Classified.or(z.strictObject({ items: z.array(Classified) })) },
      problems: ['NOTHING_TO_CLASSIFY'],
      run: ({ body }) => answer('items' in body ? { items: body.items.map(classified) } : classified(body)),
    }),
  ];
}
