import { useEffect, useRef, useState } from 'preact/hooks';
import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import { renew } from '../lib/http.ts';

/** Absent values filter nothing. */
export interface WatchFilter {
  readonly kind?: string;
  readonly type?: string;
  readonly keys?: readonly string[];
}

/** One event of one actor, put together from the feed's messages. */
export interface Sighting {
  readonly key: string;
  readonly ref: string;
  readonly seq: number;
  /** epoch ms */
  readonly at: number;
  readonly type: string;
  readonly from: string;
  /** code of a refusal */
  readonly refused?: string;
  /** state path after it */
  readonly state?: string;
  readonly commitMs?: number;
}

/** What is told of a watch as a whole. */
export interface WatchState {
  /** whether the server watches for us */
  readonly live: boolean;
  /** events per second that fit the filter */
  readonly matched: number;
  readonly sent: number;
}

interface Message {
  readonly type: string;
  readonly id: string;
  readonly sessionId: string;
  readonly seq: number;
  readonly createdAt: string;
  readonly sourceId?: string;
  readonly event?: { readonly type: string };
  readonly at?: number;
  readonly code?: string;
  readonly state?: string;
  readonly commitMs?: number;
}

const WATCH = 'page';
const RENEW_MS = 25_000;
const QUIET_MS = 2_500;
const none: WatchState = { live: false, matched: 0, sent: 0 };

let socket: Socket | undefined;
let users = 0;

/** The cookie has run out: a new one, and once more. */
async function signInAgain(s: Socket): Promise<void> {
  if (await renew()) s.connect();
}

function connect(): Socket {
  users += 1;
  if (socket !== undefined) return socket;
  const made = io('/inspect', { transports: ['websocket'], auth: { proto: 1 } });
  made.on('connect_error', (error: Error & { data?: { code?: string } }) => {
    if (error.data?.code === 'UNAUTHENTICATED') void signInAgain(made);
  });
  socket = made;
  return made;
}

function leave(): void {
  users -= 1;
  if (users > 0) return;
  socket?.disconnect();
  socket = undefined;
}

let count = 0;

/**
 * Watches while the component is shown. `seen` gets the events of one frame together; it may change from render to render.
 *
 * @param name  of this watch, unique on the page
 * @param filter undefined: nothing is watched
 */
export function useFeed(
  name: string,
  filter: WatchFilter | undefined,
  rate: number,
  seen: (events: readonly Sighting[]) => void,
): WatchState {
  const [state, setState] = useState<WatchState>(none);
  const latest = useRef(seen);
  latest.current = seen;
  const text = JSON.stringify(filter);
  useEffect(() => {
    if (text === undefined) return undefined;
    const id = `${WATCH}-${name}`;
    const s = connect();
    const ask = (): void => {
      s.emit('watch', { id, filter: JSON.parse(text) as WatchFilter, rate }, ({ ok }: { ok: boolean }) =>
        setState((known) => ({ ...known, live: ok })),
      );
    };
    let quiet: ReturnType<typeof setTimeout> | undefined;
    const lost = (): void => setState(none);
    const inspected = ({ watches, l }: { watches: readonly string[]; l: readonly Message[] }): void => {
      if (watches.includes(id)) latest.current(sightings(l));
    };
    const told = ({ ms, watches }: { ms: number; watches: readonly { id: string; matched: number; sent: number }[] }): void => {
      const own = watches.find((w) => w.id === id);
      const perSecond = (n: number): number => Math.round((n * 1_000) / ms);
      if (own === undefined) return;
      setState({ live: true, matched: perSecond(own.matched), sent: perSecond(own.sent) });
      // nothing is told of a second without events
      clearTimeout(quiet);
      quiet = setTimeout(() => setState({ live: true, matched: 0, sent: 0 }), QUIET_MS);
    };
    s.on('connect', ask).on('disconnect', lost).on('inspection', inspected).on('watch.stats', told);
    if (s.connected) ask();
    const timer = setInterval(ask, RENEW_MS);
    return () => {
      clearInterval(timer);
      clearTimeout(quiet);
      s.off('connect', ask).off('disconnect', lost).off('inspection', inspected).off('watch.stats', told);
      s.emit('unwatch', { id });
      leave();
      lost();
    };
  }, [name, text, rate]);
  return state;
}

function sightings(messages: readonly Message[]): Sighting[] {
  const out: Sighting[] = [];
  for (const m of messages) {
    if (m.type === '@xstate.event') {
      out.push({
        key: `${m.sessionId}#${m.seq}/${(count += 1)}`,
        ref: m.sessionId,
        seq: m.seq,
        at: m.at ?? Number(m.createdAt),
        type: m.event?.type ?? '',
        from: m.sourceId ?? '',
        ...(m.code === undefined ? {} : { refused: m.code }),
      });
    } else if (m.type === '@xstate.snapshot') {
      const last = out.findLast((s) => s.ref === m.sessionId && s.seq === m.seq);
      if (last !== undefined) Object.assign(last, { state: m.state, commitMs: m.commitMs });
    }
  }
  return out;
}
