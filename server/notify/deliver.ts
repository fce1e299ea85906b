/** The delivery job: one notification to one endpoint, until the vendor has it or nothing is left to try. */
import { createHash } from 'node:crypto';
import type { Knex } from 'knex';
import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Principal } from '../../actors/types.ts';
import { rules } from '../../machines/notifications/rules.ts';
import { RetractJob, SendJob } from '../../machines/notifications/schema.ts';
import type { Category, outcomes, Severity } from '../../machines/notifications/schema.ts';
import { digestTitle, genericTitles, textOf } from '../../machines/notifications/texts.ts';
import { JobFailure, jobKind } from '../jobs/jobs.ts';
import type { AnyJobKind, JobContext } from '../jobs/jobs.ts';
import type { Endpoint, Endpoints } from './endpoints.ts';
import type { Outcome, ProviderId, PushMessage, PushProvider } from './provider.ts';

/** Waits after the first, second … failed attempt, ms. */
export const DELAYS: readonly number[] = [1_000, 5_000, 30_000, 300_000, 1_800_000];
const ATTEMPTS = DELAYS.length + 1;
/** bytes of the text that go to a device */
const MOST_BODY = 600;
const self: Principal = { kind: 'system', id: 'notify', roles: [] };

type Final = (typeof outcomes)[number];
type Channel = 'push' | 'email';
/** as it stands in the table */
type Kept = Final | 'retrying' | 'superseded';

interface NotificationRow {
  readonly id: string;
  readonly seq: string | number | null;
  readonly category: Category;
  readonly severity: Severity;
  readonly collapse_key: string;
  readonly title_key: string;
  readonly args: { readonly [name: string]: string | number };
  readonly href: string | null;
  readonly expires_at: number;
  readonly state: string;
}

export interface DeliverDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly registry: Registry;
  readonly endpoints: Endpoints;
  readonly providers: ReadonlyMap<ProviderId, PushProvider>;
  readonly actors: () => Pick<ActorSystem, 'ask'>;
}

export interface Delivery {
  readonly jobs: readonly AnyJobKind[];
  /** One message at once, past the notifications; what the vendor says of it. */
  test(endpoint: Endpoint, signal: AbortSignal): Promise<Outcome>;
}

/** Opaque for vendors and screens; 32 characters as Web Push asks for. */
export const tagOf = (collapseKey: string): string => createHash('sha256').update(collapseKey).digest('base64url').slice(0, 32);

/** @param full the vendor may see the text; otherwise the device fetches it */
export function messageOf(n: NotificationRow, job: Pick<SendJob, 'full' | 'digest'>, now: number): PushMessage {
  const rule = rules[n.category];
  const isDigest = job.digest !== undefined;
  const { title, body } = textOf({ category: n.category, titleKey: n.title_key, args: n.args });
  const generic = isDigest ? digestTitle(job.digest ?? 0) : genericTitles[n.category];
  const shows = job.full && !isDigest;
  return {
    id: n.id,
    ...(n.seq === null ? {} : { s: Number(n.seq) }),
    category: n.category,
    severity: n.severity,
    title: shows ? title : generic,
    ...(shows && body !== '' ? { body: body.slice(0, MOST_BODY) } : {}),
    ...(shows && n.href !== null ? { href: n.href } : {}),
    tag: tagOf(isDigest ? 'digest' : n.collapse_key),
    generic: !shows && !isDigest,
    ttlS: Math.max(0, Math.min(rule.ttlS, Math.floor((n.expires_at - now) / 1_000))),
    urgency: n.severity === 'critical' ? 'high' : isDigest ? 'low' : rule.urgency,
  };
}

