import test from 'ava';
import { registryOf } from '../../actors/companion.ts';
import { companion } from '../../actors/define.ts';
import { marksOf } from '../../actors/keys.ts';
import { createPgStore } from '../../actors/store/pg.ts';
import type { PgSource } from '../../actors/store/pg-lane.ts';
import { StoreError } from '../../actors/store/store.ts';
import type { Json } from '../../actors/types.ts';
import { actor, byText, claimed, event, hold, openStores, outcome, plan, release, slot, tell } from '../support/store-cases.ts';
import type { Change, More } from '../support/store-cases.ts';
import { registry } from '../support/stores.ts';

const { stores, embedded, each } = await openStores(test);

// --------------------------------------------------------------------------------------------------------------- the journal

each('what was committed is loaded: tail, ring, time of the tail; actors without history are absent', async (t, s, store, lane) => {
  const idem = (n: number): string => String(n).padEnd(32, '0');
  await lane.commit(
    plan([
      event(1, 1, [], { journal: { idem: idem(1), reply: '{"until":5}', meta: '{"chk":77}' } }),
      event(1, 2),
      event(1, 3, [], { journal: { idem: idem(3) } }),
      event(2, 1),
    ]),
  );
  const loaded = await store.load([actor(1), actor(2), actor(3)]);
  t.deepEqual([...loaded.keys()].toSorted(), [actor(1), actor(2)], s.name);
  const one = loaded.get(actor(1));
  t.is(one?.status, 'active');
  t.is(one?.snapshot, undefined);
  t.deepEqual(
    one?.tail.map(({ seq, at, patch, mver }) => ({ seq, at, patch, mver })),
    [1, 2, 3].map((seq) => ({ seq, at: 1_000 + seq, patch: { c: { set: [['n', seq]] } }, mver: 1 })),
  );
  t.is(one?.lastAt, 1_003);
  t.is(one?.keys, marksOf('', [idem(1), idem(3)]), 'oldest first');
  t.deepEqual(await store.byIdem(actor(1), idem(1)), { idem: idem(1), seq: 1, type: 'x.done', reply: { until: 5 }, chk: 77 });
  t.is(await store.byIdem(actor(2), idem(1)), undefined);
});

each('a row that exists is a fence for the whole batch, and the commit id tells whose it is', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1)], '4611686018427387905'));
  t.deepEqual(await outcome(lane, plan([event(2, 1), event(1, 1)])), ['fence', null, []], s.name);
  t.is((await store.load([actor(2)])).size, 0);
  t.is(await store.cidAt(actor(1), 1), '4611686018427387905');
  t.is(await store.cidAt(actor(1), 2), undefined);
  t.deepEqual(await store.tails([actor(1), actor(2)]), new Map([[actor(1), 1]]));
});

each('a key that exists is a duplicate, even of an event older than any ring', async (t, s, _store, lane) => {
  const journal = { idem: 'ab'.repeat(16) };
  await lane.commit(plan([event(1, 1, [], { journal })]));
  await lane.commit(plan([event(2, 1, [], { journal })]));
  t.deepEqual(await outcome(lane, plan([event(1, 2, [], { journal })])), ['duplicate', null, []], s.name);
});

each('hostile payloads are stored unchanged (K37)', async (t, s, store, lane) => {
  const payload = {
    quotes: `'"''\\'"$1 ; drop table x; --`,
    slash: '\\u0000 \\\\ \\n',
    four: '😀𝒳',
    control: '\u0001\n\t\u2028',
    empty: '',
    'ke"y\'': [null, true, -0.5e-7],
  };
  const text = JSON.stringify(payload);
  const row = { note_id: 1, body: payload as Json, at: 1_790_000_000_123, raw: '00ff27', ok: true };
  const rows: More = {
    journal: { event: text, reply: text, type: `a'b"c\\` },
    outbox: [tell(1, 1, 1, text)],
  };
  await lane.commit(
    plan([
      event(
        1,
        1,
        [
          ['notes', 'insert', row],
          ['names', 'insert', { name: `O'Neil "\\" 😀` }],
        ],
        rows,
      ),
    ]),
  );
  const [stored] = await store.history(actor(1), { limit: 1 });
  t.deepEqual(stored?.event, payload, s.name);
  t.deepEqual(stored?.reply, payload);
  t.is(stored?.type, `a'b"c\\`);
  t.deepEqual(byText(await s.rows('test_notes')), byText([{ ...row, ref: null, actor_id: actor(1), seq: 1 }]));
  t.deepEqual(await s.rows('test_names').then((r) => r.map((x) => (x as { name: string }).name)), [`O'Neil "\\" 😀`]);
  const [due] = await store.outboxDue(10, 5);
  t.deepEqual(JSON.parse(due!.payload), payload);
});

