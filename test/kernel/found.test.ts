/** What the simulation has found, each shrunk to a case of its own. */
import test from 'ava';
import { actorIdOf } from '../../actors/ids.ts';
import { settle } from '../support/clock.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 7 }) } };
const start = (o = {}) => testKernel({ kinds: [counter], effects, ...o });
const id = actorIdOf('counter:a');

test('a timer armed again after its cancelled row woke the actor has a row again', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 5_000 }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.disarm' }, as(alice));
  t.is(k.store.timers().length, 1, 'the row of a cancelled timer that is due soon is left to its wake-up');
  await k.clock.advance(6_000);
  t.is(k.store.timers().length, 0);
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 90_000 }, as(alice));
  t.is(k.store.timers().length, 1);
  const again = await k.restart();
  await again.clock.advance(130_000);
  t.like(k.store.journal(id).at(-1), { type: 'fired' });
});

test('a timer that an uncommitted event has cancelled keeps its row until that event is committed', async (t) => {
  let hold: (() => void) | undefined;
  let held = false;
  const k = await start({
    fault: async () => {
      if (held) await new Promise<void>((resolve) => (hold = resolve));
      return 'ok' as const;
    },
  });
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 5_000 }, as(alice));
  await k.clock.advance(4_500);
  held = true;
  const other = k.system.ask('counter:b', { type: 'counter.add', by: 1 }, as(alice));
  await settle();
  const cancel = k.system.ask('counter:a', { type: 'counter.disarm' }, as(alice));
  await k.clock.advance(1_000);
  held = false;
  hold?.();
  await other;
  await cancel;
  t.is(k.store.timers().length, 1, 'its wake-up came before the commit, so the next one removes it');
  await k.clock.advance(35_000);
  t.is(k.store.timers().length, 0);
  t.like(k.store.journal(id).at(-1), { type: 'counter.disarm' });
});

test('events below a refused one whose own commit lost its answer are not forgotten with it (K44, K7)', async (t) => {
  let hold: (() => void) | undefined;
  const fates: string[] = ['held'];
  const k = await start({
    tables: {
      test_places: {
        conflicts: (stored: { [column: string]: unknown }, wanted: { [column: string]: unknown }) => stored['place'] === wanted['place'],
      },
    },
    fault: async () => {
      const fate = fates.shift();
      if (fate === 'held') await new Promise<void>((resolve) => (hold = resolve));
      return fate === 'lost' ? ('lost-applied' as const) : ('ok' as const);
    },
  });
  const claim = (who: string, name: string) => k.system.ask(who, { type: 'counter.claim', claim: name, place: 'p' }, as(alice));
  const first = claim('counter:b', 'x');
  await settle();
  const add = k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  const refused = claim('counter:a', 'y');
  const later = k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  await settle();
  fates.push('ok', 'lost');
  hold?.();
  await first;
  await k.clock.advance(100);
  t.like(await add, { ok: true, reply: { n: 1 } });
  t.like(await refused, { ok: false, error: { code: 'PLACE_TAKEN' } });
  t.like(await later, { ok: true, reply: { n: 2 } });
});
