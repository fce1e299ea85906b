/** Presence at several nodes that share a roster (realtime R12), without sockets. */
import anyTest from 'ava';
import type { TestFn } from 'ava';
import type { ActorSystem, Publication } from '../../actors/system.ts';
import type { Json } from '../../actors/types.ts';
import { createAttendance } from '../../server/live/attendance.ts';
import { createPresence } from '../../server/live/presence.ts';
import type { Presence } from '../../server/live/presence.ts';
import { memoryRosters } from '../../server/live/roster.ts';
import type { Roster } from '../../server/live/roster.ts';
import { FakeClock } from '../support/clock.ts';
import { KeptLog } from '../support/kernel.ts';

interface Node {
  readonly presence: Presence;
  readonly published: Publication[];
  readonly followed: Set<string>;
  readonly began: string[];
  /** its line to the others */
  reachable: boolean;
  view(topic: string): Promise<Record<string, unknown>>;
}

const test = anyTest as TestFn<{ clock: FakeClock; hidden: Set<string>; node: () => Node; stop: () => Promise<void> }>;

test.beforeEach((t) => {
  const clock = new FakeClock();
  const hidden = new Set<string>();
  const rosters = memoryRosters();
  const log = new KeptLog();
  const nodes: Node[] = [];
  const profile = (ref: string): Json => (hidden.has(ref) ? { hidden: true } : {});
  const actors: Pick<ActorSystem, 'allowed' | 'read'> = {
    allowed: async () => ({ seq: 1, commands: [] }),
    read: async (ref) => ({ seq: 1, value: profile(ref) }),
  };
  const node = (): Node => {
    const end = rosters();
    const roster: Roster = {
      ...end,
      forgets: true,
      exchange: async (...args) => {
        if (!made.reachable) throw new Error('out of reach');
        return end.exchange(...args);
      },
    };
    const attendance = createAttendance({ roster, node: `n${nodes.length}`, clock, log });
    const presence = createPresence({ clock, log, actors, attendance });
    const published: Publication[] = [];
    const followed = new Set<string>();
    const began: string[] = [];
    for (const topic of presence.topics) topic.onPublish((p) => published.push(p));
    presence.start({ size: (topic) => (followed.has(topic) ? 1 : 0), began: (topic) => began.push(topic) });
    const made: Node = {
      presence,
      published,
      followed,
      began,
      reachable: true,
      async view(name): Promise<Record<string, unknown>> {
        followed.add(name);
        const topic = presence.topics.find((one) => one.owns(name));
        const slice = await topic?.slice(name, undefined);
        return (slice as { d: Record<string, unknown> }).d;
      },
    };
    nodes.push(made);
    return made;
  };
  t.context = { clock, hidden, node, stop: async () => void (await Promise.all(nodes.map((n) => n.presence.stop()))) };
});
test.afterEach.always(async (t) => {
  await t.context.stop();
  t.is(t.context.clock.pending, 0, 'no timer is left');
});

const web = { type: 'web', org: undefined } as const;
const mobile = { type: 'mobile', org: undefined } as const;
const inAcme = { type: 'web', org: 'acme' } as const;
const O = 'org:acme/presence';
const U = 'user:u/presence';
const last = ({ published }: Node): unknown => (published.at(-1) as { d: unknown } | undefined)?.d;

test('states and clients of all nodes are one person, at every node (R12)', async (t) => {
  const { clock, node } = t.context;
  const [a, b, c] = [node(), node(), node()];
  a.presence.connected('u', 'x', web);
  b.presence.connected('u', 'y', mobile);
  await clock.advance(0);
  for (const n of [a, b, c]) t.like(await n.view(U), { online: true, state: 'idle', clients: { web: 1, mobile: 1 } });
  b.presence.visible('u', 'y', { visible: true, input: undefined });
  await clock.advance(2_000);
  for (const n of [a, b, c]) t.like(last(n), { state: 'active', clients: { web: 1, mobile: 1 } });
  b.presence.disconnected('u', 'y');
  await clock.advance(2_000);
  for (const n of [a, b, c]) t.like(last(n), { state: 'idle', clients: { web: 1, mobile: 0 } });
});

