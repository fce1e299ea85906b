/** The one audit log of the project (readings 14): entries go into the inbox with what they tell of, and from there into hash chains. */
import type { Knex } from 'knex';
import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { Clock, Log } from '../../actors/types.ts';
import { jobKind } from '../jobs/jobs.ts';
import type { AnyJobKind } from '../jobs/jobs.ts';
import type { AuditRecord } from './chain.ts';
import { ENTRY, recordOf } from './rows.ts';
import type { LogRow } from './rows.ts';
import { prune, sealPage } from './sealer.ts';
import { verifyAudit } from './verify.ts';
import type { Verified } from './verify.ts';

const SEAL_MS = 1_000;
const DAY = 86_400_000;

export interface AuditEntry extends AuditRecord {
  readonly chain: string;
  readonly seq: number;
  readonly hash: string;
}

export interface AuditFilter {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  /** `type:id` */
  readonly target?: string | undefined;
  /** epoch ms; `to` is excluded */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** the last entry of the page before */
  readonly after?: readonly [at: number, chain: string, seq: number] | undefined;
  readonly limit: number;
}

export interface Audit {
  /** Writes an entry that no table feeds. @param tx the transaction of the change that it tells of, if there is one */
  write(entry: Pick<AuditRecord, 'actorType' | 'action' | 'targetType' | 'targetId'> & Partial<AuditRecord>, tx?: Knex): Promise<void>;
  /** What is sealed, newest first. */
  list(q: AuditFilter): Promise<AuditEntry[]>;
  verify(): Promise<Verified>;
  /** Seals what waits now. */
  seal(): Promise<void>;
  readonly jobs: readonly AnyJobKind[];
  start(): void;
  stop(): Promise<void>;
}

export interface AuditDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Registry;
  /** signs the heads */
  readonly key: string;
  readonly retentionDays: number;
}

export function createAudit({ knex, clock, log, registry, key, retentionDays }: AuditDeps): Audit {
  const faults = new Gauge({
    name: 'thrum_audit_faults',
    help: 'Chains of the audit log that the last verification found broken',
    registers: [registry],
  });
  let timer: object | number | undefined;
  let under: Promise<void> = Promise.resolve();
  let stopped = false;

  const seal = async (): Promise<void> => {
    while ((await sealPage(knex, key, clock.wall())) > 0);
  };
  const plan = (): void => {
    if (stopped) return;
    timer = clock.setTimer(SEAL_MS, () => {
      under = seal()
        .catch((error: unknown) => log.warn({ err: error }, 'audit entries could not be sealed'))
        .then(plan);
    });
  };
  const verify = async (): Promise<Verified> => {
    const found = await verifyAudit(knex, key);
    faults.set(found.faults.length);
    if (!found.ok) log.error({ alert: 'critical', faults: found.faults.slice(0, 20), waiting: found.waiting }, 'the audit log is broken');
    return found;
  };
  const upkeep = async (): Promise<void> => {
    const now = clock.wall();
    const removed = await prune(knex, key, now - retentionDays * DAY, now);
    await verify();
    const heads = await knex('audit_chain').select('chain', 'seq', knex.raw(`encode(hash, 'hex') as hash`)).orderBy('chain');
    log.info({ removed, heads }, 'audit log verified');
  };

  return {
    async write(e, tx = knex) {
      await tx('audit_inbox').insert({
        at: new Date(e.at ?? clock.wall()),
        actor_type: e.actorType,
        actor_id: e.actorId ?? null,
        action: e.action,
        target_type: e.targetType,
        target_id: e.targetId,
        subject_user_id: e.subjectUserId ?? null,
        outcome: e.outcome ?? 'ok',
        reason: e.reason ?? null,
        request_id: e.requestId ?? null,
        meta: JSON.stringify(e.meta ?? {}),
      });
    },
    async list({ actor, action, target, from, to, after, limit }) {
      const colon = target?.indexOf(':') ?? -1;
      const query = knex('audit_log')
        .select(knex.raw(`chain, seq, at, ${ENTRY}, hash`))
        .orderByRaw('at desc, chain, seq')
        .limit(limit);
      if (actor !== undefined) void query.where('actor_id', actor);
      if (action !== undefined) void query.where('action', action);
      if (target !== undefined) void query.where({ target_type: target.slice(0, colon), target_id: target.slice(colon + 1) });
      if (from !== undefined) void query.where('at', '>=', new Date(from));
      if (to !== undefined) void query.where('at', '<', new Date(to));
      if (after !== undefined) {
        const at = new Date(after[0]);
        void query.whereRaw('(at < ? or (at = ? and (chain, seq) > (?, ?)))', [at, at, after[1], after[2]]);
      }
      const rows = (await query) as LogRow[];
      return rows.map((row) => ({ ...recordOf(row), chain: row.chain, seq: row.seq, hash: row.hash.toString('hex') }));
    },
    verify,
    seal,
    jobs: [jobKind({ queue: 'maintenance', kind: 'audit.upkeep', payload: z.object({}), every: DAY, run: upkeep })],
    start: plan,
    async stop() {
      stopped = true;
      if (timer !== undefined) clock.clearTimer(timer);
      await under;
    },
  };
}
