import type { Principal } from '../../actors/types.ts';

/** What a verified access token says. Times in epoch ms. */
export interface Session {
  readonly sid: string;
  readonly userId: string;
  readonly roles: readonly string[];
  readonly plan: string;
  /** organisation that the token names */
  readonly org?: string;
  readonly exp: number;
  /** of a token that was narrowed: what it may do on the socket; it is worth nothing over HTTP */
  readonly scope?: readonly string[];
  /** the user as the kernel knows them: one object for all requests with one token */
  readonly principal: Principal;
}

/** Who stands behind a request or a socket, and how we know. */
export interface Caller {
  readonly principal: Principal;
  readonly session: Session | undefined;
  readonly via: 'none' | 'bearer' | 'cookie';
  /** the cookie that was sent has expired: a page renews it and asks again */
  readonly expired?: true;
}

export const ANONYMOUS: Caller = { principal: { kind: 'anonymous', id: 'anonymous', roles: [] }, session: undefined, via: 'none' };

export const isStaff = (p: Principal): boolean => p.roles.includes('staff') || p.roles.includes('admin');
export const isAdmin = (p: Principal): boolean => p.roles.includes('admin');
