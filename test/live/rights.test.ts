import anyTest from 'ava';
import type { TestFn } from 'ava';
import { setup, assign } from 'xstate';
import { z } from 'zod';
import { command, defineActor, defineTopic, kernel } from '../../actors/define.ts';
import { FakeClock } from '../support/clock.ts';
import { system } from '../support/kernel.ts';
import type { Live, World } from '../support/world.ts';
import { person } from './kinds.ts';
import { liveWorld } from './setup.ts';
import type { Slice } from './setup.ts';

interface ClubContext {
  members: string[];
  hidden: boolean;
  talks: number;
}

/** A club that everybody may see while it is not hidden, and whose talk only its members may hear. */
const club = defineActor<ClubContext>({
  kind: 'club',
  version: 1,
  machine: setup({
    types: {
      context: {} as ClubContext,
      events: {} as { type: 'club.set'; members?: string[]; hidden?: boolean } | { type: 'club.talk' },
    },
    actions: kernel.actions,
  }).createMachine({
    id: 'club',
    context: { members: [], hidden: false, talks: 0 },
    initial: 'open',
    states: {
      open: {
        on: {
          'club.set': {
            actions: [
              assign(({ context, event }) => ({ members: event.members ?? context.members, hidden: event.hidden ?? context.hidden })),
              { type: 'reply', params: null },
            ],
          },
          'club.talk': { actions: [assign({ talks: ({ context }) => context.talks + 1 }), { type: 'reply', params: null }] },
        },
      },
    },
  }),
  context: z.strictObject({ members: z.array(z.string()), hidden: z.boolean(), talks: z.number() }),
  visible: (_p, _ref, s) => !s.context.hidden,
  commands: {
    'club.set': command({
      input: z.strictObject({ members: z.array(z.string()).optional(), hidden: z.boolean().optional() }),
      reply: z.null(),
    }),
    'club.talk': command({ input: z.strictObject({}), reply: z.null() }),
  },
  topics: [
    defineTopic({
      subject: 'club',
      view: 'talk',
      kind: 'state',
      version: 1,
      schema: z.strictObject({ talks: z.number() }),
      project: (s) => ({ talks: (s.context as ClubContext).talks }),
      authorize: (p, { snap }) => (snap.context as ClubContext).members.includes(p.id),
      conflateMs: 0,
    }),
    defineTopic({
      subject: 'club',
      view: 'sign',
      kind: 'state',
      version: 1,
      schema: z.strictObject({ talks: z.number() }),
      project: (s) => ({ talks: (s.context as ClubContext).talks }),
      authorize: () => false,
      public: true,
      conflateMs: 0,
    }),
  ],
});

const test = anyTest as TestFn<{ w: World; clock: FakeClock; a: Live; b: Live; ids: [string, string]; tell: (c: object) => Promise<void> }>;

let keys = 0;
test.beforeEach(async (t) => {
  const clock = new FakeClock(Date.now());
  const w = await liveWorld({ clock, kinds: [club, person], effects: {} });
  const [one, two] = [await w.person(), await w.person()];
  const tell = async (c: object): Promise<void> => {
    keys += 1;
    const reply = await w.app.actors.ask('club:x', c as { type: string }, { key: `club-${keys}`, from: system });
    t.true(reply.ok);
  };
  await tell({ type: 'club.set', members: [one.id, two.id] });
  const [a, b] = [await w.live({ token: one.token }), await w.live({ token: two.token })];
  for (const live of [a, b]) {
    const { l } = await live.send<{ l: Slice[] }>('sub', { l: [{ t: 'club:x/talk' }, { t: 'club:x/sign' }] });
    t.true(l.every((r) => r.ok));
  }
  t.context = { w, clock, a, b, ids: [one.id, two.id], tell };
});
test.afterEach.always((t) => t.context.w.close());

const unsubs = (live: Live): object[] => live.seen.filter((m) => m.event === 'unsub').map((m) => m.data);

