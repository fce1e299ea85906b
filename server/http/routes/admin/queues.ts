/** Queues of background jobs: how they do, their jobs, and what operators do with them (booking 18.3, realtime R16). */
import type { Knex } from 'knex';
import { z } from 'zod';
import { actorIdOf } from '../../../../actors/ids.ts';
import type { Clock } from '../../../../actors/types.ts';
import { deadJobs } from '../../../jobs/dead.ts';
import { QueueHealth, queueHealth } from '../../../jobs/health.ts';
import type { Jobs } from '../../../jobs/jobs.ts';
import { jobStates, listJobs } from '../../../jobs/list.ts';
import { Problem } from '../../../problems.ts';
import { answer, route } from '../../route.ts';
import type { Route, RouteContext } from '../../route.ts';
import { eyesOf } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { iso, Reason } from './schemas.ts';

const Tries = z.array(z.strictObject({ at: z.number(), code: z.string(), message: z.string(), durationMs: z.number() }));
const Payload = z.unknown().describe('what it is to do, or was');
const When = z.iso.datetime().nullable();

const Job = z.strictObject({
  jobId: z.uuid(),
  kind: z.string(),
  state: z.enum(jobStates).describe('waiting: due and not begun; delayed: not due yet'),
  attempts: z.int(),
  maxAttempts: z.int(),
  priority: z.int(),
  runAt: z.iso.datetime(),
  createdAt: z.iso.datetime(),
  lastAttemptAt: When,
  finishedAt: When,
  actor: z.string().nullable().describe('kind:id of whoever wanted it'),
  replayOf: z.uuid().nullable().describe('the dead job in whose place it is'),
  replayedBy: z.uuid().nullable().describe('the job in its place'),
  payload: Payload,
  errors: Tries,
});
const Dead = z.strictObject({
  jobId: z.uuid(),
  kind: z.string(),
  attempts: z.int(),
  reason: z.string().describe('max_attempts, non_retryable, expired, poison'),
  at: z.iso.datetime(),
  createdAt: z.iso.datetime(),
  payload: Payload,
  errors: Tries,
});
const Name = z.object({ queue: z.string().regex(/^[A-Za-z0-9_.:-]{1,60}$/) });
const One = Name.extend({ jobId: z.uuid() });
const Because = z.strictObject({ reason: Reason });
const Sought = z.union([z.uuid(), z.string().regex(/^[a-z]{1,20}:[A-Za-z0-9_.:-]{1,120}$/)]);
const whenOf = (at: number | null): string | null => (at === null ? null : iso(at));
const Replayed = z.strictObject({ jobId: z.uuid().describe('of the new job') });

type Caller = Pick<RouteContext, 'caller' | 'requestId'>;

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
  const audit = ({ caller, requestId }: Caller, action: string, reason: string, detail: object) =>
    inspect.audit({
      admin: caller.id,
      action,
      actorId: null,
      beforeSeq: null,
      afterSeq: null,
      reason,
      detail: { requestId, ...detail },
    });

  /** @throws Problem NOT_FOUND for a queue without kinds, jobs and pause */
  async function known(queue: string): Promise<void> {
    if ((await queueHealth(knex, jobs.queues, clock.wall())).every((q) => q.queue !== queue))
      throw new Problem('NOT_FOUND', 'there is no such queue');
  }

  /** @throws Problem NOT_FOUND, and says why, when there is nothing that it could be done to */
  async function act(c: Caller, action: string, reason: string, on: object, run: () => Promise<boolean>, nothing: string) {
    await audit(c, action, reason, on);
    if (!(await run())) throw new Problem('NOT_FOUND', nothing);
    return answer(undefined);
  }

  const discard = (c: Caller, on: z.output<typeof One>, reason: string) =>
    act(c, 'job.discard', reason, on, () => jobs.discard(on.queue, on.jobId), 'there is no such job that could be given up');

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
      path: '/v1/admin/queues/:queue/jobs',
      auth: 'inspect:read',
      summary: 'Jobs of a queue: of one state, those next first or those that ended last; or with `q` of any state, the newest first',
      params: Name,
      query: z.object({
        state: z.enum(jobStates).optional().describe('default waiting, or with q any'),
        q: Sought.optional().describe('id of a job, or kind:id of an actor'),
        after: z.uuid().optional().describe('id of the last job of the page before'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      reply: { 200: z.strictObject({ items: z.array(Job) }) },
      run: async (c) => {
        const { q, ...query } = c.query;
        const of = q?.includes(':') === true ? actorIdOf(q) : q;
        const eyes = eyesOf({ redactor }, c);
        const items = (await listJobs(knex, { ...c.params, ...query, of, now: clock.wall() })).map((job) => ({
          ...job,
          ...eyes.job(job),
          runAt: iso(job.runAt),
          createdAt: iso(job.createdAt),
          lastAttemptAt: whenOf(job.lastAttemptAt),
          finishedAt: whenOf(job.finishedAt),
        }));
        return answer({ items });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/admin/queues/:queue/jobs/:jobId/promote',
      auth: 'inspect:admin',
      summary: 'Lets a job run now that was not due yet',
      params: One,
      body: Because,
      reply: { 204: null },
      problems: ['NOT_FOUND'],
      run: (c) => {
        const { queue, jobId } = c.params;
        return act(c, 'job.promote', c.body.reason, c.params, () => jobs.promote(queue, jobId), 'there is no such job that is not due yet');
      },
    }),
    route({
      method: 'POST',
      path: '/v1/admin/queues/:queue/jobs/:jobId/discard',
      auth: 'inspect:admin',
      summary: 'Gives a job up for good that is dead or has not begun; standing jobs are not given up',
      params: One,
      body: Because,
      reply: { 204: null },
      problems: ['NOT_FOUND'],
      run: (c) => discard(c, c.params, c.body.reason),
    }),
    route({
      method: 'POST',
      path: '/v1/admin/queues/:queue/pause',
      auth: 'inspect:admin',
      summary: 'Stops a queue at every node: what runs ends, nothing begins',
      params: Name,
      body: Because,
      reply: { 204: null },
      problems: ['NOT_FOUND'],
      run: async (c) => {
        const { queue } = c.params;
        await known(queue);
        await audit(c, 'queue.pause', c.body.reason, { queue });
        return answer(await jobs.pause(queue, { by: c.caller.id, reason: c.body.reason, since: clock.wall() }));
      },
    }),
    route({
      method: 'POST',
      path: '/v1/admin/queues/:queue/resume',
      auth: 'inspect:admin',
      summary: 'Lets a stopped queue go on',
      params: Name,
      body: Because,
      reply: { 204: null },
      problems: ['NOT_FOUND'],
      run: (c) => act(c, 'queue.resume', c.body.reason, c.params, () => jobs.resume(c.params.queue), 'the queue is not stopped'),
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
      aliases: ['/v1/admin/queues/:queue/jobs/:jobId/retry'],
      auth: 'inspect:admin',
      summary: 'Does what a dead job could not, as a new job',
      params: One,
      body: Because,
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
      summary: 'Gives a dead job up for good, as discard does',
      params: One,
      query: z.object({ reason: Reason }),
      reply: { 204: null },
      problems: ['NOT_FOUND'],
      run: (c) => discard(c, c.params, c.query.reason),
    }),
  ];
}
