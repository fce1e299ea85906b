/** What an action of a durable machine does, as data: a change of the context, outputs for the kernel, and timers. */
import type { JobParams, PublishParams, RejectParams, RowParams, TellParams } from '../../actors/define.ts';

export type Output =
  | { readonly type: 'reply'; readonly params: object | null }
  | { readonly type: 'reject'; readonly params: RejectParams }
  | { readonly type: 'tell'; readonly params: TellParams }
  | { readonly type: 'publish'; readonly params: PublishParams }
  | { readonly type: 'row'; readonly params: RowParams }
  | { readonly type: 'job'; readonly params: JobParams };

export interface Step<Context> {
  readonly set?: Partial<Context>;
  readonly out?: readonly Output[];
  /** durable timers by id: `in` ms from now, or undefined to cancel; `event` is what fires */
  readonly timers?: readonly { readonly id: string; readonly event: string; readonly in: number | undefined }[];
}

interface Enqueue {
  (output: never): void;
  assign(change: never): void;
  raise(event: never, o: { id: string; delay: number }): void;
  cancel(id: string): void;
}

/** Hands a step to XState inside `enqueueActions`. */
export function perform<Context>(enqueue: Enqueue, { set, out = [], timers = [] }: Step<Context>): void {
  if (set !== undefined) enqueue.assign(set as never);
  for (const output of out) enqueue(output as never);
  for (const timer of timers) {
    enqueue.cancel(timer.id);
    if (timer.in !== undefined) enqueue.raise({ type: timer.event } as never, { id: timer.id, delay: timer.in });
  }
}

export const tell = (to: string, type: string, payload: object = {}): Output => ({ type: 'tell', params: { to, type, payload } });
export const row = (into: string, op: RowParams['op'], values: object): Output => ({ type: 'row', params: { into, op, row: values } });
export const reply = (params: object | null): Output => ({ type: 'reply', params });
export const reject = (code: string, details?: object): Output => ({
  type: 'reject',
  params: { code, ...(details === undefined ? {} : { details }) },
});

/** One step after the other; each sees the context that the one before leaves. Timers and outputs are kept in order. */
export function chain<Context>(context: Context, ...steps: readonly ((c: Context) => Step<Context>)[]): Step<Context> {
  let c = context;
  let set: Partial<Context> = {};
  const out: Output[] = [];
  const timers: NonNullable<Step<Context>['timers']>[number][] = [];
  for (const step of steps) {
    const done = step(c);
    if (done.set !== undefined) {
      set = { ...set, ...done.set };
      c = { ...c, ...done.set };
    }
    out.push(...(done.out ?? []));
    timers.push(...(done.timers ?? []));
  }
  const last = timers.filter((t, i) => timers.findLastIndex((x) => x.id === t.id) === i);
  return { set, out, timers: last };
}