test.serial(
  'a commit that takes a right away ends the subscription of the reader who had it, within a second, and no other (8)',
  async (t) => {
    const { clock, a, b, ids, tell } = t.context;
    await tell({ type: 'club.set', members: [ids[0]] });
    await clock.advance(250);
    t.deepEqual(await b.next('unsub'), { t: 'club:x/talk', code: 'FORBIDDEN' });
    await tell({ type: 'club.talk' });
    t.like(await a.next('pub', (p) => p['t'] === 'club:x/talk'), { d: { talks: 1 } });
    t.like(await b.next('pub', (p) => p['t'] === 'club:x/sign'), { d: { talks: 1 } });
    t.false(
      b.seen.some((m) => m.event === 'pub' && m.data['t'] === 'club:x/talk'),
      'nothing is sent to who lost the right',
    );
    t.deepEqual(unsubs(a), []);
  },
);

test.serial('an actor that is not visible any more ends its private topics as not found; public ones go on', async (t) => {
  const { clock, a, b, tell } = t.context;
  await tell({ type: 'club.set', hidden: true });
  await clock.advance(250);
  for (const live of [a, b]) t.deepEqual(await live.next('unsub'), { t: 'club:x/talk', code: 'NOT_FOUND' });
  await tell({ type: 'club.talk' });
  t.like(await a.next('pub', (p) => p['t'] === 'club:x/sign'), { d: { talks: 1 } });
  t.is(unsubs(a).length, 1);
});

test.serial('many commits within a quarter of a second lead to one review', async (t) => {
  const { w, clock, a, tell } = t.context;
  let asked = 0;
  const original = w.app.actors.refused.bind(w.app.actors);
  w.app.actors.refused = (topic, readers) => {
    asked += 1;
    return original(topic, readers);
  };
  for (let i = 0; i < 20; i += 1) await tell({ type: 'club.talk' });
  await clock.advance(250);
  t.is(asked, 2, 'once for each followed topic');
  await a.send('unsub', { l: ['club:x/talk', 'club:x/sign'] });
  await t.context.b.send('unsub', { l: ['club:x/talk', 'club:x/sign'] });
  await tell({ type: 'club.talk' });
  await clock.advance(250);
  t.is(asked, 2, 'an actor that nobody follows is not reviewed');
});

test.serial('a followed view is published after its actor has been out of memory', async (t) => {
  const { w, clock, a, tell } = t.context;
  await clock.advance(130_000);
  t.is(
    await w.app.registry
      .getSingleMetric('thrum_kernel_activations')!
      .get()
      .then((m) => m.values.filter((v) => v.labels['kind'] === 'club').length),
    0,
  );
  await tell({ type: 'club.talk' });
  t.like(await a.next('pub', (p) => p['t'] === 'club:x/talk'), { d: { talks: 1 } });
});

test.serial('a publication that nobody here follows is not given to the sockets', async (t) => {
  const { w, tell } = t.context;
  const delivered = async (): Promise<number> =>
    (await w.app.registry.getSingleMetric('thrum_rt_deliveries_total')!.get()).values[0]!.value;
  const before = await delivered();
  await tell({ type: 'club.talk' });
  t.is(await delivered(), before + 4, 'two topics for two readers');
  for (const live of [t.context.a, t.context.b]) await live.send('unsub', { l: ['club:x/talk', 'club:x/sign'] });
  await tell({ type: 'club.talk' });
  t.is(await delivered(), before + 4);
});

/** The answer to the next question of rights to the talk, or of where it stands, is held back until it is let go. */
function held(w: World, method: 'refused' | 'slice'): { asked: Promise<void>; release: (error?: Error) => void } {
  const actors = w.app.actors as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const original = actors[method]?.bind(actors) as (...args: unknown[]) => Promise<unknown>;
  let begun = (): void => undefined;
  let release: (error?: Error) => void = () => undefined;
  const asked = new Promise<void>((resolve) => (begun = resolve));
  const gate = new Promise<void>((resolve, reject) => (release = (error) => (error === undefined ? resolve() : reject(error))));
  actors[method] = async (...args) => {
    if (args[0] !== 'club:x/talk') return original(...args);
    actors[method] = original;
    const answer = await original(...args);
    begun();
    await gate;
    return answer;
  };
  return { asked, release };
}

