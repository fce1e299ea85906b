import { z } from 'zod';
import { addDays, localDate } from '../../../calc/time/civil.ts';
import { seeded } from '../../../calc/prng.ts';
import { digest } from '../raw.ts';
import type { SimulatorAccount, SimulatorAccounts } from './accounts.ts';
import { Faults } from './accounts.ts';
import { batchOf, momentOf } from './generator.ts';
import { newMessage } from './sender.ts';
import type { Message, SimulatorSender } from './sender.ts';

const Day = z.iso.date();

/** What an administrator may have the simulated provider do (B3.8). */
export const SimulatorCommand = z.discriminatedUnion('command', [
  /** sends the batch of each day; `shuffled` mixes the order, `duplicates` repeats each so many times under the same delivery id */
  z.strictObject({
    command: z.literal('emit_days'),
    from: Day.optional(),
    to: Day.optional(),
    order: z.enum(['ascending', 'shuffled']).default('ascending'),
    duplicates: z.int().min(0).max(5).default(0),
  }),
  /** a later version of a night, its HRV multiplied */
  z.strictObject({ command: z.literal('emit_correction'), day: Day, hrvFactor: z.number().min(0.3).max(3).default(0.9) }),
  /** the newer version of a night first, then the older one */
  z.strictObject({ command: z.literal('emit_out_of_order'), day: Day, hrvFactor: z.number().min(0.3).max(3).default(0.9) }),
  /** takes back a night */
  z.strictObject({ command: z.literal('emit_deletion'), day: Day }),
  /** the heart rate and the totals of this minute */
  z.strictObject({ command: z.literal('emit_moment') }),
  /** tells that the person revoked the grant at the provider; pulls are refused from now on */
  z.strictObject({ command: z.literal('revoke') }),
  z.strictObject({ command: z.literal('set_faults'), faults: Faults }),
  z.strictObject({ command: z.literal('set_feed'), on: z.boolean() }),
  z.strictObject({ command: z.literal('set_illness'), from: Day, nights: z.int().min(1).max(30) }),
]);
export type SimulatorCommand = z.infer<typeof SimulatorCommand>;

const MAX_DAYS = 400;

export interface SimulatorRunner {
  /** @returns messages sent, repeats included */
  run(account: SimulatorAccount, command: SimulatorCommand): Promise<{ sent: number }>;
  /** One round of the live feed. */
  feed(round: number): Promise<number>;
}

export function createSimulatorRunner(o: {
  accounts: SimulatorAccounts;
  sender: SimulatorSender;
  now: () => number;
  random: () => number;
}): SimulatorRunner {
  const { accounts, sender } = o;
  const today = (a: SimulatorAccount): string => localDate(a.timeZone, o.now());

  async function sendAll(messages: readonly Message[]): Promise<{ sent: number }> {
    for (const m of messages) await sender.send(m);
    return { sent: messages.length };
  }

  function days(a: SimulatorAccount, from: string, to: string): string[] {
    const list: string[] = [];
    for (let day = from; day <= to && list.length < MAX_DAYS; day = addDays(day, 1)) list.push(day);
    return list.filter((day) => batchOf(a, day, { now: o.now() }).records.length > 0);
  }

  const original = (a: SimulatorAccount, day: string): Message => newMessage(batchOf(a, day, { now: o.now() }));
  const revision = (a: SimulatorAccount, day: string, hrvFactor: number, tentative = false): Message =>
    newMessage(batchOf(a, day, { now: o.now(), revised: { at: o.now(), hrvFactor, tentative } }));

  async function run(a: SimulatorAccount, c: SimulatorCommand): Promise<{ sent: number }> {
    switch (c.command) {
      case 'emit_days': {
        const to = c.to ?? today(a);
        const messages = days(a, c.from ?? to, to).flatMap((day) => {
          const m = original(a, day);
          return [m, ...Array.from({ length: c.duplicates }, () => m)];
        });
        return sendAll(c.order === 'shuffled' ? shuffled(messages, digest(`${a.seed}:${to}`)) : messages);
      }
      case 'emit_correction':
        return sendAll([revision(a, c.day, c.hrvFactor)]);
      case 'emit_out_of_order':
        return sendAll([revision(a, c.day, c.hrvFactor), original(a, c.day)]);
      case 'emit_deletion': {
        const { version, user, source } = batchOf(a, c.day, { now: o.now() });
        const updatedAt = new Date(o.now()).toISOString();
        return sendAll([
          newMessage({ version, user, source, records: [{ type: 'delete', of: 'sleep', id: `night-${c.day}`, updatedAt }] }),
        ]);
      }
      case 'emit_moment':
        return sendAll([newMessage(momentOf(a, today(a), o.now(), o.random()))]);
      case 'revoke':
        await accounts.setRevoked(a.id, true);
        return sendAll([newMessage({ version: 1, user: a.id, event: 'deauthorized' })]);
      case 'set_faults':
        await accounts.setFaults(a.id, c.faults);
        return { sent: 0 };
      case 'set_feed':
        await accounts.put({ ...a, feed: c.on });
        return { sent: 0 };
      default:
        await accounts.put({ ...a, profile: { ...a.profile, illness: { from: c.from, nights: c.nights } } });
        return { sent: 0 };
    }
  }

  return {
    run,
    /** Each round the moment; every fourth the provider analyses the last night anew, so the score moves as it does in life, only faster. */
    async feed(round) {
      let sent = 0;
      for (const a of await accounts.feeding()) {
        const day = today(a);
        await sender.send(newMessage(momentOf(a, day, o.now(), o.random())));
        sent += 1;
        const night = batchOf(a, day, { now: o.now() }).records.length > 0 ? day : addDays(day, -1);
        if (round % 4 !== 0) continue;
        await sender.send(revision(a, night, 0.9 + 0.2 * o.random()));
        sent += 1;
      }
      return sent;
    },
  };
}

/** Fisher and Yates with the project's generator: the same seed, the same disorder. */
function shuffled<T>(list: readonly T[], hex: string): T[] {
  const next = seeded(hex);
  const out = [...list];
  for (let i = out.length - 1; i > 0; i -= 1) {
    const j = Math.floor(next() * (i + 1));
    const [a, b] = [out[i], out[j]];
    if (a !== undefined && b !== undefined) [out[i], out[j]] = [b, a];
  }
  return out;
}
