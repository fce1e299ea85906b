/** A planned move takes the actors in memory along (kernel specification 10.6, step 3). What arrives is a hint: every case here ends with the right answer. */
import test from 'ava';
import { Registry } from 'prom-client';
import { Arrivals, Parcels } from '../../actors/arrivals.ts';
import type { Frame, HandedActor } from '../../actors/bus/bus.ts';
import { FROZEN_FORMAT } from '../../actors/frozen.ts';
import { actorIdOf } from '../../actors/ids.ts';
import { createMetrics } from '../../actors/metrics.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import type { Reply } from '../../actors/types.ts';
import { FakeClock, settle } from '../support/clock.ts';
import { answered, testCluster } from '../support/cluster.ts';
import type { NodeOptions, TestCluster, TestClusterOptions, TestNode } from '../support/cluster.ts';
import { as, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 1 }) } };
const ACTORS = 12;

const add = (node: TestNode, ref: string, key?: string): Promise<Reply> =>
  node.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice, key === undefined ? {} : { key }));
const whole = (c: TestCluster, ref: string) => c.store.journal(actorIdOf(ref)).every((r, i) => r.seq === i + 1);

interface Stage {
  readonly c: TestCluster;
  readonly a: TestNode;
  readonly b: TestNode;
  /** actors in the memory of `a` */
  readonly refs: readonly string[];
  /** ids that `b` has brought into memory from the store */
  readonly read: () => ReadonlySet<string>;
  /** Node `a` gives its slots to `b`. */
  readonly move: () => Promise<void>;
}

/** Two nodes; one command each has brought actors into the memory of the first. */
async function stage(
  o: { drop?: TestClusterOptions['drop']; first?: NodeOptions; second?: NodeOptions; nodes?: number } = {},
): Promise<Stage> {
  let pages: (readonly string[])[] = [];
  const c = await testCluster({
    kinds: [counter],
    effects,
    nodes: 1,
    ...(o.first === undefined ? {} : { node: o.first }),
    ...(o.drop === undefined ? {} : { drop: o.drop }),
  });
  const second: NodeOptions = {
    view: (store) => ({
      ...store,
      load: (ids) => {
        pages.push(ids);
        return store.load(ids);
      },
      // what the projections read does not bring an actor into memory; they ask for its name too
      refs: (ids) => {
        pages = pages.filter((page) => page !== ids);
        return store.refs(ids);
      },
    }),
    ...o.second,
  };
  await c.add(second);
  for (let n = 2; n < (o.nodes ?? 2); n += 1) await c.add();
  await c.clock.advance(30_000);
  const [a, b] = c.nodes as [TestNode, TestNode];
  const refs = Array.from({ length: ACTORS }, (_, n) => c.refOf(a, 'counter', n));
  await answered(c, Promise.all(refs.map((ref) => add(a, ref, `first ${ref}`))));
  pages = [];
  const read = (): ReadonlySet<string> => new Set(pages.flat());
  const move = async (): Promise<void> => {
    await answered(c, a.system.handOver(10_000));
  };
  return { c, a, b, refs, read, move };
}

test('actors of a slot that moves are warm at the new owner: nothing is read, repeated commands are known, topics stand where they stood', async (t) => {
  const { c, a, b, refs, read, move } = await stage();
  const before = await answered(c, Promise.all(refs.map((ref) => a.system.slice(`${ref}/value`))));
  await move();
  for (const ref of refs) t.is(c.owner(ref), b);
  t.deepEqual(await answered(c, Promise.all(refs.map((ref) => b.system.slice(`${ref}/value`)))), before);
  t.like(await answered(c, add(b, refs[0]!, `first ${refs[0]}`)), { ok: true, seq: 2, dup: true });
  for (const ref of refs) t.like(await answered(c, add(b, ref)), { ok: true, seq: 3, reply: { n: 2 } });
  t.is(read().size, 0);
  t.is(await b.metric('fence_conflicts_total'), 0);
  for (const ref of refs) t.true(whole(c, ref));
});

test('a frame with actors that is lost costs a read of each, nothing else', async (t) => {
  const { c, b, refs, read, move } = await stage({ drop: ({ frame }) => frame.f === 'warm' });
  await move();
  for (const ref of refs) t.like(await answered(c, add(b, ref)), { ok: true, seq: 3, reply: { n: 2 } });
  t.deepEqual([...read()].toSorted(), refs.map(actorIdOf).toSorted());
});

