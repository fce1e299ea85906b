/** A mail server for tests: takes mail over SMTP, or refuses it as it is told to. */
import type { AddressInfo, Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';

export interface Received {
  readonly from: string;
  readonly to: string;
  /** unfolded, names in lower case */
  readonly headers: { readonly [name: string]: string };
  readonly text: string;
  readonly html: string;
}

export interface MailServer {
  /** for SMTP_URL */
  readonly url: string;
  readonly received: Received[];
  /** what the next mails are answered, at which command; then they are taken again */
  readonly refusals: { readonly at: 'rcpt' | 'data'; readonly code: number; readonly text: string }[];
  /** connections end at once, also those that are open; then again they do not */
  away(yes: boolean): void;
  close(): Promise<void>;
}

const unquoted = (part: string): string =>
  Buffer.from(
    part.replaceAll(/=\r?\n/g, '').replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString();

function split(raw: string): [headers: { [name: string]: string }, body: string] {
  const end = raw.indexOf('\r\n\r\n');
  const lines = raw
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  const headers = Object.fromEntries(lines.map((l) => [l.slice(0, l.indexOf(':')).toLowerCase(), l.slice(l.indexOf(':') + 1).trim()]));
  return [headers, raw.slice(end + 4)];
}

function decoded(part: string): string {
  const [headers, body] = split(part);
  if (headers['content-transfer-encoding'] === 'base64') return Buffer.from(body, 'base64').toString();
  return headers['content-transfer-encoding'] === 'quoted-printable' ? unquoted(body) : body;
}

function read(raw: string, from: string, to: string): Received {
  const [headers, body] = split(raw);
  const boundary = /boundary="?([^";]+)/.exec(headers['content-type'] ?? '')?.[1] ?? '';
  const parts = body.split(`--${boundary}`).map((part) => part.replace(/^\r\n/, ''));
  const of = (type: string): string => decoded(parts.find((p) => p.startsWith(`Content-Type: ${type}`)) ?? '');
  return { from, to, headers, text: of('text/plain'), html: of('text/html') };
}

export async function startMailServer(): Promise<MailServer> {
  const received: Received[] = [];
  const refusals: MailServer['refusals'] = [];
  const refuse = (at: 'rcpt' | 'data'): Error | undefined => {
    if (refusals[0]?.at !== at) return undefined;
    const { code, text: message } = refusals.shift()!;
    return Object.assign(new Error(message), { responseCode: code });
  };
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    logger: false,
    onRcptTo: (_address, _session, done) => done(refuse('rcpt')),
    onData(stream, { envelope }, done) {
      const raw: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => raw.push(chunk));
      stream.on('error', done);
      stream.on('end', () => {
        const error = refuse('data');
        const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
        if (error === undefined) received.push(read(Buffer.concat(raw).toString(), from, envelope.rcptTo.map((r) => r.address).join()));
        done(error);
      });
    },
  });
  const sockets = new Set<Socket>();
  let gone = false;
  server.server.prependListener('connection', (socket: Socket) => {
    if (gone) socket.destroy();
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    received,
    refusals,
    away(yes) {
      gone = yes;
      if (yes) for (const socket of sockets) socket.destroy();
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
