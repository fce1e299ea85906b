/** What the links of mails do, and the mail that asks whose address it is. */
import { z } from 'zod';
import type { Limiter } from '../../limits/limiter.ts';
import type { Addresses } from '../../notify/addresses.ts';
import { Problem } from '../../problems.ts';
import { answer, route } from '../route.ts';
import type { Route } from '../route.ts';

const Token = z.string().min(10).max(1_000);

/** @param asks confirmation mails of one person */
export const mailRoutes = ({ addresses, asks }: { addresses: Addresses; asks: Limiter }): Route[] => [
  route({
    method: 'POST',
    path: '/v1/auth/verify-email/resend',
    auth: 'user',
    summary: 'Mails a link to the address of the caller, with which they show that it is theirs',
    tag: 'notifications',
    reply: { 202: null },
    problems: ['RATE_LIMITED'],
    run: async ({ caller }) => {
      const verdict = asks.take(caller.id);
      if (!verdict.ok) throw new Problem('RATE_LIMITED', undefined, undefined, verdict);
      await addresses.ask(caller.id);
      return answer(undefined, { status: 202 });
    },
  }),
  route({
    method: 'POST',
    path: '/v1/auth/verify-email',
    auth: 'none',
    summary: 'The address is theirs: from now on it can be written to',
    tag: 'notifications',
    body: z.strictObject({ token: Token }),
    reply: { 204: null },
    run: async ({ body }) => {
      await addresses.confirm(body.token);
      return answer(undefined, { status: 204 });
    },
  }),
  route({
    method: 'POST',
    path: '/v1/notifications/unsubscribe',
    auth: 'none',
    summary: 'No more mail of this kind; mailboxes call it by one click (RFC 8058)',
    tag: 'notifications',
    query: z.object({ token: Token }),
    rawBody: true,
    bodyBytes: 1_024,
    reply: { 204: null },
    run: async ({ query }) => {
      await addresses.unsubscribe(query.token);
      return answer(undefined, { status: 204 });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/notifications/unsubscribe',
    auth: 'none',
    summary: 'The same for a person: to the page that asks them. Programs that follow links change nothing',
    tag: 'notifications',
    query: z.object({ token: Token }),
    reply: { 303: null },
    run: ({ query }) => answer(undefined, { status: 303, headers: { location: `/#unsubscribe=${encodeURIComponent(query.token)}` } }),
  }),
];