test('a frame with actors that comes after their slots is not used', async (t) => {
  const late: (() => void)[] = [];
  const { c, b, refs, read, move } = await stage({ drop: ({ frame }, land) => frame.f === 'warm' && late.push(land) > 0 });
  await move();
  t.true(late.length > 0);
  for (const land of late) land();
  await c.clock.advance(10);
  for (const ref of refs) t.like(await answered(c, add(b, ref)), { ok: true, seq: 3, reply: { n: 2 } });
  t.is(read().size, ACTORS);
});

test('what came is not used when nobody says from whom the slot has come', async (t) => {
  const { c, b, refs, read, move } = await stage({ drop: ({ frame }) => frame.f === 'given' });
  await move();
  for (const ref of refs) t.like(await answered(c, add(b, ref)), { ok: true, seq: 3, reply: { n: 2 } });
  t.is(read().size, ACTORS);
});

test('an actor that another node has written meanwhile is found out by the fence: it is read anew and the command counts once', async (t) => {
  const { c, b, refs, move } = await stage({ nodes: 3 });
  const n3 = c.nodes[2]!;
  n3.connect(false);
  await c.clock.advance(6_000);
  t.is(await n3.metric('roaming'), 1);
  const mine = refs.filter((ref) => c.owner(ref).id === 'n1');
  for (const ref of mine) t.like(await answered(c, add(n3, ref)), { ok: true, seq: 3 });
  await move();
  for (const ref of mine) t.like(await answered(c, add(b, ref)), { ok: true, seq: 4, reply: { n: 3 } });
  t.is(await b.metric('fence_conflicts_total'), mine.length);
  for (const ref of mine) t.true(whole(c, ref));
});

test('an actor whose messages are under way is read with its outbox rows: what it sends next does not overtake them (G7)', async (t) => {
  let away = true;
  const { c, a, b, refs, read, move } = await stage({ drop: ({ frame }) => away && frame.f === 'tell' });
  const [from, to] = [refs[0]!, c.refOf(b, 'counter')];
  const send = (node: TestNode) => node.system.ask(from, { type: 'counter.send', to, times: 1 }, as(alice));
  t.like(await answered(c, send(a)), { ok: true, seq: 3 });
  await move();
  t.like(await answered(c, send(b)), { ok: true, seq: 4 });
  t.deepEqual([...read()].toSorted(), [from, to].map(actorIdOf).toSorted());
  away = false;
  await c.clock.advance(20_000);
  const taken = c.store.journal(actorIdOf(to)).filter((row) => row.type === 'counter.take');
  t.deepEqual(
    taken.map((row) => (JSON.parse(row.event) as { i: number }).i),
    [0, 1],
  );
});

test('snapshots that the database does not take hold up no slot', async (t) => {
  let asked = 0;
  const { c, a, b, refs, move } = await stage({
    drop: ({ frame }) => frame.f === 'tell',
    first: {
      view: (store) => ({
        ...store,
        saveSnapshots: () => {
          asked += 1;
          return new Promise(() => undefined);
        },
      }),
    },
  });
  // an actor whose messages are under way is not sent as it stands, and one that has published is kept as a snapshot
  const [from, to] = [refs[0]!, c.refOf(b, 'counter')];
  await answered(c, a.system.slice(`${from}/value`));
  t.like(await answered(c, add(a, from)), { ok: true });
  await c.clock.advance(1_000);
  t.like(await answered(c, a.system.ask(from, { type: 'counter.send', to, times: 1 }, as(alice))), { ok: true });
  const began = c.clock.mono();
  await move();
  t.true(asked > 0);
  t.true(c.clock.mono() - began < 5_000);
  t.is(c.owner(from), b);
  t.like(await answered(c, add(b, from)), { ok: true });
});

test('no more actors are taken in than fit into memory', async (t) => {
  const { c, b, refs, read, move } = await stage({ second: { limits: { activations: 4 } } });
  await move();
  t.is(await b.metric('activations'), 4);
  for (const ref of refs) t.like(await answered(c, add(b, ref)), { ok: true, seq: 3, reply: { n: 2 } });
  t.true(read().size >= ACTORS - 4);
});

