/** Operators and the circuits of the systems that the server calls. */
import test from 'ava';
import { circuitId } from '../../server/outgoing/circuits.ts';
import { as, system } from '../support/kernel.ts';
import { makeWorld } from '../support/world.ts';

const NAME = 'provider:simulator';
const REF = `breaker:${circuitId(NAME)}`;

test('an operator finds the circuit of a provider, isolates it, and the node calls nobody until it is reset', async (t) => {
  const w = await makeWorld({ listen: true, env: { SIMULATOR_FEED_MS: '0' } });
  t.teardown(w.close);
  const admin = await w.person({ roles: ['admin'] });
  const staff = await w.person({ roles: ['staff'] });
  const list = async () => {
    const reply = await w.inject({ method: 'GET', url: '/v1/admin/breakers', token: staff.token });
    return reply.json<{ items: { id: string; name: string; state: string | null; here: { state: string } }[] }>().items;
  };
  const act = (verb: string, token: string) =>
    w.inject({ method: 'POST', url: `/v1/admin/breakers/${circuitId(NAME)}/${verb}`, token, payload: { reason: 'maintenance of theirs' } });
  t.like(
    (await list()).find((b) => b.name === NAME),
    { id: circuitId(NAME), state: null, here: { state: 'closed' } },
  );
  t.is((await act('isolate', admin.token)).statusCode, 404, 'nothing was reported yet');

  const batch = { name: NAME, rules: 'provider', calls: 1, failures: 0, slow: 0, streak: 0, broken: true, tripped: false };
  t.true((await w.app.actors.ask(REF, { type: 'calls.reported', ...batch }, as(system))).ok);
  t.is((await act('isolate', staff.token)).statusCode, 403);
  const isolated = await act('isolate', admin.token);
  t.deepEqual(isolated.json(), { state: 'isolated', openings: 0, rev: 1, until: null });
  t.like(
    (await list()).find((b) => b.name === NAME),
    { state: 'isolated', here: { state: 'isolated' } },
  );
  t.is((await act('reset', admin.token)).json<{ state: string }>().state, 'closed');
  t.like(
    (await list()).find((b) => b.name === NAME),
    { state: 'closed', here: { state: 'closed' } },
  );
  t.is((await act('force', admin.token)).json<{ state: string }>().state, 'forced_closed');

  const audit = await w.inject({ method: 'GET', url: `/v1/admin/audit?actor=${encodeURIComponent(REF)}`, token: admin.token });
  const entries = audit.json<{ items: { admin: string; action: string; reason: string }[] }>().items;
  t.is(entries.length, 4, 'the refused act too');
  t.true(entries.every((e) => e.admin === admin.id && e.reason === 'maintenance of theirs'));
});
