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
