/** Queues of background jobs: how they do, and their dead jobs (booking 18.3). */
import type { Knex } from 'knex';
import { z } from 'zod';
import type { Clock } from '../../../../actors/types.ts';
import { deadJobs } from '../../../jobs/dead.ts';
import { QueueHealth, queueHealth } from '../../../jobs/health.ts';
import type { Jobs } from '../../../jobs/jobs.ts';
import { Problem } from '../../../problems.ts';
import { answer, route } from '../../route.ts';
import type { Route, RouteContext } from '../../route.ts';
import { eyesOf } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { iso, Reason } from './schemas.ts';

const Dead = z.strictObject({
  jobId: z.uuid(),
  kind: z.string(),
  attempts: z.int(),
  reason: z.string().describe('max_attempts, non_retryable, expired, poison'),
  at: z.iso.datetime(),
  createdAt: z.iso.datetime(),
  payload: z.unknown().describe('what it was to do'),
  errors: z.array(z.strictObject({ at: z.number(), code: z.string(), message: z.string(), durationMs: z.number() })),
});
const Name = z.object({ queue: z.string().max(60) });
const One = Name.extend({ jobId: z.uuid() });
const Replayed = z.strictObject({ jobId: z.uuid().describe('of the new job') });

/** jobs of one bulk replay, and how far apart they are */
const MOST = 500;
const APART_MS = 20;

export function queueRoutes({
  inspect,
  redactor,
  jobs,
  knex,
  clock,
}: AdminDeps & { readonly jobs: Jobs; readonly knex: Knex; readonly clock: Clock }): Route[] {
  const audit = ({ caller, requestId }: Pick<RouteContext, 'caller' | 'requestId'>, action: string, reason: string, detail: object) =>
    inspect.audit({
      admin: caller.id,
      action,
      actorId: null,
      beforeSeq: null,
      afterSeq: null,
      reason,
      detail: { requestId, ...detail },
    });

  return [
    route({
      method: 'GET',
      path: '/v1/admin/queues',
      auth: 'inspect:read',
      summary: 'Queues of background jobs and their health',
      reply: { 200: z.strictObject({ items: z.array(QueueHealth) }) },
      run: async () => answer({ items: await queueHealth(knex, jobs.queues, clock.wall()) }),
    }),
    route({
      method: 'GET',
      path: '/v1/admin/queues/:queue/dlq',
      auth: 'inspect:read',
      summary: 'Dead jobs of a queue, the last one first',
      params: Name,
      query: z.object({
        before: z.uuid().optional().describe('id of the last job of the page before'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      reply: { 200: z.strictObject({ items: z.array(Dead) }) },
      run: async (c) => {
        const items = await deadJobs(knex, { ...c.params, ...c.query });
        const eyes = eyesOf({ redactor }, c);
        return answer({
          items: items.map((job) => ({ ...job, at: iso(job.at), createdAt: iso(job.createdAt), ...eyes.job(job) })),
        });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/admin/queues/:queue/dlq/:jobId/replay',
      auth: 'inspect:admin',
      summary: 'Does what a dead job could not, as a new job',
      params: One,
      body: z.strictObject({ reason: Reason }),
      reply: { 200: Replayed },
      problems: ['NOT_FOUND', 'NOT_ALLOWED'],
      run: async (c) => {
        const { queue, jobId } = c.params;
        await audit(c, 'job.replay', c.body.reason, { queue, jobId });
        const replay = await jobs.replay(queue, jobId, clock.wall());
        if (replay.is === 'replayed') return answer({ jobId: replay.jobId });
        if (replay.is === 'unknown') throw new Problem('NOT_FOUND', 'there is no such dead job');
        throw new Problem('NOT_ALLOWED', 'another job that does the same is not finished');
      },
    }),
    route({
      method: 'POST',
      path: '/v1/admin/queues/:queue/dlq/replay',
      auth: 'inspect:admin',
      summary: 'Does the same for the last dead jobs of a queue, at most 500, fifty a second',
      params: Name,
      body: z.strictObject({ reason: Reason, limit: z.int().min(1).max(MOST).default(MOST) }),
      reply: {
        200: z.strictObject({ replayed: z.int(), left: z.int().describe('of those: another job that does the same is not finished') }),
      },
      run: async (c) => {
        const { queue } = c.params;
        const { reason, limit } = c.body;
        await audit(c, 'job.replay', reason, { queue, limit });
        const now = clock.wall();
        let replayed = 0;
        const dead = await deadJobs(knex, { queue, limit });
        for (const { jobId } of dead) if ((await jobs.replay(queue, jobId, now + replayed * APART_MS)).is === 'replayed') replayed += 1;
        return answer({ replayed, left: dead.length - replayed });
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/admin/queues/:queue/dlq/:jobId',
      auth: 'inspect:admin',
      summary: 'Gives a dead job up for good',
      params: One,
      query: z.object({ reason: Reason }),
      reply: { 204: null },
      problems: ['NOT_FOUND'],
      run: async (c) => {
        const { queue, jobId } = c.params;
        await audit(c, 'job.discard', c.query.reason, { queue, jobId });
        if (!(await jobs.discard(queue, jobId))) throw new Problem('NOT_FOUND', 'there is no such dead job');
        return answer(undefined);
      },
    }),
  ];
}