each('U+0000 and half a surrogate pair cannot be stored: a bad row, nothing applied (K37)', async (t, s, store, lane) => {
  for (const event_ of ['{"a":"\\u0000"}', '{"a":"\\ud800"}']) {
    t.deepEqual(await outcome(lane, plan([event(2, 1), event(1, 1, [], { journal: { event: event_ } })])), ['bad-row', null, []], s.name);
  }
  t.is((await store.load([actor(1), actor(2)])).size, 0);
});

each('a batch of 300 actors with one conflict fails as a whole, and commits without that actor (K6)', async (t, s, store, lane) => {
  await lane.commit(plan([event(7, 1)]));
  const events = Array.from({ length: 300 }, (_, i) => event(i, 1));
  t.deepEqual(await outcome(lane, plan(events)), ['fence', null, []], s.name);
  t.deepEqual(await outcome(lane, plan([events[7]!])), ['fence', null, []]);
  t.is(await outcome(lane, plan(events.toSpliced(7, 1))), 'ok');
  t.is((await store.recent(0)).length, 300);
});

// ---------------------------------------------------------------------------------------------------------- companion tables

each(
  'hold, release and hold of one place in one batch: one statement, net rows, the last claim active (K40)',
  async (t, s, _store, lane) => {
    await lane.commit(plan([event(1, 1, [hold(1, 5)]), event(1, 2, [release(1)]), event(1, 3, [hold(2, 5)])]));
    t.deepEqual(
      await claimed(s),
      [
        [1, 5, 'released', 2],
        [2, 5, 'held', 3],
      ],
      s.name,
    );
  },
);

each('a place that one row gives up is free for another row of the same statement', async (t, s, _store, lane) => {
  await lane.commit(plan([event(1, 1, [hold(1, 5), hold(2, 6)])]));
  await lane.commit(plan([event(1, 2, [release(1), hold(3, 5)]), event(1, 3, [['claims', 'delete', { claim_id: 2 }], hold(4, 6)])]));
  t.deepEqual(
    await claimed(s),
    [
      [1, 5, 'released', 2],
      [3, 5, 'held', 2],
      [4, 6, 'held', 3],
    ],
    s.name,
  );
});

each('a place that a later row gives up is free too, whatever the database looks at first', async (t, s, _store, lane) => {
  await lane.commit(plan([event(1, 1, [hold(1, 5)]), event(2, 1, [hold(2, 6)])]));
  await lane.commit(plan([event(3, 1, [hold(7, 8)]), event(1, 2, [release(1)]), event(1, 3, [hold(3, 5)])]));
  const all = await claimed(s);
  t.deepEqual(
    all.map(([claim, place, state]) => [claim, place, state]),
    [
      [1, 5, 'released'],
      [2, 6, 'held'],
      [3, 5, 'held'],
      [7, 8, 'held'],
    ],
    s.name,
  );
});

each('a claim inserted and released in one batch is one released row; inserted and deleted none (K41)', async (t, s, _store, lane) => {
  await lane.commit(plan([event(1, 1, [hold(1, 5), hold(2, 6)]), event(1, 2, [release(1), ['claims', 'delete', { claim_id: 2 }]])]));
  t.deepEqual(await claimed(s), [[1, 5, 'released', 2]], s.name);
});

