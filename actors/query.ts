import { visibleTo } from './access.ts';
import { KernelProblem, refusal } from './errors.ts';
import type { Address, Live, Runtime } from './runtime.ts';
import type { Json, Principal, Reply } from './types.ts';

/** A query as it was asked; `now` in epoch ms at the time of the answer. */
export interface Asked {
  readonly query: string;
  readonly input: unknown;
  readonly from: Principal;
  readonly now: () => number;
}

/** What answers a declared query from a state. @throws KernelProblem UNKNOWN_COMMAND, VALIDATION */
export function readingOf(rt: Runtime, at: Address, { query, input, from, now }: Asked): (live: Live | undefined) => Reply {
  const declared = rt.def.queries?.[query];
  if (declared === undefined) throw new KernelProblem(refusal('UNKNOWN_COMMAND', `${rt.def.kind} has no query '${query}'`));
  const parsed = declared.input.safeParse(input);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((i) => ({ path: i.path.map(String).join('.'), message: i.message }));
    throw new KernelProblem(refusal('VALIDATION', undefined, { issues }));
  }
  return (live) => {
    if (live === undefined || !visibleTo(rt, at, live, from)) return { ok: false, seq: 0, error: refusal('NOT_FOUND') };
    if (declared.allow !== undefined && !declared.allow(from, at.ref, live.snap))
      return { ok: false, seq: live.seq, error: refusal('FORBIDDEN') };
    return { ok: true, seq: live.seq, reply: declared.run(live.snap, parsed.data, now()) as Json };
  };
}
