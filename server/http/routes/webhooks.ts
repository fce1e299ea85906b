import { z } from 'zod';
import { Problem } from '../../problems.ts';
import { eventTypes } from '../../webhooks/sender.ts';
import type { Webhooks } from '../../webhooks/sender.ts';
import { answer, route } from '../route.ts';
import type { Route } from '../route.ts';

const Endpoint = z.strictObject({
  id: z.string(),
  url: z.string(),
  description: z.string().nullable(),
  types: z.array(z.string()),
  enabled: z.boolean(),
  createdAt: z.number(),
  disabledReason: z.string().nullable(),
});
const Secret = z.strictObject({ id: z.string(), secret: z.string() });
const Id = z.object({ id: z.uuid() });
const gone = (): Problem => new Problem('NOT_FOUND', 'there is no such endpoint');

/** Endpoints of outgoing webhooks; an administrator's matter. */
export const webhookRoutes = ({ webhooks }: { webhooks: Webhooks }): Route[] => [
  route({
    method: 'GET',
    path: '/v1/admin/webhook-endpoints',
    auth: 'admin',
    summary: 'Endpoints that receive our webhooks',
    tag: 'webhooks',
    reply: { 200: z.strictObject({ items: z.array(Endpoint) }) },
    run: async () => answer({ items: await webhooks.list() }),
  }),
  route({
    method: 'POST',
    path: '/v1/admin/webhook-endpoints',
    auth: 'admin',
    summary: 'Adds an endpoint; the secret is shown this once',
    tag: 'webhooks',
    body: z.strictObject({
      url: z.url({ protocol: /^https?$/ }).max(500),
      types: z.array(z.enum(eventTypes)).min(1),
      description: z.string().max(200).optional(),
    }),
    reply: { 201: Secret },
    run: async ({ body, caller }) => answer(await webhooks.add({ ...body, by: caller.id }), { status: 201 }),
  }),
  route({
    method: 'POST',
    path: '/v1/admin/webhook-endpoints/:id/rotate',
    auth: 'admin',
    summary: 'A new secret; the old one goes on signing for 24 hours',
    tag: 'webhooks',
    params: Id,
    reply: { 200: Secret },
    problems: ['NOT_FOUND'],
    run: async ({ params }) => {
      const secret = await webhooks.rotate(params.id);
      if (secret === undefined) throw gone();
      return answer({ id: params.id, secret });
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/admin/webhook-endpoints/:id',
    auth: 'admin',
    summary: 'Removes an endpoint and its deliveries',
    tag: 'webhooks',
    params: Id,
    reply: { 204: null },
    problems: ['NOT_FOUND'],
    run: async ({ params }) => {
      if (!(await webhooks.remove(params.id))) throw gone();
      return answer(undefined, { status: 204 });
    },
  }),
];
