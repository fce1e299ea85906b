import test from 'ava';
import * as fc from 'fast-check';
import { dayBounds, dayOf } from '../../../calc/time/civil.ts';
import { lengthOf } from '../../../calc/booking/intervals.ts';
import { isOpen, openBetween, windowsOn, type Opening } from '../../../calc/booking/opening.ts';

const everyDay = [1, 2, 3, 4, 5, 6, 7];
const opening = (timeZone: string, ...rules: [string, string][]): Opening => ({
  timeZone,
  openingRules: rules.map(([from, to]) => ({ days: everyDay, from, to })),
  exceptions: [],
});

// booking.md 3.3, tz database 2025c
const reference: [zone: string, date: string, from: string, to: string, start: string, end: string, minutes: number][] = [
  ['Europe/Berlin', '2027-03-22', '09:00', '17:00', '2027-03-22T08:00Z', '2027-03-22T16:00Z', 480],
  ['Europe/Berlin', '2027-03-29', '09:00', '17:00', '2027-03-29T07:00Z', '2027-03-29T15:00Z', 480],
  ['Europe/Berlin', '2027-03-28', '00:00', '06:00', '2027-03-27T23:00Z', '2027-03-28T04:00Z', 300],
  ['Europe/Berlin', '2027-03-28', '01:30', '03:30', '2027-03-28T00:30Z', '2027-03-28T01:30Z', 60],
  ['Europe/Berlin', '2027-03-28', '02:30', '05:00', '2027-03-28T01:00Z', '2027-03-28T03:00Z', 120],
  ['Europe/Berlin', '2027-03-28', '02:00', '02:30', '', '', 0],
  ['Europe/Berlin', '2027-03-28', '00:00', '24:00', '2027-03-27T23:00Z', '2027-03-28T22:00Z', 1380],
  ['Europe/Berlin', '2027-10-31', '00:00', '06:00', '2027-10-30T22:00Z', '2027-10-31T05:00Z', 420],
  ['Europe/Berlin', '2027-10-31', '02:30', '04:00', '2027-10-31T00:30Z', '2027-10-31T03:00Z', 150],
  ['Europe/Berlin', '2027-10-31', '00:00', '02:30', '2027-10-30T22:00Z', '2027-10-31T00:30Z', 150],
  ['Europe/Berlin', '2027-10-31', '00:00', '24:00', '2027-10-30T22:00Z', '2027-10-31T23:00Z', 1500],
  ['Africa/Cairo', '2027-04-30', '00:00', '02:00', '2027-04-29T22:00Z', '2027-04-29T23:00Z', 60],
  ['Australia/Lord_Howe', '2027-04-04', '00:00', '24:00', '2027-04-03T13:00Z', '2027-04-04T13:30Z', 1470],
  ['America/New_York', '2027-03-14', '01:00', '04:00', '2027-03-14T06:00Z', '2027-03-14T08:00Z', 120],
  ['America/New_York', '2027-11-07', '01:00', '03:00', '2027-11-07T05:00Z', '2027-11-07T08:00Z', 180],
];

for (const [zone, date, from, to, start, end, minutes] of reference) {
  test(`${zone} ${date}, ${from} to ${to}, is open for ${minutes} minutes (reference values of 3.3)`, (t) => {
    const windows = windowsOn(opening(zone, [from, to]), dayOf(date));
    t.deepEqual(windows, minutes === 0 ? [] : [[Date.parse(start), Date.parse(end)]]);
    t.is(lengthOf(windows) / 60_000, minutes);
  });
}

test('overlapping rules are merged, a night window belongs to the date on which it begins', (t) => {
  const day = dayOf('2027-06-01');
  t.is(windowsOn(opening('UTC', ['08:00', '12:00'], ['11:00', '14:00']), day).length, 1);
  const bar = opening('UTC', ['18:00', '02:00']);
  t.deepEqual(windowsOn(bar, day), [[Date.parse('2027-06-01T18:00Z'), Date.parse('2027-06-02T02:00Z')]]);
  t.true(isOpen(bar, Date.parse('2027-06-01T23:00Z'), Date.parse('2027-06-02T01:00Z')));
  t.false(isOpen(bar, Date.parse('2027-06-02T01:00Z'), Date.parse('2027-06-02T03:00Z')));
});

test('exceptions close, open and replace days; later ones win', (t) => {
  const base = opening('UTC', ['09:00', '17:00']);
  const on = (...exceptions: Opening['exceptions']) => lengthOf(windowsOn({ ...base, exceptions }, dayOf('2027-06-02'))) / 3_600_000;
  const dates = { dateFrom: '2027-06-01', dateTo: '2027-06-02' };
  t.is(on({ ...dates, mode: 'closed' }), 0);
  t.is(on({ ...dates, mode: 'open', windows: [{ from: '20:00', to: '22:00' }] }), 10);
  t.is(on({ ...dates, mode: 'replace', windows: [{ from: '10:00', to: '11:00' }] }), 1);
  t.is(on({ ...dates, mode: 'closed' }, { ...dates, mode: 'open', windows: [{ from: '20:00', to: '22:00' }] }), 2);
  t.is(on({ dateFrom: '2027-06-03', dateTo: '2027-06-09', mode: 'closed' }), 8);
});

test('rules hold only on their weekdays and between their dates', (t) => {
  const rules: Opening = {
    timeZone: 'UTC',
    openingRules: [{ days: [2], from: '09:00', to: '10:00', validFrom: '2027-06-01', validTo: '2027-06-08' }],
    exceptions: [],
  };
  const open = (date: string): boolean => windowsOn(rules, dayOf(date)).length > 0;
  t.true(open('2027-06-01'));
  t.true(open('2027-06-08'));
  t.false(open('2027-06-02'));
  t.false(open('2027-05-25'));
  t.false(open('2027-06-15'));
});

test('always open means open over every midnight and every change of the clock', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom('UTC', 'Europe/Berlin', 'Africa/Cairo', 'Australia/Lord_Howe', 'America/New_York', 'Asia/Kathmandu'),
      fc.integer({ min: Date.UTC(2027, 0, 1) / 60_000, max: Date.UTC(2028, 0, 1) / 60_000 }),
      fc.integer({ min: 1, max: 5 * 1440 }),
      (zone, start, minutes) => isOpen(opening(zone, ['00:00', '24:00']), start * 60_000, (start + minutes) * 60_000),
    ),
  );
  t.pass();
});

test('the open time of a day equals the sum of its windows, over a year and its clock changes', (t) => {
  const rules = opening('Europe/Berlin', ['01:30', '03:30'], ['09:00', '17:00']);
  for (let day = dayOf('2027-01-01'); day < dayOf('2028-01-01'); day += 1) {
    const date = new Date(day * 86_400_000).toISOString().slice(0, 10);
    const [start, end] = dayBounds('Europe/Berlin', date);
    t.is(lengthOf(openBetween(rules, start, end)), lengthOf(windowsOn(rules, day)), date);
  }
});