test('whoever changes the node within 15 s has not been away; who does not come back is away after 15 s, at every node (R12)', async (t) => {
  const { clock, node } = t.context;
  const [a, b] = [node(), node()];
  a.presence.connected('u', 'x', web);
  await clock.advance(0);
  for (const n of [a, b]) t.like(await n.view(U), { state: 'idle' });
  a.presence.disconnected('u', 'x');
  await clock.advance(14_000);
  b.presence.connected('u', 'y', web);
  await clock.advance(30_000);
  t.deepEqual([a.published, b.published], [[], []]);
  b.presence.disconnected('u', 'y');
  await clock.advance(14_000);
  t.deepEqual([a.published, b.published], [[], []]);
  await clock.advance(2_000);
  for (const n of [a, b]) t.like(last(n), { online: false, state: 'away', clients: { web: 0, mobile: 0 } });
});

test('changes of a second are one publication (R12)', async (t) => {
  const { clock, node } = t.context;
  const [a, b] = [node(), node()];
  t.like(await b.view(U), { state: 'away' });
  a.presence.connected('u', 'first', web);
  await clock.advance(500);
  const before = b.published.length;
  for (let i = 0; i < 10; i += 1) {
    a.presence.connected('u', `c${i}`, web);
    await clock.advance(150);
  }
  await clock.advance(2_000);
  t.true(b.published.length - before <= 3, `${b.published.length - before} publications of 10 changes in 1.5 s`);
  t.like(last(b), { clients: { web: 11, mobile: 0 } });
});

test('who hides is away at every node, wherever he said so (R12)', async (t) => {
  const { clock, hidden, node } = t.context;
  const [a, b, c] = [node(), node(), node()];
  a.presence.connected('u', 'x', web);
  b.presence.connected('u', 'y', web);
  await clock.advance(0);
  t.like(await c.view(U), { online: true });
  hidden.add('user:u');
  a.presence.changed('user:u');
  await clock.advance(3_000);
  t.deepEqual(last(c), { online: false, state: 'away', clients: { web: 0, mobile: 0 } });
  hidden.clear();
  for (const n of [a, b]) n.presence.changed('user:u');
  await clock.advance(3_000);
  t.like(last(c), { online: true, clients: { web: 2, mobile: 0 } });
});

test('a node wants to hear of the actors of those who are connected to it, followed or not', async (t) => {
  const { node } = t.context;
  const a = node();
  a.presence.connected('u', 'x', web);
  t.deepEqual([...a.presence.followed()], [U]);
  t.deepEqual(a.began, [U], 'at once');
  a.presence.disconnected('u', 'x');
  t.deepEqual([...a.presence.followed()], []);
});

test('whether somebody may be looking holds at every node, and is assumed when it cannot be found out (R14)', async (t) => {
  const { clock, node } = t.context;
  const [a, b] = [node(), node()];
  const may = (): Promise<boolean[]> => Promise.all([a, b].map((n) => n.presence.mayBeSeen('u')));
  t.deepEqual(await may(), [false, false]);
  a.presence.connected('u', 'x', web);
  await clock.advance(0);
  t.deepEqual(await may(), [true, true]);
  a.presence.visible('u', 'x', { visible: false, input: undefined });
  await clock.advance(100);
  t.deepEqual(await may(), [false, false]);
  b.reachable = false;
  t.deepEqual(await may(), [false, true]);
});

test('while the others are out of reach own connections are shown, and when they are back theirs are again (R12)', async (t) => {
  const { clock, node } = t.context;
  const [a, b] = [node(), node()];
  a.presence.connected('u', 'x', mobile);
  b.presence.connected('u', 'y', web);
  await clock.advance(0);
  t.like(await b.view(U), { clients: { web: 1, mobile: 1 } });
  b.reachable = false;
  b.presence.connected('u', 'z', web);
  await clock.advance(3_000);
  t.like(last(b), { state: 'idle', clients: { web: 2, mobile: 1 } });
  await clock.advance(80_000);
  t.like(last(b), { state: 'idle', clients: { web: 2, mobile: 0 } }, 'what was last heard counts for a minute');
  a.presence.visible('u', 'x', { visible: true, input: undefined });
  b.reachable = true;
  await clock.advance(22_000);
  t.like(last(b), { state: 'active', clients: { web: 2, mobile: 1 } });
  t.like(await a.view(U), { state: 'active', clients: { web: 2, mobile: 1 } });
});

