import anyTest from 'ava';
import type { TestFn } from 'ava';
import { Bare } from '../support/bare.ts';
import { faultProxy } from '../support/proxy.ts';
import { system } from '../support/kernel.ts';
import { pythonTest, receiver } from '../support/python.ts';
import { until } from '../support/until.ts';
import type { World } from '../support/world.ts';
import { liveWorld } from './setup.ts';

const test = anyTest as TestFn<{ w: World }>;

test.before(async (t) => {
  t.context = { w: await liveWorld() };
});
test.after.always((t) => t.context.w.close());

let keys = 0;
const send = async (w: World, ref: string, command: { type: string; [field: string]: unknown }): Promise<void> => {
  keys += 1;
  const reply = await w.app.actors.ask(ref, command, { key: `foreign-${keys}`, from: system });
  if (!reply.ok) throw new Error(reply.error.code);
};

pythonTest('a Python client that is cut off goes on with its cursor: every item once and in order, and the newest view (56)', async (t) => {
  const { w } = t.context as { w: World };
  const { token, id } = await w.person();
  await send(w, 'counter:py', { type: 'counter.emit', items: 3 });
  await send(w, 'counter:py', { type: 'counter.add', by: 1 });
  const proxy = await faultProxy(w.url);
  t.teardown(() => proxy.close());
  const [log, state] = ['feed', 'value'].map((view) => receiver(proxy.url, `counter:py/${view}`, token)) as [
    ReturnType<typeof receiver>,
    ReturnType<typeof receiver>,
  ];
  t.teardown(log.end);
  t.teardown(state.end);
  await until(() => log.lines.length >= 4 && state.lines.length >= 2, 'both have subscribed');
  t.is(log.lines[0]?.user, id);
  for (let round = 0; round < 3; round += 1) {
    await send(w, 'counter:py', { type: 'counter.emit', items: 2 });
    proxy.cut();
    await send(w, 'counter:py', { type: 'counter.emit', items: 210 });
    await send(w, 'counter:py', { type: 'counter.emit', items: 210 });
    await send(w, 'counter:py', { type: 'counter.emit', items: 210 });
    await send(w, 'counter:py', { type: 'counter.add', by: 1 });
    await until(() => log.lines.at(-1)?.n === 3 + (round + 1) * 632, `round ${round}: ${log.errors()}`);
    await until(() => state.lines.at(-1)?.view?.n === 2 + round, `the view of round ${round}: ${state.errors()}`);
  }
  const numbers = log.lines.flatMap((l) => (l.n === undefined ? [] : [l.n]));
  t.deepEqual(
    numbers,
    Array.from({ length: 3 + 3 * 632 }, (_, i) => i + 1),
  );
  const views = state.lines.flatMap((l) => (l.s === undefined ? [] : [l.s]));
  t.deepEqual(
    views,
    [...views].sort((a, b) => a - b),
    'a view is never followed by an older one',
  );
});

