/**
 * Child of the realtime and cluster benches: Socket.IO alone, with the options of the gateway, one room for everybody and one for each token; with
 * the Redis adapter when a socket of Redis is named. A POST with a token as bearer ends the connections of its room.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { REST, stampNow } from './board.ts';
import { serve } from './realtime-server.ts';

const [redis] = process.argv.slice(2);
const http = createServer((req, res) => {
  io.in(req.headers.authorization ?? '').disconnectSockets(true);
  res.writeHead(204).end();
});
const io = new Server(http, {
  transports: ['websocket'],
  pingInterval: 25_000,
  pingTimeout: 20_000,
  maxHttpBufferSize: 65_536,
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  cookie: false,
  ...(redis === undefined ? {} : { adapter: createAdapter(new Redis(redis), new Redis(redis)) }),
});

io.on('connection', (socket) => {
  void socket.join(['board', `Bearer ${String(socket.handshake.auth['token'])}`]);
  socket.on('ping1', (_: unknown, ack: (answer: object) => void) => ack({ now: Date.now() }));
  socket.on('sub', (_: unknown, ack: (answer: object) => void) =>
    ack({ ok: true, l: [{ m: 'snap', d: { stamp: 0, text: '', rest: REST } }] }),
  );
});
await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
serve(
  (text, n) => {
    io.to('board').emit('pub', {
      t: 'board:b/live',
      e: 'abcdefgh',
      s: n,
      p: n - 1,
      k: 'd',
      d: { stamp: stampNow(), text },
      at: Date.now(),
    });
  },
  { port: (http.address() as AddressInfo).port },
);
