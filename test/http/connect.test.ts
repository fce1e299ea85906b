import test from 'ava';
import { makeWorld } from '../support/world.ts';

test('a repeated request to connect a provider is about the device of the first one, and another person has another', async (t) => {
  const w = await makeWorld();
  t.teardown(w.close);
  const [ada, ben] = [await w.person(), await w.person()];
  const connect = async (token: string, key: string, payload = {}) => {
    const headers = { 'idempotency-key': key };
    return w.inject({ method: 'POST', url: '/v1/integrations/simulator/connect', token, headers, payload });
  };
  const first = await connect(ada.token, 'connect-1');
  t.is(first.statusCode, 201, first.body);
  const idOf = (reply: typeof first): string => reply.json<{ deviceId: string }>().deviceId;
  t.is(idOf(await connect(ada.token, 'connect-1')), idOf(first));
  t.not(idOf(await connect(ada.token, 'connect-2')), idOf(first));
  t.not(idOf(await connect(ben.token, 'connect-1')), idOf(first));
  t.is((await connect(ada.token, 'connect-1', { label: 'Ring' })).json<{ code: string }>().code, 'IDEMPOTENCY_MISMATCH');
  const mine = await w.inject({ url: '/v1/devices', token: ben.token });
  t.deepEqual(mine.json<{ items: { id: string }[] }>().items.length, 1);
});
