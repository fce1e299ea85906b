/**
 * Builds the HTTP application from the route table. Order of a request: id, headers, CORS, route, credentials, request limit, body,
 * validation, handler; one log line and one problem document at the most.
 */
import { createHash } from 'node:crypto';
import Koa from 'koa';
import type { Context } from 'koa';
import type { Registry } from 'prom-client';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Log, Principal } from '../../actors/types.ts';
import type { Config } from '../config.ts';
import { isAdmin, isStaff } from '../identity/caller.ts';
import type { Caller } from '../identity/caller.ts';
import type { NewId } from '../ids.ts';
import { mayInspect } from '../inspector/roles.ts';
import type { NewLimiter, Verdict } from '../limits/limiter.ts';
import { httpMetrics } from '../observe/metrics.ts';
import { isProblem, Problem, toProblem } from '../problems.ts';
import { clientAddress } from './address.ts';
import { parseJson, readBody } from './body.ts';
import { cors, fromOwnPages, hasSeen, secure } from './headers.ts';
import { check, checkParams, idempotencyKey, ifMatch, queryObject, rename, traceparentOf } from './input.ts';
import type { Answer, Auth, Route, RouteContext } from './route.ts';
import { routeTable } from './table.ts';
import type { Found } from './table.ts';

export interface Credentials {
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
}

export interface HttpDeps {
  readonly config: Config;
  readonly routes: readonly Route[];
  readonly actors: ActorSystem;
  /** @throws Problem UNAUTHENTICATED or TOKEN_EXPIRED for a bad bearer token; a bad cookie is as good as none */
  readonly authenticate: (c: Credentials) => Promise<Caller>;
  readonly newLimiter: NewLimiter;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly log: Log;
  readonly registry: Registry;
  /** answers GET and HEAD that no route takes; false when it has nothing either */
  readonly pages?: (ctx: Context) => Promise<boolean>;
  /** compare JSON answers with their schemas and fail loudly; for tests */
  readonly checkReplies?: boolean;
}

interface State {
  requestId: string;
  caller?: Caller;
}

type Ctx = Koa.ParameterizedContext<State>;

/** What balancers and Prometheus ask several times a second: while all is well there is nothing to tell. */
const PROBES = new Set(['/healthz', '/readyz', '/metrics']);
/** The caller has closed the connection; some balancers do so as soon as they have read the status. */
const GONE = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE']);

