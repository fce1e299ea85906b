/** The lines between the processes: TCP through this process, where they can be cut, held or refused. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, NetConnectOpts, Socket } from 'node:net';
import { join } from 'node:path';

export interface Link {
  readonly port: number;
  readonly connections: number;
  /** Ends every connection; new ones pass. */
  cut(): void;
  /** Nothing passes and nobody is told, until {@link Link.mend}; new connections are taken and hang. */
  freeze(): void;
  /** What is sent over the connections that there are is lost for good, and nobody is told; new ones are taken and hang, until {@link Link.mend}. */
  swallow(): void;
  /** Every connection ends and new ones are ended at once, until {@link Link.mend}. */
  refuse(): void;
  mend(): void;
  close(): Promise<void>;
}

/** A line to a database server, and the URL that leads over it. */
export async function openDatabaseLink(databaseUrl: string): Promise<Link & { readonly url: string }> {
  // a URL without a host, whose socket is named by a parameter, is none to the platform
  const url = new URL(databaseUrl.replace('@/', '@localhost/'));
  const folder = url.searchParams.get('host');
  const target = folder === null ? { host: url.hostname, port: Number(url.port || 5_432) } : { path: join(folder, '.s.PGSQL.5432') };
  const link = await openLink(() => [target]);
  url.searchParams.delete('host');
  url.host = `127.0.0.1:${link.port}`;
  return Object.assign(link, { url: url.href });
}

/** @param targets where a new connection goes: the first that can be reached */
export async function openLink(targets: () => readonly NetConnectOpts[]): Promise<Link> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const lost = new Set<readonly [Socket, Socket]>();
  let state: 'open' | 'frozen' | 'refused' = 'open';

  function join(client: Socket, server: Socket): void {
    const pair = [client, server] as const;
    pairs.add(pair);
    client.pipe(server);
    server.pipe(client);
    if (state === 'frozen') hold(pair);
    for (const [from, to] of [pair, [server, client] as const]) {
      from.on('close', () => {
        pairs.delete(pair);
        if (!lost.delete(pair)) to.destroy();
      });
    }
  }

  function reach(client: Socket, [next, ...others]: readonly NetConnectOpts[]): void {
    if (next === undefined || client.destroyed) return void client.destroy();
    const server = connect(next);
    let there = false;
    server.once('connect', () => {
      there = true;
      server.setNoDelay(true);
      if (client.destroyed) server.destroy();
      else join(client, server);
    });
    server.on('error', () => (there ? undefined : reach(client, others)));
  }

  const hold = (pair: readonly Socket[]): void => {
    for (const socket of pair) {
      socket.unpipe();
      socket.pause();
    }
  };
  const cut = (): void => {
    for (const pair of [...pairs, ...lost]) for (const socket of pair) socket.destroy();
  };

  const listener = createServer((client) => {
    client.on('error', () => undefined);
    client.setNoDelay(true);
    if (state === 'refused') client.destroy();
    else reach(client, targets());
  });
  await new Promise<void>((resolve) => {
    listener.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (listener.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    cut,
    freeze() {
      state = 'frozen';
      for (const pair of pairs) hold(pair);
    },
    swallow() {
      state = 'frozen';
      for (const pair of pairs) {
        hold(pair);
        lost.add(pair);
        for (const socket of pair) socket.resume();
      }
      pairs.clear();
    },
    refuse() {
      state = 'refused';
      cut();
    },
    mend() {
      state = 'open';
      for (const [client, server] of pairs) {
        client.pipe(server);
        server.pipe(client);
      }
    },
    async close() {
      const closed = new Promise((resolve) => listener.close(resolve));
      cut();
      await closed;
    },
  };
}
