/** What must and must not compile; the build fails when one of these lines is accepted or refused wrongly. */
import test from 'ava';
import type { Client, ItemOf, Topic, ViewOf } from '@thrum/client';

type Equal<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

type Energy = ViewOf<'user:me/energy'>;

export const facts: readonly [
  Equal<Energy['score'], number | undefined>,
  Equal<ViewOf<'user:42/energy'>, Energy>,
  Equal<ItemOf<'user:me/bookings'>['bookingId'], string>,
] = [true, true, true];

/** Never called: the compiler is the test. */
export async function names(thrum: Client): Promise<void> {
  const energy: Topic<Energy> = thrum.topic('user:me/energy');
  void energy;
  thrum.topic('resource:court-1/availability?from=2026-11-20&days=7');
  // @ts-expect-error there is no such view
  thrum.topic('user:me/energie');
  // @ts-expect-error a log is no topic
  thrum.topic('user:me/alerts');
  // @ts-expect-error a topic is no log
  thrum.log('user:me/energy');
  // @ts-expect-error a view has no such field
  void thrum.topic('user:me/energy').value?.energie;

  await thrum.command('user:me', 'user.update', { displayName: 'Ada' });
  const { seq } = await thrum.command('booking:b1', 'booking.cancel', { reason: 'ill' });
  seq satisfies number;
  // @ts-expect-error a booking cannot do that
  await thrum.command('booking:b1', 'user.update', {});
  // @ts-expect-error the field is misspelt
  await thrum.command('user:me', 'user.update', { displayname: 'Ada' });
  // @ts-expect-error commands of the platform are not in the contract
  await thrum.command('user:me', 'user.register', { displayName: 'Ada', timeZone: 'UTC' });
  await thrum.command('user:me', 'user.update', {}, { optimistic: { 'user:me/profile': (view) => ({ ...view, displayName: 'Ada' }) } });
  // @ts-expect-error the expected view must be one
  await thrum.command('user:me', 'user.update', {}, { optimistic: { 'user:me/profile': () => ({ name: 'Ada' }) } });
}

test('wrong names, fields and replies do not compile, and right ones do', (t) => {
  t.is(typeof names, 'function');
});
