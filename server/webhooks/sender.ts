/**
 * The project's one sender of webhooks: Standard Webhooks 1.0 (booking 16). A `webhook.publish` job fans an event out to the endpoints that
 * want it, one `webhook.deliver` job per endpoint carries it there.
 */
import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { Clock } from '../../actors/types.ts';
import { JobFailure, jobKind } from '../jobs/jobs.ts';
import type { AnyJobKind, Jobs } from '../jobs/jobs.ts';
import { post } from './post.ts';
import { secretOf, sign } from './signature.ts';

/** Waits after the first, second … failed attempt, ms: attempts at 0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. */
export const DELAYS: readonly number[] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map((s) => s * 1_000);
const TIMEOUT_MS = 15_000;
const RETRY_CAP_MS = 86_400_000;
const ROTATION_MS = 86_400_000;
const FAILING_MS = 5 * 86_400_000;
const MAX_BODY = 20_480;

export const eventTypes = ['score.updated', 'sync.completed'] as const;

/** Payload of a `webhook.publish` job, as machines write it. */
export const Event = z.object({
  type: z.enum(eventTypes),
  eventId: z.string().min(1).max(200),
  at: z.number(),
  data: z.record(z.string(), z.unknown()),
});
export type Event = z.infer<typeof Event>;

const Secrets = z.array(z.object({ secret: z.string(), until: z.number().optional() }));

export interface Endpoint {
  readonly id: string;
  readonly url: string;
  readonly description: string | null;
  readonly types: readonly string[];
  readonly enabled: boolean;
  readonly createdAt: number;
  readonly disabledReason: string | null;
}

export interface WebhooksDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly registry: Registry;
  readonly jobs: () => Jobs;
  /** for development: targets in our own network */
  readonly allowPrivate: boolean;
}

export interface Webhooks {
  readonly jobs: readonly AnyJobKind[];
  /** Gives the secret, which is shown this once. */
  add(o: { url: string; types: readonly string[]; description?: string; by: string }): Promise<{ id: string; secret: string }>;
  list(): Promise<Endpoint[]>;
  remove(id: string): Promise<boolean>;
  /** A new secret; the old one signs too for 24 h. */
  rotate(id: string): Promise<string | undefined>;
}

const rowsOf = <T>(result: unknown): T[] => (result as { rows: T[] }).rows;

interface Due {
  readonly delivery_id: string;
  readonly endpoint_id: string;
  readonly event_id: string;
  readonly body: string;
  readonly status: string;
  readonly url: string;
  readonly secrets: unknown;
  readonly enabled: boolean;
  readonly failing_since: number | null;
}

