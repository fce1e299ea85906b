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
  const one = (await store.load([actor(1)], 0)).get(actor(1));
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
  t.is((await store.load([actor(3)], 0)).size, 0);
  t.deepEqual(await outcome(lane, plan([event(3, 1, [], withKey)])), ['duplicate', null, []]);
  await lane.commit(plan([event(3, 1)]));
  t.deepEqual(
    (await store.load([actor(3)], 0)).get(actor(3))?.tail.map(({ seq }) => seq),
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

each('a message becomes a dead letter once', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1, [], { outbox: [tell(1, 1, 1)] })]));
  const letter = { actorId: actor(1), kind: 'room', id: 'r1', source: 'tell', event: null, error: null, attempts: 1 };
  const row = { actorId: actor(1), seq: 1, n: 1 };
  await store.bury(letter, row);
  await store.bury(letter, row);
  t.is((await store.admin.deadLetters({ open: true, limit: 9 })).length, 1, s.name);
  t.deepEqual(await store.outboxOf([actor(1)]), []);
});