each(
  'of a batch of 300 actors two are refused: one error names both, the others commit in the next statement (K43)',
  async (t, s, store, lane) => {
    await lane.commit(plan([event(900, 1, [hold(1_000, 17), hold(1_001, 205)])]));
    const events = Array.from({ length: 300 }, (_, i) => event(i, 1, [['events', 'insert', { event_id: i }], hold(i, i)]));
    t.deepEqual(
      await outcome(lane, plan(events)),
      [
        'refused',
        'room/claims',
        [
          [actor(205), 1, 2],
          [actor(17), 1, 2],
        ],
      ],
      s.name,
    );
    t.deepEqual(await s.rows('test_events'), []);
    t.is(await outcome(lane, plan(events.filter((_, i) => i !== 17 && i !== 205))), 'ok');
    t.is((await s.rows('test_events')).length, 298);
    t.is((await store.recent(0)).length, 299);
  },
);

each('a batch in doubt that had been applied meets the fence when it is sent again, never a refusal (K42)', async (t, s, _store, lane) => {
  const note = { note_id: 1, body: null, at: 5, raw: '', ok: false };
  const total = { day: '2026-01-31', minutes: 5, share: 0.5, label: 'a' };
  await lane.commit(plan([event(1, 1, [hold(1, 5)])]));
  const rows: Change[] = [
    ['notes', 'insert', note],
    ['events', 'insert', { event_id: 1 }],
    ['totals', 'put', total],
    ['names', 'insert', { name: 'n' }],
    release(1),
    hold(2, 6),
  ];
  const set = { slot: slot(1), due: 5, armedSeq: 2, type: 'after' };
  const mixed = plan([event(1, 2, rows, { timers: [{ actorId: actor(1), timerId: 'a', set }], outbox: [tell(1, 2, 7)] }), event(2, 1)]);
  const alone = rows.map(([into, op, row], i) => {
    const other = into === 'claims' && op === 'insert' ? { ...row, claim_id: 9, place: 9 } : row;
    return plan([
      event(10 + i, 1, [[into, op, into === 'names' ? { name: 'm' } : into === 'totals' ? { ...row, day: '2026-02-01' } : other]]),
    ]);
  });
  for (const batch of [mixed, ...alone]) {
    t.is(await outcome(lane, batch), 'ok', s.name);
    t.deepEqual(await outcome(lane, batch), ['fence', null, []], s.name);
  }
  t.deepEqual(
    (await s.rows('test_totals')).map((r) => (r as { minutes: number }).minutes),
    [5, 5],
  );
});

each('a row that a trigger skips is refused like any other (K49)', async (t, s, _store, lane) => {
  const note = (note_id: number): Change => ['notes', 'insert', { note_id, body: 1, at: 5, raw: '', ok: true }];
  t.deepEqual(
    await outcome(lane, plan([event(1, 1, [note(12)]), event(1, 2, [note(14), note(13)])])),
    ['refused', 'room/notes', [[actor(1), 2, 2]]],
    s.name,
  );
});

each('keys of another actor: updates and puts are refused, deletes touch nothing', async (t, s, _store, lane) => {
  const put: Change = ['totals', 'put', { day: '2026-01-01', minutes: 5, share: 1, label: 'a' }];
  await lane.commit(plan([event(1, 1, [['names', 'insert', { name: 'a' }], put])]));
  t.deepEqual(
    await outcome(lane, plan([event(2, 1, [['names', 'update', { name: 'a', note: 'x' }]])])),
    ['refused', 'room/names', [[actor(2), 1, 1]]],
    s.name,
  );
  t.deepEqual(await outcome(lane, plan([event(2, 1, [put])])), ['refused', 'room/totals', [[actor(2), 1, 1]]]);
  t.is(
    await outcome(
      lane,
      plan([
        event(2, 1, [
          ['names', 'delete', { name: 'a' }],
          ['totals', 'delete', { day: '2026-01-01' }],
        ]),
      ]),
    ),
    'ok',
  );
  t.is((await s.rows('test_names')).length + (await s.rows('test_totals')).length, 2);
});

