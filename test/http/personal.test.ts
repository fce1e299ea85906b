/** Personal fields at the routes of the inspector (kernel specification 13): masked for everybody without `inspect:pii`. */
import anyTest from 'ava';
import type { TestFn } from 'ava';
import * as fc from 'fast-check';
import { FakeClock } from '../support/clock.ts';
import { person } from '../live/kinds.ts';
import { patient } from '../support/patient.ts';
import { until } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';
import type { Person, World } from '../support/world.ts';

const test = anyTest as TestFn<{ w: World; staff: Person; operator: Person; admin: Person }>;
const effects = { patient: { measure: async () => ({ pulse: 777_000_000_001 }) } };

test.before(async (t) => {
  const w = await makeWorld({
    kinds: [patient, person],
    effects,
    store: 'memory',
    clock: new FakeClock(),
    env: { HTTP_REQUESTS_PER_MINUTE: '1000000' },
  });
  t.context = {
    w,
    staff: await w.person({ roles: ['staff'] }),
    operator: await w.person({ roles: ['inspect:read', 'inspect:poke', 'inspect:admin'] }),
    admin: await w.person({ roles: ['admin'] }),
  };
});
test.after.always((t) => t.context.w.close());

const SECRETS = /‡|777\d{9}/;
const words = fc.record({
  name: fc.nat().map((n) => `‡name${n}`),
  email: fc.nat().map((n) => `‡mail${n}@example.test`),
  note: fc.string({ maxLength: 40 }).map((s) => `‡${s}`),
  pulse: fc.nat({ max: 999_999 }).map((n) => 777_000_000_000 + n),
  phone: fc.boolean(),
});
type Words = typeof words extends fc.Arbitrary<infer T> ? T : never;

const reason = 'a test of the masks';
let patients = 0;

/** Lives a patient's life with these words, and gives the id. */
async function live({ w, admin }: { w: World; admin: Person }, { name, email, note, pulse, phone }: Words): Promise<string> {
  patients += 1;
  const id = `p${patients}`;
  const send = (type: string, payload: object) =>
    w.inject({ method: 'POST', url: `/v1/actors/patient/${id}/commands/${type}`, token: admin.token, payload });
  const contact = phone ? { phone: email, kind: 'home' } : { email };
  await send('patient.admit', { ward: 'open-ward', name, contact });
  await send('patient.note', { text: note, pulse });
  await until(async () => (await journalOf(w, admin, id)).some((r) => r.type.startsWith('xstate.done')), 'the effect came back');
  await send('patient.refuse', { text: note });
  await send('patient.crash', { text: note });
  await until(
    async () =>
      (await w.inject({ url: `/v1/admin/dead?actor=patient:${id}`, token: admin.token })).json<{ items: unknown[] }>().items.length === 1,
    'the fault is a dead letter',
  );
  return id;
}

async function journalOf(w: World, { token }: Person, id: string): Promise<{ type: string }[]> {
  const reply = await w.inject({ url: `/v1/admin/actors/patient/${id}/journal`, token });
  if (reply.statusCode !== 200) throw new Error(reply.body);
  return reply.json<{ items: { type: string }[] }>().items;
}

/** Every answer of the inspector about the actor: each route that reads, for each event, and each act that tells something. */
async function everything(w: World, { token }: Person, id: string, said: string): Promise<Map<string, string>> {
  const answers = new Map<string, string>();
  const take = async (method: 'GET' | 'POST', url: string, payload?: object) => {
    const reply = await w.inject({ method, url, token, ...(payload === undefined ? {} : { payload }) });
    answers.set(`${method} ${url} ${JSON.stringify(payload ?? '')}`, `${reply.statusCode} ${reply.body}`);
  };
  const reads = w.app.routes.filter((r) => r.auth.startsWith('inspect:') && r.method === 'GET').map((r) => r.path);
  for (const path of reads) {
    for (const seq of path.includes(':seq') ? [1, 2, 3, 4] : [1]) {
      await take('GET', path.replace(':kind', 'patient').replace(':id', id).replace(':seq', String(seq)));
    }
  }
  await take('GET', `/v1/admin/actors/patient/${id}/at/2?diff=4`);
  const one = `/v1/admin/actors/patient/${id}`;
  for (const type of ['patient.note', 'patient.refuse', 'patient.crash']) {
    const payload = type === 'patient.note' ? { text: said, pulse: 777_000_000_002 } : { text: said };
    await take('POST', `${one}/what-if`, { event: { type, ...payload } });
    await take('POST', `${one}/poke`, { type, payload, reason });
  }
  const [letter] = (await w.inject({ url: `/v1/admin/dead?actor=patient:${id}`, token })).json<{ items: { id: number }[] }>().items;
  await take('POST', `/v1/admin/dead/${letter?.id}/retry`, { reason });
  return answers;
}

test('no personal value leaks through any route of the inspector to people without inspect:pii, whatever it says and wherever an event carries it', async (t) => {
  const { w, staff, operator } = t.context;
  const leaks: string[] = [];
  const run = async (given: Words): Promise<void> => {
    const id = await live(t.context, given);
    for (const who of [staff, operator]) {
      for (const [call, answer] of await everything(w, who, id, given.note)) {
        if (SECRETS.test(answer)) leaks.push(`${call} tells ${answer}`);
      }
    }
  };
  await fc.assert(fc.asyncProperty(words, run), { numRuns: 6 });
  t.deepEqual(leaks, []);
});

test('staff see what is not personal; an administrator sees everything, and the audit log says who saw what', async (t) => {
  const { w, staff, admin } = t.context;
  const id = await live(t.context, { name: '‡Ada', email: '‡a@b', note: '‡n', pulse: 777_000_000_003, phone: true });
  const [seen, whole] = await Promise.all(
    [staff, admin].map(async ({ token }) => (await w.inject({ url: `/v1/admin/actors/patient/${id}`, token })).json<{ context: object }>()),
  );
  t.deepEqual(seen?.context, {
    ward: 'open-ward',
    name: '‹pii: string, 4›',
    contact: { phone: '‹pii: string, 4›', kind: 'home' },
    notes: { 0: { at: 777_000_000_003 % 7, text: '‹pii: string, 2›' } },
    pulse: ['‹pii: number›'],
  });
  t.like(whole?.context, { name: '‡Ada', pulse: [777_000_000_003] });

  const answers = [...(await everything(w, admin, id, '‡n')).values()];
  t.true(answers.filter((a) => a.startsWith('200') && SECRETS.test(a)).length >= 10, 'the same routes tell an administrator');

  const { items } = (await w.inject({ url: '/v1/admin/audit?action=actor.read', token: admin.token })).json<{
    items: { admin: string; detail: { pii: boolean } }[];
  }>();
  t.false(items.find((a) => a.admin === staff.id)?.detail.pii);
  t.true(items.find((a) => a.admin === admin.id)?.detail.pii);
});
