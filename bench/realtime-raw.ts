/** Child of the realtime bench: Socket.IO alone, with the options of the gateway, one room for everybody. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { REST, stampNow } from './board.ts';
import { serve } from './realtime-server.ts';

const http = createServer();
const io = new Server(http, {
  transports: ['websocket'],
  pingInterval: 25_000,
  pingTimeout: 20_000,
  maxHttpBufferSize: 65_536,
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  cookie: false,
});

io.on('connection', (socket) => {
  void socket.join('board');
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
