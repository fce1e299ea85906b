import anyTest from 'ava';
import type { TestFn } from 'ava';
import { until } from '../support/until.ts';
import type { Live, World } from '../support/world.ts';
import { commandId, liveWorld } from './setup.ts';
import type { Refusal } from './setup.ts';

const test = anyTest as TestFn<{ w: World; live: Live; token: string; user: string }>;

test.before(async (t) => {
  const w = await liveWorld();
  const p = await w.person();
  t.context = { w, token: p.token, user: p.id, live: await w.live({ token: p.token }) };
});
test.after.always((t) => t.context.w.close());

type Ack = { ok: true; id: string; seq: number; reply: unknown; dup?: true; ch?: string[] };

const cmd = <T = Ack>(live: Live, o: object): Promise<T> => live.send<T>('cmd', { id: commandId(), d: {}, ...o });

test('a repeated command is answered from the journal and not applied again (28)', async (t) => {
  const { live, w } = t.context;
  const command = { id: commandId(), to: 'counter:dup', type: 'counter.add', d: { by: 2 } };
  const first = await cmd(live, command);
  t.like(first, { ok: true, id: command.id, reply: { n: 2 } });
  const again = await cmd(live, command);
  t.like(again, { ok: true, dup: true, seq: first.seq, reply: { n: 2 } });
  t.is((await w.app.actors.inspect.journal('counter:dup', { limit: 10 })).filter((r) => r.type === 'counter.add').length, 1);
});

test('the same id with another payload is a mismatch (29)', async (t) => {
  const { live } = t.context;
  const command = { id: commandId(), to: 'counter:mismatch', type: 'counter.add' };
  await cmd(live, { ...command, d: { by: 1 } });
  t.is((await cmd<Refusal>(live, { ...command, d: { by: 2 } })).error.code, 'IDEMPOTENCY_MISMATCH');
});

test('a command that the state does not take is refused with the state and what is possible (30)', async (t) => {
  const { live } = t.context;
  await cmd(live, { to: 'counter:state', type: 'counter.sleep' });
  const { error } = await cmd<Refusal>(live, { to: 'counter:state', type: 'counter.add', d: { by: 1 } });
  t.is(error.code, 'NOT_ALLOWED');
  t.is(error.details?.['state'], 'asleep');
  t.true((error.details?.['can'] as string[] | undefined)?.includes('counter.back'));
});

test('a stale seq is a mismatch (31)', async (t) => {
  const { live } = t.context;
  const { seq } = await cmd(live, { to: 'counter:seq', type: 'counter.add', d: { by: 1 } });
  await cmd(live, { to: 'counter:seq', type: 'counter.add', d: { by: 1 } });
  const { error } = await cmd<Refusal>(live, { to: 'counter:seq', type: 'counter.add', d: { by: 1 }, seq });
  t.is(error.code, 'SEQ_MISMATCH');
});

test('of 41 commands in one burst 40 are admitted (32)', async (t) => {
  const { w, token } = t.context;
  const live = await w.live({ token });
  const acks = await Promise.all(
    Array.from({ length: 41 }, () => cmd<Ack | Refusal>(live, { to: 'counter:burst', type: 'counter.add', d: { by: 1 } })),
  );
  const refused = acks.filter((a): a is Refusal => !a.ok);
  // the bucket fills at 20 a second, so a burst that takes longer than 50 ms may get one more
  t.true(refused.length <= 1);
  for (const { error } of refused) {
    t.is(error.code, 'RATE_LIMITED');
    t.true((error.retryAfterMs ?? 0) > 0);
  }
  const seqs = acks.flatMap((a) => (a.ok ? [a.seq] : []));
  t.deepEqual(
    seqs,
    [...seqs].sort((a, b) => a - b),
    'commands of one connection enter in the order sent',
  );
});

