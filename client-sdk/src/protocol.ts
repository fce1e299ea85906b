/** What travels between this client and a Thrum server (protocol major 1). Times are epoch ms, UTC; unknown fields are ignored by both sides. */

/** Version of the wire protocol that this client speaks. */
export const PROTOCOL = 1;

/** First message after the handshake. `exp`: when the credentials end, or null for anonymous and endless ones. */
export interface Hello {
  readonly proto: number;
  readonly conn: string;
  readonly node: string;
  readonly user: string | null;
  readonly exp: number | null;
  readonly now: number;
  readonly limits: { readonly topics: number; readonly cmdPerSec: number; readonly bytes: number };
  readonly notices?: readonly { readonly code: string; readonly text: string }[];
}

/** The server ends the connection. `retry: false` means that repeating is pointless until a person acts. */
export interface Bye {
  readonly code: string;
  readonly retry: boolean;
  readonly retryAfterMs?: number;
}

/** The one error object, the same over HTTP (RFC 9457) and over the socket. */
export interface Problem {
  readonly type?: string;
  readonly code: string;
  readonly status?: number;
  readonly title?: string;
  readonly detail?: string;
  readonly instance?: string;
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  readonly details?: unknown;
}

/** Position of a client in a topic: epoch and number of the last publication that it has applied. */
export interface Cursor {
  readonly e: string;
  readonly s: number;
}

/** Numbered message of a topic: `d` delta on state `p`, `f` full view, `i` items `p + 1` to `s` of a log. */
export interface Numbered extends Cursor {
  readonly t: string;
  readonly p: number;
  readonly k: 'd' | 'f' | 'i';
  readonly d: unknown;
  readonly at: number;
}

/** Unnumbered, at most once. */
export interface Signal {
  readonly t: string;
  readonly k: 'x';
  readonly d: unknown;
  readonly at: number;
}

export type Publication = Numbered | Signal;

/** Tail probe: "the topic stands at `s`". */
export interface Head extends Cursor {
  readonly t: string;
}

export interface SubRequest {
  readonly t: string;
  readonly e?: string;
  readonly s?: number;
  /** items wanted of a log without cursor */
  readonly n?: number;
}

export interface StateAnswer extends Cursor {
  readonly ok: true;
  readonly t: string;
  readonly a?: string;
  readonly kind: 'state';
  readonly m: 'snap' | 'delta' | 'same';
  readonly d?: unknown;
}

export interface LogAnswer extends Cursor {
  readonly ok: true;
  readonly t: string;
  readonly a?: string;
  readonly kind: 'log';
  readonly m: 'items';
  readonly d: readonly unknown[];
  readonly floor: number;
  readonly more: boolean;
  readonly seen?: number;
  readonly gap?: { readonly from: number; readonly to: number };
}

export interface SignalAnswer {
  readonly ok: true;
  readonly t: string;
  readonly a?: string;
  readonly kind: 'signal';
}

export type Answer = StateAnswer | LogAnswer | SignalAnswer;

/** One entry of the acknowledgement of `sub`, in the order of the request. `t` is the canonical name, `a` the one that was asked for. */
export type SubResult = Answer | { readonly ok: false; readonly t: string; readonly error: Problem };

export type Ack =
  | {
      readonly ok: true;
      readonly id: string;
      readonly seq: number;
      readonly reply?: unknown;
      readonly dup?: true;
      /** hot views of the actor that the commit changed; they are published at `s >= seq` */
      readonly ch?: readonly string[];
    }
  | { readonly ok: false; readonly id: string; readonly error: Problem; readonly seq?: number };
