/** The audit log over both databases: chains grow under several writers and several nodes, and every way of falsifying them is found. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { rmSync } from 'node:fs';
import type { Knex } from 'knex';
import { Registry } from 'prom-client';
import { chainOf, hashOf, signatureOf, startOf, ZERO } from '../../server/audit/chain.ts';
import { createAudit } from '../../server/audit/audit.ts';
import type { Audit } from '../../server/audit/audit.ts';
import { prune, sealPage } from '../../server/audit/sealer.ts';
import { headOf } from '../../server/audit/rows.ts';
import type { ChainRow } from '../../server/audit/rows.ts';
import { verifyAudit } from '../../server/audit/verify.ts';
import { openDatabase } from '../../server/db/database.ts';
import type { Database } from '../../server/db/database.ts';
import { FakeClock } from '../support/clock.ts';
import { embeddedDir } from '../support/embedded.ts';
import { quiet } from '../support/log.ts';
import { startPostgres } from '../support/postgres.ts';

const KEY = 'a key for tests';
const NOW = Date.UTC(2027, 2, 1, 8);
const DAY = 86_400_000;

interface Stage {
  readonly knex: Knex;
  readonly audit: Audit;
}

const server = await startPostgres();
const embedded = await embeddedDir();
const databases = new Map<string, Database>([['pglite', await openDatabase({ dataDir: embedded }, quiet)]]);
if (!('skip' in server)) databases.set('postgres', await openDatabase({ dataDir: '', url: await server.database() }, quiet));
test.after.always(async () => {
  for (const database of databases.values()) await database.close();
  if (!('skip' in server)) await server.stop();
  rmSync(embedded, { recursive: true, force: true });
});

const auditOf = (knex: Knex): Audit =>
  createAudit({ knex, clock: new FakeClock(NOW), log: quiet, registry: new Registry(), key: KEY, retentionDays: 730 });

const entry = (target: string, i: number) => ({
  actorType: 'admin',
  actorId: 'eve',
  action: 'test.did',
  targetType: 'thing',
  targetId: target,
  at: NOW + i * DAY,
  meta: { i, nested: { b: [1.5, null, 'ü'], a: true } },
});

/** Ten entries about one thing and one about each of nine others, sealed. */
async function filled({ audit, knex }: Stage): Promise<string> {
  for (let i = 0; i < 10; i += 1) await audit.write(entry('one', i));
  for (let i = 0; i < 9; i += 1) await audit.write(entry(`other-${i}`, i));
  await audit.seal();
  const found = await verifyAudit(knex, KEY);
  if (!found.ok || found.rows !== 19) throw new Error(JSON.stringify(found));
  return chainOf({ targetType: 'thing', targetId: 'one' });
}

/** Rows are changed as somebody would who is the master of the database. */
const forge = (knex: Knex, sql: string, bindings: readonly (string | number | Buffer)[]): Promise<void> =>
  knex.transaction(async (tx) => {
    await tx.raw(`alter table audit_log disable trigger all`);
    await tx.raw(sql, [...bindings]);
    await tx.raw(`alter table audit_log enable trigger all`);
  });

