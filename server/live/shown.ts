/** Topics whose views are made from the roster: one for each subject, with numbers of this node, published at most once a second. */
import { randomBytes } from 'node:crypto';
import type { z } from 'zod';
import type { Publication } from '../../actors/system.ts';
import type { Clock, Json, Principal, TimerHandle } from '../../actors/types.ts';
import type { Attendance } from './attendance.ts';
import { step } from './computed.ts';
import type { Computed, View as AnyView } from './computed.ts';
import type { Look } from './presence-view.ts';
import type { Heard } from './roster.ts';

const BATCH_MS = 1_000;

export interface Family<Memory, View extends AnyView> {
  /** as the catalogue shows it */
  readonly name: string;
  readonly schema: z.ZodType<View>;
  readonly shape: RegExp;
  authorize(topic: string, p: Principal): Promise<void>;
  look(before: Memory | undefined, heard: Heard, now: number): Look<Memory, View>;
}

interface Shown<Memory, View> {
  readonly topic: string;
  readonly ready: Promise<void>;
  memory: Memory | undefined;
  view: View | undefined;
  s: number;
  timer: TimerHandle | undefined;
  publishedAt: number;
}

export interface ShownTopics extends Computed {
  /** Something may have changed; ignored unless somebody follows the topic. */
  changed(subject: string): void;
  /** The subject is not watched any more. */
  drop(subject: string): void;
  stop(): void;
}

const subjectOf = (topic: string): string => topic.slice(0, topic.indexOf('/'));

export function shownTopics<Memory, View extends AnyView>(
  o: { readonly clock: Clock; readonly attendance: Attendance },
  family: Family<Memory, View>,
): ShownTopics {
  const { clock, attendance } = o;
  const e = randomBytes(5).toString('hex');
  const shown = new Map<string, Shown<Memory, View>>();
  const listeners = new Set<(p: Publication) => void>();
  /** one number for all topics: what is shown again has a greater one than when it was forgotten */
  let count = 0;

  function look(x: Shown<Memory, View>): View {
    if (x.timer !== undefined) clock.clearTimer(x.timer);
    x.timer = undefined;
    const now = clock.wall();
    const { memory, view, until } = family.look(x.memory, attendance.of(subjectOf(x.topic)), now);
    x.memory = memory;
    if (x.view === undefined) x.view = view;
    else publish(x, x.view, view, now);
    if (until < Infinity && shown.get(subjectOf(x.topic)) === x) x.timer = clock.setTimer(Math.max(BATCH_MS, until - now), () => look(x));
    return view;
  }

  function publish(x: Shown<Memory, View>, from: View, to: View, at: number): void {
    const body = step(from, to);
    if (body === undefined) return;
    const p = x.s;
    x.view = to;
    x.s = count += 1;
    x.publishedAt = clock.mono();
    const publication = { t: x.topic, e, s: x.s, p, ...body, at } as Publication;
    for (const fn of listeners) fn(publication);
  }

  function open(topic: string): Shown<Memory, View> {
    const subject = subjectOf(topic);
    const x: Shown<Memory, View> = {
      topic,
      ready: attendance.watch(subject),
      memory: undefined,
      view: undefined,
      s: (count += 1),
      timer: undefined,
      publishedAt: Number.NEGATIVE_INFINITY,
    };
    shown.set(subject, x);
    return x;
  }

  return {
    name: family.name,
    readers: 'by actor',
    schema: family.schema,
    owns: (name) => family.shape.test(name),
    authorize: (topic, p) => family.authorize(topic, p),
    async slice(topic, cursor) {
      const x = shown.get(subjectOf(topic)) ?? open(topic);
      await x.ready;
      const d = x.view ?? look(x);
      const head = { t: topic, kind: 'state', e, s: x.s } as const;
      if (cursor?.e === e && cursor.s === x.s) return { ...head, m: 'same' };
      return { ...head, m: 'snap', d: d as Json };
    },
    isBehind: ({ t, e: epoch, s }) => epoch !== e || (shown.get(subjectOf(t))?.s ?? 0) > s,
    onPublish(fn) {
      listeners.add(fn);
      return () => void listeners.delete(fn);
    },
    changed(subject) {
      const x = shown.get(subject);
      if (x?.view === undefined) return;
      if (x.timer !== undefined) clock.clearTimer(x.timer);
      x.timer = clock.setTimer(Math.max(0, x.publishedAt + BATCH_MS - clock.mono()), () => look(x));
    },
    drop(subject) {
      const x = shown.get(subject);
      if (x?.timer !== undefined) clock.clearTimer(x.timer);
      shown.delete(subject);
    },
    stop() {
      for (const x of shown.values()) if (x.timer !== undefined) clock.clearTimer(x.timer);
      shown.clear();
    },
  };
}
