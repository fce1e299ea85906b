import test from 'ava';
import { assert, constantFrom, integer, property } from 'fast-check';
import { minutesOf, nextDaily, quietEnd } from '../../../calc/time/quiet.ts';

const BERLIN = 'Europe/Berlin';
const night = { from: minutesOf('22:00'), to: minutesOf('07:00') };
const iso = (at: number | undefined): string | undefined => (at === undefined ? undefined : new Date(at).toISOString());
const end = (zone: string, quiet: { from: number; to: number }, at: string): string | undefined =>
  iso(quietEnd(zone, quiet, Date.parse(at)));

test('a night wraps midnight; its end is on the clock of the person', (t) => {
  t.is(end(BERLIN, night, '2027-01-10T21:00:00Z'), '2027-01-11T06:00:00.000Z', '22:00 CET is within');
  t.is(end(BERLIN, night, '2027-01-11T03:00:00Z'), '2027-01-11T06:00:00.000Z');
  t.is(end(BERLIN, night, '2027-01-11T06:00:00Z'), undefined, '07:00 is not quiet any more');
  t.is(end(BERLIN, night, '2027-01-10T20:59:59Z'), undefined);
});

test('the night of the change to summer time ends at 07:00 CEST, that of the change back at 07:00 CET (case 45)', (t) => {
  t.is(end(BERLIN, night, '2027-03-27T22:00:00Z'), '2027-03-28T05:00:00.000Z');
  t.is(end(BERLIN, night, '2027-10-30T21:00:00Z'), '2027-10-31T06:00:00.000Z');
});

test('a time that the clock jumps over is the jump, one that it shows twice the first showing', (t) => {
  t.is(end(BERLIN, { from: minutesOf('01:00'), to: minutesOf('02:30') }, '2027-03-28T00:30:00Z'), '2027-03-28T01:00:00.000Z');
  t.is(end(BERLIN, { from: minutesOf('01:00'), to: minutesOf('02:30') }, '2027-10-31T00:10:00Z'), '2027-10-31T00:30:00.000Z');
});

test('hours that begin when they end are never', (t) => {
  t.is(end(BERLIN, { from: 600, to: 600 }, '2027-01-11T09:00:00Z'), undefined);
});

test('the next daily time is after now, within a day and the length of a change', (t) => {
  t.is(iso(nextDaily(BERLIN, minutesOf('18:00'), Date.parse('2027-01-11T17:00:00Z'))), '2027-01-12T17:00:00.000Z');
  t.is(iso(nextDaily(BERLIN, minutesOf('18:00'), Date.parse('2027-01-11T16:59:00Z'))), '2027-01-11T17:00:00.000Z');
});

test('whatever the zone and the hours: the end lies ahead, is no longer quiet, and is less than a day and three hours away', (t) => {
  const minute = integer({ min: 0, max: 1_439 });
  const zone = constantFrom('Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia', 'Asia/Kathmandu', 'UTC');
  const at = integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2029, 0, 1) });
  assert(
    property(zone, minute, minute, at, (z, from, to, now) => {
      const until = quietEnd(z, { from, to }, now);
      if (until === undefined) return;
      t.true(until > now && until <= now + 27 * 3_600_000);
      const after = quietEnd(z, { from, to }, until);
      t.true(after === undefined || after > until);
      t.true(nextDaily(z, to, now) > now);
    }),
    { numRuns: 300 },
  );
});
