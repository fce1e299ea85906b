/**
 * The route table. One entry says everything about a route: who may call it, what it takes, what it answers, which problems it knows; the
 * HTTP application is built from the table and so is the OpenAPI document.
 *
 * A module exports `<module>Routes: (deps) => Route[]`. Most of its routes are one call of {@link askRoute} or {@link readRoute}:
 *
 * ```ts
 * askRoute({
 *   method: 'POST', path: '/v1/bookings/:id/reschedule', auth: 'user', summary: 'Moves a booking', idempotent: true,
 *   body: Reschedule, reply: { 200: BookingView }, problems: ['SLOT_UNAVAILABLE', 'NOT_FOUND'],
 *   ask: ({ params, body }) => [`booking:${params.id}`, { type: 'booking.reschedule', ...body }],
 * })
 * ```
 */
import type { z } from 'zod';
import type { ActorSystem, CommandInput } from '../../actors/system.ts';
import type { ActorRef, Json, Principal } from '../../actors/types.ts';
import type { Session } from '../identity/caller.ts';
import type { InspectRole } from '../inspector/roles.ts';
import type { ProblemCode } from '../problems.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/**
 * Who may call: `none` everybody (a caller who sends credentials is recognised), `user` who is signed in, `staff` roles staff or admin,
 * `admin` the role admin, `inspect:…` who may that at the inspector. Ownership of the single object is the actor's matter (`visible`, `allow`).
 */
export type Auth = 'none' | 'user' | 'staff' | 'admin' | InspectRole;

/** What a handler gives. Without `status` the first success status of the route's reply map is used. */
export interface Answer<T = unknown> {
  readonly body: T;
  readonly status?: number;
  /** `content-type` here makes a string or Buffer body go out as it is; otherwise the body is JSON */
  readonly headers?: { readonly [name: string]: string | readonly string[] };
  /** version of the object: with a digest of the answer it becomes the ETag, honoured by `If-None-Match` on GET */
  readonly seq?: number;
  /** a repeated command: becomes `Idempotency-Replayed: true` */
  readonly dup?: boolean;
}

/** An answer in one call: `answer(body)`, `answer(body, { status: 201, headers: { location } })`, `answer(undefined, { status: 204 })`. */
export const answer = <T>(body: T, o: Omit<Answer, 'body'> = {}): Answer<T> => ({ ...o, body });

export interface RouteContext<P = unknown, Q = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** the bytes as received; empty on routes without a body */
  readonly raw: Buffer;
  /** one header in lower case */
  readonly header: (name: string) => string | undefined;
  readonly caller: Principal;
  /** absent for anonymous callers */
  readonly session: Session | undefined;
  /** client address after proxies */
  readonly address: string;
  /** for the kernel: from `Idempotency-Key`, or fresh */
  readonly key: string;
  /** the header as sent, 1 to 255 visible ASCII characters */
  readonly idempotencyKey: string | undefined;
  /** version from `If-Match: "12"` on routes with `ifMatch` */
  readonly ifMatch: number | undefined;
  readonly requestId: string;
  /** of the caller's span, if the request names one */
  readonly traceparent: string | undefined;
  readonly actors: ActorSystem;
  /**
   * Sends a command as this caller, with the request's key and `If-Match`, and waits for its commit.
   *
   * @throws Problem for every refusal
   */
  readonly ask: (ref: ActorRef, command: CommandInput, o?: { key?: string; seq?: number; deadline?: number }) => Promise<Answer<Json>>;
  /** Runs a query as this caller. @throws KernelProblem */
  readonly read: (ref: ActorRef, query: string, input?: unknown) => Promise<Answer<Json>>;
}

type NameOf<S extends string> = S extends `${infer N}.${string}` ? N : S;
type ParamNames<S extends string> = S extends `${infer A}/${infer R}`
  ? ParamNames<A> | ParamNames<R>
  : S extends `:${infer N}`
    ? NameOf<N>
    : S extends `*${infer N}`
      ? N
      : never;
