/** Resources over HTTP: read by everybody, set up by administrators (booking.md 10.1). */
import type { Knex } from 'knex';
import { z } from 'zod';
import { instantOf } from '../../../calc/time/civil.ts';
import { blockIdOf } from '../../../machines/booking/booking.state.ts';
import {
  ConflictView,
  fingerprintOf,
  Instant,
  NewResource,
  ResourceId,
  ResourcePatch,
  ResourceView,
} from '../../../machines/booking/schema.ts';
import type { ActorSystem } from '../../../actors/system.ts';
import type { Principal } from '../../../actors/types.ts';
import { listResources, nextResourceNo } from '../../db/models/booking.ts';
import type { Cache } from '../../cache/cache.ts';
import type { NewId } from '../../ids.ts';
import { isProblem, Problem } from '../../problems.ts';
import { answer, route } from '../route.ts';
import type { Route, RouteContext } from '../route.ts';
import { names, orMissing, RENAME } from './booking.ts';

const TAG = 'resources';
const Page = z.strictObject({ items: z.array(ResourceView), nextCursor: z.string().optional() });
const Id = z.object({ id: ResourceId });
const SERVER: Principal = { kind: 'system', id: 'server', roles: [] };
/** of every list of resources */
const LISTS = 'resources';
const Reason = z.strictObject({ reason: z.string().max(200).optional() });