test('what nobody follows any more is not asked for, and has a greater number when it is followed again', async (t) => {
  const { clock, node } = t.context;
  const a = node();
  await a.view(U);
  const [topic] = a.presence.topics;
  const first = await topic?.slice(U, undefined);
  a.followed.clear();
  await clock.advance(20_000);
  a.presence.connected('u', 'x', web);
  await clock.advance(3_000);
  t.deepEqual(a.published, []);
  const again = await topic?.slice(U, undefined);
  t.true((again as { s: number }).s > (first as { s: number }).s);
  t.like(again, { m: 'snap', d: { state: 'idle' } });
});

test('members of an organisation who are online are shown at every node, those who hide are not (R12)', async (t) => {
  const { clock, hidden, node } = t.context;
  hidden.add('user:shy');
  const [a, b] = [node(), node()];
  a.presence.connected('u', 'x', inAcme);
  b.presence.connected('u', 'y', inAcme);
  b.presence.connected('v', 'z', inAcme);
  b.presence.connected('shy', 's', inAcme);
  b.presence.connected('w', 'elsewhere', web);
  await clock.advance(100);
  for (const n of [a, b]) {
    const { count, members } = (await n.view(O)) as { count: number; members: Record<string, { state: string }> };
    t.is(count, 2);
    t.deepEqual(Object.fromEntries(Object.entries(members).map(([id, m]) => [id, m.state])), { u: 'idle', v: 'idle' });
  }
  a.presence.visible('u', 'x', { visible: true, input: undefined });
  await clock.advance(2_000);
  t.like(last(b), { members: { u: { state: 'active' }, v: { state: 'idle' } } });

  hidden.add('user:v');
  b.presence.changed('user:v');
  await clock.advance(2_000);
  t.like(last(a), { count: 1, members: { v: undefined } }, 'who hides is gone at once');
  a.presence.disconnected('u', 'x');
  b.presence.disconnected('u', 'y');
  await clock.advance(14_000);
  t.like(last(a), { count: 1 }, 'a departure counts after 15 s');
  await clock.advance(3_000);
  for (const n of [a, b]) t.deepEqual(last(n), { count: 0, members: {} });
});

test('a connection whose new token names another organisation is a member of that one (R2)', async (t) => {
  const { clock, node } = t.context;
  const [a, b] = [node(), node()];
  a.presence.connected('u', 'x', inAcme);
  await clock.advance(100);
  t.like(await b.view(O), { count: 1 });
  a.presence.connected('u', 'x', { type: 'web', org: 'other' });
  await clock.advance(20_000);
  t.like(last(b), { count: 0 });
  t.like(await b.view('org:other/presence'), { count: 1, members: { u: { state: 'idle' } } });
});

test('of more than a thousand members the number and the first twenty are shown; of many a change is sent as a difference (R12)', async (t) => {
  const { clock, node } = t.context;
  const [a, b] = [node(), node()];
  const id = (i: number): string => `m${String(i).padStart(4, '0')}`;
  for (let i = 0; i < 1_000; i += 1) a.presence.connected(id(i), 'x', inAcme);
  await clock.advance(100);
  const all = (await b.view(O)) as { count: number; members: object };
  t.is(all.count, 1_000);
  t.is(Object.keys(all.members).length, 1_000);
  a.presence.visible(id(7), 'x', { visible: true, input: undefined });
  await clock.advance(2_000);
  t.like(b.published.at(-1), { k: 'd', d: { members: { [id(7)]: { state: 'active' } } } });
  t.is(Object.keys((last(b) as { members: object }).members).length, 1);
  a.presence.connected(id(1_000), 'x', inAcme);
  await clock.advance(2_000);
  const shown = (await b.view(O)) as { count: number; sample: object; members?: object };
  t.is(shown.count, 1_001);
  t.is(shown.members, undefined);
  t.deepEqual(
    Object.keys(shown.sample),
    Array.from({ length: 20 }, (_, i) => id(i)),
  );
});
