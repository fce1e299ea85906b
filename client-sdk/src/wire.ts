import { io } from 'socket.io-client';
import type { Dial, WireEvents } from './deps.ts';
import type { Problem } from './protocol.ts';

/** The protocol over Socket.IO, WebSocket only. Reconnecting is the client's matter, so Socket.IO's own is off. */
export const socketIo: Dial = (url, events) => {
  const socket = io(url, { transports: ['websocket'], reconnection: false, autoConnect: false });
  const on = (name: string, event: keyof WireEvents): void => {
    socket.on(name, events[event] as (...args: unknown[]) => void);
  };
  for (const name of ['hello', 'bye', 'pub', 'head', 'resync', 'unsub'] as const) on(name, name);
  on('auth.expiring', 'expiring');
  socket.on('connect_error', (error: Error & { data?: Problem }) => events.refused(error.data));
  socket.on('disconnect', () => events.down());
  return {
    open(auth) {
      socket.auth = { ...auth };
      socket.connect();
    },
    close: () => void socket.disconnect(),
    request: (event, payload, ms) => socket.timeout(ms).emitWithAck(event, payload) as Promise<unknown>,
  };
};
