import anyTest from 'ava';
import type { TestFn } from 'ava';
import { createClient } from '@thrum/client';
import type { Client } from '@thrum/client';
import { seeded } from '../../calc/prng.ts';
import { defineTopic } from '../../actors/define.ts';
import { faultProxy } from '../support/proxy.ts';
import type { FaultProxy } from '../support/proxy.ts';
import { z } from 'zod';
import { counter, counterFeed, counterValue } from '../support/kinds.ts';
import { system } from '../support/kernel.ts';
import { until } from '../support/until.ts';
import type { World } from '../support/world.ts';
import { person } from './kinds.ts';
import { liveWorld } from './setup.ts';

/** A second view of the counter, which changes together with the first. */
const parity = defineTopic({
  subject: 'counter',
  view: 'parity',
  kind: 'state',
  version: 1,
  schema: z.object({ odd: z.boolean() }),
  project: (s) => ({ odd: (s.context as { n: number }).n % 2 === 1 }),
  authorize: () => true,
  conflateMs: 0,
});

/** Names of test kinds stand in no contract. */
interface Loose {
  topic(name: string): {
    value?: { n: number; odd: boolean };
    status: string;
    subscribe(next: (v: unknown, m: { s: number }) => void): () => void;
  };
  log(name: string): { subscribe(next: (item: unknown, m: { n: number }) => void, more: { gap: (g: unknown) => void }): () => void };
  command(to: string, type: string, d: object): Promise<{ seq: number; dup: boolean; settled(): Promise<void> }>;
}
const loose = (c: Client): Loose => c as unknown as Loose;

const test = anyTest as TestFn<{ w: World; proxy: FaultProxy; clients: Client[]; client: () => Promise<Client> }>;

test.before(async (t) => {
  const kinds = [{ ...counter, topics: [counterValue, counterFeed, parity] }, person];
  t.context.w = await liveWorld({ kinds, env: { RT_COMMANDS_PER_SECOND: '100000', RT_COMMANDS_PER_USER: '100000' } });
});
test.beforeEach(async (t) => {
  const { w } = t.context;
  const proxy = await faultProxy(w.url);
  const clients: Client[] = [];
  t.context = {
    w,
    proxy,
    clients,
    async client() {
      const { token } = await w.person();
      const c = createClient({ url: proxy.url, token });
      clients.push(c);
      return c;
    },
  };
});
test.afterEach.always(async (t) => {
  for (const c of t.context.clients) await c.close();
  await t.context.proxy.close();
});
test.after.always((t) => t.context.w.close());

let keys = 0;
const send = async (w: World, ref: string, command: { type: string; [field: string]: unknown }): Promise<number> => {
  keys += 1;
  const reply = await w.app.actors.ask(ref, command, { key: `fault-${keys}`, from: system });
  if (!reply.ok) throw new Error(reply.error.code);
  return reply.seq;
};

test.serial('a link that died in its sleep is found by ping1 within three seconds, and the client resumes (39)', async (t) => {
  const { w, proxy, client } = t.context;
  await send(w, 'counter:sleep', { type: 'counter.add', by: 1 });
  const c = await client();
  const value = loose(c).topic('counter:sleep/value');
  value.subscribe(() => undefined);
  await until(() => value.value?.n === 1);
  const codes: (string | undefined)[] = [];
  c.on('connection', ({ code }) => codes.push(code));
  proxy.freeze();
  await send(w, 'counter:sleep', { type: 'counter.add', by: 1 });
  c.wake(600_000);
  await until(() => value.value?.n === 2 && value.status === 'live', 'the newest value');
  t.true(codes.includes('TIMEOUT'), 'and not by the transport, which takes 45 s');
});

test.serial('a command whose acknowledgement was lost is repeated with its key: one event, the same answer (28)', async (t) => {
  const { w, proxy, client } = t.context;
  await send(w, 'counter:lost', { type: 'counter.add', by: 1 });
  const c = await client();
  c.connect();
  await until(() => c.connection.state === 'online');
  proxy.deafen();
  const receipt = loose(c).command('counter:lost', 'counter.add', { by: 5 });
  await until(async () => (await w.app.actors.read('counter:lost', 'n', {}, { from: system })).value === 6, 'the commit');
  proxy.cut();
  t.true((await receipt).dup);
  const rows = await w.app.actors.inspect.journal('counter:lost', { limit: 10 });
  t.is(rows.filter((r) => r.type === 'counter.add').length, 2, 'one to begin with and one of the command');
});

test.serial('settled waits for the views that are open and no others (58)', async (t) => {
  const { w, client } = t.context;
  await send(w, 'counter:settle', { type: 'counter.add', by: 2 });
  const c = await client();
  const value = loose(c).topic('counter:settle/value');
  value.subscribe(() => undefined);
  await until(() => value.value?.n === 2);
  for (const by of [1, 1, 1]) {
    const before = value.value?.n ?? 0;
    const receipt = await loose(c).command('counter:settle', 'counter.add', { by });
    await receipt.settled();
    t.is(value.value?.n, before + by, 'the own write is read, conflated or not');
  }
});

test.serial('whatever the link does, views end right and items come once and in order (9, 10, 11, 16, 19)', async (t) => {
  const { w, proxy, client } = t.context;
  const random = seeded('fa017'.padEnd(32, '0'), 1);
  const ref = 'counter:storm';
  await send(w, ref, { type: 'counter.add', by: 1 });
  let n = 1;
  let items = 0;
  const gaps: unknown[] = [];
  const readers = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const c = await client();
      const value = loose(c).topic(`${ref}/value`);
      const shown: number[] = [];
      const got: number[] = [];
      value.subscribe((_, { s }) => shown.push(s));
      loose(c)
        .log(`${ref}/feed`)
        .subscribe((_, m) => got.push(m.n), { gap: (g) => gaps.push(g) });
      await until(() => value.status === 'live');
      return { c, value, shown, got };
    }),
  );
  for (let round = 0; round < 60; round += 1) {
    await send(w, ref, { type: 'counter.add', by: 1 });
    n += 1;
    if (random() < 0.7) {
      const more = 1 + Math.floor(random() * 5);
      await send(w, ref, { type: 'counter.emit', items: more });
      items += more;
    }
    const dice = random();
    if (dice < 0.1) proxy.cut();
    else if (dice < 0.2) proxy.deafen();
    else if (dice < 0.25) proxy.throttle(1_000);
    else if (dice < 0.4) proxy.throttle(0);
    await new Promise((resolve) => setImmediate(resolve));
  }
  proxy.throttle(0);
  proxy.cut();
  for (const { value, got, shown } of readers) {
    await until(() => value.value?.n === n && value.status === 'live', 'the newest view');
    await until(() => got.at(-1) === items, `the last item, ${items}, after ${got.at(-1)}`);
    const first = got[0] ?? 0;
    t.deepEqual(
      got,
      Array.from({ length: items - first + 1 }, (_, i) => first + i),
    );
    t.deepEqual(
      shown,
      [...shown].sort((a, b) => a - b),
    );
  }
  t.deepEqual(gaps, []);
});
