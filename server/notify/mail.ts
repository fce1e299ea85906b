/** Mail: by SMTP, or into the log when there is no server for it. */
import { createTransport } from 'nodemailer';
import type { Clock, Log } from '../../actors/types.ts';
import type { Circuits } from '../outgoing/circuits.ts';
import { createPolicy } from '../outgoing/policy.ts';
import { heldBy } from './guarded.ts';
import type { Outcome } from './provider.ts';

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** left part of the Message-ID: a repetition of the same mail has the same, so that mailboxes may drop it */
  readonly id: string;
  readonly headers?: { readonly [name: string]: string };
  readonly urgent?: boolean;
  /** what the log may know of it */
  readonly about: { readonly [field: string]: string };
}

export interface Mailer {
  send(mail: Mail): Promise<Outcome>;
  close(): void;
}

/** All three together stay below the time of a call, and that below the time of a job. */
const WAITS = { connectionTimeout: 8_000, greetingTimeout: 8_000, socketTimeout: 10_000 };
const TIMEOUT_MS = 27_000;
/** enhanced codes (RFC 3463) that say that there is no such mailbox, and will not be */
const NO_MAILBOX = /\b5\.1\.(1|2|3|6|10)\b/;

/**
 * Behind a circuit: while the mail server does not work, mails wait and spend no tries.
 *
 * @param o.url `smtp://user:password@host:587`, `smtps://…`; @param o.from sender as mailboxes show it
 */
export function smtpMailer(o: {
  readonly url: string;
  readonly from: string;
  readonly circuits: Circuits;
  readonly clock: Clock;
  readonly random: () => number;
}): Mailer {
  const transport = createTransport({
    url: o.url,
    pool: true,
    maxConnections: 2,
    // what is tried again is the matter of the job, which knows when it is too late
    maxRequeues: 0,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...WAITS,
  });
  const host = new URL(o.url).host.replaceAll(/[^A-Za-z0-9.:_-]/g, '').slice(0, 100);
  const circuit = o.circuits.of(`mail:${host}`, 'mail', () => transport.verify());
  const policy = createPolicy({ circuit, clock: o.clock, random: o.random, timeoutMs: TIMEOUT_MS });
  const domain = /@([^\s>]+)>?$/.exec(o.from)?.[1] ?? 'localhost';
  return {
    async send({ to, subject, text, html, id, headers = {}, urgent = false }) {
      try {
        const mail = {
          from: o.from,
          to: { name: '', address: to },
          subject,
          text,
          html,
          messageId: `<${id}@${domain}>`,
          headers: { 'Auto-Submitted': 'auto-generated', ...headers },
          ...(urgent ? { priority: 'high' as const } : {}),
        };
        const { response } = await policy.call({
          // a mail under way can not be called back
          signal: new AbortController().signal,
          run: () => transport.sendMail(mail),
          judge: () => 'ok',
          judgeError: (error) => (isOfMail(error as SmtpError) ? 'ok' : { failed: true, again: false }),
        });
        return { kind: 'sent', vendorId: response.slice(0, 200) };
      } catch (error) {
        return heldBy(error) ?? outcomeOf(error as SmtpError);
      }
    },
    close: () => transport.close(),
  };
}

type SmtpError = Error & { readonly code?: string; readonly responseCode?: number };

/** Whether the server has judged the mail or its recipient. What was said about us (sign-in, connection, 421: it closes) is no judgement of the mail. */
const isOfMail = ({ code, responseCode = 0 }: SmtpError): boolean =>
  responseCode >= 400 && responseCode !== 421 && (code === 'EENVELOPE' || code === 'EMESSAGE');

/** RFC 5321: 4yz may be tried again, 5yz not. */
function outcomeOf(error: SmtpError): Outcome {
  const { message, code, responseCode = 0 } = error;
  if (responseCode < 500 || !isOfMail(error)) return { kind: 'retry', reason: message };
  if (code === 'EENVELOPE' && NO_MAILBOX.test(message)) return { kind: 'gone', reason: message };
  return responseCode === 552 && code === 'EMESSAGE' ? { kind: 'too_large' } : { kind: 'reject', reason: message };
}

/** Says what would be mailed, without the words, so that the flow can be seen with no mail server at all. */
export const logMailer = (log: Log): Mailer => ({
  send({ about }) {
    log.info(about, 'mail');
    return Promise.resolve({ kind: 'sent' });
  },
  close: () => undefined,
});
