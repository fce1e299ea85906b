import { WebSocket } from 'ws';
import { until } from './until.ts';

/** a thousand of them share a process with their server */
const PATIENCE_MS = 240_000;

/** The bare protocol: Engine.IO 4 packets (0 open, 2 ping, 3 pong, 4 message), in them Socket.IO 5 (0 connect, 2 event, 3 ack, 4 refusal). */
export class Bare {
  readonly frames: string[] = [];
  readonly ws: WebSocket;
  #acks = 0;

  constructor(url: string) {
    this.ws = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    this.ws.on('error', () => undefined);
    this.ws.on('message', (data: Buffer) => {
      const frame = data.toString();
      if (frame === '2') this.ws.send('3');
      else this.frames.push(frame);
    });
  }

  async find(fits: (frame: string) => boolean): Promise<string> {
    await until(() => this.frames.some(fits), `a frame; there are ${this.frames.join(' ').slice(0, 500)}`, PATIENCE_MS);
    return this.frames.find(fits) ?? '';
  }

  async request(event: string, payload: unknown): Promise<unknown> {
    this.#acks += 1;
    const id = this.#acks;
    this.ws.send(`42${id}${JSON.stringify([event, payload])}`);
    const prefix = `43${id}`;
    const frame = await this.find((f) => f.startsWith(prefix));
    return (JSON.parse(frame.slice(prefix.length)) as [unknown])[0];
  }

  /** Connects to the namespace; resolves with the first frame after it. */
  async enter(token: string): Promise<string> {
    await this.find((f) => f.startsWith('0'));
    this.ws.send(`40${JSON.stringify({ token, proto: 1 })}`);
    return this.find((f) => f.startsWith('42["hello"'));
  }

  get closed(): Promise<void> {
    return until(() => this.ws.readyState === WebSocket.CLOSED, 'the end of the socket');
  }
}
