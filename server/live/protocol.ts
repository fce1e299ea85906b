/** Messages of the socket (realtime R2, R4, R7). Unknown fields are ignored. */
import { z } from 'zod';
import type { Publication, TopicSlice } from '../../actors/system.ts';
import type { Json } from '../../actors/types.ts';
import type { ProblemDocument } from '../problems.ts';
import type { Bye, Hello, Head } from './outgoing.ts';

export const Handshake = z.object({
  /** absent when the session cookie of our own pages is used */
  token: z.string().max(4_096).optional(),
  proto: z.int().default(1),
  sdk: z.string().max(40).optional(),
  app: z.string().max(64).optional(),
  device: z.string().max(64).optional(),
});

const topicName = z.string().min(1).max(1_000);
const epoch = z.string().max(64);
const number = z.int().min(0);

export const Sub = z.object({
  l: z
    .array(z.object({ t: topicName, e: epoch.optional(), s: number.optional(), n: z.int().min(1).max(100).optional() }))
    .min(1)
    .max(64),
});
export const Unsub = z.object({ l: z.array(topicName).min(1).max(256) });
export const Pos = z.object({ l: z.array(z.object({ t: topicName, e: epoch, s: number })).max(256) });
export const Auth = z.object({
  token: z.string().min(1).max(4_096),
  /** what the client counted since the last report */
  c: z.object({ gaps: number, dups: number, same: number, delta: number, snap: number }).partial().optional(),
});
/** Durable position of a reader in a log. */
export const Seen = z.object({ t: topicName, s: z.int().min(1), how: z.enum(['rendered', 'opened', 'dismissed']) });
/** Whether somebody looks at the page or app; `input`: epoch ms of the last input, rounded to a minute. */
export const Vis = z.object({ visible: z.boolean(), input: z.int().min(0).optional() });
export const Ping = z.object({});
export const Cmd = z.object({
  id: z.string().regex(/^[\x21-\x7e]{8,64}$/),
  to: z.string().min(3).max(160),
  type: z.string().min(1).max(80),
  d: z.record(z.string(), z.unknown()).default({}),
  seq: number.optional(),
  ms: z.int().min(1).max(30_000).optional(),
});
export type Cmd = z.output<typeof Cmd>;

export type Ack =
  | {
      readonly ok: true;
      readonly id: string;
      readonly seq: number;
      readonly reply?: Json;
      readonly dup?: true;
      readonly ch?: readonly string[];
    }
  | { readonly ok: false; readonly id: string; readonly error: ProblemDocument; readonly seq?: number };

export type SubResult =
  | ({ readonly ok: true; readonly a?: string; readonly seen?: number } & TopicSlice)
  | { readonly ok: false; readonly t: string; readonly error: ProblemDocument };

type Answered<T> = (payload: unknown, ack?: (answer: T) => void) => void;
interface Refused {
  readonly ok: false;
  readonly error: ProblemDocument;
}

export interface ClientEvents {
  sub: Answered<{ ok: true; l: SubResult[] } | Refused>;
  unsub: Answered<{ ok: true } | Refused>;
  pos: Answered<{ ok: true; behind: string[] } | Refused>;
  auth: Answered<{ ok: true; exp: number } | Refused>;
  cmd: Answered<Ack | Refused>;
  seen: Answered<{ ok: true; s: number } | Refused>;
  vis: Answered<{ ok: true } | Refused>;
  ping1: Answered<{ now: number }>;
}

export interface ServerEvents {
  hello: (hello: Hello) => void;
  bye: (bye: Bye) => void;
  'auth.expiring': (at: { exp: number }) => void;
  pub: (p: Publication) => void;
  head: (head: Head) => void;
  resync: (r: { t: readonly string[] | '*'; r: 'slow' | 'bus'; jitterMs: number }) => void;
  unsub: (u: { t: string; code: string }) => void;
}

/** What nodes tell each other about sockets. */
export interface NodeEvents {
  /** a session has ended */
  revoked: (sid: string) => void;
  /** what the user may do has changed */
  recheck: (userId: string) => void;
}
