/** Stands before a Redis and loses single messages of pub/sub on their way to a subscriber; everything else passes. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface RedisProxy {
  /** redis:// */
  readonly url: string;
  /** From now on messages that fit are lost. Gives those lost so far. */
  lose(fits: (message: Buffer) => boolean): readonly Buffer[];
  close(): Promise<void>;
}

const LINE = '\r\n';
const PUSHED = /^[*>][34]\r\n\$(7\r\nmessage|8\r\npmessage|8\r\nsmessage)\r\n/;

/** values that hold others -> how many each counts */
const HOLDERS: { readonly [sort: string]: number } = { '*': 1, '>': 1, '~': 1, '%': 2 };

/** Where the RESP value that begins at `at` ends, or -1 when it is not whole yet. */
function endOf(bytes: Buffer, at: number): number {
  const line = bytes.indexOf(LINE, at);
  if (line < 0) return -1;
  const next = line + LINE.length;
  const sort = String.fromCharCode(bytes[at] ?? 0);
  const n = Number(bytes.toString('latin1', at + 1, line));
  if (sort === '$' && n >= 0) return next + n + LINE.length <= bytes.length ? next + n + LINE.length : -1;
  let end = next;
  for (let i = 0; i < n * (HOLDERS[sort] ?? 0) && end >= 0; i += 1) end = endOf(bytes, end);
  return end;
}

/** @param target of a private Redis: unix:///path */
export async function redisProxy(target: string): Promise<RedisProxy> {
  const { pathname } = new URL(target);
  const sockets = new Set<Socket>();
  const lost: Buffer[] = [];
  let fits: (message: Buffer) => boolean = () => false;

  const listener = createServer((client) => {
    const server = connect(decodeURIComponent(pathname));
    let rest = Buffer.alloc(0);
    client.on('data', (chunk) => server.write(chunk));
    server.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (let end = endOf(rest, 0); end > 0 && rest.length > 0; end = endOf(rest, 0)) {
        const value = rest.subarray(0, end);
        rest = rest.subarray(end);
        if (PUSHED.test(value.toString('latin1', 0, 40)) && fits(value)) lost.push(Buffer.from(value));
        else client.write(value);
      }
    });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));

  return {
    url: `redis://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    lose(which) {
      fits = which;
      return lost;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => listener.close(() => resolve()));
    },
  };
}
