/** What is checked of a command before it may wait in a mailbox; everything here depends on the command alone. */
import { crc32 } from 'node:zlib';
import { unstorable } from './columns.ts';
import type { Command } from './define.ts';
import { kernelProblems, refusal } from './errors.ts';
import { idemOf, splitRef } from './ids.ts';
import type { Kernel } from './kernel.ts';
import type { NodeLimits } from './limits.ts';
import type { Runtime } from './runtime.ts';
import type { AskOptions, CommandInput } from './system.ts';
import type { ActorRef, Json, Principal, Refusal } from './types.ts';

const DEADLINE = 10_000;
const MAX_DEADLINE = 30_000;

export interface Admitted {
  readonly rt: Runtime;
  readonly declared: Command;
  readonly type: string;
  readonly from: Principal;
  readonly payload: object;
  readonly text: string;
  readonly idem: string;
  readonly chk: number;
  /** ms from now */
  readonly deadline: number;
  /** only if the actor is at this seq */
  readonly expect?: number;
  readonly trace?: string;
  readonly traceparent?: string;
}

/** Whether the JSON text of a payload has more bytes than one may have. */
export const tooLarge = (text: string, { payloadBytes }: Pick<NodeLimits, 'payloadBytes'>): boolean =>
  text.length > payloadBytes / 3 && Buffer.byteLength(text) > payloadBytes;

/** The command as it may be run, or why not. */
export function admit(k: Pick<Kernel, 'kinds' | 'limits'>, ref: ActorRef, command: CommandInput, o: AskOptions): Admitted | Refusal {
  const { kinds, limits } = k;
  const address = splitRef(ref);
  if (address === undefined) return malformed([{ path: 'to', message: 'expected kind:id' }]);
  const rt = kinds.get(address.kind);
  if (rt === undefined) return refusal('UNKNOWN_KIND', `there is no kind '${address.kind}'`);
  const { type, ...raw } = command;
  const declared = Object.hasOwn(rt.def.commands, type) ? rt.def.commands[type] : undefined;
  if (declared === undefined) return refusal('UNKNOWN_COMMAND', `${address.kind} has no command '${type}'`);
  if (o.key.length < 1 || o.key.length > 128) return malformed([{ path: 'key', message: 'an idempotency key has 1 to 128 characters' }]);
  const parsed = declared.input.safeParse(raw);
  if (!parsed.success) {
    return malformed(parsed.error.issues.map((i) => ({ path: i.path.map(String).join('.'), message: i.message })));
  }
  const text = JSON.stringify(parsed.data);
  if (tooLarge(text, limits)) return refusal('PAYLOAD_TOO_LARGE', `a payload has at most ${limits.payloadBytes} bytes`);
  if (unstorable(text)) return malformed([{ path: '', message: 'text must not contain the character U+0000 or half of a surrogate pair' }]);
  return {
    rt,
    declared,
    type,
    from: o.from,
    payload: parsed.data as object,
    text,
    idem: idemOf(o.from, o.key),
    chk: crc32(text),
    deadline: Math.min(MAX_DEADLINE, Math.max(1, o.deadline ?? DEADLINE)),
    ...(o.seq === undefined ? {} : { expect: o.seq }),
    ...(o.trace === undefined ? {} : { trace: o.trace }),
    ...(o.traceparent === undefined ? {} : { traceparent: o.traceparent }),
  };
}

const malformed = (issues: { path: string; message: string }[]): Refusal =>
  refusal('VALIDATION', issues[0] === undefined ? undefined : `${issues[0].path}: ${issues[0].message}`, {
    issues: issues as unknown as Json,
  });

/** Label of a refusal in the metrics: the kernel's own codes by name, the domain's as one category. */
export const outcomeOf = (code: string): string => (code in kernelProblems ? code : 'REJECTED');
