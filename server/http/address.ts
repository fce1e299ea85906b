import type { IncomingMessage } from 'node:http';

/** Address of the client: the peer, or what the outermost of `hops` trusted proxies saw. IPv4 in IPv6 is written as IPv4. */
export function clientAddress(req: IncomingMessage, hops: number): string {
  const peer = plain(req.socket.remoteAddress ?? 'unknown');
  if (hops === 0) return peer;
  const seen = String(req.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((a) => a.trim())
    .filter((a) => a !== '');
  return plain(seen.at(-hops) ?? seen[0] ?? peer);
}

const plain = (address: string): string => (address.startsWith('::ffff:') ? address.slice(7) : address);
