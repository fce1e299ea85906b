/** What nodes of a cluster ask of the journal store: rows of their slots, and refusals that stay. */
import test from 'ava';
import { actor, byText, event, openStores, outcome, plan, slot, tell } from '../support/store-cases.ts';
import type { More } from '../support/store-cases.ts';

const { each } = await openStores(test);

const idem = 'cd'.repeat(16);
const refused = { idem, at: 5_000, type: 'x.credit', error: { code: 'FROZEN', details: { id: 't1' } } };
const withKey: More = { journal: { idem } };

each('a refusal takes the key: no event with it is accepted any more, and asking again changes nothing', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1)]));
  t.is(await store.refuse(actor(1), refused), undefined, s.name);
  t.is(await store.refuse(actor(1), refused), undefined);
  t.deepEqual(await outcome(lane, plan([event(1, 2, [], withKey)])), ['duplicate', null, []]);
  t.deepEqual((await store.byIdem(actor(1), idem))?.reply, { $refused: refused.error });
  await lane.commit(plan([event(2, 1, [], withKey)]));
  await lane.commit(plan([event(1, 2)]));
  t.deepEqual(
    (await store.history(actor(1), { limit: 9 })).map(({ seq }) => seq),
    [2, 1],
    'it is no part of the history',
  );
  const one = (await store.load([actor(1)])).get(actor(1));
  t.deepEqual([one?.tail.map(({ seq }) => seq), one?.lastAt], [[1, 2], 1_002]);
  t.deepEqual(byText(await store.recent(4_000)), []);
});

each('an event that was accepted cannot be refused any more', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1, [], withKey)]));
  t.is((await store.refuse(actor(1), refused))?.seq, 1, s.name);
  t.is((await store.byIdem(actor(1), idem))?.type, 'x.done');
});

each('an actor without history can refuse, and is born all the same later', async (t, s, store, lane) => {
  t.is(await store.refuse(actor(3), refused), undefined, s.name);
  t.is((await store.load([actor(3)])).size, 0);
  t.deepEqual(await outcome(lane, plan([event(3, 1, [], withKey)])), ['duplicate', null, []]);
  await lane.commit(plan([event(3, 1)]));
  t.deepEqual(
    (await store.load([actor(3)])).get(actor(3))?.tail.map(({ seq }) => seq),
    [1],
  );
});

each('timers, messages and recent actors are found by slot, messages also by actor', async (t, s, store, lane) => {
  const set = (n: number) => ({ actorId: actor(n), timerId: 'a', set: { slot: slot(n), due: 10 + n, armedSeq: 1, type: 'x' } });
  await lane.commit(plan([1, 2, 3].map((n) => event(n, 1, [], { timers: [set(n)], outbox: [tell(n, 1, 1), tell(n, 1, 2)] }))));
  const [one, two, three] = [slot(1), slot(2), slot(3)];
  t.is(new Set([one, two, three]).size, 3, s.name);
  const timers = async (slots?: number[]) => (await store.timersDue(100, 10, undefined, slots)).map((r) => r.actorId);
  t.deepEqual(await timers(), [actor(1), actor(2), actor(3)]);
  t.deepEqual(await timers([three, one]), [actor(1), actor(3)]);
  t.deepEqual(await timers([]), []);
  const due = await store.outboxDue(100, 3, undefined, [one, three]);
  t.deepEqual(
    due.map((r) => [r.actorId, r.n]),
    [
      [actor(1), 1],
      [actor(1), 2],
      [actor(3), 1],
    ],
  );
  t.deepEqual(
    (await store.outboxDue(100, 3, due[2], [one, three])).map((r) => [r.actorId, r.n]),
    [[actor(3), 2]],
  );
  const own = await store.outboxOf([actor(2), actor(1), actor(9)]);
  t.deepEqual(
    own.map((r) => [r.kind, r.id, r.seq, r.n, r.op]),
    [1, 2].flatMap((n) => [1, 2].map((k) => ['room', `r${n}`, 1, k, 'tell'])),
  );
  t.deepEqual(byText(await store.recent(0, [two])), byText([{ actorId: actor(2), seq: 1 }]));
  t.deepEqual([...(await store.refs([actor(2), actor(9)]))], [[actor(2), 'room:r2']]);
});

