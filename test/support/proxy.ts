/** A TCP proxy that misbehaves on demand: what lies between a client and the server on a bad day. */
import { createServer, connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface FaultProxy {
  readonly url: string;
  readonly connections: number;
  /** ends every connection, both sides see it */
  cut(): void;
  /** nothing passes any more and nobody is told: a half-open link. New connections pass. */
  freeze(): void;
  /** what the server sends is lost on the way from now on, for the connections that there are */
  deafen(): void;
  /** where connections that come from now on end */
  retarget(url: string): void;
  /** bytes a second to the client, 0: as fast as it goes; for new connections too */
  throttle(bytesPerSecond: number): void;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  frozen: boolean;
  deaf: boolean;
}

const SLICE_MS = 20;

export async function faultProxy(target: string): Promise<FaultProxy> {
  let { hostname, port } = new URL(target);
  const pairs = new Set<Pair>();
  let rate = 0;

  const slowly = async (p: Pair, chunk: Buffer): Promise<void> => {
    p.server.pause();
    for (let at = 0; at < chunk.length && !p.client.destroyed;) {
      const size = Math.max(1, Math.floor((rate * SLICE_MS) / 1_000)) || chunk.length;
      p.client.write(chunk.subarray(at, at + size));
      at += size;
      await new Promise((resolve) => setTimeout(resolve, SLICE_MS));
    }
    p.server.resume();
  };

  const listener = createServer((client) => {
    const server = connect(Number(port), hostname);
    const pair: Pair = { client, server, frozen: false, deaf: false };
    pairs.add(pair);
    client.on('data', (chunk) => pair.frozen || server.write(chunk));
    server.on('data', (chunk) => {
      if (pair.frozen || pair.deaf) return;
      if (rate > 0) void slowly(pair, chunk);
      else client.write(chunk);
    });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('error', () => undefined);
      from.on('close', () => {
        pairs.delete(pair);
        if (!pair.frozen) to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));

  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get connections() {
      return pairs.size;
    },
    cut() {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
    },
    freeze() {
      for (const p of pairs) p.frozen = true;
    },
    deafen() {
      for (const p of pairs) p.deaf = true;
    },
    retarget(url) {
      ({ hostname, port } = new URL(url));
    },
    throttle(bytesPerSecond) {
      rate = bytesPerSecond;
    },
    close() {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      return new Promise((resolve) => listener.close(() => resolve()));
    },
  };
}
