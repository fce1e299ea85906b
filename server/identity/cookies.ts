/** Session cookies of our own pages (biosync B1.2). Over plain http the names lose their prefixes, which browsers tie to `Secure`. */

const isSecure = (publicUrl: string): boolean => publicUrl.startsWith('https:');

export const accessCookie = (publicUrl: string): string => (isSecure(publicUrl) ? '__Host-thrum_at' : 'thrum_at');
export const refreshCookie = (publicUrl: string): string => (isSecure(publicUrl) ? '__Secure-thrum_rt' : 'thrum_rt');

/** Value of one cookie of a Cookie header. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  for (const part of header?.split(';') ?? []) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return undefined;
}

/**
 * `Set-Cookie` values that hold the session, or end it when there are no tokens. The access cookie outlives its token, so that an old one is
 * answered TOKEN_EXPIRED and renewed, instead of making its owner a stranger.
 */
export function sessionCookies(
  publicUrl: string,
  pair: { accessToken: string; refreshToken: string; refreshTtlS: number } | undefined,
): string[] {
  const secure = isSecure(publicUrl) ? '; Secure' : '';
  const cookie = (name: string, value: string, path: string, site: string, maxAge: number): string =>
    `${name}=${value}; Path=${path}; Max-Age=${maxAge}; HttpOnly; SameSite=${site}${secure}`;
  const maxAge = pair?.refreshTtlS ?? 0;
  return [
    cookie(accessCookie(publicUrl), pair?.accessToken ?? '', '/', 'Lax', maxAge),
    cookie(refreshCookie(publicUrl), pair?.refreshToken ?? '', '/v1/auth', 'Strict', maxAge),
  ];
}
