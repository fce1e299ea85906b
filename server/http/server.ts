/** The socket that the server listens on: its time limits, and what its connections hear while the server leaves. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const REQUEST_MS = 30_000;
const HEADERS_MS = 10_000;
/** connections that may wait to be taken: as many as the system allows (`net.core.somaxconn`); a packet that is dropped is sent again after 1, 3, 7 … 63 s */
const BACKLOG = 65_535;

/** @param leaving asked at each request: load balancers are to open their next connection to a node that stays */
export function createHttpServer(handle: (req: IncomingMessage, res: ServerResponse) => Promise<unknown>, leaving: () => boolean): Server {
  const http = createServer((req, res) => {
    if (leaving()) res.setHeader('connection', 'close');
    void handle(req, res);
  });
  http.requestTimeout = REQUEST_MS;
  http.headersTimeout = HEADERS_MS;
  return http;
}

/** without a name of their own: everywhere, or this machine alone */
const LOCAL: readonly string[] = ['0.0.0.0', '::', 'localhost', '127.0.0.1', '::1'];

/** Gives the origin under which this machine reaches the server; the system chooses the port when 0 was asked for. Rejects when the address is taken. */
export async function listen(http: Server, { port, host }: { readonly port: number; readonly host?: string | undefined }): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen({ port, host, backlog: BACKLOG }, resolve);
  });
  const name = host === undefined || LOCAL.includes(host) ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${(http.address() as AddressInfo).port}`;
}