for (const [name, database] of databases) {
  const stage = (title: string, run: (t: ExecutionContext, s: Stage) => Promise<void>): void => {
    test.serial(`${title} (${name})`, async (t) => {
      const { knex } = database;
      await forge(knex, 'truncate audit_log, audit_chain, audit_inbox', []);
      await run(t, { knex, audit: auditOf(knex) });
    });
  };

  stage('entries are sealed in order of their chain, each with the hash of the one before it', async (t, s) => {
    const chain = await filled(s);
    const rows = (await s.audit.list({ target: 'thing:one', limit: 50 })).toReversed();
    t.deepEqual(
      rows.map((r) => [r.chain, r.meta['i']]),
      Array.from({ length: 10 }, (_, i) => [chain, i]),
    );
    let { hash } = startOf(chain);
    const ofChain = await s.knex('audit_log').where({ chain }).orderBy('seq');
    t.deepEqual(ofChain[0]?.prev_hash, ZERO);
    for (const row of ofChain) {
      t.deepEqual(row.prev_hash, hash);
      ({ hash } = row);
    }
    t.is((await s.knex('audit_inbox')).length, 0);
    t.is((await s.audit.list({ actor: 'nobody', limit: 50 })).length, 0);
    const page = await s.audit.list({ action: 'test.did', limit: 7 });
    const last = page[6];
    const next = await s.audit.list({ action: 'test.did', limit: 50, after: [last?.at ?? 0, last?.chain ?? '', last?.seq ?? 0] });
    t.is(new Set([...page, ...next].map((r) => `${r.chain}/${r.seq}`)).size, 19);
    t.is((await s.audit.list({ from: NOW + 8 * DAY, to: NOW + 9 * DAY, limit: 50 })).length, 2);
  });

  stage('an entry of a change that is taken back is taken back with it', async (t, s) => {
    await t.throwsAsync(
      s.knex.transaction(async (tx) => {
        await s.audit.write(entry('one', 0), tx);
        throw new Error('not so');
      }),
    );
    await s.audit.seal();
    t.is((await verifyAudit(s.knex, KEY)).rows, 0);
  });

  stage('the application can neither change nor remove a row', async (t, s) => {
    await filled(s);
    for (const sql of [`update audit_log set reason = 'x'`, 'delete from audit_log', 'truncate audit_log'])
      await t.throwsAsync(s.knex.raw(sql), { message: /append only/ }, sql);
    t.true((await verifyAudit(s.knex, KEY)).ok);
  });

  stage('a changed row, a removed row, swapped rows and a cut end are found, each with its number', async (t, s) => {
    const chain = await filled(s);
    const head = (await s.knex<ChainRow>('audit_chain').where({ chain }).first()) as ChainRow;
    const { seq: end } = head;
    const original = (await s.knex('audit_log').where({ chain }).orderBy('seq')) as { seq: number; hash: Buffer; prev_hash: Buffer }[];
    const at = (seq: number) => original[seq - 1] as { hash: Buffer; prev_hash: Buffer };
    const first = async () => (await verifyAudit(s.knex, KEY)).faults;
    const restore = async (): Promise<void> => {
      await forge(s.knex, 'truncate audit_log, audit_chain, audit_inbox', []);
      await filled(s);
      t.deepEqual(await first(), []);
    };

    await forge(s.knex, `update audit_log set meta = meta || '{"i": 99}' where chain = ? and seq = 4`, [chain]);
    t.deepEqual(await first(), [{ chain, seq: 4, what: 'was changed' }]);
    await restore();
    await forge(s.knex, `update audit_log set at = at + interval '1 millisecond' where chain = ? and seq = ?`, [chain, end]);
    t.deepEqual(await first(), [{ chain, seq: end, what: 'was changed' }]);
    await restore();
    await forge(s.knex, 'delete from audit_log where chain = ? and seq = 5', [chain]);
    t.deepEqual(await first(), [{ chain, seq: 5, what: 'is missing; the next row is 6' }]);
    await restore();
    await forge(s.knex, 'update audit_log set seq = case seq when 2 then -3 else -2 end where chain = ? and seq in (2, 3)', [chain]);
    await forge(s.knex, 'update audit_log set seq = -seq where chain = ? and seq < 0', [chain]);
    t.deepEqual(await first(), [{ chain, seq: 2, what: 'does not follow the row before it' }]);
    await restore();
    await forge(s.knex, 'delete from audit_log where chain = ? and seq = ?', [chain, end]);
    t.deepEqual(await first(), [{ chain, seq: end, what: `is missing; the chain had ${end} rows` }]);

    // Who cuts the end and writes a head that fits lacks the key.
    const cut = { ...headOf(head), seq: end - 1, hash: at(end - 1).hash };
    await s
      .knex('audit_chain')
      .where({ chain })
      .update({ seq: cut.seq, hash: cut.hash, signature: signatureOf('a guess', cut) });
    t.deepEqual(await first(), [{ chain, seq: end - 1, what: 'the head is not signed by this server' }]);
    // Who has kept an old head is found by one that was written down.
    await s
      .knex('audit_chain')
      .where({ chain })
      .update({ signature: signatureOf(KEY, cut) });
    t.deepEqual(await first(), []);
    const known = [{ chain, seq: end, hash: at(end).hash.toString('hex') }];
    t.deepEqual((await verifyAudit(s.knex, KEY, known)).faults, [{ chain, seq: end, what: 'is not the row that was expected' }]);
    await restore();
    await s.knex('audit_chain').where({ chain }).delete();
    t.deepEqual(await first(), [{ chain, seq: 1, what: 'the head of the chain is missing' }]);
  });

  stage('a chain that was written anew from a changed row on does not fit its signed head', async (t, s) => {
    const chain = await filled(s);
    const rows = (await s.audit.list({ limit: 50 })).filter((r) => r.chain === chain).toSorted((a, b) => a.seq - b.seq);
    let prev: Buffer = ZERO;
    for (const { chain: _, seq, hash: __, ...record } of rows) {
      const hash = hashOf(prev, chain, seq, { ...record, reason: 'invented' });
      await forge(s.knex, `update audit_log set reason = 'invented', prev_hash = ?, hash = ? where chain = ? and seq = ?`, [
        prev,
        hash,
        chain,
        seq,
      ]);
      prev = hash;
    }
    t.deepEqual((await verifyAudit(s.knex, KEY)).faults, [{ chain, seq: rows.length, what: 'is not the row that was sealed last' }]);
  });

  stage('entries that nobody seals are named after ten seconds', async (t, s) => {
    await s.audit.write(entry('one', 0));
    t.is((await verifyAudit(s.knex, KEY)).waiting, 0);
    await s.knex.raw(`update audit_inbox set arrived_at = arrived_at - interval '11 s'`);
    t.like(await verifyAudit(s.knex, KEY), { ok: false, waiting: 1, faults: [] });
  });

  stage('old rows leave from the beginning of their chains, which stay valid', async (t, s) => {
    const chain = await filled(s);
    // What arrived behind something newer stays with it.
    const removed = await prune(s.knex, KEY, NOW + 5 * DAY, NOW);
    t.true(removed >= 5 && removed <= 10);
    t.like(await verifyAudit(s.knex, KEY), { ok: true, rows: 19 - removed, faults: [] });
    await s.audit.write(entry('one', 20));
    await s.audit.seal();
    t.is(await prune(s.knex, KEY, NOW + 100 * DAY, NOW), 20 - removed);
    await s.audit.write(entry('one', 101));
    await s.audit.seal();
    t.like(await verifyAudit(s.knex, KEY), { ok: true, rows: 1 });
    await s.knex('audit_chain').where({ chain }).update({ floor_seq: 1 });
    t.false((await verifyAudit(s.knex, KEY)).ok);
  });

  stage('several nodes seal what several writers write, and no entry is lost or sealed twice', async (t, s) => {
    const nodes = [auditOf(s.knex), auditOf(s.knex), auditOf(s.knex)];
    const writers = Array.from({ length: 6 }, async (_, w) => {
      for (let i = 0; i < 40; i += 1) {
        await s.audit.write({ ...entry(`thing-${i % 5}`, i), actorId: `writer-${w}` });
        if (i % 7 === 0) await nodes[w % 3]?.seal();
      }
    });
    await Promise.all(writers);
    await Promise.all(nodes.map((node) => node.seal()));
    while ((await sealPage(s.knex, KEY, NOW)) > 0);
    t.like(await verifyAudit(s.knex, KEY), { ok: true, rows: 240 });
    const rows = (await s.knex('audit_log').select('actor_id', s.knex.raw(`meta->>'i' as i`)).orderBy('seq')) as {
      actor_id: string;
      i: string;
    }[];
    t.is(new Set(rows.map((r) => `${r.actor_id} ${r.i}`)).size, 240);
  });

  stage('acts of operators, receipts of webhooks, logins and roles come into the log with their own rows', async (t, { knex, audit }) => {
    const id = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;
    await knex('thrum_admin_audit').insert({
      audit_id: id(1),
      admin: 'eve',
      action: 'pause',
      actor_id: id(2),
      reason: 'why',
      detail: '{"x":1}',
    });
    await knex('thrum_admin_audit').insert({ admin: 'eve', action: 'pause.scope', detail: '{"scope":"all"}' });
    const receipt = { provider: 'acme', received_at: new Date(NOW), verdict: 'accepted', http_status: 200, body_bytes: 3 };
    await knex('webhook_receipts').insert({ ...receipt, id: id(3), event_id: 'e1' });
    await knex('webhook_receipts').insert({ ...receipt, id: id(4), verdict: 'rejected_signature', http_status: 401 });
    await knex('users').insert({ id: id(5), email: 'a@b.c', display_name: 'A', time_zone: 'UTC', created_at: new Date(NOW) });
    await knex('user_roles').insert({ user_id: id(5), role: 'staff', granted_at: new Date(NOW) });
    const session = {
      user_id: id(5),
      created_at: new Date(NOW),
      rotated_at: new Date(NOW),
      expires_at: new Date(NOW),
      max_at: new Date(NOW),
    };
    await knex('sessions').insert({ ...session, id: id(6), refresh_hash: Buffer.from('1') });
    await knex('sessions').insert({ ...session, id: id(7), refresh_hash: Buffer.from('2') });
    await knex('sessions')
      .where({ id: id(6) })
      .update({ rotated_at: new Date(NOW + 1) });
    await knex('sessions')
      .where({ id: id(6) })
      .update({ revoked_at: new Date(NOW + 2), revoke_reason: 'logout' });
    await knex('sessions')
      .where({ id: id(7) })
      .update({ revoked_at: new Date(NOW + 3), revoke_reason: 'refresh_reused' });
    await knex('user_roles').delete();
    await audit.seal();
    const told = (await audit.list({ limit: 50 })).map((e) => `${e.actorType} ${e.action} ${e.targetType}:${e.targetId} ${e.outcome}`);
    t.deepEqual(
      told.toSorted(),
      [
        `admin pause actor:${id(2)} ok`,
        'admin pause.scope kernel:all ok',
        'system webhook.accepted webhook:acme:e1 ok',
        `system webhook.rejected_signature webhook:acme:${id(4)} refused`,
        `system privilege.granted user:${id(5)} ok`,
        `system privilege.revoked user:${id(5)} ok`,
        `user auth.login user:${id(5)} ok`,
        `user auth.login user:${id(5)} ok`,
        `user auth.session_revoked user:${id(5)} ok`,
        `user auth.refresh_reused user:${id(5)} ok`,
      ].toSorted(),
    );
    t.true((await audit.verify()).ok);
    t.true((await audit.list({ target: `webhook:acme:e1`, limit: 1 }))[0]?.chain.startsWith('w'));
    const subject = (await knex('audit_log').where({ subject_user_id: id(5) })) as unknown[];
    t.is(subject.length, 6);
  });
}