test('a payload of 33 KiB is refused, a message of 65 KiB ends the connection (33)', async (t) => {
  const { w, token } = t.context;
  const live = await w.live({ token });
  const { error } = await cmd<Refusal>(live, { to: 'counter:big', type: 'counter.add', d: { by: 1, text: 'x'.repeat(33 * 1_024) } });
  t.is(error.code, 'PAYLOAD_TOO_LARGE');
  live.socket.emit('cmd', { id: commandId(), to: 'counter:big', type: 'counter.add', d: { text: 'x'.repeat(65 * 1_024) } });
  await live.next('disconnect');
  t.pass();
});

test('a refused command is the same problem by socket and by REST (65)', async (t) => {
  const { live, w, token } = t.context;
  const cases = [
    { ref: 'counter:same', type: 'counter.refuse', d: {} },
    { ref: 'counter:same', type: 'counter.nonsense', d: {} },
    { ref: 'counter:same', type: 'counter.add', d: { by: 'x' } },
    { ref: 'nothing:same', type: 'nothing.add', d: {} },
    { ref: 'counter:same', type: 'counter.take', d: { i: 1 } },
    { ref: 'user:01a1fbe1-0000-7000-8000-000000000000', type: 'user.feel', d: { mood: 'x' } },
  ];
  for (const { ref, type, d } of cases) {
    const { error } = await cmd<Refusal>(live, { to: ref, type, d });
    const url = `/v1/actors/${ref.replace(':', '/')}/commands/${type}`;
    const reply = await w.inject({ method: 'POST', url, token, payload: d });
    t.regex(String(reply.headers['content-type']), /^application\/problem\+json/);
    t.deepEqual({ ...reply.json<object>(), instance: '' }, { ...error, instance: '' }, type);
  }
});

test('the same command by socket and by REST is one command', async (t) => {
  const { live, w, token } = t.context;
  const id = commandId();
  await cmd(live, { id, to: 'counter:both', type: 'counter.add', d: { by: 3 } });
  const headers = { 'idempotency-key': id };
  const reply = await w.inject({ method: 'POST', url: '/v1/actors/counter/both/commands/counter.add', token, headers, payload: { by: 3 } });
  t.is(reply.statusCode, 200);
  t.is(reply.headers['idempotency-replayed'], 'true');
  t.like(reply.json(), { reply: { n: 3 }, dup: true });
});

test('commands to user:me reach the caller, and nobody else may send them', async (t) => {
  const { live, w, user } = t.context;
  const ack = await cmd(live, { to: 'user:me', type: 'user.feel', d: { mood: 'glad' } });
  t.true(ack.ok);
  const stranger = await w.person();
  const other = await w.live({ token: stranger.token });
  t.is((await cmd<Refusal>(other, { to: `user:${user}`, type: 'user.feel', d: { mood: 'sad' } })).error.code, 'NOT_FOUND');
});

test('malformed messages are refused with their issues, and the tenth in a minute ends the connection', async (t) => {
  const { w } = t.context;
  const live = await w.live();
  const wrong: [string, unknown][] = [
    ['sub', { l: [] }],
    ['sub', null],
    ['sub', { l: [{ t: 1 }] }],
    ['cmd', { id: 'x' }],
    ['cmd', 'text'],
    ['unsub', {}],
    ['pos', { l: 1 }],
    ['auth', {}],
    ['nonsense', {}],
    ['__proto__', {}],
  ];
  for (const [event, payload] of wrong) {
    const answer = await live.send<Refusal>(event, payload);
    t.is(answer.error.code, 'VALIDATION', event);
  }
  live.socket.emit('sub', 1);
  t.like(await live.next('bye'), { code: 'RATE_LIMITED', retry: true });
});

test('messages without acknowledgement and with strange arguments do no harm', async (t) => {
  const { w, token } = t.context;
  const live = await w.live({ token });
  live.socket.emit('cmd', { id: commandId(), to: 'counter:quiet', type: 'counter.add', d: { by: 1 } });
  live.socket.emit('sub', { l: [{ t: 'counter:quiet/value' }] }, 'not a function', 3);
  live.socket.emit('ping1');
  t.is(typeof (await live.send<{ now: number }>('ping1', {})).now, 'number');
  await until(
    async () => (await w.app.actors.read('counter:quiet', 'n', {}, { from: { kind: 'system', id: 't', roles: [] } })).value === 1,
  );
  t.pass();
});
