/** One pipeline for commands from sockets and from `POST /v1/actors/:kind/:id/commands/:type` (realtime R7). */
import type { ActorSystem } from '../../actors/system.ts';
import type { Principal, Reply } from '../../actors/types.ts';
import type { Config } from '../config.ts';
import { invalid, Problem } from '../problems.ts';

export interface CommandRequest {
  readonly key: string;
  readonly to: string;
  readonly type: string;
  readonly payload: { readonly [field: string]: unknown };
  readonly seq: number | undefined;
  readonly deadline: number | undefined;
  readonly from: Principal;
  readonly trace: string;
  readonly traceparent?: string | undefined;
}

/** `user:me` is the caller; @throws Problem UNAUTHENTICATED when there is none */
export function resolveMe(ref: string, from: Principal): string {
  if (ref !== 'user:me' && !ref.startsWith('user:me/')) return ref;
  if (from.kind !== 'user') throw new Problem('UNAUTHENTICATED');
  return `user:${from.id}${ref.slice('user:me'.length)}`;
}

/**
 * Sends the command, whose shape was checked where it came in, and waits for its commit; refusals by the kernel are answers.
 *
 * @throws Problem PAYLOAD_TOO_LARGE, VALIDATION, UNAUTHENTICATED before the kernel sees it
 */
export async function runCommand(
  actors: Pick<ActorSystem, 'ask'>,
  { commandBytes: limit }: Pick<Config, 'commandBytes'>,
  c: CommandRequest,
): Promise<Reply> {
  const size = Buffer.byteLength(JSON.stringify(c.payload));
  if (size > limit) throw new Problem('PAYLOAD_TOO_LARGE', `a payload may have ${limit} bytes`, { limit, size });
  for (const reserved of ['type', '$']) if (reserved in c.payload) throw invalid([{ path: reserved, message: 'this field is reserved' }]);
  const command = { ...c.payload, type: c.type };
  return actors.ask(resolveMe(c.to, c.from), command, {
    key: c.key,
    from: c.from,
    seq: c.seq,
    deadline: c.deadline,
    trace: c.trace,
    traceparent: c.traceparent,
  });
}
