/** Mail: by SMTP, or into the log when there is no server for it. */
import { createTransport } from 'nodemailer';
import type { Log } from '../../actors/types.ts';
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

/** All three together stay below the time of a job. */
const WAITS = { connectionTimeout: 8_000, greetingTimeout: 8_000, socketTimeout: 10_000 };
/** enhanced codes (RFC 3463) that say that there is no such mailbox, and will not be */
const NO_MAILBOX = /\b5\.1\.(1|2|3|6|10)\b/;

/** @param o.url `smtp://user:password@host:587`, `smtps://…`; @param o.from sender as mailboxes show it */
export function smtpMailer(o: { readonly url: string; readonly from: string }): Mailer {
  const transport = createTransport({
    url: o.url,
    pool: true,
    maxConnections: 2,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...WAITS,
  });
  const domain = /@([^\s>]+)>?$/.exec(o.from)?.[1] ?? 'localhost';
  return {
    async send({ to, subject, text, html, id, headers = {}, urgent = false }) {
      try {
        const { response } = await transport.sendMail({
          from: o.from,
          to: { name: '', address: to },
          subject,
          text,
          html,
          messageId: `<${id}@${domain}>`,
          headers: { 'Auto-Submitted': 'auto-generated', ...headers },
          ...(urgent ? { priority: 'high' as const } : {}),
        });
        return { kind: 'sent', vendorId: response.slice(0, 200) };
      } catch (error) {
        return outcomeOf(error as SmtpError);
      }
    },
    close: () => transport.close(),
  };
}

type SmtpError = Error & { readonly code?: string; readonly responseCode?: number };

/** RFC 5321: 4yz may be tried again, 5yz not. What was said about us (sign-in, connection) is no judgement of the mail. */
function outcomeOf({ message, code, responseCode = 0 }: SmtpError): Outcome {
  if (responseCode < 500 || (code !== 'EENVELOPE' && code !== 'EMESSAGE')) return { kind: 'retry', reason: message };
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
