/** The pair of keys with which we sign to every push service (RFC 8292). Made at the first start, kept in the database. */
import type { Knex } from 'knex';
import webPush from 'web-push';
import type { Vault } from './vault.ts';

export interface VapidKeys {
  readonly publicKey: string;
  readonly privateKey: string;
}

const ABOUT = 'vapid';

/** The stored pair; nodes that start together agree on one. @throws Error when it was sealed by another installation */
export async function loadVapid(knex: Knex, vault: Vault, now: number): Promise<VapidKeys> {
  const stored = await read(knex, vault);
  if (stored !== undefined) return stored;
  const made = webPush.generateVAPIDKeys();
  await knex('push_keys')
    .insert({
      name: ABOUT,
      public_key: made.publicKey,
      private_enc: vault.seal(made.privateKey, ABOUT),
      created_at: new Date(now),
    })
    .onConflict('name')
    .ignore();
  return (await read(knex, vault)) ?? made;
}

async function read(knex: Knex, vault: Vault): Promise<VapidKeys | undefined> {
  const row = await knex<{ name: string; public_key: string; private_enc: Buffer }>('push_keys').where('name', ABOUT).first();
  if (row === undefined) return undefined;
  try {
    return { publicKey: row.public_key, privateKey: vault.open(row.private_enc, ABOUT) };
  } catch (cause) {
    throw new Error(
      'the VAPID key in the database was sealed with another secrets.json; restore that file (docs/ops/operations.md, push)',
      {
        cause,
      },
    );
  }
}