export function resourceRoutes({
  knex,
  actors,
  newId,
  cache,
}: {
  readonly knex: Knex;
  readonly actors: ActorSystem;
  readonly newId: NewId;
  readonly cache: Cache;
}): Route[] {
  /** Read by every page of the studio; changed by the routes below, which say so, and seldom by operators past them: they wait five seconds. */
  const lists = cache.namespace<ResourceView[]>({ name: 'resources', version: 1, freshMs: 5_000, graceMs: 60_000 });
  const find = async (c: Pick<RouteContext, 'read'>, id: string): Promise<ResourceView | undefined> => {
    try {
      return (await c.read(`resource:${id}`, 'resource')).body as unknown as ResourceView;
    } catch (error) {
      if (isProblem(error) && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  };

  /** The routes that change the status. */
  const change = (verb: 'suspend' | 'resume' | 'retire', summary: string): Route =>
    route({
      method: 'POST',
      ...names(`/resources/:id/${verb}`),
      params: Id,
      auth: 'admin',
      tag: TAG,
      summary,
      idempotent: true,
      body: verb === 'retire' ? Reason.extend({ force: z.boolean().optional() }) : Reason,
      reply: { 200: ResourceView },
      problems: ['RESOURCE_NOT_FOUND', 'NOT_ALLOWED', 'RESOURCE_IN_USE'],
      run: async (c) => {
        const { body, dup } = await orMissing(
          'RESOURCE_NOT_FOUND',
          c.ask(`resource:${c.params.id}`, { type: `resource.${verb}`, ...(c.body as object) }),
        );
        const view = body as unknown as ResourceView;
        await cache.invalidate([LISTS]);
        return answer(view, { seq: view.rev, ...(dup === true ? { dup } : {}) });
      },
    });

  return [
    route({
      method: 'GET',
      ...names('/resources'),
      auth: 'none',
      tag: TAG,
      summary: 'What can be booked, by id',
      query: z.object({
        kind: z.string().max(40).optional(),
        tags: z.string().max(40).optional(),
        limit: z.coerce.number().int().min(1).max(200).default(100),
        cursor: ResourceId.optional(),
      }),
      reply: { 200: Page },
      run: async ({ query: q }) => {
        const filter = { kind: q.kind, tag: q.tags, after: q.cursor, limit: q.limit + 1 };
        const items = (await lists.get(JSON.stringify(filter), () => listResources(knex, filter), [LISTS])) ?? [];
        const page = items.slice(0, q.limit);
        const last = page.at(-1);
        return answer({ items: page, ...(items.length > q.limit && last !== undefined ? { nextCursor: last.resourceId } : {}) });
      },
    }),
    route({
      method: 'POST',
      ...names('/resources'),
      auth: 'admin',
      tag: TAG,
      summary: 'Adds something that can be booked',
      idempotent: true,
      rename: RENAME,
      body: NewResource,
      reply: { 201: ResourceView },
      problems: ['RESOURCE_EXISTS'],
      run: async (c) => {
        const { resourceId, ...config } = c.body;
        const headers = { location: `/v1/booking/resources/${resourceId}` };
        const there = await find(c, resourceId);
        if (there !== undefined) {
          const { resourceId: _id, status: _s, rev, ...known } = there;
          const same = fingerprintOf(flat(known)) === fingerprintOf(flat(config));
          if (c.idempotencyKey === undefined || !same) throw new Problem('RESOURCE_EXISTS');
          return answer(there, { seq: rev, dup: true, headers });
        }
        const no = await nextResourceNo(knex);
        const reply = await actors.ask(`resource:${resourceId}`, { type: 'resource.create', no, config }, { key: newId(), from: SERVER });
        if (!reply.ok) throw Problem.from(reply.error);
        await cache.invalidate([LISTS]);
        return answer(reply.reply, { seq: 1, headers });
      },
    }),
    route({
      method: 'GET',
      ...names('/resources/:id'),
      params: Id,
      auth: 'none',
      tag: TAG,
      summary: 'One resource',
      reply: { 200: ResourceView },
      problems: ['RESOURCE_NOT_FOUND'],
      run: async (c) => {
        const found = await find(c, c.params.id);
        if (found === undefined) throw new Problem('RESOURCE_NOT_FOUND');
        return answer(found, { seq: found.rev });
      },
    }),
    route({
      method: 'PATCH',
      ...names('/resources/:id'),
      params: Id,
      auth: 'admin',
      tag: TAG,
      summary: 'Changes a resource; bookings that it leaves outside are listed and kept',
      idempotent: true,
      ifMatch: true,
      body: ResourcePatch,
      reply: { 200: z.strictObject({ resource: ResourceView, conflicts: z.array(ConflictView) }) },
      problems: ['RESOURCE_NOT_FOUND', 'NOT_ALLOWED', 'SEQ_MISMATCH'],
      run: async (c) => {
        const expected = c.ifMatch === undefined ? {} : { expectedRev: c.ifMatch };
        const done = c.ask(`resource:${c.params.id}`, { type: 'resource.configure', patch: c.body, ...expected }, { seq: undefined });
        const { body, dup } = await orMissing('RESOURCE_NOT_FOUND', done);
        const { resource } = body as unknown as { resource: ResourceView };
        await cache.invalidate([LISTS]);
        return answer(body, { seq: resource.rev, ...(dup === true ? { dup } : {}) });
      },
    }),
    change('suspend', 'Takes no new bookings for now'),
    change('resume', 'Takes bookings again'),
    change('retire', 'Takes no bookings any more; with `force` also when there are future ones'),
    route({
      method: 'POST',
      ...names('/resources/:id/blocks'),
      params: Id,
      auth: 'staff',
      tag: TAG,
      summary: 'Blocks the whole resource for a time; with `force` also over bookings, which are kept and listed',
      idempotent: true,
      body: z.strictObject({ start: Instant, end: Instant, reason: z.string().max(200).optional(), force: z.boolean().optional() }),
      reply: { 201: z.strictObject({ blockId: z.string(), conflicts: z.array(ConflictView) }) },
      problems: ['RESOURCE_NOT_FOUND', 'SLOT_UNAVAILABLE', 'INVALID_DURATION', 'NOT_ALLOWED', 'CLAIM_CONFLICT'],
      run: async (c) => {
        const { start, end, ...rest } = c.body;
        const blockId = blockIdOf(c.params.id, c.caller.id, c.idempotencyKey ?? newId());
        const command = { type: 'resource.block', blockId, start: instantOf(start), end: instantOf(end), ...rest };
        const { body, dup } = await orMissing('RESOURCE_NOT_FOUND', c.ask(`resource:${c.params.id}`, command));
        return answer(body, { status: 201, ...(dup === true ? { dup } : {}) });
      },
    }),
    route({
      method: 'DELETE',
      ...names('/resources/:id/blocks/:blockId'),
      params: Id.extend({ blockId: z.uuid() }),
      auth: 'staff',
      tag: TAG,
      summary: 'Takes a block away',
      idempotent: true,
      reply: { 204: null },
      problems: ['RESOURCE_NOT_FOUND', 'NOT_FOUND', 'CLAIM_CONFLICT'],
      run: async (c) => {
        await c.ask(`resource:${c.params.id}`, { type: 'resource.unblock', blockId: c.params.blockId });
        return answer(undefined, { status: 204 });
      },
    }),
  ];
}

/** Comparable text of nested values, whatever the order of their keys. */
const flat = (config: object): object =>
  Object.fromEntries(
    Object.entries(config).map(([k, v]) => [k, typeof v === 'object' && v !== null && !Array.isArray(v) ? fingerprintOf(v as object) : v]),
  );