each(
  'timers that were left behind are taken by one of those who ask, and by another when the first has not fired them in time',
  async (t, s, store, lane) => {
    const set = (n: number, due: number) => ({ actorId: actor(n), timerId: 'a', set: { slot: slot(n), due, armedSeq: 1, type: 'x' } });
    await lane.commit(plan([1, 2, 3, 4].map((n) => event(n, 1, [], { timers: [set(n, n === 4 ? 200 : 10 + n)] }))));
    const [one, two, three] = await Promise.all([0, 1, 2].map((i) => store.takeTimers(100, 130 + i, 2)));
    const taken = [...one!, ...two!, ...three!];
    t.deepEqual(
      byText(taken.map(({ actorId, due }) => ({ actorId, due }))),
      byText([1, 2, 3].map((n) => ({ actorId: actor(n), due: 10 + n }))),
      s.name,
    );
    t.deepEqual(
      taken.find((row) => row.actorId === actor(1)),
      {
        actorId: actor(1),
        kind: 'room',
        id: 'r1',
        timerId: 'a',
        due: 11,
        armedSeq: 1,
        type: 'x',
      },
    );
    t.deepEqual(await store.takeTimers(130, 160, 9), []);
    t.deepEqual(
      (await store.timersDue(100, 9)).map(({ due }) => due),
      [11, 12, 13],
      'their deadlines stand',
    );
    await lane.commit(plan([event(2, 2, [], { timers: [{ actorId: actor(2), timerId: 'a' }] })]));
    await lane.commit(plan([event(3, 2, [], { timers: [set(3, 140)] })]));
    t.deepEqual(
      (await store.takeTimers(135, 165, 9)).map(({ actorId }) => actorId),
      [actor(1)],
    );
    t.deepEqual(
      (await store.takeTimers(170, 200, 9)).map(({ actorId }) => actorId),
      [actor(1), actor(3)],
      'armed anew, it can be left behind anew',
    );
  },
);

each(
  'effects that were left behind are taken one by one, messages with all of their sender, by one of those who ask',
  async (t, s, store, lane) => {
    const work = (n: number, seq: number, k: number, nextAt: number) => ({
      ...tell(n, seq, k, '{}', nextAt),
      op: 'effect' as const,
      target: 'call',
    });
    await lane.commit(
      plan([
        event(1, 1, [], { outbox: [tell(1, 1, 1), tell(1, 1, 2), work(1, 1, 3, 5)] }),
        event(2, 1, [], { outbox: [work(2, 1, 1, 6), work(2, 1, 2, 90), tell(2, 1, 3, '{}', 90)] }),
        event(3, 1, [], { outbox: [tell(3, 1, 1, '{}', 7)] }),
      ]),
    );
    await lane.commit(
      plan([event(1, 2, [], { outbox: [tell(1, 2, 1, '{}', 90)] }), event(2, 2, [], { outbox: [tell(2, 2, 1, '{}', 7)] })]),
    );
    const names = (rows: readonly { actorId: string; seq: number; n: number }[]) => rows.map((r) => `${r.actorId[0]} ${r.seq}.${r.n}`);
    const first = await store.takeOutbox(50, 70, 1);
    t.deepEqual(names(first), ['1 1.1', '1 1.2', '1 1.3', '1 2.1'], `${s.name}: a message that is not due goes with those before it`);
    t.deepEqual(
      { ...first[2], payload: JSON.parse(first[2]!.payload) },
      {
        ...work(1, 1, 3, 70),
        payload: {},
        attempts: 0,
        kind: 'room',
        id: 'r1',
      },
    );
    const others = await Promise.all([0, 1, 2].map(() => store.takeOutbox(50, 70, 9)));
    t.deepEqual(others.flatMap(names).toSorted(), ['2 1.1', '3 1.1'], 'a message behind one that is not due waits for it');
    t.deepEqual(names(await store.takeOutbox(70, 99, 9)), []);
    await lane.commit(plan([event(1, 3, [], { outboxDone: [{ actorId: actor(1), seq: 1, n: 1 }] })]));
    await store.hold(
      [
        { actorId: actor(2), seq: 1, n: 1 },
        { actorId: actor(9), seq: 1, n: 1 },
      ],
      80,
    );
    t.deepEqual(names(await store.takeOutbox(75, 110, 9)), ['1 1.2', '1 1.3', '1 2.1', '3 1.1'], 'whoever took them has not been heard of');
    t.deepEqual(names(await store.takeOutbox(85, 110, 9)), ['2 1.1'], 'kept by the one who works on it, as long as that moves it');
    t.deepEqual(
      (await store.outboxDue(200, 9)).map(({ nextAt }) => nextAt),
      [110, 110, 110, 110, 90, 90, 7, 110],
    );
  },
);

each('a message becomes a dead letter once', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1, [], { outbox: [tell(1, 1, 1)] })]));
  const letter = { actorId: actor(1), kind: 'room', id: 'r1', source: 'tell', event: null, error: null, attempts: 1 };
  const row = { actorId: actor(1), seq: 1, n: 1 };
  await store.bury(letter, row);
  await store.bury(letter, row);
  t.is((await store.admin.deadLetters({ open: true, limit: 9 })).length, 1, s.name);
  t.deepEqual(await store.outboxOf([actor(1)]), []);
});