export function createWebhooks({ knex, clock, newId, registry, jobs, allowPrivate }: WebhooksDeps): Webhooks {
  const deliveries = new Counter({
    name: 'thrum_webhook_delivery_total',
    help: 'Attempts to deliver outgoing webhooks',
    labelNames: ['outcome'],
    registers: [registry],
  });
  const newSecret = (): string => secretOf(randomBytes(32));

  async function fanOut(event: Event): Promise<void> {
    const body = JSON.stringify({ type: event.type, timestamp: new Date(event.at).toISOString(), data: event.data });
    if (Buffer.byteLength(body) > MAX_BODY)
      throw new JobFailure('TOO_LARGE', `event ${event.eventId} is larger than ${MAX_BODY} bytes`, { retryable: false });
    await knex.transaction(async (tx) => {
      const endpoints = rowsOf<{ id: string }>(
        await tx.raw('select id from webhook_endpoints where enabled and ? = any(types) order by id', [event.type]),
      );
      for (const { id } of endpoints) {
        const deliveryId = newId();
        const inserted = rowsOf(
          await tx.raw(
            `insert into endpoint_deliveries (delivery_id, endpoint_id, event_id, type, body, status, created_at) values (?, ?, ?, ?, ?, 'waiting', ?)
             on conflict (endpoint_id, event_id) do nothing returning 1`,
            [deliveryId, id, event.eventId, event.type, body, new Date(clock.wall())],
          ),
        );
        if (inserted.length > 0) await jobs().enqueue(tx, { queue: 'webhook', kind: 'webhook.deliver', payload: { deliveryId } });
      }
    });
    jobs().wake('webhook');
  }

  async function load(deliveryId: string): Promise<Due | undefined> {
    const result = await knex.raw(
      `select d.delivery_id, d.endpoint_id, d.event_id, d.body, d.status, e.url, e.secrets, e.enabled, e.failing_since
         from endpoint_deliveries d join webhook_endpoints e on e.id = d.endpoint_id where d.delivery_id = ?`,
      [deliveryId],
    );
    return rowsOf<Due>(result)[0];
  }

  async function record(
    d: Due,
    o: { attempt: number; status: string; http?: number; error?: string; ms: number; head?: string },
  ): Promise<void> {
    const now = new Date(clock.wall());
    const over = o.status !== 'retrying';
    await knex.raw(
      `update endpoint_deliveries set attempt = ?, status = ?, http_status = ?, error = ?, duration_ms = ?, response_head = ?, finished_at = ? where delivery_id = ?`,
      [
        o.attempt,
        o.status,
        o.http ?? null,
        o.error ?? null,
        o.ms,
        o.head?.replaceAll('\u0000', '') ?? null,
        over ? now : null,
        d.delivery_id,
      ],
    );
    deliveries.inc({ outcome: o.status });
  }

  const disable = async (d: Due, reason: string): Promise<void> => {
    const now = new Date(clock.wall());
    await knex.raw('update webhook_endpoints set enabled = false, disabled_at = ?, disabled_reason = ? where id = ?', [
      now,
      reason,
      d.endpoint_id,
    ]);
  };

  async function deliver(deliveryId: string, attempt: number, signal: AbortSignal): Promise<void> {
    const d = await load(deliveryId);
    if (d === undefined || d.status === 'delivered' || !d.enabled) return;
    const now = clock.wall();
    const timestamp = Math.floor(now / 1000);
    const id = `msg_${d.event_id}`;
    const active = Secrets.parse(d.secrets).filter((s) => s.until === undefined || s.until > now);
    const began = clock.mono();
    const took = (): number => Math.round(clock.mono() - began);
    let answer;
    try {
      answer = await post({
        url: d.url,
        body: d.body,
        timeoutMs: TIMEOUT_MS,
        allowPrivate,
        signal,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'thrum-webhooks/1',
          'webhook-id': id,
          'webhook-timestamp': String(timestamp),
          'webhook-signature': active.map((s) => sign(s.secret, id, timestamp, d.body)).join(' '),
        },
      });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return fail(d, attempt, { error: message, ms: took() });
    }
    if (answer.status >= 200 && answer.status < 300) {
      await record(d, { attempt, status: 'delivered', http: answer.status, ms: took(), head: answer.head });
      if (d.failing_since !== null) await knex.raw('update webhook_endpoints set failing_since = null where id = ?', [d.endpoint_id]);
      return;
    }
    if (answer.status === 410) {
      await disable(d, 'gone');
      await record(d, { attempt, status: 'dead', http: 410, ms: took(), head: answer.head });
      return;
    }
    const asked = Number(answer.retryAfter) * 1_000;
    const retryAfterMs = asked > 0 ? Math.min(RETRY_CAP_MS, asked) : undefined;
    await fail(d, attempt, { http: answer.status, error: `HTTP ${answer.status}`, ms: took(), head: answer.head }, retryAfterMs);
  }

  async function fail(
    d: Due,
    attempt: number,
    o: { http?: number; error: string; ms: number; head?: string },
    retryAfterMs?: number,
  ): Promise<void> {
    const since = d.failing_since ?? clock.wall();
    if (d.failing_since === null)
      await knex.raw('update webhook_endpoints set failing_since = ? where id = ?', [new Date(since), d.endpoint_id]);
    else if (clock.wall() - since >= FAILING_MS) await disable(d, 'failing for five days');
    await record(d, { attempt, status: attempt > DELAYS.length ? 'dead' : 'retrying', ...o });
    throw new JobFailure('DELIVERY_FAILED', o.error, retryAfterMs === undefined ? {} : { retryAfterMs });
  }

  return {
    jobs: [
      jobKind({ queue: 'webhook', kind: 'webhook.publish', payload: Event, run: ({ payload }) => fanOut(payload) }),
      jobKind({
        queue: 'webhook',
        kind: 'webhook.deliver',
        payload: z.object({ deliveryId: z.uuid() }),
        backoff: { delays: DELAYS, jitter: 0.1 },
        timeout: TIMEOUT_MS + 5_000,
        run: ({ payload, attempt, signal }) => deliver(payload.deliveryId, attempt, signal),
      }),
    ],
    async add({ url, types, description, by }) {
      const id = newId();
      const secret = newSecret();
      await knex.raw(
        `insert into webhook_endpoints (id, url, description, types, secrets, created_at, created_by) values (?, ?, ?, ?, ?::jsonb, ?, ?)`,
        [id, url, description ?? null, [...types], JSON.stringify([{ secret }]), new Date(clock.wall()), by],
      );
      return { id, secret };
    },
    async list() {
      const result = await knex.raw(
        `select id, url, description, types, enabled, created_at as "createdAt", disabled_reason as "disabledReason" from webhook_endpoints order by created_at, id limit 500`,
      );
      return rowsOf<Endpoint>(result);
    },
    async remove(id) {
      return rowsOf(await knex.raw('delete from webhook_endpoints where id = ? returning 1', [id])).length > 0;
    },
    async rotate(id) {
      const now = clock.wall();
      return knex.transaction(async (tx) => {
        const row = rowsOf<{ secrets: unknown }>(await tx.raw('select secrets from webhook_endpoints where id = ? for update', [id]))[0];
        if (row === undefined) return undefined;
        const secret = newSecret();
        const old = Secrets.parse(row.secrets)
          .filter((s) => s.until === undefined || s.until > now)
          .map((s) => ({ ...s, until: Math.min(s.until ?? Infinity, now + ROTATION_MS) }));
        await tx.raw('update webhook_endpoints set secrets = ?::jsonb where id = ?', [
          JSON.stringify([{ secret }, ...old].slice(0, 3)),
          id,
        ]);
        return secret;
      });
    },
  };
}