each(
  'a rule of an upsert table other than its key is a fault of the companion, without a name of the actor',
  async (t, s, _store, lane) => {
    const put = (day: string): Change => ['totals', 'put', { day, minutes: 5, share: 1, label: 'a', code: 4 }];
    await lane.commit(plan([event(1, 1, [put('2026-01-01')])]));
    t.deepEqual(await outcome(lane, plan([event(2, 1, [put('2026-01-02')])])), ['companion', 'room/totals', []], s.name);
  },
);

each('jobs with one dedupe key are one job while it is unfinished', async (t, s, _store, lane) => {
  const job = (n: number): Change => [
    'jobs',
    'insert',
    { job_id: actor(n), queue: 'email', kind: 'send', dedupe_key: 'k', payload: { n }, max_attempts: 8, run_at: 1_790_000_000_123 },
  ];
  await lane.commit(plan([event(1, 1, [job(1)])]));
  t.is(await outcome(lane, plan([event(1, 2, [job(1)])])), 'ok', s.name);
  if (!s.database) return;
  await lane.commit(plan([event(1, 3, [job(2)])]));
  const [stored] = await s.rows('jobs');
  t.like(stored, { job_id: actor(1), status: 'waiting', run_at: 1_790_000_000_123, payload: { n: 1 } });
  t.is((await s.rows('jobs')).length, 1);
  await s.database.knex('jobs').update({ status: 'done' });
  await lane.commit(plan([event(1, 4, [job(2)])]));
  t.is((await s.rows('jobs')).length, 2);
});

test.serial('two lanes that insert the same 50 keys in opposite order never meet a deadlock (K48)', async (t) => {
  const [s] = stores.filter(({ name }) => name === 'Postgres');
  if (!s) {
    t.pass('needs a server with several sessions');
    return;
  }
  const store = await s.fresh();
  const lanes = await Promise.all([store.openLane(0), store.openLane(1)]);
  const keys = Array.from({ length: 50 }, (_, i) => i);
  for (let round = 0; round < 1_000; round++) {
    const rows = (order: number[]): Change[] => order.map((i) => hold(round * 50 + i, round * 50 + i));
    const outcomes = await Promise.all([
      outcome(lanes[0], plan([event(2 * round, 1, rows(keys))])),
      outcome(lanes[1], plan([event(2 * round + 1, 1, rows(keys.toReversed()))])),
    ]);
    const failures = outcomes.filter((o) => o !== 'ok') as [string][];
    if (failures.length !== 1 || failures[0]![0] !== 'refused') t.fail(`round ${round}: ${JSON.stringify(outcomes)}`);
  }
  t.is((await s.rows('test_claims')).length, 50_000);
  await s.database?.knex.raw('truncate test_claims, thrum_journal, thrum_actor');
  await Promise.all(lanes.map((lane) => lane.close()));
});

test.serial(
  'a connection that breaks during a commit leaves it in doubt; sent again it is there once, under its own commit id (K7, K8)',
  async (t) => {
    for (const s of stores) {
      if (!s.database) continue;
      await s.fresh();
      const clients: { lane: boolean; client: { connection: { stream: { destroy(): void } } } }[] = [];
      const cut = (lane: boolean): void => clients.findLast((c) => c.lane === lane)!.client.connection.stream.destroy();
      const database = s.database;
      const source: PgSource = {
        engine: database.engine,
        durability: database.durability,
        connect: async (o) => {
          const client = await database.connect(o);
          clients.push({ lane: !o.pipeline, client });
          return client;
        },
      };
      const store = createPgStore(source, registry);
      const lane = await store.openLane(0);
      await lane.commit(plan([event(2, 1)]));
      for (let seq = 1; seq <= 20; seq++) {
        const batch = plan([event(1, seq, [['events', 'insert', { event_id: seq }]])]);
        const first = outcome(lane, batch);
        // microtasks only: the statement is sent, the answer cannot have come
        if (seq % 2 === 0) for (let i = 0; i < 20; i++) await Promise.resolve();
        cut(true);
        t.deepEqual(await first, ['in-doubt', null, []], s.name);
        const again = await outcome(lane, batch);
        if (again !== 'ok') t.deepEqual(again, ['fence', null, []], s.name);
        t.is(await store.cidAt(actor(1), seq), batch.cid);
      }
      t.is((await s.rows('test_events')).length, 20);
      cut(false);
      t.is((await store.load([actor(1)])).get(actor(1))?.tail.length, 20, 'reads go on over a new connection');
      await lane.close();
      await store.stop();
    }
  },
);