test('a slot that has been given is served at once, though nobody has heard that the table has changed', async (t) => {
  const { c, b, refs, move } = await stage({ drop: ({ frame }) => frame.f === 'table' });
  const moved = move();
  while (c.owner(refs[0]!) !== b) await settle();
  const asked = c.clock.mono();
  t.like(await answered(c, add(b, refs[0]!)), { ok: true, seq: 3 });
  t.true(c.clock.mono() - asked <= 50);
  await moved;
});

// ------------------------------------------------------------------------------------------------------------ what is waiting

const actor = (slot: number, epoch: number, o: Partial<HandedActor> = {}): HandedActor => ({
  slot,
  epoch,
  ref: `counter:${slot}`,
  mver: counter.version,
  text: `text of ${slot} under ${epoch}`,
  keep: false,
  ...o,
});

function arrivals(room = 1_000_000) {
  const clock = new FakeClock();
  const metrics = createMetrics(new Registry(), {} as never);
  const found = new Arrivals({ clock, metrics, kinds: new Map([['counter', runtimeOf(counter)]]) }, () => room);
  return {
    clock,
    found,
    put: (actors: readonly HandedActor[], from = 'n1', format = FROZEN_FORMAT) => found.put(from, format, actors, (slot) => slot < 8),
  };
}

const texts = (entries: readonly { readonly text: string }[]): string[] => entries.map((e) => e.text);

test('actors are given out once, for just the ownership in which they were written', (t) => {
  const { found, put } = arrivals();
  put([actor(1, 100), actor(2, 100), actor(3, 100), actor(9, 100)]);
  t.deepEqual(found.take('n1', [{ slot: 2, was: 101, epoch: 200 }]), [], 'somebody else has had the slot between');
  t.deepEqual(found.take('n2', [{ slot: 1, was: 100, epoch: 200 }]), [], 'another node has given it');
  t.deepEqual(found.take('n1', [{ slot: 9, was: 100, epoch: 200 }]), [], 'nobody had announced the slot');
  t.deepEqual(texts(found.take('n1', [{ slot: 1, was: 100, epoch: 200 }])), ['text of 1 under 100']);
  t.deepEqual(found.take('n1', [{ slot: 1, was: 100, epoch: 200 }]), []);
});

test('actors of a later ownership take the place of those of an earlier one, and those of an earlier one come too late', (t) => {
  const { found, put } = arrivals();
  put([actor(1, 100)]);
  put([actor(1, 300)], 'n3');
  put([actor(1, 100, { ref: 'counter:other' })]);
  t.deepEqual(texts(found.take('n3', [{ slot: 1, was: 300, epoch: 400 }])), ['text of 1 under 300']);
});

test('actors of another version of the machine, of an unknown kind or in an unknown form are dropped', (t) => {
  const { found, put } = arrivals();
  put([actor(1, 100, { mver: counter.version + 1 }), actor(2, 100, { ref: 'other:2' })]);
  put([actor(3, 100)], 'n1', FROZEN_FORMAT + 1);
  t.deepEqual(
    found.take(
      'n1',
      [1, 2, 3].map((slot) => ({ slot, was: 100, epoch: 200 })),
    ),
    [],
  );
  t.is(found.bytes, 0);
});

test('no more is kept than there is room, and for three seconds at most', async (t) => {
  const { clock, found, put } = arrivals(1_000);
  put([1, 2, 3].map((slot) => actor(slot, 100, { text: 'x'.repeat(400) })));
  t.true(found.bytes > 800 && found.bytes <= 1_000);
  await clock.advance(3_000);
  t.is(found.bytes, 0);
  t.deepEqual(found.take('n1', [{ slot: 1, was: 100, epoch: 200 }]), []);
});

test('a frame has 256 KiB at most, and an actor that exceeds it is not sent', (t) => {
  const sent: (readonly HandedActor[])[] = [];
  const parcels = new Parcels((actors) => sent.push(actors));
  for (let slot = 0; slot < 8; slot += 1) t.true(parcels.add(actor(slot, 1, { text: 'ä'.repeat(40_000) })));
  t.false(parcels.add(actor(8, 1, { text: 'ä'.repeat(130_000) })));
  parcels.flush();
  t.deepEqual(
    sent.map((actors) => actors.length),
    [3, 3, 2],
  );
  for (const actors of sent)
    t.true(Buffer.byteLength(JSON.stringify({ f: 'warm', format: FROZEN_FORMAT, actors } satisfies Frame)) <= 262_144);
});