export function createDelivery(d: DeliverDeps): Delivery {
  const { knex, clock } = d;
  const deliveries = new Counter({
    name: 'thrum_push_deliveries_total',
    help: 'Attempts to push, by provider and outcome',
    labelNames: ['provider', 'outcome'],
    registers: [d.registry],
  });

  /** The person's actor waits for it; told again, it changes nothing. */
  async function report(job: SendJob, outcome: Final): Promise<void> {
    const { id, endpointId, userId } = job;
    const reply = await d
      .actors()
      .ask(`user:${userId}`, { type: 'delivery.finished', id, endpointId, outcome }, { key: d.newId(), from: self });
    if (!reply.ok && reply.error.code !== 'ACTOR_ERASED') throw new JobFailure(reply.error.code, 'the outcome could not be told');
  }

  async function record(
    job: SendJob,
    channel: Channel,
    o: { state: Kept; attempts: number; error?: string; vendorId?: string; nextAt?: number },
  ): Promise<void> {
    const fields = {
      state: o.state,
      attempts: o.attempts,
      vendor_id: o.vendorId ?? null,
      error: o.error?.slice(0, 500) ?? null,
      next_at: o.nextAt === undefined ? null : new Date(o.nextAt),
      updated_at: new Date(clock.wall()),
    };
    await knex('notification_deliveries')
      .insert({ id: d.newId(), user_id: job.userId, notification_id: job.id, endpoint_id: job.endpointId, channel, ...fields })
      .onConflict(['notification_id', 'endpoint_id'])
      .merge(fields);
  }

  async function finish(
    job: SendJob,
    channel: Channel,
    outcome: Final,
    o: { attempts: number; error?: string; vendorId?: string },
  ): Promise<void> {
    await record(job, channel, { state: outcome, ...o });
    if (outcome === 'sent') await d.endpoints.succeeded(job.endpointId);
    if (outcome === 'gone') await d.endpoints.disable(job.endpointId, o.error ?? 'gone');
    if (outcome === 'failed') await d.endpoints.failed(job.endpointId, job.userId);
    await report(job, outcome);
  }

  /** What an earlier run of this job has achieved. */
  async function achieved(job: SendJob): Promise<Final | 'superseded' | undefined> {
    const row = await knex<{ state: Kept; notification_id: string; endpoint_id: string }>('notification_deliveries')
      .where({ notification_id: job.id, endpoint_id: job.endpointId })
      .first('state');
    return row === undefined || row.state === 'retrying' ? undefined : row.state;
  }

  async function send({ payload: job, attempt, signal }: JobContext<SendJob>): Promise<void> {
    const before = await achieved(job);
    if (before !== undefined) return before === 'superseded' ? undefined : report(job, before);
    const n = await knex<NotificationRow & { user_id: string }>('notifications').where({ user_id: job.userId, id: job.id }).first();
    if (n === undefined) return;
    const endpoint = await d.endpoints.find(job.userId, job.endpointId);
    if (endpoint === undefined) return report(job, 'gone');
    const channel = endpoint.provider === 'email' ? 'email' : 'push';
    if (n.state !== 'pushing') return record(job, channel, { state: 'superseded', attempts: attempt - 1, error: n.state });
    const now = clock.wall();
    if (n.expires_at <= now) {
      await record(job, channel, { state: 'failed', attempts: attempt - 1, error: 'expired' });
      return report(job, 'failed');
    }
    const provider = d.providers.get(endpoint.provider);
    const outcome: Outcome =
      provider === undefined
        ? { kind: 'reject', reason: 'the provider is not configured' }
        : await provider.send(endpoint.target, messageOf(n, job, now), signal);
    deliveries.inc({ provider: endpoint.provider, outcome: outcome.kind });
    await conclude(job, channel, outcome, { attempt, expiresAt: n.expires_at });
  }

  async function conclude(
    job: SendJob,
    channel: Channel,
    outcome: Outcome,
    { attempt, expiresAt }: { attempt: number; expiresAt: number },
  ): Promise<void> {
    switch (outcome.kind) {
      case 'sent':
        return finish(job, channel, 'sent', {
          attempts: attempt,
          ...(outcome.vendorId === undefined ? {} : { vendorId: outcome.vendorId }),
        });
      case 'gone':
        return finish(job, channel, 'gone', { attempts: attempt, error: outcome.reason });
      case 'reject':
      case 'too_large':
        return finish(job, channel, 'failed', { attempts: attempt, error: outcome.kind === 'reject' ? outcome.reason : 'too large' });
      case 'held': {
        const nextAt = clock.wall() + outcome.afterMs;
        if (nextAt >= expiresAt) return finish(job, channel, 'failed', { attempts: attempt - 1, error: outcome.reason });
        await record(job, channel, { state: 'retrying', attempts: attempt - 1, error: outcome.reason, nextAt });
        throw new JobFailure('PUSH_HELD', outcome.reason, { retryAfterMs: outcome.afterMs, counts: false });
      }
      case 'retry': {
        const wait = Math.max(outcome.afterMs ?? 0, DELAYS[attempt - 1] ?? 0);
        const nextAt = clock.wall() + wait;
        if (attempt >= ATTEMPTS || nextAt >= expiresAt) return finish(job, channel, 'failed', { attempts: attempt, error: outcome.reason });
        await record(job, channel, { state: 'retrying', attempts: attempt, error: outcome.reason, nextAt });
        throw new JobFailure('PUSH_RETRY', outcome.reason, { retryAfterMs: wait });
      }
    }
  }

  return {
    jobs: [
      jobKind({
        queue: 'notify',
        kind: 'notify.send',
        payload: SendJob,
        backoff: { delays: DELAYS },
        attempts: ATTEMPTS,
        timeout: 30_000,
        run: send,
      }),
      jobKind({
        queue: 'notify',
        kind: 'notify.retract',
        payload: RetractJob,
        attempts: 2,
        timeout: 30_000,
        async run({ payload: { userId, endpointId, collapseKey }, signal }) {
          const endpoint = await d.endpoints.find(userId, endpointId);
          if (endpoint === undefined) return;
          const outcome = await d.providers.get(endpoint.provider)?.retract?.(endpoint.target, tagOf(collapseKey), signal);
          if (outcome?.kind === 'held') throw new JobFailure('PUSH_HELD', outcome.reason, { retryAfterMs: outcome.afterMs, counts: false });
          if (outcome?.kind === 'retry') throw new JobFailure('PUSH_RETRY', outcome.reason);
        },
      }),
    ],
    async test(endpoint, signal) {
      const provider = d.providers.get(endpoint.provider);
      if (provider === undefined) return { kind: 'reject', reason: 'the provider is not configured' };
      const { title, body } = textOf({ category: 'security', titleKey: 'push.test', args: {} });
      const base = { id: d.newId(), category: 'security', severity: 'info', tag: tagOf('test'), generic: false } as const;
      const outcome = await provider.send(endpoint.target, { ...base, title, body, href: '/', ttlS: 300, urgency: 'high' }, signal);
      deliveries.inc({ provider: endpoint.provider, outcome: outcome.kind });
      return outcome;
    },
  };
}
