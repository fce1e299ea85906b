/** The push services that need an account, as far as this installation has one. */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../actors/types.ts';
import type { Config } from '../config.ts';
import type { VendorProvider } from './provider.ts';
import { apnsProvider } from './providers/apns.ts';
import { fcmProvider, ServiceAccount } from './providers/fcm.ts';

/** @throws Error naming the setting whose file cannot be used */
export async function pushAccounts(config: Config, clock: Clock): Promise<VendorProvider[]> {
  const { fcmServiceAccount, apnsKey, apnsKeyId, apnsTeamId } = config;
  const list: VendorProvider[] = [];
  if (fcmServiceAccount !== undefined) {
    const account = await load('FCM_SERVICE_ACCOUNT', fcmServiceAccount, (text) => ServiceAccount.parse(JSON.parse(text)));
    list.push(fcmProvider({ account, clock }));
  }
  if (apnsKey !== undefined) {
    if (apnsKeyId === undefined || apnsTeamId === undefined) throw new Error('APNS_KEY needs APNS_KEY_ID and APNS_TEAM_ID');
    const key = await load('APNS_KEY', apnsKey, (text) => text);
    list.push(apnsProvider({ account: { key, keyId: apnsKeyId, teamId: apnsTeamId }, clock }));
  }
  return list;
}

async function load<T>(setting: string, path: string, parse: (text: string) => T): Promise<T> {
  try {
    return parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new Error(`the file of ${setting} cannot be used`, { cause });
  }
}