test.serial('a server that goes away is in doubt for commits and reads alike, and found again when it is back', async (t) => {
  const database = embedded.database!;
  let down = true;
  const source: PgSource = {
    engine: database.engine,
    durability: database.durability,
    connect: async (o) => {
      if (down) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
      return database.connect(o);
    },
  };
  await embedded.fresh();
  const store = createPgStore(source, registry);
  const lane = await store.openLane(0);
  const batch = plan([event(1, 1)]);
  t.deepEqual(await outcome(lane, batch), ['in-doubt', null, []]);
  await t.throwsAsync(store.dataId(), { instanceOf: StoreError });
  down = false;
  t.is(await outcome(lane, batch), 'ok');
  t.regex(await store.dataId(), /^[0-9a-f]{32}$/);
  await lane.close();
  await store.stop();
});

test.serial('a declaration that differs from its table stops the start with the whole list (K50)', async (t) => {
  for (const s of stores) {
    if (!s.database) continue;
    const wrong = {
      gone: companion({ table: 'test_gone', key: ['id'], mode: 'append', columns: { id: 'int' } }),
      claims: companion({
        table: 'test_claims',
        key: ['place'],
        mode: 'guarded',
        columns: { claim_id: 'bigint', place: 'int', state: 'text?', extra: 'text' },
        stamp: { seq: 'actor_seq' },
      }),
    };
    const store = createPgStore(s.database, registryOf([{ kind: 'room', companions: wrong }]));
    const error = await t.throwsAsync(store.start(), { name: 'CompanionMismatch', code: 'COMPANION_MISMATCH' });
    t.deepEqual((error as unknown as { faults: string[] }).faults, [
      'room/gone: there is no table test_gone',
      'room/claims: test_claims.claim_id is integer, declared bigint',
      'room/claims: test_claims.state may not be null, declared text?',
      'room/claims: test_claims.extra does not exist',
      'room/claims: test_claims has no unique index on (place)',
    ]);
    await store.stop();
  }
});

each(
  'what is kept beside the journal holds no other text and times than the journal does: else it is a bad row',
  async (t, s, store, lane) => {
    const odd = 'a\0b\ud83d';
    const id = { actorId: actor(1), seq: 1, n: 1 };
    const letter = { actorId: actor(1), kind: 'room', id: '1', source: 'message', event: {}, error: {}, attempts: 1 };
    await lane.commit(plan([event(1, 1, [], { outbox: [tell(1, 1, 1)] })]));
    for (const refused of [
      store.postpone([{ ...id, attempts: 2, nextAt: 50, error: odd }]),
      store.postpone([{ ...id, attempts: 2, nextAt: 50.5, error: 'x' }]),
      store.bury({ ...letter, event: { odd } }, id),
      store.bury({ ...letter, error: { odd } }, id),
      store.refuse(actor(1), { idem: 'cd'.repeat(16), at: 5, type: 'x', error: { code: 'NO', detail: odd } }),
    ])
      t.is((await t.throwsAsync(refused, { instanceOf: StoreError })).failure, 'bad-row', s.name);
    t.like((await store.outboxDue(1_000, 5))[0], { attempts: 0, nextAt: 5 });
    t.is(await store.byIdem(actor(1), 'cd'.repeat(16)), undefined);
  },
);
