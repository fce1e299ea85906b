/** Secrets of one installation, in one file of the data directory that only its owner may read. */
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { chmod, link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair } from 'jose';
import { z } from 'zod';

const Jwk = z.looseObject({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string(), d: z.string() });

const Secrets = z.object({
  /** first signs, all verify */
  signing: z.array(z.object({ kid: z.string(), createdAt: z.int(), jwk: Jwk })).min(1),
  /** base64url of 32 bytes: derives the successor of a refresh token */
  refresh: z.string().min(43),
  /** base64url of 32 bytes: lets local scripts act as the operator */
  operator: z.string().min(43),
});

export type Secrets = z.output<typeof Secrets>;

const ROTATE_MS = 30 * 86_400_000;
const FILE = 'secrets.json';

const secret = (): string => randomBytes(32).toString('base64url');

async function signingKey(now: number): Promise<Secrets['signing'][number]> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { kid: randomUUID(), createdAt: now, jwk: Jwk.parse(await exportJWK(privateKey)) };
}

export async function newSecrets(now: number): Promise<Secrets> {
  return { signing: [await signingKey(now)], refresh: secret(), operator: secret() };
}

/**
 * Reads the file or makes it at the first start. A signing key older than 30 days is followed by a new one; the two newest verify. Nodes that
 * share the folder share the file: who comes second takes what the first has made.
 */
export async function loadSecrets(dataDir: string, now: number): Promise<Secrets> {
  await mkdir(dataDir, { recursive: true });
  const path = join(dataDir, FILE);
  const stored = await readSecrets(dataDir);
  if (stored !== undefined && now - (stored.signing[0]?.createdAt ?? 0) < ROTATE_MS) return stored;
  const secrets =
    stored === undefined ? await newSecrets(now) : { ...stored, signing: [await signingKey(now), ...stored.signing].slice(0, 2) };
  const part = `${path}.${process.pid}`;
  await writeFile(part, JSON.stringify(secrets), { mode: 0o600 });
  await chmod(part, 0o600);
  if (stored !== undefined) {
    await rename(part, path);
    return secrets;
  }
  try {
    await link(part, path);
    return secrets;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return loadSecrets(dataDir, now);
  } finally {
    await rm(part);
  }
}

/** Key of the hashes that stand for erased actors; who holds the data directory can connect them with names, nobody else. */
export const erasureKey = ({ operator }: Secrets): string => createHmac('sha256', operator).update('erasure').digest('base64url');

/** Key of the signatures of the audit log's heads. */
export const auditKey = ({ operator }: Secrets): string => createHmac('sha256', operator).update('audit').digest('base64url');

/** The stored secrets, or undefined before the first start. */
export async function readSecrets(dataDir: string): Promise<Secrets | undefined> {
  try {
    return Secrets.parse(JSON.parse(await readFile(join(dataDir, FILE), 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`${FILE} in the data directory cannot be read; restore it or remove it (all sessions end)`, { cause: error });
  }
}
