/** The simulated provider's own side: its consent page, token and data endpoints, and the desk of the administrator. */
import { z } from 'zod';
import { addDays, isTimeZone } from '../../../calc/time/civil.ts';
import { answer, route } from '../../http/route.ts';
import type { Route } from '../../http/route.ts';
import { invalid, Problem } from '../../problems.ts';
import { equalText } from '../../webhooks/signature.ts';
import { CanonicalBatch } from '../canonical.ts';
import type { SimulatorAccount, SimulatorAccounts } from './accounts.ts';
import { Faults } from './accounts.ts';
import { SimulatorCommand } from './commands.ts';
import type { SimulatorRunner } from './commands.ts';
import { batchOf, Profile } from './generator.ts';
import { SECRET_HEADER } from './provider.ts';

export interface SimulatorRoutesDeps {
  readonly accounts: SimulatorAccounts;
  readonly runner: SimulatorRunner;
  readonly clientSecret: string;
  /** where grants may be sent */
  readonly redirectUri: string;
  readonly now: () => number;
  readonly random: () => number;
  readonly newId: () => string;
}

const PAGE_DAYS = 15;
const AccountView = z.strictObject({
  id: z.string(),
  name: z.string(),
  timeZone: z.string(),
  profile: Profile,
  faults: Faults,
  feed: z.boolean(),
  revoked: z.boolean(),
});
const view = ({ id, name, timeZone, profile, faults, feed, revoked }: SimulatorAccount): z.infer<typeof AccountView> => ({
  id,
  name,
  timeZone,
  profile,
  faults,
  feed,
  revoked,
});
const accountId = z.string().regex(/^[a-z0-9-]{1,60}$/);

const Authorize = z.object({
  client_id: z.literal('thrum'),
  response_type: z.literal('code'),
  state: z.string().min(1).max(200),
  redirect_uri: z.string().max(300),
  scope: z.string().max(200),
  code_challenge: z.string().min(43).max(128),
  code_challenge_method: z.literal('S256'),
});
const Decision = Authorize.extend({ account: accountId.optional(), decision: z.enum(['allow', 'deny']) });

