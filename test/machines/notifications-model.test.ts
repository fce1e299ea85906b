/** Whatever happens in whatever order, and however late the timer fires: the invariants of machines/notifications/SPEC.md. */
import test from 'ava';
import { array, assert, boolean, constantFrom, integer, oneof, property, record } from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { minutesOf, quietEnd } from '../../calc/time/quiet.ts';
import * as flow from '../../machines/notifications/flow.ts';
import type { Person, Step } from '../../machines/notifications/flow.ts';
import { isExempt, rules } from '../../machines/notifications/rules.ts';
import { noNotices } from '../../machines/notifications/schema.ts';
import type { Category, Create, Preferences, SendJob, Severity } from '../../machines/notifications/schema.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ENDPOINTS = ['e1', 'e2', 'e3'] as const;

type Move =
  | { do: 'create'; n: number; category: Category; severity: Severity; key: string; life: number }
  | { do: 'burst'; category: Category }
  | { do: 'seen'; back: number }
  | { do: 'wait'; ms: number }
  | { do: 'finish'; pick: number; outcome: 'sent' | 'failed' | 'gone' }
  | { do: 'withdraw'; key: string }
  | { do: 'unwatched'; pick: number }
  | { do: 'configure'; quiet: [string, string, boolean] | undefined; push: boolean; digestAt: string }
  | { do: 'register' | 'remove'; endpoint: (typeof ENDPOINTS)[number] };

