/** Notifications as mail: plain text and simple HTML, with a way out by one click (RFC 8058). */
import { rules } from '../../../machines/notifications/rules.ts';
import type { Links } from '../links.ts';
import type { Mail, Mailer } from '../mail.ts';
import type { PushMessage, PushProvider, Target } from '../provider.ts';

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

interface Words {
  readonly title: string;
  readonly body: string;
  /** what its link says, and where it leads */
  readonly act: string;
  readonly href: string;
  /** small print, and a link in it */
  readonly footer: string;
  readonly exit?: string;
}

/** The two forms of one text. */
export function compose({ title, body, act, href, footer, exit }: Words): Pick<Mail, 'subject' | 'text' | 'html'> {
  const paragraphs = body === '' ? [] : [body];
  const link = exit === undefined ? '' : ` <a href="${escaped(exit)}">Stop these mails</a>`;
  return {
    subject: title.replaceAll(/\s+/g, ' ').slice(0, 200),
    text: [title, ...paragraphs, `${act}: ${href}`, '--', footer, ...(exit === undefined ? [] : [`Stop these mails: ${exit}`])].join(
      '\n\n',
    ),
    html: `<!doctype html><html lang="en"><body style="font:16px/1.5 sans-serif;max-width:36em;margin:2em auto;padding:0 1em">
<h1 style="font-size:1.25em">${escaped(title)}</h1>
${paragraphs.map((p) => `<p>${escaped(p)}</p>\n`).join('')}<p><a href="${escaped(href)}">${escaped(act)}</a></p>
<p style="font-size:.85em;color:#555">${escaped(footer)}${link}</p>
</body></html>`,
  };
}

export function emailProvider(o: { readonly mailer: Mailer; readonly links: Links; readonly publicUrl: string }): PushProvider {
  function mailOf({ token, userId }: Target, m: PushMessage): Mail {
    const always = rules[m.category].always === true;
    const grant = o.links.sign('unsubscribe', { userId, category: m.category });
    const words = compose({
      title: m.title,
      body: m.generic ? 'Open Thrum to read it.' : (m.body ?? ''),
      act: 'Open Thrum',
      href: new URL(m.href ?? '/', o.publicUrl).href,
      footer: always
        ? 'This mail is about the safety of your account, so it cannot be switched off.'
        : 'You get this because you asked for mails of this kind.',
      ...(always ? {} : { exit: `${o.publicUrl}/#unsubscribe=${grant}` }),
    });
    return {
      ...words,
      to: token,
      id: m.id,
      urgent: m.urgency === 'high',
      about: { notificationId: m.id, category: m.category, severity: m.severity },
      ...(always
        ? {}
        : {
            headers: {
              'List-Unsubscribe': `<${o.publicUrl}/v1/notifications/unsubscribe?token=${grant}>`,
              'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
            },
          }),
    };
  }
  return {
    id: 'email',
    send: (target, message) => o.mailer.send(mailOf(target, message)),
    close: () => o.mailer.close(),
  };
}
