/**
 * The least of a WebSocket client: text frames in, text frames out, nothing checked. It costs a third of a full one, so that a thousand of them
 * in one process do not set the pace of what is measured.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface RawSocket {
  send(text: string): void;
  /** stops reading from the network */
  pause(): void;
  destroy(): void;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const TEXT = 0x81;
const MASKED = 0x80;
const CLOSE = 0x8;

/** A client's frame; the mask is zero, which leaves the payload as it is. */
function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  const n = payload.length;
  const head = n < 126 ? Buffer.from([TEXT, MASKED | n]) : Buffer.from([TEXT, MASKED | 126, n >> 8, n & 255]);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

/**
 * Opens a socket to `path` on this machine.
 *
 * @param onText the text of each frame, as latin1
 * @param onEnd once, when the upgrade was refused or the connection is over
 */
export function rawSocket(port: number, path: string, onText: (text: string) => void, onEnd: () => void): RawSocket {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let rest: Buffer | undefined;
  let upgraded = false;

  /** Takes whole frames off the chunk; gives what is left. */
  const frames = (chunk: Buffer, from: number): number => {
    let at = from;
    while (chunk.length - at >= 2) {
      let size = (chunk[at + 1] ?? 0) & 127;
      let start = at + 2;
      if (size === 126) {
        if (chunk.length < at + 4) break;
        size = chunk.readUInt16BE(at + 2);
        start = at + 4;
      } else if (size === 127) {
        if (chunk.length < at + 10) break;
        size = chunk.readUInt32BE(at + 6);
        start = at + 10;
      }
      if (chunk.length < start + size) break;
      if (((chunk[at] ?? 0) & 15) === CLOSE) socket.destroy();
      else onText(chunk.toString('latin1', start, start + size));
      at = start + size;
    }
    return at;
  };

  socket.on('data', (fresh) => {
    const chunk = rest === undefined ? fresh : Buffer.concat([rest, fresh]);
    let at = 0;
    if (!upgraded) {
      const end = chunk.indexOf(HEAD_END);
      if (end < 0) {
        rest = chunk;
        return;
      }
      if (!chunk.toString('latin1', 0, 12).endsWith('101')) {
        socket.destroy();
        return;
      }
      upgraded = true;
      at = end + HEAD_END.length;
    }
    at = frames(chunk, at);
    rest = at === chunk.length ? undefined : chunk.subarray(at);
  });
  socket.on('error', () => undefined);
  socket.once('close', onEnd);
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhydW0gcmF3IGNsaWVudA==\r\n\r\n`,
  );
  return {
    send: (text) => void socket.write(frameOf(text)),
    pause: () => void socket.pause(),
    destroy: () => void socket.destroy(),
  };
}
