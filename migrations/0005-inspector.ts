/** What the inspector needs: lists of 100,000 actors by an index, the reason of every act, counts of the transitions taken. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table thrum_admin_audit add column audit_id uuid not null default gen_random_uuid(), add column reason text;
    create unique index thrum_admin_audit_key on thrum_admin_audit (audit_id);
    create index thrum_admin_audit_actor on thrum_admin_audit (actor_id, id desc);

    drop index thrum_actor_kind_last;
    drop index thrum_actor_kind_state;
    create index thrum_actor_last on thrum_actor (last_at desc, actor_id desc);
    create index thrum_actor_kind_last on thrum_actor (kind, last_at desc, actor_id desc);
    create index thrum_actor_kind_state on thrum_actor (kind, state text_pattern_ops);
    create index thrum_actor_unusual on thrum_actor (status, last_at desc, actor_id desc) where status <> 'active';
    create index thrum_actor_slot on thrum_actor (slot);

    create table thrum_coverage (
      kind       text not null,
      hash       text not null,
      transition integer not null,
      taken      bigint not null,
      primary key (kind, hash, transition)
    ) with (fillfactor = 70);
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table thrum_coverage;
    drop index thrum_actor_slot, thrum_actor_unusual, thrum_actor_kind_state, thrum_actor_kind_last, thrum_actor_last;
    create index thrum_actor_kind_state on thrum_actor (kind, state, actor_id);
    create index thrum_actor_kind_last on thrum_actor (kind, last_at desc);
    drop index thrum_admin_audit_actor, thrum_admin_audit_key;
    alter table thrum_admin_audit drop column reason, drop column audit_id;
  `);
}
