/** The inspector of a cluster over a real Redis: the live feed and the report of nodes, whichever node is asked. */
import test from 'ava';
import { io } from 'socket.io-client';
import { notices } from '../../server/inspector/messages.ts';
import { system } from '../support/kernel.ts';
import { testNodes } from '../support/nodes.ts';
import { until } from '../support/until.ts';
import type { World } from '../support/world.ts';

interface Told {
  readonly watches: string[];
  readonly l: { readonly type: string; readonly sessionId: string; readonly node: string }[];
}

for (const adapter of ['classic', 'sharded']) {
  test.serial(`who watches at one node is told of the events of every other, until the connection ends (${adapter})`, async (t) => {
    const nodes = await testNodes({ env: { REALTIME_ADAPTER: adapter } });
    if ('skip' in nodes) {
      t.pass(nodes.skip);
      return;
    }
    const [a, b] = nodes.worlds as [World, World];
    const admin = await a.person({ roles: ['admin'] });
    const ref = nodes.refOf(a);
    const nodeOf = (w: World): string => w.app.actors.inspect.cluster().node;
    const socket = io(`${b.url}/inspect`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      auth: { proto: 1, token: admin.token },
    });
    try {
      const told: Told[] = [];
      const stats: { node: string }[] = [];
      socket.on('inspection', (m: Told) => void told.push(notices.inspection.parse(m) as unknown as Told));
      socket.on('watch.stats', (m: { node: string }) => void stats.push(notices['watch.stats'].parse(m)));
      await new Promise((resolve, reject) => {
        socket.once('hello', resolve);
        socket.once('connect_error', reject);
      });
      t.like(await socket.timeout(30_000).emitWithAck('watch', { id: 'all', filter: { kind: 'counter' }, rate: 200 }), { ok: true });
      const watches = async (w: World): Promise<number> =>
        Number((await w.app.registry.getSingleMetricAsString('thrum_inspector_watches')).split(' ').at(-1));
      const looking = async (): Promise<number> => (await watches(a)) + (await watches(b));
      await until(async () => (await looking()) === 2, 'both nodes look on');
      const reply = await b.app.actors.ask(ref, { type: 'counter.add', by: 1 }, { key: `seen-${adapter}`, from: system, deadline: 30_000 });
      t.true(reply.ok);
      await until(() => told.length === 1, 'the event is told once');
      t.deepEqual(
        told[0]?.l.map((m) => m.type),
        ['@xstate.actor', '@xstate.event', '@xstate.snapshot'],
      );
      t.deepEqual([told[0]?.l[0]?.sessionId, told[0]?.l[0]?.node], [ref, nodeOf(a)]);
      await until(() => stats.some((s) => s.node === nodeOf(a)), 'the counts of the other node');

      const report = await b.inject({ url: '/v1/admin/cluster', token: admin.token });
      const {
        mode,
        nodes: all,
        slots,
      } = report.json<{ mode: string; nodes: { id: string; self: boolean; load: object | null }[]; slots: unknown[] }>();
      t.deepEqual([mode, all.length, slots.length], ['cluster', 2, 1_024]);
      t.is(all.find((n) => n.self)?.id, nodeOf(b));
      t.true(all.every((n) => n.load !== null));

      socket.disconnect();
      await until(async () => (await looking()) === 0, 'nobody looks on any more');
    } finally {
      socket.disconnect();
      await nodes.close();
    }
  });
}
