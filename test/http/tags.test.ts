import test from 'ava';
import { ifMatch } from '../../server/http/input.ts';
import { makeRoom } from '../support/bookings.ts';
import { FakeClock } from '../support/clock.ts';
import { makeWorld } from '../support/world.ts';

test('what a browser keeps of one person is never taken for what belongs to another', async (t) => {
  const w = await makeWorld();
  t.teardown(w.close);
  const [ada, ben] = [await w.person(), await w.person()];
  const url = '/v1/notifications/preferences';
  const put = (token: string, digestAt: string) => w.inject({ method: 'PUT', url, token, payload: { categories: {}, digestAt } });
  t.is((await put(ada.token, '07:00')).statusCode, 200);
  t.is((await put(ben.token, '19:00')).statusCode, 200);
  const hers = await w.inject({ url, token: ada.token });
  const get = (token: string, tag: string) => w.inject({ url, token, headers: { 'if-none-match': tag } });
  const tag = String(hers.headers['etag']);
  t.is((await get(ada.token, tag)).statusCode, 304);
  t.is((await get(ada.token, `"other", W/${tag}`)).statusCode, 304, 'a proxy has made it weak, and the browser knows more than one');
  t.is((await get(ada.token, '*')).statusCode, 304);
  const his = await get(ben.token, tag);
  t.is(his.statusCode, 200);
  t.is(his.json<{ preferences: { digestAt: string } }>().preferences.digestAt, '19:00');
  t.is(ifMatch(tag), Number(tag.slice(1).split('-')[0]), 'it is a version too');
});

test('an answer that changes with the time alone is not one that was seen', async (t) => {
  const clock = new FakeClock();
  const w = await makeWorld({ clock });
  t.teardown(w.close);
  const admin = await w.person({ roles: ['staff', 'admin'] });
  const made = await makeRoom(w, admin.token, { resourceId: 'late' });
  t.is(made.statusCode, 201, made.body);
  const url = '/v1/booking/availability?resourceId=late&start=2027-03-01T10:00:00Z&durationMin=60';
  const before = await w.inject({ url });
  t.like(before.json(), { available: true });
  await clock.advance(3 * 3_600_000);
  const after = await w.inject({ url, headers: { 'if-none-match': String(before.headers['etag']) } });
  t.is(after.statusCode, 200);
  t.like(after.json(), { available: false });
});

test('who guesses tokens is stopped by the limit of requests', async (t) => {
  const w = await makeWorld({ env: { HTTP_REQUESTS_PER_MINUTE: '40' }, clock: new FakeClock() });
  t.teardown(w.close);
  const guess = async (i: number): Promise<number> => (await w.inject({ url: '/v1/me', token: `a.b.${i}` })).statusCode;
  const codes: number[] = [];
  for (let i = 0; i < 12; i += 1) codes.push(await guess(i));
  t.deepEqual(codes, [...Array.from({ length: 10 }, () => 401), 429, 429]);
});
