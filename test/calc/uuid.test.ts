import { createHash } from 'node:crypto';
import test from 'ava';
import * as fc from 'fast-check';
import { longId, shortId, URL_NAMESPACE, uuid5 } from '../../calc/uuid.ts';

test('the id of a booking follows from principal and key (vector of booking.md 10.2)', (t) => {
  t.is(uuid5(URL_NAMESPACE, 'thrum:booking\nusr_01\nkey-1'), '62efb25c-c5ad-55a4-8c65-25094e6f9fa7');
});

test('names hash as SHA-1 of node:crypto does, whatever their length', (t) => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200, unit: 'binary' }), (name) => {
      const digest = createHash('sha1')
        .update(Buffer.from(URL_NAMESPACE.replaceAll('-', ''), 'hex'))
        .update(name)
        .digest('hex');
      return uuid5(URL_NAMESPACE, name).replaceAll('-', '').slice(0, 12) === digest.slice(0, 12);
    }),
  );
  t.pass();
});

test('short ids are base64url and lead back', (t) => {
  fc.assert(
    fc.property(fc.uuid(), (id) => {
      const short = shortId(id);
      return short === Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url') && longId(short) === id;
    }),
  );
  t.pass();
});
