/** Signed links of mails: who holds one may do the one thing that it names, without signing in. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { Category } from '../../machines/notifications/schema.ts';

const purposes = {
  /** no more mail of this category */
  unsubscribe: z.strictObject({ userId: z.string(), category: Category }),
  /** the person reads what is sent to this address; `until`: epoch ms */
  confirm: z.strictObject({ userId: z.string(), email: z.string(), until: z.int() }),
};
type Purpose = keyof typeof purposes;
type Grant<P extends Purpose> = z.output<(typeof purposes)[P]>;

export interface Links {
  sign<P extends Purpose>(purpose: P, grant: Grant<P>): string;
  /** undefined when it was not signed by this installation, or for another purpose */
  read<P extends Purpose>(purpose: P, token: string): Grant<P> | undefined;
}

/** @param secret of the installation; the links of a mail hold as long as it does */
export function createLinks(secret: string): Links {
  const key = createHmac('sha256', secret).update('mail links').digest();
  const mac = (purpose: Purpose, body: string): Buffer => createHmac('sha256', key).update(`${purpose}.${body}`).digest();
  return {
    sign(purpose, grant) {
      const body = Buffer.from(JSON.stringify(grant)).toString('base64url');
      return `${body}.${mac(purpose, body).toString('base64url')}`;
    },
    read<P extends Purpose>(purpose: P, token: string) {
      const [body = '', sent = ''] = token.split('.');
      const given = Buffer.from(sent, 'base64url');
      const right = mac(purpose, body);
      if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
      return purposes[purpose].parse(JSON.parse(Buffer.from(body, 'base64url').toString())) as Grant<P>;
    },
  };
}
