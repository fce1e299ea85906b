import test from 'ava';
import { Webhook } from 'standardwebhooks';
import { TOLERANCE_S, verifyStandard } from '../../server/biosync/standard.ts';
import { sign, slotOf } from '../../server/webhooks/signature.ts';
import { isPrivateAddress } from '../../server/webhooks/target.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const OTHER = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
const BODY = '{"type":"sleep","user":{"user_id":"u-1","provider":"OURA"},"data":[]}';
const AT = 1_789_000_000;

const headersOf =
  (h: Record<string, string>) =>
  (name: string): string | undefined =>
    h[name];
const request = (o: { body?: string; id?: string; at?: number; signature?: string; now?: number; prefix?: string } = {}) => {
  const { body = BODY, id = 'msg_1', at = AT, prefix = 'webhook' } = o;
  return {
    body: Buffer.from(body),
    now: (o.now ?? AT) * 1000,
    header: headersOf({
      [`${prefix}-id`]: id,
      [`${prefix}-timestamp`]: String(at),
      [`${prefix}-signature`]: o.signature ?? sign(SECRET, id, at, body),
    }),
  };
};

test('the signature of the reference values (B, standard) and of booking 16', (t) => {
  t.is(sign(SECRET, 'msg_1', AT, BODY), 'v1,DQRMx/55LCreGpY5zvDVCK/77sbSVpIxEbwrP23wynk=');
  t.is(
    sign(SECRET, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, '{"test": 2432232314}'),
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  );
});

test('the official library accepts what we sign and signs what we accept', (t) => {
  const at = Math.floor(Date.now() / 1000);
  const theirs = new Webhook(SECRET);
  const headers = { 'webhook-id': 'msg_9', 'webhook-timestamp': String(at), 'webhook-signature': sign(SECRET, 'msg_9', at, BODY) };
  t.deepEqual(theirs.verify(BODY, headers), JSON.parse(BODY));
  t.is(theirs.sign('msg_9', new Date(at * 1000), BODY), headers['webhook-signature']);
});

test('one changed byte of body, id or time is forged (A15)', (t) => {
  const verify = verifyStandard([SECRET]);
  t.deepEqual(verify(request()), { ok: true, key: 'msg_1', ageS: 0, slot: 0 });
  const signature = sign(SECRET, 'msg_1', AT, BODY);
  const forged = [
    request({ signature, body: BODY.replace('sleep', 'sleeq') }),
    request({ signature, id: 'msg_2' }),
    request({ signature, at: AT + 1 }),
    request({ signature: signature.replace('DQ', 'dQ') }),
    request({ signature: signature.slice(3) }),
    request({ signature: '' }),
    request({ signature: `v2,${signature.slice(3)}` }),
  ];
  for (const f of forged) t.deepEqual(verify(f), { ok: false, reason: 'forged' });
});

test('the time may be off by 300 s either way, and only an authentic sender is told (A14)', (t) => {
  const verify = verifyStandard([SECRET]);
  t.true(verify(request({ now: AT + TOLERANCE_S })).ok);
  t.true(verify(request({ now: AT - TOLERANCE_S })).ok);
  t.deepEqual(verify(request({ now: AT + 301 })), { ok: false, reason: 'stale', ageS: 301 });
  t.deepEqual(verify(request({ now: AT - 301 })), { ok: false, reason: 'stale', ageS: -301 });
  t.deepEqual(verify(request({ now: AT + 301, signature: 'v1,AAAA' })), { ok: false, reason: 'forged' });
});

test('rotation: every secret is tried, every entry of the header too, and the slot is known', (t) => {
  const verify = verifyStandard([OTHER, SECRET]);
  t.deepEqual(verify(request()), { ok: true, key: 'msg_1', ageS: 0, slot: 1 });
  const both = `${sign('whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 'msg_1', AT, BODY)} ${sign(OTHER, 'msg_1', AT, BODY)}`;
  t.is(slotOf([OTHER, SECRET], 'msg_1', String(AT), Buffer.from(BODY), both), 0);
});

test('headers may have the svix spelling; missing and malformed ones are told apart', (t) => {
  const verify = verifyStandard([SECRET]);
  t.true(verify(request({ prefix: 'svix' })).ok);
  t.deepEqual(verify({ ...request(), header: () => undefined }), { ok: false, reason: 'missing' });
  const r = request();
  t.deepEqual(verify({ ...r, header: (n) => (n === 'webhook-timestamp' ? '12e3' : r.header(n)) }), { ok: false, reason: 'malformed' });
});

test('addresses of our own networks are refused, in every spelling', (t) => {
  for (const a of [
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '0.0.0.0',
    '100.64.0.1',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::a00:1',
    'no address',
  ]) {
    t.true(isPrivateAddress(a), a);
  }
  for (const a of ['8.8.8.8', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8']) t.false(isPrivateAddress(a), a);
});
