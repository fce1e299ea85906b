/** The address of a person becomes an endpoint when they have shown that they read what is sent to it. */
import type { Knex } from 'knex';
import { z } from 'zod';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Principal } from '../../actors/types.ts';
import type { SettingsView } from '../../machines/notifications/schema.ts';
import { JobFailure, jobKind } from '../jobs/jobs.ts';
import type { AnyJobKind, Jobs } from '../jobs/jobs.ts';
import { Problem } from '../problems.ts';
import { DELAYS } from './deliver.ts';
import type { Endpoints } from './endpoints.ts';
import type { Links } from './links.ts';
import type { Mailer } from './mail.ts';
import { compose } from './providers/email.ts';

export interface Addresses {
  readonly jobs: readonly AnyJobKind[];
  /** Mails a link to the address of the person; resolves when the job for it is there. */
  ask(userId: string): Promise<void>;
  /** @throws Problem when the link is not ours or too old, or the person has another address by now */
  confirm(token: string): Promise<void>;
  /** Ends the mails of one category. @throws Problem when the link is not ours */
  unsubscribe(token: string): Promise<void>;
}

const LIFE_MS = 24 * 3_600_000;
const TRIES = 5;
const self: Principal = { kind: 'system', id: 'notify', roles: [] };
const badLink = (): Problem => new Problem('VALIDATION', 'the link is not valid any more');

export function createAddresses(d: {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly publicUrl: string;
  readonly links: Links;
  readonly mailer: Mailer;
  readonly endpoints: Endpoints;
  readonly jobs: () => Jobs;
  readonly actors: () => Pick<ActorSystem, 'ask' | 'read'>;
}): Addresses {
  const { knex, clock, links } = d;
  const emailOf = async (id: string): Promise<string | undefined> =>
    (await knex<{ id: string; email: string; status: string }>('users').where({ id, status: 'active' }).first('email'))?.email;

  const confirmation = jobKind({
    queue: 'notify',
    kind: 'notify.confirm',
    payload: z.strictObject({ userId: z.uuid() }),
    backoff: { delays: DELAYS },
    attempts: DELAYS.length + 1,
    timeout: 30_000,
    async run({ payload: { userId }, jobId }) {
      const email = await emailOf(userId);
      if (email === undefined) return;
      const token = links.sign('confirm', { userId, email, until: clock.wall() + LIFE_MS });
      const href = `${d.publicUrl}/#confirm-email=${token}`;
      const words = compose({
        title: 'Is this your address?',
        body: 'Somebody, you we hope, wants Thrum to write to this address. Follow the link within a day if it was you.',
        act: 'Yes, write to me here',
        href,
        footer: 'If it was not you, do nothing: we will not write again.',
      });
      const outcome = await d.mailer.send({ ...words, to: email, id: jobId, about: { userId, confirm: href } });
      if (outcome.kind === 'held') throw new JobFailure('MAIL_HELD', outcome.reason, { retryAfterMs: outcome.afterMs, counts: false });
      if (outcome.kind === 'retry') throw new JobFailure('MAIL_RETRY', outcome.reason);
      if (outcome.kind !== 'sent') throw new JobFailure('MAIL_REFUSED', 'the mail server refuses this mail', { retryable: false });
    },
  });

  return {
    jobs: [confirmation],

    async ask(userId) {
      await d.jobs().enqueue(knex, { queue: 'notify', kind: 'notify.confirm', payload: { userId }, dedupeKey: `confirm:${userId}` });
      d.jobs().wake('notify');
    },

    async confirm(token) {
      const grant = links.read('confirm', token);
      if (grant === undefined || grant.until <= clock.wall()) throw badLink();
      if ((await emailOf(grant.userId)) !== grant.email) throw badLink();
      await d.endpoints.register(grant.userId, { provider: 'email', token: grant.email });
    },

    async unsubscribe(token) {
      const grant = links.read('unsubscribe', token);
      if (grant === undefined) throw badLink();
      const { userId, category } = grant;
      const ref = `user:${userId}`;
      const as: Principal = { kind: 'user', id: userId, roles: [] };
      // preferences are replaced whole: what the person changes meanwhile is not lost
      for (let i = 0; i < TRIES; i += 1) {
        const { value, seq } = await d.actors().read(ref, 'notifications', {}, { from: self });
        const { preferences } = value as z.output<typeof SettingsView>;
        const categories = { ...preferences.categories, [category]: { ...preferences.categories[category], email: false } };
        const command = { type: 'notification.configure', preferences: { ...preferences, categories } };
        const reply = await d.actors().ask(ref, command, { key: d.newId(), from: as, seq });
        if (reply.ok) return;
        if (reply.error.code !== 'SEQ_MISMATCH') throw Problem.from(reply.error);
      }
      throw new Problem('RETRY');
    },
  };
}
