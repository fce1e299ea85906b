import type { Context } from 'koa';

export interface OriginRules {
  readonly publicUrl: string;
  readonly allowedOrigins: readonly string[];
}

/** Of every answer. Nothing of a JSON answer is ever a page. */
const COMMON = Object.entries({
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
});

/** Our pages: own scripts and styles, data images, sockets to the same host; no inline script or style, nobody frames them. */
const PAGE_POLICY = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self' ws: wss:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** Of pages and what they load. */
export const PAGE_HEADERS = {
  'content-security-policy': PAGE_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'x-frame-options': 'DENY',
} as const;

export function secure(ctx: Context, rules: OriginRules): void {
  for (const [name, value] of COMMON) ctx.res.setHeader(name, value);
  if (rules.publicUrl.startsWith('https:')) ctx.res.setHeader('strict-transport-security', 'max-age=31536000');
}

/** CORS by the list of origins, with credentials. Gives true when the request was a preflight and is answered. */
export function cors(ctx: Context, rules: OriginRules): boolean {
  const { origin } = ctx.headers;
  ctx.res.setHeader('vary', 'Origin');
  const known = origin !== undefined && rules.allowedOrigins.includes(origin);
  if (known) {
    ctx.set({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'ETag, Idempotency-Replayed, Location, Retry-After, X-Request-Id',
    });
  }
  if (ctx.method !== 'OPTIONS' || ctx.headers['access-control-request-method'] === undefined) return false;
  if (known) {
    ctx.set({
      'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
      'access-control-allow-headers': 'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id',
      'access-control-max-age': '600',
    });
  }
  ctx.status = 204;
  return true;
}

/** Whether `If-None-Match` names the answer; proxies that compress make tags weak. */
export const hasSeen = (ifNoneMatch: string, etag: string): boolean =>
  ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);

/**
 * Whether a request that rests on a cookie comes from our own pages: `Origin` is in the list; without it the browser must say that the
 * request is not from another site.
 */
export function fromOwnPages(ctx: Context, rules: OriginRules): boolean {
  const { origin } = ctx.headers;
  if (origin !== undefined) return rules.allowedOrigins.includes(origin);
  const site = ctx.headers['sec-fetch-site'];
  return site === 'same-origin' || site === 'none';
}
