/**
 * The receiving end of one topic as a pure reducer: what a client does with every message that may arrive, in any order, twice or never.
 *
 * Each publication says what it follows, so a gap is proven or excluded here and not hoped away; each repair is the same request,
 * "subscribe with my cursor". Invariants, held by the model test:
 *  1. the view always equals a view that the server published;
 *  2. a delta is never merged into anything but the view it was computed from;
 *  3. within an epoch the cursor never decreases;
 *  4. the items of a log reach the application once each, in order; what retention removed is announced as a gap;
 *  5. at most one subscription request is under way.
 */
import { merge } from './merge.ts';
import type { Answer, Cursor, Head, LogAnswer, Numbered, Publication, StateAnswer } from './protocol.ts';

/** Publications that may wait for the answer to a subscription; one more and the topic is asked again. */
const BUFFER = 256;
/** ms until a stale answer (of a paused former owner) is asked again */
const STALE_MS = 500;

export type Message = Publication | (Head & { readonly k: 'h' });

export interface Receiver {
  /** `off`: not subscribed · `asking`: a subscription request is under way · `live` */
  readonly phase: 'off' | 'asking' | 'live';
  readonly cursor?: Cursor;
  /** the cursor of the request under way */
  readonly asked?: Cursor;
  readonly view?: unknown;
  readonly buffer: readonly Message[];
  readonly overflow: boolean;
}

export type Input =
  | { readonly type: 'ask' }
  | { readonly type: 'answer'; readonly answer: Answer }
  | { readonly type: 'pub'; readonly pub: Message }
  /** the connection, or the request, is gone */
  | { readonly type: 'lost' };

export type Counter = 'gaps' | 'dups' | 'same' | 'delta' | 'snap';

export type Output =
  | { readonly type: 'sub'; readonly cursor?: Cursor }
  /** ask again after so many ms */
  | { readonly type: 'later'; readonly ms: number }
  | { readonly type: 'view'; readonly view: unknown; readonly s: number; readonly at?: number; readonly cause: 'snapshot' | 'delta' }
  /** items `first`, `first + 1`, … */
  | { readonly type: 'items'; readonly items: readonly unknown[]; readonly first: number; readonly at?: number }
  | { readonly type: 'gap'; readonly reason: 'retention' | 'epoch'; readonly from: number; readonly to: number }
  | { readonly type: 'signal'; readonly value: unknown; readonly at: number }
  | { readonly type: 'count'; readonly what: Counter };

type Step = readonly [Receiver, readonly Output[]];

export const receiver: Receiver = { phase: 'off', buffer: [], overflow: false };

function ask(r: Receiver, cursor: Cursor | undefined, before: readonly Output[] = []): Step {
  return [{ ...r, phase: 'asking', asked: cursor, buffer: [], overflow: false }, [...before, { type: 'sub', cursor }]];
}

const gap = (r: Receiver, cursor: Cursor | undefined): Step => ask(r, cursor, [{ type: 'count', what: 'gaps' }]);

function items(r: Receiver, all: readonly unknown[], first: number, cursor: Cursor, at?: number): Step {
  const skip = r.cursor?.e === cursor.e ? Math.max(0, r.cursor.s + 1 - first) : 0;
  const fresh = skip === 0 ? all : all.slice(skip);
  return [{ ...r, cursor }, fresh.length === 0 ? [] : [{ type: 'items', items: fresh, first: first + skip, at }]];
}

function apply(r: Receiver, p: Numbered): Step {
  const c = r.cursor;
  if (c === undefined || p.e !== c.e) return gap(r, undefined);
  if (p.s <= c.s) return [r, [{ type: 'count', what: 'dups' }]];
  const cursor = { e: p.e, s: p.s };
  if (p.k === 'f') return [{ ...r, cursor, view: p.d }, [{ type: 'view', view: p.d, s: p.s, at: p.at, cause: 'snapshot' }]];
  if (p.k === 'd' && p.p === c.s) {
    const view = merge(r.view, p.d);
    return [{ ...r, cursor, view }, [{ type: 'view', view, s: p.s, at: p.at, cause: 'delta' }]];
  }
  if (p.k === 'i' && p.p <= c.s && Array.isArray(p.d)) return items(r, p.d, p.p + 1, cursor, p.at);
  return gap(r, c);
}

