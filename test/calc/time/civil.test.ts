import test from 'ava';
import {
  addDays,
  boundary,
  dateOf,
  dayBounds,
  dayOf,
  instantOf,
  isoOf,
  isTimeZone,
  localDate,
  localTime,
  resolveLocal,
  weekdayOf,
} from '../../../calc/time/civil.ts';

const utc = (text: string): number => Date.parse(text);

test('a boundary in a fold is the first occurrence, in a gap the transition', (t) => {
  t.is(boundary('Europe/Berlin', '2027-03-28', 150), utc('2027-03-28T01:00:00Z'));
  t.is(boundary('Europe/Berlin', '2027-10-31', 150), utc('2027-10-31T00:30:00Z'));
  t.is(boundary('Africa/Cairo', '2027-04-30', 0), utc('2027-04-29T22:00:00Z'));
});

test('a local day has 23, 24, 24.5 or 25 hours', (t) => {
  const hours = (zone: string, date: string): number => (dayBounds(zone, date)[1] - dayBounds(zone, date)[0]) / 3_600_000;
  t.is(hours('Europe/Berlin', '2027-03-28'), 23);
  t.is(hours('Europe/Berlin', '2027-03-29'), 24);
  t.is(hours('Australia/Lord_Howe', '2027-04-04'), 24.5);
  t.is(hours('Europe/Berlin', '2027-10-31'), 25);
});

test('a local time in a gap is refused with both candidate instants (case 45)', (t) => {
  t.deepEqual(resolveLocal('Europe/Berlin', '2027-03-28T02:30'), {
    ok: false,
    code: 'NONEXISTENT_LOCAL_TIME',
    candidates: [utc('2027-03-28T00:30:00Z'), utc('2027-03-28T01:30:00Z')],
  });
});

test('a local time in a fold is refused unless one of the two is asked for', (t) => {
  const [first, second] = [utc('2027-10-31T00:30:00Z'), utc('2027-10-31T01:30:00Z')];
  t.deepEqual(resolveLocal('Europe/Berlin', '2027-10-31T02:30'), {
    ok: false,
    code: 'AMBIGUOUS_LOCAL_TIME',
    candidates: [first, second],
  });
  t.deepEqual(resolveLocal('Europe/Berlin', '2027-10-31T02:30', 'earlier'), { ok: true, at: first });
  t.deepEqual(resolveLocal('Europe/Berlin', '2027-10-31T02:30', 'later'), { ok: true, at: second });
  t.deepEqual(resolveLocal('Europe/Berlin', '2027-10-31T03:30'), { ok: true, at: utc('2027-10-31T02:30:00Z') });
});

test('instants are written with the offset in force', (t) => {
  t.is(localTime('Europe/Berlin', utc('2027-10-31T00:30:00Z')), '2027-10-31T02:30:00+02:00');
  t.is(localTime('Europe/Berlin', utc('2027-10-31T01:30:00Z')), '2027-10-31T02:30:00+01:00');
  t.is(localTime('Asia/Kathmandu', utc('2027-01-01T00:00:00Z')), '2027-01-01T05:45:00+05:45');
  t.is(localTime('America/St_Johns', utc('2027-01-01T00:00:00Z')), '2026-12-31T20:30:00-03:30');
  t.is(isoOf(utc('2027-01-01T00:00:00Z')), '2027-01-01T00:00:00.000Z');
  t.is(instantOf('2027-01-01T02:00:00+02:00'), utc('2027-01-01T00:00:00Z'));
});

test('dates, days and weekdays agree', (t) => {
  t.is(dayOf('1970-01-01'), 0);
  t.is(dateOf(dayOf('2027-02-28') + 1), '2027-03-01');
  t.is(addDays('2028-02-28', 1), '2028-02-29');
  t.is(weekdayOf(dayOf('1970-01-01')), 4);
  t.is(weekdayOf(dayOf('2027-03-28')), 7);
  t.is(weekdayOf(dayOf('1969-12-29')), 1);
  t.is(localDate('Pacific/Kiritimati', utc('2027-01-01T12:00:00Z')), '2027-01-02');
  t.true(isTimeZone('Europe/Berlin'));
  t.false(isTimeZone('Mars/Olympus'));
  t.false(isTimeZone('2027-03-10T10:00:00.000Z'), 'a time is no zone');
  t.true(isTimeZone('europe/berlin'));
});
