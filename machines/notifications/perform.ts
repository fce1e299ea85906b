import type { Step } from './flow.ts';

interface Enqueue {
  (output: never): void;
  assign(change: never): void;
  raise(event: never): void;
}

/** Hands a step to XState inside `enqueueActions`; afterwards the region looks when something is due next. */
export function perform(enqueue: Enqueue, { next, rows, jobs, item }: Step): void {
  enqueue.assign({ ...next, digestDue: next.digestDue } as never);
  for (const row of rows) enqueue({ type: 'row', params: { into: 'notifications', op: 'put', row } } as never);
  for (const { name, data, dedupeKey } of jobs) {
    enqueue({ type: 'job', params: { queue: 'notify', name, data, opts: { dedupeKey } } } as never);
  }
  if (item !== undefined) enqueue({ type: 'publish', params: { view: 'notifications', item } } as never);
  enqueue.raise({ type: 'notices.changed' } as never);
}
