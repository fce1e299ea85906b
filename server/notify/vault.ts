/** Keeps tokens of endpoints and the private VAPID key unreadable for who holds a copy of the database only. */
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';

export interface Vault {
  /** AES-256-GCM: nonce, tag, text. `about` must be the same when it is opened. */
  seal(text: string, about: string): Buffer;
  /** @throws Error when it was sealed with another key, or about something else */
  open(sealed: Buffer, about: string): string;
}

const NONCE = 12;
const TAG = 16;

/** @param secret base64url; of the installation, not in the database */
export function createVault(secret: string): Vault {
  const key = createHmac('sha256', secret).update('push vault').digest();
  return {
    seal(text, about) {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(about));
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, about) {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE)).setAAD(Buffer.from(about));
      decipher.setAuthTag(sealed.subarray(NONCE, NONCE + TAG));
      return Buffer.concat([decipher.update(sealed.subarray(NONCE + TAG)), decipher.final()]).toString('utf8');
    },
  };
}

/** By which an endpoint is found without its token. */
export const tokenHash = (provider: string, token: string): Buffer => createHash('sha256').update(`${provider}\n${token}`).digest();