function published(r: Receiver, p: Message): Step {
  if (p.k === 'x') return [r, [{ type: 'signal', value: p.d, at: p.at }]];
  if (r.phase === 'off') return [r, []];
  if (r.phase === 'asking') {
    if (r.overflow || r.buffer.length >= BUFFER) return [{ ...r, buffer: [], overflow: true }, []];
    return [{ ...r, buffer: [...r.buffer, p] }, []];
  }
  if (p.k !== 'h') return apply(r, p);
  if (p.e === r.cursor?.e && p.s <= r.cursor.s) return [r, []];
  return gap(r, p.e === r.cursor?.e ? r.cursor : undefined);
}

function stateAnswer(r: Receiver, a: StateAnswer): Step {
  const c = r.cursor;
  const cursor = { e: a.e, s: a.s };
  const known = c?.e === a.e;
  if (a.m === 'snap') {
    return [
      { ...r, cursor, view: a.d },
      [
        { type: 'count', what: 'snap' },
        { type: 'view', view: a.d, s: a.s, cause: 'snapshot' },
      ],
    ];
  }
  if (!known) return [r, [{ type: 'later', ms: STALE_MS }]];
  const count: Output = { type: 'count', what: a.m };
  if (a.m === 'same' || !Array.isArray(a.d)) return [{ ...r, cursor }, [count]];
  const view = a.d.reduce(merge, r.view);
  return [{ ...r, cursor, view }, [count, { type: 'view', view, s: a.s, cause: 'delta' }]];
}

function logAnswer(r: Receiver, a: LogAnswer): Step {
  const c = r.cursor;
  const end = { e: a.e, s: a.s };
  const newest = a.s - a.d.length + 1;
  if (c === undefined) return items(r, a.d, newest, end);
  if (c.e !== a.e) {
    const [next, out] = items(r, a.d, newest, end);
    return [next, [{ type: 'gap', reason: 'epoch', from: 1, to: newest - 1 }, ...out]];
  }
  // asked without cursor because of a strange epoch that turned out to be ours after all: fetch what lies between
  if (r.asked === undefined && newest > c.s + 1) return ask(r, c);
  const first = a.gap !== undefined ? a.gap.to + 1 : r.asked === undefined ? newest : c.s + 1;
  const [next, out] = items(r, a.d, first, { e: a.e, s: Math.max(c.s, first + a.d.length - 1) });
  return [next, a.gap === undefined ? out : [{ type: 'gap', reason: 'retention', ...a.gap }, ...out]];
}

function answered(r: Receiver, a: Answer): Step {
  if (r.phase !== 'asking') return [r, []];
  const { buffer, overflow } = r;
  const live: Receiver = { ...r, phase: 'live', buffer: [], overflow: false };
  const stale = a.kind !== 'signal' && a.e === r.cursor?.e && a.s < r.cursor.s;
  let [now, out]: Step = stale
    ? [live, [{ type: 'later', ms: STALE_MS }]]
    : a.kind === 'state'
      ? stateAnswer(live, a)
      : a.kind === 'log'
        ? logAnswer(live, a)
        : [live, []];
  if (a.kind === 'log' && a.more && now.phase === 'live') [now, out] = ask(now, now.cursor, out);
  else if (overflow && now.phase === 'live') [now, out] = ask(now, now.cursor, out);
  for (const p of buffer) {
    const [next, more] = published(now, p);
    now = next;
    out = [...out, ...more];
  }
  return [now, out];
}

/** One step: the receiver after `input`, and what is to be done, in order. */
export function receive(r: Receiver, input: Input): Step {
  switch (input.type) {
    case 'ask':
      return r.phase === 'asking' ? [r, []] : ask(r, r.cursor);
    case 'answer':
      return answered(r, input.answer);
    case 'pub':
      return published(r, input.pub);
    default:
      return [{ ...r, phase: 'off', buffer: [], overflow: false }, []];
  }
}
