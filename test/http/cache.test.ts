/** Cached lists over HTTP, and what operators see of the cache. */
import test from 'ava';
import { makeWorld } from '../support/world.ts';

test('the list of resources is cached and follows every change at once; statistics tell of it, an operator clears it', async (t) => {
  const w = await makeWorld();
  t.teardown(w.close);
  const admin = await w.person({ roles: ['admin'] });
  const list = async () =>
    (await w.inject({ method: 'GET', url: '/v1/booking/resources' })).json<{ items: { resourceId: string; status: string }[] }>().items;
  const act = (url: string, payload: object) => w.inject({ method: 'POST', url, token: admin.token, payload });
  const stats = async (path = '/v1/cache/stats?window=5m') =>
    (await w.inject({ method: 'GET', url: path, token: admin.token })).json<{
      overall: { requests: number; hits: number; misses: number; hitRate: number | null; met: boolean | null };
      tiers: { l1: { entries: number }; l2: object | null };
      byNamespace: { ns: string; p50Ms: number; p95Ms: number }[];
      invalidations: { byTag: number; lastAt: string | null };
    }>();
  t.like((await stats()).overall, { requests: 0, hitRate: null, met: null });

  t.deepEqual(await list(), []);
  const room = { resourceId: 'room', name: 'Room', timeZone: 'Europe/Berlin' };
  t.is((await act('/v1/booking/resources', room)).statusCode, 201);
  t.like((await list())[0], { resourceId: 'room', status: 'active' });
  t.is((await act('/v1/booking/resources/room/suspend', {})).statusCode, 200);
  t.like((await list())[0], { status: 'suspended' });
  for (let i = 0; i < 7; i += 1) await list();
  const { overall, tiers } = await stats('/cache/stats');
  t.like(overall, { requests: 10, hits: 7, misses: 3, hitRate: 0.7, met: false });
  t.is(tiers.l2, null);

  t.is((await act('/v1/admin/cache/invalidate', { tags: ['resources'] })).statusCode, 400, 'a reason is needed');
  t.is((await act('/v1/admin/cache/invalidate', { tags: ['resources'], reason: 'changed by hand' })).statusCode, 204);
  await list();
  t.is((await stats()).overall.misses, 4);
  t.is((await act('/v1/admin/cache/invalidate', { reason: 'all of it' })).statusCode, 204);
  await list();
  t.is((await stats()).overall.misses, 5);
  const { byNamespace, invalidations } = await stats();
  t.deepEqual(
    byNamespace.map(({ ns, p50Ms, p95Ms }) => [ns, typeof p50Ms, typeof p95Ms]),
    [['resources', 'number', 'number']],
  );
  t.is(invalidations.byTag, 4, 'a resource was made and suspended, and an operator twice');
  t.not(invalidations.lastAt, null);
});