export function createHttp(d: HttpDeps): Koa<State> {
  const app = new Koa<State>();
  const table = routeTable(d.routes);
  const metrics = httpMetrics(d.registry);
  const limiter = d.newLimiter('http', { perSecond: d.config.requestsPerMinute / 60, burst: Math.ceil(d.config.requestsPerMinute / 4) });

  /** how each probe was last answered: balancers ask several times a second, and only a change is news */
  const probed = new Map<string, number>();
  app.use(async (ctx) => {
    const started = d.clock.mono();
    const sent = ctx.req.headers['x-request-id'];
    const requestId = typeof sent === 'string' && /^[A-Za-z0-9_-]{8,64}$/.test(sent) ? sent : d.newId();
    ctx.state.requestId = requestId;
    ctx.res.setHeader('x-request-id', requestId);
    const { method, path } = ctx;
    let found: Found | undefined;
    try {
      secure(ctx, d.config);
      if (!cors(ctx, d.config)) {
        found = table.find(method, path);
        await (found === undefined ? other(ctx) : handle(ctx, found));
      }
    } catch (error) {
      fail(ctx, error);
    }
    const ms = d.clock.mono() - started;
    const status = ctx.res.statusCode;
    metrics.requests.inc({ method, route: found?.path ?? 'none', status });
    metrics.seconds.observe({ route: found?.path ?? 'none' }, ms / 1_000);
    const { caller } = ctx.state;
    const fields = { requestId, method, path, status, ms: Math.round(ms * 10) / 10 };
    const level = PROBES.has(path) && (probed.get(path) ?? 200) === status ? 'debug' : 'info';
    if (PROBES.has(path)) probed.set(path, status);
    d.log[level](caller?.session === undefined ? fields : { ...fields, userId: caller.session.userId }, 'request');
  });
  app.on('error', (error: NodeJS.ErrnoException) =>
    d.log[GONE.has(error.code ?? '') ? 'debug' : 'warn']({ err: error }, 'response not sent'),
  );

  /** What no route takes: a page, or a problem. */
  async function other(ctx: Ctx): Promise<void> {
    const allow = table.methods(ctx.path);
    if (allow.length > 0) {
      ctx.set('allow', allow.join(', '));
      if (ctx.method !== 'OPTIONS') throw new Problem('METHOD_NOT_ALLOWED', undefined, { allow });
      ctx.status = 204;
      return;
    }
    const readable = ctx.method === 'GET' || ctx.method === 'HEAD';
    if (!readable || d.pages === undefined || !(await d.pages(ctx))) throw new Problem('NOT_FOUND', `nothing is at ${ctx.path}`);
  }

  async function handle(ctx: Ctx, { route: r, params }: Found): Promise<void> {
    const { headers } = ctx.req;
    const address = clientAddress(ctx.req, d.config.trustedProxies);
    const count = (whose: string): void => {
      const verdict: Verdict = r.unlimited === true ? { ok: true } : limiter.take(whose);
      if (!verdict.ok) throw new Problem('RATE_LIMITED', undefined, undefined, verdict);
    };
    let caller: Caller;
    try {
      caller = await d.authenticate({ authorization: headers.authorization, cookie: headers.cookie });
    } catch (error) {
      // who guesses tokens makes requests too
      count(address);
      throw error;
    }
    ctx.state.caller = caller;
    if (caller.via === 'cookie' && ctx.method !== 'GET' && ctx.method !== 'HEAD' && !fromOwnPages(ctx, d.config)) throw new Problem('CSRF');
    count(caller.session?.userId ?? address);
    permit(r, caller);
    const takesBody = r.body !== undefined || r.rawBody === true;
    const raw = takesBody ? await readBody(ctx.req, r.bodyBytes ?? d.config.bodyBytes) : NO_BYTES;
    const sentKey = r.idempotent === true ? idempotencyKey(headers['idempotency-key']?.toString()) : undefined;
    const version = r.ifMatch === true ? ifMatch(headers['if-match']) : undefined;
    const principal = caller.principal;
    const key = sentKey === undefined ? d.newId() : kernelKey(sentKey);
    const c: RouteContext = {
      params: r.params === undefined ? checkParams(params) : check(r.params, params, 'path'),
      query: r.query === undefined ? undefined : check(r.query, rename(queryObject(ctx.querystring), r.rename), 'query'),
      body: r.body === undefined ? undefined : check(r.body, rename(parseJson(raw, headers['content-type'], d.config), r.rename), ''),
      raw,
      header: (name) => headers[name]?.toString(),
      caller: principal,
      session: caller.session,
      address,
      key,
      idempotencyKey: sentKey,
      ifMatch: version,
      requestId: ctx.state.requestId,
      traceparent: traceparentOf(headers['traceparent']?.toString()),
      actors: d.actors,
      ask: async (ref, command, o = {}) => {
        const trace = { trace: ctx.state.requestId, traceparent: c.traceparent };
        const reply = await d.actors.ask(ref, command, { key, from: principal, seq: version, ...trace, ...o });
        if (reply.ok) return { body: reply.reply, seq: reply.seq, dup: reply.dup === true };
        throw Problem.from(reply.error, reply.error.code === 'SEQ_MISMATCH' && version !== undefined ? { status: 412 } : {});
      },
      read: async (ref, query, input = {}) => {
        const { seq, value } = await d.actors.read(ref, query, input, { from: principal });
        return { body: value, seq };
      },
    };
    send(ctx, r, await r.run(c));
  }

  function send(ctx: Ctx, r: Route, a: Answer): void {
    const status = a.status ?? firstSuccess(r);
    if (d.checkReplies === true) checkReply(r, status, a);
    if (a.headers !== undefined)
      for (const [name, value] of Object.entries(a.headers)) ctx.set(name, typeof value === 'string' ? value : [...value]);
    if (!ctx.res.hasHeader('cache-control')) ctx.set('cache-control', 'private, no-store');
    if (a.dup === true) ctx.set('idempotency-replayed', 'true');
    ctx.status = status;
    const text = a.headers?.['content-type'] === undefined ? JSON.stringify(a.body) : undefined;
    if (a.seq !== undefined) {
      const etag = r.method === 'GET' && text !== undefined ? tagOf(a.seq, text) : `"${a.seq}"`;
      ctx.set('etag', etag);
      ctx.set('cache-control', 'private, no-cache');
      if (r.method === 'GET' && hasSeen(ctx.get('if-none-match'), etag)) {
        ctx.status = 304;
        return;
      }
    }
    if (a.body === undefined || status === 204) {
      ctx.body = null;
      ctx.status = status;
      return;
    }
    if (text === undefined) {
      ctx.body = a.body;
      return;
    }
    end(ctx, 'application/json; charset=utf-8', text);
  }

  function fail(ctx: Ctx, error: unknown): void {
    const { requestId } = ctx.state;
    if (!isProblem(error)) d.log.error({ err: error, requestId, path: ctx.path }, 'request failed');
    const problem = toProblem(error, requestId);
    ctx.status = problem.status;
    ctx.set('cache-control', 'no-store');
    if (problem.status === 401) ctx.set('www-authenticate', 'Bearer');
    if (problem.retryAfterMs !== undefined) ctx.set('retry-after', String(Math.max(1, Math.ceil(problem.retryAfterMs / 1_000))));
    else if (problem.status === 503) ctx.set('retry-after', '1');
    end(ctx, 'application/problem+json; charset=utf-8', JSON.stringify(problem));
  }

  return app;
}

