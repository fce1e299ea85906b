/** Presence over two nodes and a real Redis (realtime R12). */
import test from 'ava';
import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import { clientOf } from '../support/redis.ts';
import { testNodes } from '../support/nodes.ts';
import { processes } from '../support/processes.ts';
import { until } from '../support/until.ts';
import type { Live, World } from '../support/world.ts';

interface View {
  readonly online: boolean;
  readonly state: string;
  readonly clients: { readonly web: number; readonly mobile: number };
}

/** What a client makes of a topic: the last view. Presence of one person is sent whole. */
async function follow(live: Live, t: string): Promise<() => View | undefined> {
  const { l } = await live.send<{ l: [{ ok: boolean; d: View }] }>('sub', { l: [{ t }] });
  return () => (live.seen.findLast((m) => m.event === 'pub' && m.data['t'] === t)?.data['d'] as View | undefined) ?? l[0].d;
}

const PATIENT_MS = 120_000;

test.serial('a person is shown at every node with the connections of all, and those who hide at none (R12)', async (t) => {
  const rejections: unknown[] = [];
  const count = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', count);
  const nodes = await testNodes({});
  if ('skip' in nodes) {
    t.pass(nodes.skip);
    return;
  }
  const [a, b] = nodes.worlds as [World, World];
  try {
    const watched = await a.person();
    const { token } = await b.person({ roles: ['staff'] });
    const topic = `user:${watched.id}/presence`;
    const views = await Promise.all([a, b].map(async (w) => follow(await w.live({ token }), topic)));
    const all = (what: string, fits: (v: View) => boolean): Promise<void> =>
      until(() => views.every((v) => fits(v() ?? { online: false, state: 'none', clients: { web: -1, mobile: -1 } })), what, PATIENT_MS);

    const acme = async (w: World, email: string): Promise<Live> =>
      w.live({ token: (await w.app.identity.impersonate(email, 'acme')).accessToken });
    const page = await acme(a, watched.email);
    const colleague = await b.person();
    const member = await acme(b, colleague.email);
    const org = (await follow(member, 'org:acme/presence')) as unknown as () => { count: number; members?: Record<string, object> };
    const online = (...ids: string[]): Promise<void> =>
      until(
        () =>
          Object.keys(org().members ?? {})
            .sort()
            .join() === ids.sort().join(),
        `${ids.length} members online`,
        PATIENT_MS,
      );
    await online(watched.id, colleague.id);
    await all('idle with one page', (v) => v.state === 'idle' && v.clients.web === 1);
    const phone = await b.live({ token: watched.token, device: 'phone' });
    await phone.send('vis', { visible: true });
    await all('active with a page and a phone', (v) => v.state === 'active' && v.clients.web === 1 && v.clients.mobile === 1);

    const hide = (hidden: boolean): Promise<unknown> =>
      phone.send('cmd', { id: `hide-${hidden}-1`, to: 'user:me', type: 'user.update', d: { hidden } });
    t.like(await hide(true), { ok: true });
    await all('hidden', (v) => !v.online && v.state === 'away' && v.clients.web + v.clients.mobile === 0);
    await online(colleague.id);
    t.like(await hide(false), { ok: true });
    await all('shown again', (v) => v.state === 'active' && v.clients.web === 1 && v.clients.mobile === 1);

    await nodes.redis.kill();
    await page.send('vis', { visible: true });
    const more = await b.live({ token: watched.token, device: 'tablet' });
    await until(() => views[1]?.()?.clients.mobile === 2, 'a node without Redis shows its own', PATIENT_MS);
    await nodes.redis.start();
    await all('everything again', (v) => v.clients.web === 1 && v.clients.mobile === 2);

    for (const live of [page, phone, more]) live.socket.disconnect();
    await all('away', (v) => v.state === 'away');
    const client = await clientOf(nodes.redis);
    t.deepEqual(await client.commands.keys(`*presence*${watched.id}`), [], 'nothing is left of those who have gone');
    client.close();
  } finally {
    await nodes.close();
    process.off('unhandledRejection', count);
  }
  t.deepEqual(rejections, []);
});

test.serial('connections of a node that was killed are forgotten after a minute, and those of the others stay (R12)', async (t) => {
  t.timeout(600_000);
  const x = await processes({ people: 1 });
  if ('skip' in x) {
    t.pass(x.skip);
    return;
  }
  const sockets: Socket[] = [];
  try {
    const [who] = x.people;
    const [first, second] = x.nodes;
    const connect = (url: string, device?: string): Socket => {
      const auth = { proto: 1, token: who?.token, ...(device === undefined ? {} : { device }) };
      const socket = io(url, { transports: ['websocket'], reconnection: false, forceNew: true, auth });
      sockets.push(socket);
      return socket;
    };
    let view: View | undefined;
    const page = connect(second!.url);
    page.on('pub', (p: { d: View }) => (view = p.d));
    const { l } = (await page.timeout(30_000).emitWithAck('sub', { l: [{ t: 'user:me/presence' }] })) as { l: [{ d: View }] };
    view ??= l[0].d;
    connect(first!.url, 'phone');
    await until(() => view?.clients.web === 1 && view.clients.mobile === 1, 'both are shown', PATIENT_MS);
    const killed = performance.now();
    await x.end(first!, 'SIGKILL');
    await until(() => view?.clients.mobile === 0, 'the connection of the killed node is forgotten', 2 * PATIENT_MS);
    t.true(performance.now() - killed > 20_000, 'nobody knows it sooner');
    t.like(view, { online: true, state: 'idle', clients: { web: 1, mobile: 0 } });
  } finally {
    for (const socket of sockets) socket.disconnect();
    await x.close();
  }
});