test('the protocol can be spoken with a bare WebSocket', async (t) => {
  const { w } = t.context;
  const { token, id } = await w.person();
  const bare = new Bare(w.url);
  t.teardown(() => bare.ws.terminate());
  const open = JSON.parse((await bare.find((f) => f.startsWith('0'))).slice(1)) as { pingInterval: number; maxPayload: number };
  t.is(open.pingInterval, 25_000);
  t.is(open.maxPayload, 65_536);
  bare.ws.send(`40${JSON.stringify({ token, proto: 1 })}`);
  t.regex(await bare.find((f) => f.startsWith('40')), /^40\{"sid":/);
  const hello = await bare.find((f) => f.startsWith('42["hello"'));
  t.is((JSON.parse(hello.slice(2)) as [string, { user: string }])[1].user, id);
  await send(w, 'counter:bare', { type: 'counter.add', by: 1 });
  const ack = (await bare.request('sub', { l: [{ t: 'counter:bare/value' }] })) as { l: [{ m: string; s: number; e: string }] };
  t.like(ack.l[0], { m: 'snap', d: { n: 1 } });
  const done = await bare.request('cmd', { id: 'bare-command', to: 'counter:bare', type: 'counter.add', d: { by: 1 } });
  t.like(done, { ok: true, reply: { n: 2 }, ch: ['value'] });
  const pub = await bare.find((f) => f.startsWith('42["pub"'));
  t.like((JSON.parse(pub.slice(2)) as [string, object])[1], { t: 'counter:bare/value', k: 'd', p: ack.l[0].s, d: { n: 2 } });
});

test('a refused handshake is a packet with the problem', async (t) => {
  const bare = new Bare(t.context.w.url);
  t.teardown(() => bare.ws.terminate());
  await bare.find((f) => f.startsWith('0'));
  bare.ws.send(`40${JSON.stringify({ token: 'nonsense', proto: 1 })}`);
  const refusal = JSON.parse((await bare.find((f) => f.startsWith('44'))).slice(2)) as { data: { code: string } };
  t.is(refusal.data.code, 'UNAUTHENTICATED');
});

test('frames that are no protocol end their socket and nothing else (R9)', async (t) => {
  const { w } = t.context;
  const good = await w.live();
  const nasty = [
    'x',
    '4',
    '42',
    '42[',
    '42["sub"',
    '42{"a":1}',
    '451-["sub",{"_placeholder":true,"num":0}]',
    '49',
    '4999999999999["x"]',
    '6',
    '5probe',
  ];
  for (const frame of nasty) {
    const bare = new Bare(w.url);
    await bare.find((f) => f.startsWith('0'));
    bare.ws.send('40{"proto":1}');
    await bare.find((f) => f.startsWith('42["hello"'));
    bare.ws.send(frame);
    bare.ws.send(Buffer.from([1, 2, 3]));
    bare.ws.send('2'.repeat(10));
    bare.ws.terminate();
    await bare.closed;
  }
  const foreign = new Bare(w.url);
  t.teardown(() => foreign.ws.terminate());
  await foreign.find((f) => f.startsWith('0'));
  foreign.ws.send('40/inspector-of-nothing,');
  t.regex(await foreign.find((f) => f.startsWith('44')), /^44\/inspector-of-nothing,/);
  t.is(typeof (await good.send<{ now: number }>('ping1', {})).now, 'number');
  t.deepEqual(w.log.faults, []);
});

test('a message of more than 64 KiB ends the socket (33)', async (t) => {
  const bare = new Bare(t.context.w.url);
  await bare.find((f) => f.startsWith('0'));
  bare.ws.send('40{"proto":1}');
  await bare.find((f) => f.startsWith('42["hello"'));
  bare.ws.send(`42["ping1",${JSON.stringify('x'.repeat(66_000))}]`);
  await bare.closed;
  t.pass();
});

test('a connection has one socket: who asks for many at once is cut off (R9)', async (t) => {
  const { w } = t.context;
  const bare = new Bare(w.url);
  t.teardown(() => bare.ws.terminate());
  await bare.find((f) => f.startsWith('0'));
  for (let i = 0; i < 20; i += 1) bare.ws.send('40');
  await bare.closed;
  t.true(bare.frames.filter((f) => f.startsWith('42["hello"')).length <= 1);
});

test('a connection ends with its socket, and cannot begin with new limits (R9)', async (t) => {
  const { w } = t.context;
  const bare = new Bare(w.url);
  t.teardown(() => bare.ws.terminate());
  await bare.find((f) => f.startsWith('0'));
  bare.ws.send('40');
  await bare.find((f) => f.startsWith('42["hello"'));
  bare.ws.send('41');
  await t.notThrowsAsync(bare.closed);
});

test('who was refused may try again on the same connection, but not for ever', async (t) => {
  const { w } = t.context;
  const bare = new Bare(w.url);
  t.teardown(() => bare.ws.terminate());
  await bare.find((f) => f.startsWith('0'));
  for (let i = 0; i < 5; i += 1) {
    bare.ws.send(`40${JSON.stringify({ token: 'nonsense', proto: 1 })}`);
    await until(() => bare.frames.filter((f) => f.startsWith('44')).length === i + 1, `refusal ${i + 1}`);
  }
  bare.ws.send('40');
  await t.notThrowsAsync(bare.closed);
});