const time = constantFrom('00:00', '02:30', '07:00', '12:00', '18:00', '22:00');
const key = constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const move: Arbitrary<Move> = oneof(
  {
    weight: 6,
    arbitrary: record({
      do: constantFrom('create' as const),
      n: integer({ min: 1, max: 400 }),
      category: constantFrom<Category>('booking_update', 'recovery_alert', 'anomaly_alert', 'security', 'marketing'),
      severity: constantFrom<Severity>('info', 'info', 'warning', 'critical'),
      key,
      life: constantFrom(5_000, HOUR, 24 * HOUR, 72 * HOUR),
    }),
  },
  {
    weight: 6,
    arbitrary: record({ do: constantFrom('wait' as const), ms: constantFrom(1_000, 11_000, 5 * MINUTE, HOUR, 7 * HOUR, 30 * HOUR) }),
  },
  {
    weight: 4,
    arbitrary: record({
      do: constantFrom('finish' as const),
      pick: integer({ min: 0, max: 50 }),
      outcome: constantFrom('sent' as const, 'sent' as const, 'failed' as const, 'gone' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: record({ do: constantFrom('burst' as const), category: constantFrom<Category>('anomaly_alert', 'recovery_alert') }),
  },
  record({ do: constantFrom('seen' as const), back: integer({ min: 0, max: 5 }) }),
  record({ do: constantFrom('withdraw' as const), key }),
  record({ do: constantFrom('unwatched' as const), pick: integer({ min: 0, max: 50 }) }),
  record({
    do: constantFrom('configure' as const),
    quiet: oneof(
      constantFrom(undefined),
      record({ from: time, to: time, bypass: boolean() }).map(({ from, to, bypass }): [string, string, boolean] => [from, to, bypass]),
    ),
    push: boolean(),
    digestAt: time,
  }),
  { weight: 2, arbitrary: record({ do: constantFrom('register' as const, 'remove' as const), endpoint: constantFrom(...ENDPOINTS) }) },
);

/** A person, what was done for them, and what may never be. */
class World {
  p: Person = { id: 'mia', timeZone: 'Europe/Berlin', ...noNotices };
  now = Date.parse('2027-03-26T12:00:00Z');
  last = 0;
  readonly made = new Map<string, Create>();
  readonly over = new Set<string>();
  readonly pushed = new Set<string>();
  readonly jobs: SendJob[] = [];
  digests = 0;
  /** times of pushes that count */
  readonly counted: number[] = [];

  take(step: Step): void {
    const before = this.p.notices;
    this.p = { ...this.p, ...step.next, digestDue: step.next.digestDue };
    if (step.item !== undefined) this.last += 1;
    const pushes = new Map<string, SendJob>();
    for (const { name, data, dedupeKey } of step.jobs) {
      if (name !== 'notify.send') continue;
      const job = data as SendJob;
      if (this.pushed.has(dedupeKey)) throw new Error(`N1: ${dedupeKey} twice`);
      this.pushed.add(dedupeKey);
      if (this.over.has(job.id)) throw new Error(`N3: ${job.id} was over`);
      pushes.set(job.id, job);
      this.jobs.push(job);
    }
    for (const [id, job] of pushes) {
      this.checkQuiet(this.made.get(id)!);
      const ofDigest = before[id]?.state === 'digested';
      if (ofDigest) this.digests += 1;
      else if (!isExempt(this.made.get(id)!)) this.counted.push(this.now);
      if (job.digest !== undefined && !ofDigest) throw new Error(`${id} leads a digest and did not wait for one`);
    }
    for (const row of step.rows as { id: string; state: string }[]) {
      if (['acknowledged', 'suppressed', 'expired', 'failed'].includes(row.state)) this.over.add(row.id);
    }
    this.checkState();
  }

  checkQuiet(n: Create): void {
    const { quiet } = this.p.preferences;
    const passes = rules[n.category].always === true || (n.severity === 'critical' && quiet?.bypassCritical === true);
    const end = quiet && quietEnd(this.p.timeZone, { from: minutesOf(quiet.from), to: minutesOf(quiet.to) }, this.now);
    if (end !== undefined && !passes) throw new Error(`N4: ${n.id} in quiet hours`);
  }

  checkState(): void {
    const notices = Object.entries(this.p.notices);
    const keys = notices.filter(
      ([, n]) => n.digest === undefined && (n.due !== undefined || ['deferred', 'digested', 'pushing'].includes(n.state)),
    );
    if (new Set(keys.map(([, n]) => n.collapseKey)).size !== keys.length) throw new Error('N6: two of one key have not gone out');
    if (notices.length > 32 && notices.some(([, n]) => n.due === undefined && (n.state === 'live' || n.state === 'sent')))
      throw new Error('N8: more is kept than there is room for');
    for (const [id, n] of notices) {
      if (n.state === 'pushing' && (n.waits ?? []).length === 0) throw new Error(`N2: ${id} waits for nobody`);
      if (n.waits?.some((e) => this.p.endpoints[e] === undefined)) throw new Error(`N7: ${id} waits for an endpoint that is no more`);
      if (n.state === 'digested' && this.p.digestDue === undefined && !notices.some(([, lead]) => lead.digest?.includes(id)))
        throw new Error(`${id} waits for a digest that never comes`);
    }
  }

  move(m: Move): void {
    const { p, now } = this;
    const pick = (list: readonly string[], n: number): string => list[n % Math.max(1, list.length)] ?? 'nobody';
    switch (m.do) {
      case 'create': {
        const id = `n${m.n}`;
        const e: Create = {
          id,
          category: m.category,
          severity: m.severity,
          collapseKey: m.key,
          titleKey: 'push.test',
          args: {},
          expiresAt: now + m.life,
        };
        if (this.made.has(id)) return;
        this.made.set(id, e);
        return this.take(flow.create(p, e, { now, last: this.last }));
      }
      case 'burst': {
        // more than an hour may have, each about something else
        const base = { do: 'create', category: m.category, severity: 'info', life: 72 * HOUR } as const;
        for (const one of 'abcdefg') this.move({ ...base, n: 1_000 + this.made.size, key: one });
        return this.move({ do: 'wait', ms: 11_000 });
      }
      case 'seen':
        return this.take(flow.seen(p, this.last - m.back, now));
      case 'finish': {
        const waiting = Object.entries(p.notices).flatMap(([id, n]) => (n.waits ?? []).map((endpointId) => ({ id, endpointId })));
        const one = waiting[m.pick % Math.max(1, waiting.length)];
        return one === undefined ? undefined : this.take(flow.finished(p, { ...one, outcome: m.outcome }, now));
      }
      case 'withdraw':
        return this.take(flow.withdraw(p, m.key, now));
      case 'unwatched':
        return this.take(flow.unwatched(p, pick(Object.keys(p.notices), m.pick), now));
      case 'configure': {
        const quiet = m.quiet === undefined ? {} : { quiet: { from: m.quiet[0], to: m.quiet[1], bypassCritical: m.quiet[2] } };
        const preferences: Preferences = { categories: { booking_update: { push: m.push } }, digestAt: m.digestAt, ...quiet };
        return this.take(flow.configured(p, preferences, now));
      }
      case 'register':
        return this.take(flow.registered(p, m.endpoint, { provider: 'fcm', at: now }, now));
      case 'remove':
        return this.take(flow.removed(p, m.endpoint, now));
      case 'wait':
        this.now += m.ms;
        // the timer fires now, however long ago it was due
        if ((flow.nextDue(this.p) ?? Infinity) <= this.now) this.take(flow.due(this.p, this.now));
        if ((flow.nextDue(this.p) ?? Infinity) <= this.now) throw new Error('looked at, and still due');
    }
  }
}

test('N1 to N8 hold after any course of events', (t) => {
  let digests = 0;
  assert(
    property(array(move, { minLength: 1, maxLength: 80, size: 'max' }), (moves) => {
      const w = new World();
      for (const endpointId of ENDPOINTS) w.take(flow.registered(w.p, endpointId, { provider: 'fcm', at: 0 }, w.now));
      for (const m of moves) w.move(m);
      for (const at of w.counted) {
        const inHour = w.counted.filter((x) => x >= at && x < at + HOUR).length;
        if (inHour > 5) throw new Error(`N5: ${inHour} pushes within an hour`);
      }
      digests += w.digests;
    }),
    { numRuns: 200, includeErrorInReport: true },
  );
  t.true(digests > 20, 'the courses lead to digests');
});
