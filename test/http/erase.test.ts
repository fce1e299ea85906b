import test from 'ava';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { actorIdOf, pseudonymOf } from '../../actors/ids.ts';
import { erasureKey } from '../../server/identity/keys.ts';
import { readErasures } from '../../server/lifecycle/erasures.ts';
import { makeWorld } from '../support/world.ts';

test('an administrator erases a user: registered, audited, followers are told, and nobody else may', async (t) => {
  const w = await makeWorld({ listen: true });
  t.teardown(w.close);
  const admin = await w.person({ roles: ['admin'] });
  const ada = await w.person();
  const url = `/v1/admin/actors/user/${ada.id}/erase`;
  const erase = (token: string, body: object = { reason: 'asked for by mail' }, at = url) =>
    w.inject({ method: 'POST', url: at, token, payload: body });
  const live = await w.live({ token: ada.token });
  const joined = await live.send<{ ok: boolean }>('sub', { l: [{ t: `user:${ada.id}/profile` }] });
  t.true(joined.ok);

  t.is((await erase(ada.token)).statusCode, 403);
  t.is((await erase(admin.token, {})).statusCode, 400);
  t.is((await erase(admin.token, undefined, '/v1/admin/actors/user/nobody/erase')).statusCode, 404);
  t.deepEqual(await readErasures(w.app.config.dataDir), []);

  const done = await erase(admin.token);
  t.is(done.statusCode, 200, done.body);
  t.like(done.json(), { fresh: true });
  t.deepEqual(await live.next('unsub'), { t: `user:${ada.id}/profile`, code: 'NOT_FOUND' });
  t.like((await erase(admin.token)).json(), { fresh: false });

  const name = pseudonymOf(erasureKey(w.secrets), `user:${ada.id}`);
  t.deepEqual(
    (await readErasures(w.app.config.dataDir)).map((line) => line.ref),
    [name, name],
  );
  t.false((await readFile(join(w.app.config.dataDir, 'erasures.jsonl'), 'utf8')).includes(ada.id));
  const [row] = await w.app.database.knex('thrum_actor').where({ actor_id: actorIdOf(`user:${ada.id}`) });
  t.like(row, { id: name, status: 'erased' });
  const acts = await w.app.database.knex('thrum_admin_audit').where({ action: 'actor.erase' });
  t.like(acts, [{ admin: admin.id, reason: 'asked for by mail' }]);
});
