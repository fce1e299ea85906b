/** Child of the cluster bench: sessions with a socket at each of two nodes, which end when the session does. */
import { request } from 'node:http';
import { answerOrders } from './peer.ts';
import { rawSocket } from './raw-socket.ts';

export interface SessionsOrder {
  readonly ports: readonly number[];
  /** one session each */
  readonly tokens: readonly string[];
  /** where a POST with the token as bearer ends its session */
  readonly path: string;
}

/** Connects and joins; resolves with the moment of the end, in ms of this process. */
function socket(port: number, token: string): { joined: Promise<void>; ended: Promise<number> } {
  let onEnd: (at: number) => void = () => undefined;
  const ended = new Promise<number>((resolve) => {
    onEnd = resolve;
  });
  const joined = new Promise<void>((resolve, reject) => {
    const ws = rawSocket(
      port,
      '/socket.io/?EIO=4&transport=websocket',
      (frame) => {
        if (frame === '2') ws.send('3');
        else if (frame.startsWith('0')) ws.send(`40${JSON.stringify({ token, proto: 1 })}`);
        else if (frame.startsWith('40')) resolve();
        else if (frame.startsWith('41')) onEnd(performance.now());
        else if (frame.startsWith('44')) reject(new Error(frame));
      },
      () => onEnd(performance.now()),
    );
  });
  return { joined, ended };
}

function revoke(port: number, path: string, token: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-length': 0 };
    const req = request({ host: '127.0.0.1', port, path, method: 'POST', headers }, (res) => {
      res.resume();
      if ((res.statusCode ?? 500) < 300) resolve();
      else reject(new Error(`the revocation was answered with ${res.statusCode}`));
    });
    req.once('error', reject);
    req.end();
  });
}

/** ms from the sending of the revocation to the end of the last socket. */
async function one({ ports, path }: SessionsOrder, token: string): Promise<number> {
  const sockets = ports.map((port) => socket(port, token));
  await Promise.all(sockets.map((s) => s.joined));
  const began = performance.now();
  const [ends] = await Promise.all([Promise.all(sockets.map((s) => s.ended)), revoke(ports[0] ?? 0, path, token)]);
  return Math.max(...ends) - began;
}

answerOrders(async (order: SessionsOrder) => {
  const times: number[] = [];
  for (const token of order.tokens) times.push(await one(order, token));
  return times;
});
