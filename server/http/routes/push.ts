/** Devices that can be called, and what was told (realtime R14). */
import type { Knex } from 'knex';
import { z } from 'zod';
import { NotificationItem, noticeStates, Preferences, SettingsView } from '../../../machines/notifications/schema.ts';
import { findNotifications } from '../../db/models/notifications.ts';
import type { Limiter } from '../../limits/limiter.ts';
import { EndpointView, NewEndpoint } from '../../notify/endpoints.ts';
import type { Notify } from '../../notify/notify.ts';
import { Problem } from '../../problems.ts';
import { answer, askRoute, readRoute, route } from '../route.ts';
import type { Route } from '../route.ts';

const Id = z.object({ id: z.uuid().lowercase() });
const gone = (): Problem => new Problem('NOT_FOUND', 'there is no such endpoint');

const Listed = NotificationItem.extend({
  s: z.int().describe('number of the item on `user:{id}/notifications`'),
  state: z.enum(noticeStates),
  acknowledgedAt: z.int().optional(),
});
const Page = z.strictObject({ items: z.array(Listed), seen: z.int().describe('number of the last item that was seen') });

export const pushRoutes = ({ notify, knex, tests }: { notify: Notify; knex: Knex; tests: Limiter }): Route[] => [
  route({
    method: 'GET',
    path: '/v1/push/vapid',
    auth: 'none',
    summary: 'Key with which browsers subscribe to our pushes',
    tag: 'notifications',
    reply: { 200: z.strictObject({ publicKey: z.string() }) },
    run: async () => answer({ publicKey: (await notify.vapid()).publicKey }, { headers: { 'cache-control': 'public, max-age=3600' } }),
  }),
  route({
    method: 'POST',
    path: '/v1/push/endpoints',
    auth: 'user',
    summary: 'Registers or renews this browser or app; the same token is one endpoint',
    tag: 'notifications',
    body: NewEndpoint,
    reply: { 201: EndpointView, 200: EndpointView },
    problems: ['PUSH_PROVIDER_OFF', 'RETRY'],
    run: async ({ body, caller }) => {
      if (!notify.providers.has(body.provider)) throw new Problem('PUSH_PROVIDER_OFF', `this server has no account for ${body.provider}`);
      const { endpoint, created } = await notify.endpoints.register(caller.id, body);
      return answer(endpoint, { status: created ? 201 : 200 });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/push/endpoints',
    auth: 'user',
    summary: 'Browsers and apps of the caller that can be called',
    tag: 'notifications',
    reply: { 200: z.strictObject({ items: z.array(EndpointView) }) },
    run: async ({ caller }) => answer({ items: await notify.endpoints.list(caller.id) }),
  }),
  route({
    method: 'DELETE',
    path: '/v1/push/endpoints/:id',
    auth: 'user',
    summary: 'Forgets an endpoint',
    tag: 'notifications',
    params: Id,
    reply: { 204: null },
    problems: ['NOT_FOUND'],
    run: async ({ params, caller }) => {
      if (!(await notify.endpoints.remove(caller.id, params.id))) throw gone();
      return answer(undefined, { status: 204 });
    },
  }),
  route({
    method: 'POST',
    path: '/v1/push/endpoints/:id/test',
    auth: 'user',
    summary: 'Calls one endpoint now, past quiet hours and budgets',
    tag: 'notifications',
    params: Id,
    reply: {
      200: z.strictObject({ outcome: z.enum(['sent', 'gone', 'retry', 'held', 'reject', 'too_large']), reason: z.string().optional() }),
    },
    problems: ['NOT_FOUND', 'RATE_LIMITED'],
    run: async ({ params, caller }) => {
      const verdict = tests.take(caller.id);
      if (!verdict.ok) throw new Problem('RATE_LIMITED', undefined, undefined, verdict);
      const endpoint = await notify.endpoints.find(caller.id, params.id);
      if (endpoint === undefined) throw gone();
      const outcome = await notify.delivery.test(endpoint, AbortSignal.timeout(15_000));
      return answer({ outcome: outcome.kind, ...('reason' in outcome ? { reason: outcome.reason } : {}) });
    },
  }),
  readRoute({
    method: 'GET',
    path: '/v1/notifications/preferences',
    auth: 'user',
    summary: 'Channels by category, quiet hours, time of the digest',
    tag: 'notifications',
    reply: { 200: SettingsView },
    read: ({ caller }) => [`user:${caller.id}`, 'notifications'],
  }),
  askRoute({
    method: 'PUT',
    path: '/v1/notifications/preferences',
    auth: 'user',
    summary: 'Replaces them; what is absent has its default',
    tag: 'notifications',
    idempotent: true,
    body: Preferences,
    reply: { 200: z.null() },
    ask: ({ caller, body }) => [`user:${caller.id}`, { type: 'notification.configure', preferences: body }],
  }),
  route({
    method: 'GET',
    path: '/v1/notifications',
    auth: 'user',
    summary: 'Notifications of the caller: after a number in order, or the newest first',
    tag: 'notifications',
    query: z.object({
      after: z.coerce.number().int().min(0).optional(),
      limit: z.coerce.number().int().min(1).max(100).default(20),
    }),
    reply: { 200: Page },
    run: async ({ caller, query, actors }) => {
      const { value } = await actors.read(`user:${caller.id}`, 'reads', {}, { from: caller });
      const reads = value as { readonly [topic: string]: number };
      const items = await findNotifications(knex, { userId: caller.id, ...query });
      return answer({ items, seen: reads[`user:${caller.id}/notifications`] ?? 0 });
    },
  }),
  route({
    method: 'POST',
    path: '/v1/notifications/seen',
    auth: 'user',
    summary: 'The caller has seen the notifications up to a number',
    tag: 'notifications',
    body: z.strictObject({ s: z.int().min(1), how: z.enum(['rendered', 'opened', 'dismissed']).default('opened') }),
    reply: { 200: z.strictObject({ s: z.int() }) },
    run: async ({ caller, body, actors, ask }) => {
      const topic = `user:${caller.id}/notifications`;
      const slice = await actors.slice(topic, { n: 1 });
      const s = slice.kind === 'log' ? Math.min(body.s, slice.s) : 0;
      return s === 0 ? answer({ s }) : ask(`user:${caller.id}`, { type: 'notification.seen', topic, s, how: body.how });
    },
  }),
];
