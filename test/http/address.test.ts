import test from 'ava';
import { clientAddress } from '../../server/http/address.ts';

const from = (remoteAddress: string | undefined, forwarded?: string, hops = 0): string =>
  clientAddress(
    {
      socket: { remoteAddress } as Parameters<typeof clientAddress>[0]['socket'],
      headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    },
    hops,
  );

test('limits count an IPv4 address, and of IPv6 the /64, however it is written', (t) => {
  t.is(from('192.0.2.7'), '192.0.2.7');
  t.is(from('::ffff:192.0.2.7'), '192.0.2.7');
  t.is(from(undefined), 'unknown');
  const same = [
    '2001:db8:1:2:3:4:5:6',
    '2001:0DB8:1:2::9',
    '2001:db8:1:2:ffff:ffff:ffff:ffff',
    '2001:db8:1:2::192.0.2.7',
    '2001:db8:1:2::1%eth0',
  ];
  t.deepEqual([...new Set(same.map((a) => from(a)))], ['2001:db8:1:2::/64']);
  t.is(from('2001:db8:1:3::1'), '2001:db8:1:3::/64');
  t.is(from('::1'), '0:0:0:0::/64');
  t.is(from('2001:db8::1'), '2001:db8:0:0::/64');
  t.is(from('2001:0:0:1::'), '2001:0:0:1::/64');
});

test('behind trusted proxies it is what the outermost of them saw, else nobody is believed', (t) => {
  t.is(from('10.0.0.1', '203.0.113.9, 198.51.100.2'), '10.0.0.1');
  t.is(from('10.0.0.1', '203.0.113.9, 198.51.100.2', 1), '198.51.100.2');
  t.is(from('10.0.0.1', 'spoofed, 2001:db8::5, 10.0.0.2', 2), '2001:db8:0:0::/64');
  t.is(from('10.0.0.1', '', 1), '10.0.0.1');
});
