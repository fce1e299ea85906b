/** Asynchronous projections (kernel specification 8.4): how far each slot is shown, and which tables are built. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    insert into thrum_slot (slot, projected_at)
      select s, (extract(epoch from now()) * 1000)::bigint from generate_series(0, 1023) s
      on conflict (slot) do update set projected_at = excluded.projected_at;
    alter table thrum_slot set (fillfactor = 50);

    create table thrum_projection (
      name     text primary key,
      version  integer not null,
      built_to uuid,
      done_at  bigint
    );
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table thrum_projection;
    alter table thrum_slot reset (fillfactor);
    delete from thrum_slot;
  `);
}
