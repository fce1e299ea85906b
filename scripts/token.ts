/**
 * Prints an access token for a known user: `npm run --silent token -- --email E [--org O]`. Asks the running server of the data directory, with the
 * operator secret that only the owner of that directory can read.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../server/config.ts';
import { readSecrets } from '../server/identity/keys.ts';

async function addressOf(dataDir: string, port: number): Promise<string> {
  try {
    return (JSON.parse(await readFile(join(dataDir, 'server.json'), 'utf8')) as { url: string }).url;
  } catch {
    return `http://localhost:${port}`;
  }
}

async function main(): Promise<string> {
  const { values } = parseArgs({ options: { email: { type: 'string' }, org: { type: 'string' } } });
  if (values.email === undefined) throw new Error('usage: npm run --silent token -- --email someone@example.org [--org acme]');
  const { dataDir, port } = readConfig();
  const secrets = await readSecrets(dataDir);
  if (secrets === undefined) throw new Error(`no server has run in ${dataDir} yet: npm start`);
  const url = await addressOf(dataDir, port);
  const reply = await fetch(`${url}/v1/auth/operator-token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-thrum-operator': secrets.operator },
    body: JSON.stringify({ email: values.email, org: values.org }),
  }).catch((cause: unknown) => {
    throw new Error(`no server answers at ${url}`, { cause });
  });
  const body = (await reply.json()) as { accessToken?: string; code?: string; detail?: string };
  if (body.accessToken === undefined) throw new Error(`${body.code ?? reply.status}: ${body.detail ?? 'no token'}`);
  return body.accessToken;
}

try {
  process.stdout.write(`${await main()}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
