/** The clients' wearables: accounts at the built-in simulated provider, connected as a person connects them, and what they send. */
import { addDays, localDate } from '../../calc/time/civil.ts';
import type { Clock } from '../../actors/types.ts';
import type { Signed } from './bookings.ts';
import type { DemoClient } from './client.ts';
import { DemoError } from './client.ts';
import type { LiveAction } from './live.ts';
import type { DemoPerson, Wearable } from './people.ts';
import type { Step } from './seed.ts';

const ACCOUNTS = '/v1/simulator/accounts';
const HISTORY_DAYS = 75;

const accountOf = (p: Pick<DemoPerson, 'email'>): string => `nord-${p.email.slice(0, p.email.indexOf('@'))}`;

const LABELS: Readonly<Record<Wearable['brand'], string>> = { ring: 'Ring', watch: 'Watch', band: 'Band' };

/** Profile of the account as the simulator takes it; days are local ones of the person. */
function profileOf({ illness, ...levels }: Wearable, today: string): object {
  return { ...levels, ...(illness === undefined ? {} : { illness: { from: addDays(today, -illness.daysAgo), nights: illness.nights } }) };
}

/**
 * One person: the account, eleven weeks of history by signed webhooks (kept for whoever connects the account), then the connection through the
 * provider's consent page.
 */
async function connect(admin: DemoClient, { person, client }: Signed, wearable: Wearable, clock: Clock): Promise<void> {
  const devices = (await client.call('/v1/devices')).body as { items: readonly unknown[] };
  if (devices.items.length > 0) return;
  const id = accountOf(person);
  const today = localDate(person.timeZone, clock.wall());
  const account = { name: person.displayName, timeZone: person.timeZone, seed: 'nord', profile: profileOf(wearable, today), feed: false };
  await admin.call(`${ACCOUNTS}/${id}`, { method: 'PUT', body: account });
  await admin.call(`${ACCOUNTS}/${id}/commands`, { body: { command: 'emit_days', from: addDays(today, -HISTORY_DAYS), to: today } });
  const begun = await client.call('/v1/integrations/simulator/connect', {
    body: { label: `${person.displayName.split(' ')[0] ?? ''}'s ${LABELS[wearable.brand].toLowerCase()}` },
  });
  const { authorizeUrl } = begun.body as { authorizeUrl: string };
  const form = new URLSearchParams(new URL(authorizeUrl).search);
  form.set('account', id);
  form.set('decision', 'allow');
  const consent = await client.call('/v1/simulator/authorize', {
    raw: { body: form.toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    redirect: 'manual',
  });
  const back = new URL(consent.location ?? '/', authorizeUrl);
  await client.call(`${back.pathname}${back.search}`, { redirect: 'manual' });
}

/** The wearables of all clients, connected and with their history. */
export const wearablesStep = (admin: DemoClient, clients: readonly Signed[], clock: Clock): Step => ({
  name: 'wearables',
  async run() {
    for (const signed of clients) {
      const { wearable } = signed.person;
      if (wearable !== undefined) await connect(admin, signed, wearable, clock);
    }
  },
});

/** What wearables send while somebody watches: the minute's heart rate and totals, and now and then a night analysed anew. */
export function wearableActions(o: { admin: DemoClient; clients: readonly Signed[]; clock: Clock; random: () => number }): LiveAction[] {
  const command = async (body: (p: DemoPerson) => object): Promise<boolean> => {
    const who = o.clients[Math.floor(o.random() * o.clients.length)];
    if (who === undefined) return false;
    try {
      const { body: answer } = await o.admin.call(`${ACCOUNTS}/${accountOf(who.person)}/commands`, { body: body(who.person) });
      return (answer as { sent: number }).sent > 0;
    } catch (error) {
      if (error instanceof DemoError && error.status === 404) return false;
      throw error;
    }
  };
  return [
    { name: 'heart rate', weight: 5, run: () => command(() => ({ command: 'emit_moment' })) },
    {
      name: 'night analysed anew',
      weight: 2,
      run: () =>
        command((p) => ({
          command: 'emit_correction',
          day: localDate(p.timeZone, o.clock.wall()),
          hrvFactor: 0.95 + 0.1 * o.random(),
        })),
    },
  ];
}
