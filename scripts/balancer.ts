/**
 * A small load balancer for machines without one: requests and sockets go to the node that is ready and has the fewest. It needs no stickiness. A
 * request whose node could not be reached is sent to another one, if nothing of it can have been done or it carries an idempotency key.
 */
import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { pipeline } from 'node:stream';

const CHECK_MS = 250;
const CHECK_LIMIT_MS = 2_000;
const BODY_BYTES = 16 * 1_024 * 1_024;
const PATIENCE_MS = 10_000;

export interface Balancer {
  readonly url: string;
  /** nodes that answer `/readyz` now, by their URLs */
  readonly ready: readonly string[];
  /** From now on these are the nodes. */
  nodes(urls: readonly string[]): void;
  close(): Promise<void>;
}

interface Backend {
  readonly url: URL;
  ready: boolean;
  busy: number;
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

async function bodyOf(req: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** @param port 0 takes any free one */
export async function startBalancer(port: number, urls: readonly string[] = []): Promise<Balancer> {
  let backends: Backend[] = [];
  const closing = new AbortController();
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });

  const setNodes = (list: readonly string[]): void => {
    backends = list.map((url) => backends.find((b) => b.url.href === new URL(url).href) ?? { url: new URL(url), ready: false, busy: 0 });
  };
  const check = async (b: Backend): Promise<void> => {
    try {
      b.ready = (await fetch(new URL('/readyz', b.url), { signal: AbortSignal.timeout(CHECK_LIMIT_MS) })).ok;
    } catch {
      b.ready = false;
    }
  };
  const watch = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await Promise.all(backends.map(check));
      await pause(CHECK_MS);
    }
  };
  /** Those that are ready, the least busy first; those that were tried last of all. */
  const pick = (tried: ReadonlySet<Backend>): Backend | undefined =>
    backends.filter((b) => b.ready && !tried.has(b)).sort((x, y) => x.busy - y.busy)[0];

  /** Resolves when the answer is under way. Rejects when the node could not be reached or closed the connection without a word. */
  const send = (b: Backend, req: IncomingMessage, body: Buffer, res: ServerResponse): Promise<void> =>
    new Promise((resolve, reject) => {
      const forwarded = [req.headers['x-forwarded-for'], req.socket.remoteAddress].filter(Boolean).join(', ');
      const headers = { ...req.headers, 'x-forwarded-for': forwarded, 'content-length': String(body.length) };
      delete headers['transfer-encoding'];
      b.busy += 1;
      const out = request(b.url, { method: req.method, path: req.url, headers, agent }, (answer) => {
        const { connection: _, ...rest } = answer.headers;
        res.writeHead(answer.statusCode ?? 502, rest);
        // a node that dies amid its answer ends the client's as well
        pipeline(answer, res, () => undefined);
        resolve();
      });
      out.on('close', () => (b.busy -= 1));
      out.on('error', reject);
      out.end(body);
    });

  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const body = await bodyOf(req);
    if (body === undefined) {
      res.writeHead(413).end();
      return;
    }
    const safe = req.method === 'GET' || req.method === 'HEAD' || req.headers['idempotency-key'] !== undefined;
    const until = performance.now() + PATIENCE_MS;
    let tried = new Set<Backend>();
    while (performance.now() < until) {
      const b = pick(tried);
      if (b === undefined) {
        tried = new Set();
        await pause(CHECK_MS);
        continue;
      }
      try {
        return await send(b, req, body, res);
      } catch (error) {
        tried.add(b);
        if (!safe && (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') break;
      }
    }
    if (!res.headersSent) res.writeHead(502, { 'content-type': 'text/plain' }).end('no node answers\n');
  };

  const sockets = new Set<Socket>();
  const upgrade = (req: IncomingMessage, client: Socket, head: Buffer): void => {
    const b = pick(new Set());
    if (b === undefined) {
      client.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n');
      return;
    }
    b.busy += 1;
    const upstream = connect(Number(b.url.port), b.url.hostname, () => {
      const lines = [`${req.method} ${req.url} HTTP/1.1`];
      for (let i = 0; i < req.rawHeaders.length; i += 2) lines.push(`${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}`);
      lines.push(`X-Forwarded-For: ${client.remoteAddress}`, '', '');
      upstream.write(lines.join('\r\n'));
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    upstream.once('close', () => (b.busy -= 1));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.once('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  };
  const server = createServer((req, res) => void handle(req, res));
  server.on('upgrade', upgrade);
  setNodes(urls);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, resolve);
  });
  const watching = watch();
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    get ready() {
      return backends.filter((b) => b.ready).map((b) => b.url.origin);
    },
    nodes: setNodes,
    async close() {
      closing.abort();
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await watching;
    },
  };
}
