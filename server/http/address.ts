import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';

/**
 * Where a client is, for limits: the address of the peer, or what the outermost of `hops` trusted proxies saw. IPv4 in IPv6 is written as IPv4; of
 * other IPv6 addresses it is the /64, within which whoever has one address has them all.
 */
export function clientAddress(req: Pick<IncomingMessage, 'socket' | 'headers'>, hops: number): string {
  const peer = req.socket.remoteAddress ?? 'unknown';
  if (hops === 0) return plain(peer);
  const seen = String(req.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((a) => a.trim())
    .filter((a) => a !== '');
  return plain(seen.at(-hops) ?? seen[0] ?? peer);
}

function plain(address: string): string {
  if (!isIPv6(address)) return address;
  if (address.toLowerCase().startsWith('::ffff:') && address.includes('.')) return address.slice(7);
  // written in one way, with the longest run of zeros left out
  const [head = '', tail] = new URL(`http://[${address.replace(/%.*/, '')}]`).hostname.slice(1, -1).split('::');
  const [before, after] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':'))) as [string[], string[]];
  const groups = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => '0'), ...after];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