const escape = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function consentPage(query: z.infer<typeof Authorize>, accounts: readonly SimulatorAccount[]): string {
  const hidden = Object.entries(query).map(([k, v]) => `<input type="hidden" name="${escape(k)}" value="${escape(v)}">`);
  const options = accounts.map((a) => `<option value="${escape(a.id)}">${escape(a.name)}</option>`);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Simulated wearable: grant access</title></head><body><main><h1>Simulated wearable</h1>
<p>Thrum asks to read: ${escape(query.scope)}.</p>
<form method="post" action="/v1/simulator/authorize">${hidden.join('')}
<p><label for="account">Account</label> <select id="account" name="account">${options.join('')}</select></p>
<p><button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></p></form></main></body></html>`;
}

function formOf(raw: Buffer): z.infer<typeof Decision> {
  const parsed = Decision.safeParse(Object.fromEntries(new URLSearchParams(raw.toString('utf8'))));
  if (parsed.success) return parsed.data;
  throw invalid(parsed.error.issues.map((i) => ({ path: i.path.join('.'), message: i.message })));
}

export const simulatorRoutes = (d: SimulatorRoutesDeps): Route[] => {
  const { accounts, runner, redirectUri } = d;

  const existing = async (id: string): Promise<SimulatorAccount> => {
    const account = await accounts.get(id);
    if (account === undefined) throw new Problem('NOT_FOUND', 'there is no such account');
    return account;
  };
  const own = (uri: string): void => {
    if (uri !== redirectUri) throw invalid([{ path: 'redirect_uri', message: 'is not registered' }]);
  };
  const authenticate = (secret: string | undefined): void => {
    if (secret === undefined || !equalText(secret, d.clientSecret)) throw new Problem('UNAUTHENTICATED');
  };

  return [
    route({
      method: 'GET',
      path: '/v1/simulator/authorize',
      auth: 'none',
      summary: 'Consent page of the simulated provider',
      tag: 'simulator',
      query: Authorize,
      reply: { 200: 'text/html' },
      run: async ({ query }) => {
        own(query.redirect_uri);
        const list = (await accounts.list()).slice(0, 200);
        return answer(consentPage(query, list), { headers: { 'content-type': 'text/html; charset=utf-8' } });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/simulator/authorize',
      auth: 'none',
      summary: 'The decision of the person on the consent page, as a form',
      tag: 'simulator',
      rawBody: true,
      reply: { 303: null },
      problems: ['NOT_FOUND'],
      run: async ({ raw }) => {
        const form = formOf(raw);
        own(form.redirect_uri);
        const back = new URL(redirectUri);
        back.searchParams.set('state', form.state);
        if (form.decision === 'deny' || form.account === undefined) back.searchParams.set('error', 'access_denied');
        else {
          const account = await existing(form.account);
          const scopes = form.scope.split(' ').filter((s) => s !== '');
          const code = await accounts.grant({ accountId: account.id, scopes, challenge: form.code_challenge, redirectUri });
          back.searchParams.set('code', code);
        }
        return answer(undefined, { status: 303, headers: { location: back.toString() } });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/simulator/oauth/token',
      auth: 'none',
      summary: 'Redeems a code of the simulated provider',
      tag: 'simulator',
      body: z.strictObject({ code: z.string().max(200), verifier: z.string().max(200), redirectUri: z.string().max(300) }),
      reply: { 200: z.strictObject({ user: z.string(), scopes: z.array(z.string()) }) },
      problems: ['UNAUTHENTICATED', 'FORBIDDEN'],
      run: async ({ body, header }) => {
        authenticate(header(SECRET_HEADER));
        const grant = await accounts.redeem(body.code, body.verifier, body.redirectUri);
        if (grant === undefined) throw new Problem('FORBIDDEN', 'the code is wrong, used or too old');
        return answer({ user: grant.accountId, scopes: grant.scopes });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/simulator/oauth/revoke',
      auth: 'none',
      summary: 'The client gives a grant back',
      tag: 'simulator',
      body: z.strictObject({ user: accountId }),
      reply: { 204: null },
      problems: ['UNAUTHENTICATED'],
      run: ({ header }) => {
        // other connections may share the account, so the account itself stays granted
        authenticate(header(SECRET_HEADER));
        return answer(undefined, { status: 204 });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/simulator/api/data',
      auth: 'none',
      summary: 'Data of an account by days, newest page last',
      tag: 'simulator',
      query: z.object({ account: accountId, from: z.iso.date(), to: z.iso.date(), cursor: z.iso.date().optional() }),
      reply: { 200: z.strictObject({ batches: z.array(CanonicalBatch), cursor: z.string().optional() }) },
      problems: ['UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'RATE_LIMITED', 'INTERNAL'],
      run: async ({ query, header }) => {
        authenticate(header(SECRET_HEADER));
        const account = await existing(query.account);
        if (account.revoked) throw new Problem('FORBIDDEN', 'the grant was revoked');
        const u = d.random();
        const { rate429, rate500, timeouts } = account.faults;
        if (u < rate429) throw new Problem('RATE_LIMITED', 'as asked', undefined, { retryAfterMs: 120_000 });
        if (u < rate429 + rate500) throw new Problem('INTERNAL', 'as asked');
        if (u < rate429 + rate500 + timeouts) throw new Problem('TIMEOUT', 'as asked');
        const first = query.cursor ?? query.from;
        const batches: CanonicalBatch[] = [];
        let day = first;
        for (let i = 0; i < PAGE_DAYS && day <= query.to; i += 1, day = addDays(day, 1)) {
          const batch = batchOf(account, day, { now: d.now() });
          if (batch.records.length > 0) batches.push(batch);
        }
        return answer({ batches, ...(day <= query.to ? { cursor: day } : {}) });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/simulator/accounts',
      auth: 'admin',
      summary: 'Accounts of the simulated provider',
      tag: 'simulator',
      reply: { 200: z.strictObject({ items: z.array(AccountView) }) },
      run: async () => answer({ items: (await accounts.list()).map(view) }),
    }),
    route({
      method: 'PUT',
      path: '/v1/simulator/accounts/:id',
      auth: 'admin',
      summary: 'Creates or changes an account',
      tag: 'simulator',
      params: z.object({ id: accountId }),
      body: z.strictObject({
        name: z.string().trim().min(1).max(80),
        timeZone: z.string().max(64).refine(isTimeZone, 'must be a time zone of the tz database'),
        seed: z.string().min(1).max(60).default('thrum'),
        profile: Profile.default(() => Profile.parse({})),
        feed: z.boolean().default(false),
      }),
      reply: { 200: AccountView },
      run: async ({ params, body }) => {
        await accounts.put({ id: params.id, ...body });
        return answer(view(await existing(params.id)));
      },
    }),
    route({
      method: 'POST',
      path: '/v1/simulator/accounts/:id/commands',
      auth: 'admin',
      summary: 'Has the simulated provider send, repeat, correct, disturb',
      tag: 'simulator',
      params: z.object({ id: accountId }),
      body: SimulatorCommand,
      reply: { 200: z.strictObject({ sent: z.number() }) },
      problems: ['NOT_FOUND', 'NOT_READY'],
      run: async ({ params, body }) => {
        const account = await existing(params.id);
        try {
          return answer(await runner.run(account, body));
        } catch (cause) {
          // the server that takes the messages is this one: it stops, or is too busy
          throw new Problem('NOT_READY', 'the intake did not take the messages', undefined, { cause });
        }
      },
    }),
  ];
};