export type PathParams<S extends string> = { readonly [K in ParamNames<S>]: string };

interface Described<Path extends string> {
  readonly method: Method;
  /** `/v1/bookings/:id`; a last `*rest` takes the remaining segments */
  readonly path: Path;
  /** further paths of the same handler, with the same parameter names */
  readonly aliases?: readonly string[];
  readonly auth: Auth;
  /** one sentence for the documentation */
  readonly summary: string;
  /** group in the documentation; default: the first word of the path after `/v1` */
  readonly tag?: string;
  /** other spellings of top-level input fields: `{ resource_id: 'resourceId' }` */
  readonly rename?: { readonly [alias: string]: string };
  /** takes `Idempotency-Key` */
  readonly idempotent?: true;
  /** takes `If-Match`; a mismatch is 412 `SEQ_MISMATCH` */
  readonly ifMatch?: true;
  /** the body is any bytes (a webhook); it is only found in `raw` */
  readonly rawBody?: true;
  /** greatest body in bytes; default `BODY_BYTES` */
  readonly bodyBytes?: number;
  /** not counted by the request limit (webhooks) */
  readonly unlimited?: true;
  /** by status: schema of the JSON body, a media type for other content, null for no content */
  readonly reply: { readonly [status: number]: z.ZodType | string | null };
  /** beside VALIDATION, UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED and INTERNAL where they apply */
  readonly problems?: readonly ProblemCode[];
}

type Params<Path extends string, P> = [P] extends [z.ZodType] ? z.output<P> : PathParams<Path>;
type Output<S> = [S] extends [z.ZodType] ? z.output<S> : undefined;

export interface RouteSpec<Path extends string, P, Q, B> extends Described<Path> {
  /** of the path's parameters; default: each 1 to 120 of `A-Z a-z 0-9 _ . : -` */
  readonly params?: P;
  /** strings, or arrays of strings where a key is repeated or ends in `[]`; use z.coerce for numbers */
  readonly query?: Q;
  readonly body?: B;
  readonly run: (c: RouteContext<Params<Path, P>, Output<Q>, Output<B>>) => Answer | Promise<Answer>;
}

/** An entry of the table. */
export interface Route extends Described<string> {
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly run: (c: RouteContext) => Answer | Promise<Answer>;
}

export function route<
  const Path extends string,
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(spec: RouteSpec<Path, P, Q, B>): Route {
  return spec as unknown as Route;
}

type Unrun<Path extends string, P, Q, B> = Omit<RouteSpec<Path, P, Q, B>, 'run'>;

/** A route that is one command: its reply is the body. `status` chooses by the reply where a route knows several. */
export function askRoute<
  const Path extends string,
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(
  spec: Unrun<Path, P, Q, B> & {
    readonly ask: (c: RouteContext<Params<Path, P>, Output<Q>, Output<B>>) => readonly [ActorRef, CommandInput];
    readonly status?: (reply: Json) => number;
  },
): Route {
  const { ask, status, ...rest } = spec;
  const described = rest as unknown as Unrun<Path, P, Q, B>;
  return route<Path, P, Q, B>({
    ...described,
    run: async (c) => {
      const a = await c.ask(...ask(c));
      return status === undefined ? a : { ...a, status: status(a.body) };
    },
  });
}

/** A route that is one query of an actor. */
export function readRoute<
  const Path extends string,
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
>(
  spec: Unrun<Path, P, Q, undefined> & {
    readonly read: (c: RouteContext<Params<Path, P>, Output<Q>, undefined>) => readonly [ref: ActorRef, query: string, input?: unknown];
  },
): Route {
  const { read, ...rest } = spec;
  const described = rest as unknown as Unrun<Path, P, Q, undefined>;
  return route<Path, P, Q>({ ...described, run: (c) => c.read(...read(c)) });
}
