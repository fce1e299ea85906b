/**
 * The one audit log (readings 14): what modules write stands in `audit_inbox` with their own change; the server seals it into hash chains. Acts of
 * operators, receipts of webhooks, sessions and roles feed it by triggers, so that no way of writing them can forget it.
 */
import type { Knex } from 'knex';

const ENTRY = `at timestamptz not null default clock_timestamp(), actor_type text not null, actor_id text, action text not null,
    target_type text not null, target_id text not null, subject_user_id uuid, outcome text not null default 'ok', reason text, request_id text,
    meta jsonb not null default '{}'`;

const FEEDS: readonly (readonly [table: string, when: string, body: string])[] = [
  [
    'thrum_admin_audit',
    'after insert on thrum_admin_audit',
    `insert into audit_inbox (at, actor_type, actor_id, action, target_type, target_id, outcome, reason, meta)
     values (new.at, 'admin', new.admin, new.action, case when new.actor_id is null then 'kernel' else 'actor' end,
       coalesce(new.actor_id::text, new.detail->>'scope', new.detail->>'projection', ''), coalesce(new.detail->>'outcome', 'ok'), new.reason,
       jsonb_build_object('auditId', new.audit_id, 'beforeSeq', new.before_seq, 'afterSeq', new.after_seq, 'detail', new.detail));
     return null;`,
  ],
  [
    'webhook_receipts',
    'after insert on webhook_receipts',
    `insert into audit_inbox (at, actor_type, actor_id, action, target_type, target_id, outcome, meta)
     values (new.received_at, 'system', new.provider, 'webhook.' || new.verdict, 'webhook', new.provider || ':' || coalesce(new.event_id, new.id::text),
       case when new.http_status < 400 then 'ok' else 'refused' end,
       jsonb_build_object('direction', 'in', 'receiptId', new.id, 'status', new.http_status, 'bodyBytes', new.body_bytes, 'bodySha256', new.body_sha256,
         'ageS', new.age_s, 'signatureSlot', new.secret_slot));
     return null;`,
  ],
  [
    'sessions',
    'after insert or update of revoked_at on sessions',
    `if tg_op = 'INSERT' then
       insert into audit_inbox (at, actor_type, actor_id, action, target_type, target_id, subject_user_id, meta)
       values (new.created_at, 'user', new.user_id::text, 'auth.login', 'user', new.user_id::text, new.user_id,
         jsonb_build_object('session', new.id, 'uaHash', left(encode(sha256(convert_to(coalesce(new.user_agent, ''), 'UTF8')), 'hex'), 16)));
     elsif old.revoked_at is null and new.revoked_at is not null then
       insert into audit_inbox (at, actor_type, actor_id, action, target_type, target_id, subject_user_id, meta)
       values (new.revoked_at, 'user', new.user_id::text,
         case when new.revoke_reason = 'refresh_reused' then 'auth.refresh_reused' else 'auth.session_revoked' end, 'user', new.user_id::text, new.user_id,
         jsonb_build_object('session', new.id, 'why', new.revoke_reason));
     end if;
     return null;`,
  ],
  [
    'user_roles',
    'after insert or delete on user_roles',
    `if tg_op = 'INSERT' then
       insert into audit_inbox (at, actor_type, action, target_type, target_id, subject_user_id, meta)
       values (new.granted_at, 'system', 'privilege.granted', 'user', new.user_id::text, new.user_id, jsonb_build_object('role', new.role));
     else
       insert into audit_inbox (actor_type, action, target_type, target_id, subject_user_id, meta)
       values ('system', 'privilege.revoked', 'user', old.user_id::text, old.user_id, jsonb_build_object('role', old.role));
     end if;
     return null;`,
  ],
];

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table audit_inbox (id bigint generated always as identity primary key, arrived_at timestamptz not null default clock_timestamp(), ${ENTRY});
    create table audit_log (
      chain text not null, seq bigint not null, ${ENTRY}, prev_hash bytea not null, hash bytea not null, primary key (chain, seq)
    );
    create index audit_log_at on audit_log (at desc, chain, seq);
    create index audit_log_subject on audit_log (subject_user_id, at) where subject_user_id is not null;
    create index audit_log_target on audit_log (target_type, target_id, at);
    create table audit_chain (
      chain text primary key, seq bigint not null, hash bytea not null, floor_seq bigint not null default 0, floor_hash bytea not null,
      signature bytea not null, sealed_at timestamptz not null
    );

    create function audit_log_kept() returns trigger language plpgsql as $$
    begin
      if tg_op = 'DELETE' and current_setting('thrum.audit_prune', true) = 'on' then return old; end if;
      raise exception 'audit_log is append only' using errcode = 'insufficient_privilege';
    end $$;
    create trigger audit_log_rows before update or delete on audit_log for each row execute function audit_log_kept();
    create trigger audit_log_all before truncate on audit_log for each statement execute function audit_log_kept();
  `);
  for (const [table, when, body] of FEEDS) {
    await knex.raw(`create function audit_${table}() returns trigger language plpgsql as $$ begin ${body} end $$`);
    await knex.raw(`create trigger audit_feed ${when} for each row execute function audit_${table}()`);
  }
  // What operators did before is part of the log.
  await knex.raw(`
    insert into audit_inbox (at, actor_type, actor_id, action, target_type, target_id, outcome, reason, meta)
    select at, 'admin', admin, action, case when actor_id is null then 'kernel' else 'actor' end,
      coalesce(actor_id::text, detail->>'scope', detail->>'projection', ''), coalesce(detail->>'outcome', 'ok'), reason,
      jsonb_build_object('auditId', audit_id, 'beforeSeq', before_seq, 'afterSeq', after_seq, 'detail', detail)
    from thrum_admin_audit order by id`);
}

export async function down(knex: Knex): Promise<void> {
  for (const [table] of FEEDS) {
    await knex.raw(`drop trigger audit_feed on ${table}`);
    await knex.raw(`drop function audit_${table}()`);
  }
  await knex.raw('drop table audit_chain, audit_log, audit_inbox');
  await knex.raw('drop function audit_log_kept()');
}
