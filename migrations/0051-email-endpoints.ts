/** Addresses are endpoints too (realtime R14). */
import type { Knex } from 'knex';

const allow = (knex: Knex, providers: string): Promise<unknown> =>
  knex.raw(`
    alter table push_endpoints drop constraint push_endpoints_provider_check;
    alter table push_endpoints add constraint push_endpoints_provider_check check (provider in (${providers}))`);

export async function up(knex: Knex): Promise<void> {
  await allow(knex, `'webpush', 'fcm', 'apns', 'log', 'email'`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`delete from push_endpoints where provider = 'email'`);
  await allow(knex, `'webpush', 'fcm', 'apns', 'log'`);
}
