/**
 * Clients that do not read (realtime R10). A congested connection leaves its rooms, so that nothing piles up for it; when it reads again it
 * is told to subscribe with its cursors, which brings views to the newest and logs on without loss.
 */
import type { TimerHandle } from '../../actors/types.ts';
import { topicRoom } from './connection.ts';
import type { LiveSocket } from './connection.ts';
import type { LiveContext } from './context.ts';

const MOST_PACKETS = 256;
const MOST_BYTES = 1_048_576;
const CALM_BYTES = 65_536;
const CONTROL_BYTES = 4_194_304;
/** this runs for every packet of every socket, so it looks at each 16th */
const SAMPLE = 16;
const LOOK_MS = 250;
const LONGEST_MS = 30_000;
const RELAPSE_MS = 60_000;
const MOST_RELAPSES = 3;
const GRACE_MS = 5_000;

interface Congested {
  readonly since: number;
  readonly topics: Set<string>;
}

export interface CongestionWatch {
  watch(socket: LiveSocket): void;
  forget(socket: LiveSocket): void;
  /** The client left a topic itself. */
  leave(socket: LiveSocket, topic: string): void;
  /** Puts off the joining of a room to the time when the client reads again; false when it reads. */
  hold(socket: LiveSocket, topic: string): boolean;
  stop(): void;
}

export function watchCongestion(
  x: Pick<LiveContext, 'clock' | 'metrics'> & { bye(socket: LiveSocket, bye: { code: 'SLOW_CONSUMER' }): void },
): CongestionWatch {
  const congested = new Map<LiveSocket, Congested>();
  const history = new WeakMap<LiveSocket, number[]>();
  let timer: TimerHandle | undefined;

  const enter = (socket: LiveSocket): void => {
    const now = x.clock.mono();
    const recent = [...(history.get(socket) ?? []).filter((at) => now - at < RELAPSE_MS), now];
    history.set(socket, recent);
    x.metrics.congestedTotal.inc();
    if (recent.length >= MOST_RELAPSES) {
      drop(socket);
      return;
    }
    const topics = new Set(socket.data.connection.topics);
    congested.set(socket, { since: now, topics });
    x.metrics.congested.set(congested.size);
    for (const topic of topics) void socket.leave(topicRoom(topic));
    timer ??= x.clock.setTimer(LOOK_MS, look);
  };

  const drop = (socket: LiveSocket): void => {
    congested.delete(socket);
    x.metrics.congested.set(congested.size);
    x.metrics.slowDisconnects.inc();
    const ws = (socket.conn as unknown as Waiting).transport?.socket;
    x.bye(socket, { code: 'SLOW_CONSUMER' });
    // an orderly end waits for the peer to read, and this one does not
    x.clock.setTimer(GRACE_MS, () => ws?.terminate?.());
  };

  const look = (): void => {
    timer = undefined;
    const now = x.clock.mono();
    for (const [socket, { since, topics }] of congested) {
      const waiting = waitingBytes(socket);
      if (waitingPackets(socket) === 0 && waiting < CALM_BYTES) {
        congested.delete(socket);
        x.metrics.congested.set(congested.size);
        if (topics.size > 0) socket.emit('resync', { t: [...topics], r: 'slow', jitterMs: 0 });
      } else if (now - since > LONGEST_MS || waiting > CONTROL_BYTES) drop(socket);
    }
    if (congested.size > 0) timer = x.clock.setTimer(LOOK_MS, look);
  };

  return {
    watch(socket) {
      let packets = 0;
      socket.conn.on('packetCreate', () => {
        packets += 1;
        if (packets % SAMPLE !== 0 || congested.has(socket) || socket.data.connection.ended) return;
        if (isBehind(socket)) enter(socket);
      });
    },
    forget(socket) {
      if (congested.delete(socket)) x.metrics.congested.set(congested.size);
    },
    leave: (socket, topic) => void congested.get(socket)?.topics.delete(topic),
    hold: (socket, topic) => congested.get(socket)?.topics.add(topic) !== undefined,
    stop() {
      if (timer !== undefined) x.clock.clearTimer(timer);
      timer = undefined;
      congested.clear();
    },
  };
}

interface Waiting {
  readonly writeBuffer?: readonly { readonly data?: unknown; readonly options?: { readonly wsPreEncodedFrame?: unknown } | undefined }[];
  readonly transport?: { readonly socket?: { readonly bufferedAmount?: number; terminate?(): void } };
}

type Wire = Pick<LiveSocket, 'conn'>;

const waitingPackets = (socket: Wire): number => (socket.conn as unknown as Waiting).writeBuffer?.length ?? 0;

/** Bytes held for a peer that has not taken them: packets still with the engine, a broadcast as text and as frame, and what the WebSocket holds back. */
function waitingBytes(socket: Wire): number {
  const { writeBuffer = [], transport } = socket.conn as unknown as Waiting;
  let bytes = transport?.socket?.bufferedAmount ?? 0;
  for (const { data, options } of writeBuffer) {
    if (typeof data === 'string') bytes += options?.wsPreEncodedFrame === undefined ? data.length : data.length * 2;
  }
  return bytes;
}

/** Whether a client does not read as fast as it is told. */
export const isBehind = (socket: Wire): boolean => waitingPackets(socket) > MOST_PACKETS || waitingBytes(socket) > MOST_BYTES;