/** Answers with text at once, past Koa's own way out, which would look at type and length once more. */
function end(ctx: Ctx, type: string, text: string): void {
  ctx.respond = false;
  if (!ctx.writable) return;
  ctx.res.setHeader('content-type', type);
  ctx.res.setHeader('content-length', Buffer.byteLength(text));
  if (ctx.method === 'HEAD') ctx.res.end();
  else ctx.res.end(text);
}

/**
 * The version alone would not do: another person's object may have the same one under the same path (`/v1/notifications/preferences`) in the same
 * browser, and what depends on the time changes without an event.
 */
const tagOf = (seq: number, text: string): string => `"${seq}-${createHash('sha1').update(text).digest('base64url')}"`;

const NO_BYTES = Buffer.alloc(0);

/** The kernel's keys have at most 128 characters. */
const kernelKey = (key: string): string => (key.length <= 128 ? key : createHash('sha256').update(key).digest('hex'));

function permit(r: Route, caller: Caller): void {
  if (r.auth === 'none') return;
  if (caller.session === undefined) throw new Problem(caller.expired === true ? 'TOKEN_EXPIRED' : 'UNAUTHENTICATED');
  if (!holds(r.auth, caller.principal)) throw new Problem('FORBIDDEN');
}

function holds(auth: Exclude<Auth, 'none'>, p: Principal): boolean {
  if (auth === 'user') return true;
  if (auth === 'staff') return isStaff(p);
  return auth === 'admin' ? isAdmin(p) : mayInspect(p, auth);
}

function firstSuccess(r: Route): number {
  return Number(Object.keys(r.reply).find((s) => s.startsWith('2') || s.startsWith('3')) ?? 200);
}

function checkReply(r: Route, status: number, a: Answer): void {
  if (!(status in r.reply)) throw new Error(`${r.method} ${r.path} answers ${status}, which it does not declare`);
  const schema = r.reply[status];
  if (schema === null || schema === undefined || typeof schema === 'string') return;
  const result = schema.safeParse(JSON.parse(JSON.stringify(a.body ?? null)));
  if (!result.success) throw new Error(`${r.method} ${r.path} answers outside its schema: ${result.error.message}`);
}