test.serial('a right that is lost between the question and the joining of the room ends the subscription all the same', async (t) => {
  const { w, clock, b, ids, tell } = t.context;
  await b.send('unsub', { l: ['club:x/talk', 'club:x/sign'] });
  await t.context.a.send('unsub', { l: ['club:x/talk', 'club:x/sign'] });
  const { asked, release } = held(w, 'refused');
  const sub = b.send<{ l: Slice[] }>('sub', { l: [{ t: 'club:x/talk' }] });
  await asked;
  await tell({ type: 'club.set', members: [ids[0]] });
  release();
  t.true((await sub).l[0]?.ok);
  await clock.advance(500);
  t.deepEqual(await b.next('unsub'), { t: 'club:x/talk', code: 'FORBIDDEN' });
});

test.serial('a review that cannot be answered is made again', async (t) => {
  const { w, clock, b, ids, tell } = t.context;
  const { asked, release } = held(w, 'refused');
  await tell({ type: 'club.set', members: [ids[0]] });
  await clock.advance(250);
  await asked;
  release(new Error('the owner cannot be reached'));
  await b.send('ping1', {});
  await clock.advance(2_000);
  t.deepEqual(await b.next('unsub'), { t: 'club:x/talk', code: 'FORBIDDEN' });
});

test.serial('a review that began before the token was renewed does not end what the new one may read', async (t) => {
  const { w, clock, tell } = t.context;
  const { id, email, password } = await w.person();
  const pair = await w.app.identity.login({ email, password, address: 'renewed', userAgent: 'test' });
  await tell({ type: 'club.set', members: [id] });
  await clock.advance(500);
  const live = await w.live({ token: pair.accessToken });
  t.true((await live.send<{ l: Slice[] }>('sub', { l: [{ t: 'club:x/talk' }] })).l[0]?.ok);
  await tell({ type: 'club.set', members: [] });
  const { asked, release } = held(w, 'refused');
  await clock.advance(250);
  await asked;
  await tell({ type: 'club.set', members: [id] });
  const { accessToken } = await w.app.identity.refresh(pair.refreshToken);
  t.true((await live.send<{ ok: boolean }>('auth', { token: accessToken })).ok);
  release();
  await live.send('ping1', {});
  await clock.advance(500);
  await live.send('ping1', {});
  t.deepEqual(unsubs(live), []);
});

test.serial('a subscription that was asked for again is not undone by the end of the first request', async (t) => {
  const { w, a, tell } = t.context;
  await a.send('unsub', { l: ['club:x/talk'] });
  const { asked, release } = held(w, 'slice');
  const [first, second] = [0, 1].map(() => a.send<{ l: Slice[] }>('sub', { l: [{ t: 'club:x/talk' }] }));
  await asked;
  await a.send('ping1', {});
  release(new Error('the owner cannot be reached'));
  t.false((await first)?.l[0]?.ok);
  t.true((await second)?.l[0]?.ok);
  await tell({ type: 'club.talk' });
  t.like(await a.next('pub', (p) => p['t'] === 'club:x/talk'), { d: { talks: 1 } });
});

test.serial('an unsub ends the sub that was sent before it, and not the one that was sent after it', async (t) => {
  const { w, a, tell } = t.context;
  await a.send('unsub', { l: ['club:x/talk', 'club:x/sign'] });
  const { asked, release } = held(w, 'refused');
  const under = [a.send('sub', { l: [{ t: 'club:x/talk' }] }), a.send('unsub', { l: ['club:x/talk'] })];
  await asked;
  release();
  await Promise.all(under);
  t.is((await a.send<{ l: Slice[] }>('sub', { l: [{ t: 'club:x/sign' }] })).l[0]?.ok, true);
  await tell({ type: 'club.talk' });
  await a.next('pub', (p) => p['t'] === 'club:x/sign');
  t.false(a.seen.some((m) => m.event === 'pub' && m.data['t'] === 'club:x/talk'));
});
