/**
 * What operators do to one actor, on the node that serves it. An act has a name, under which it is audited: given again under that name, here or at
 * the next owner, it is finished but not done a second time.
 */
import type { Activation } from './activation.ts';
import { plain } from './command.ts';
import { internal } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { KernelProblem, refusal } from './errors.ts';
import { actorIdOf, slotOf } from './ids.ts';
import type { Keeper } from './keeper.ts';
import type { Kernel } from './kernel.ts';
import { deliveryOf } from './letter.ts';
import type { Operator } from './operate.ts';
import type { Residents } from './residents.ts';
import { closedBy, endedBy } from './rows.ts';
import type { Live, Runtime } from './runtime.ts';
import type { AuditEntry, AuditRow, DeadLetter } from './store/admin.ts';
import type { DirectoryRow } from './store/store.ts';
import { runtimeNamed, targetOf } from './target.ts';
import type { ActorRef, Json, Principal, Refusal, Reply } from './types.ts';

/** how long somebody waits for an act */
export const ACT_MS = 10_000;

/** `id`: a uuid that names the act. `ref`: the actor whose node carries it out. */
export type Act = { readonly id: string; readonly ref: ActorRef; readonly by: Operator } & (
  | { readonly do: 'pause' | 'resume' | 'passivate' | 'resnapshot' }
  | { readonly do: 'fire' | 'cancel'; readonly timer: string }
  | { readonly do: 'retry'; readonly letter: number }
);

/**
 * Carries an act out. A refusal is a reply; `seq` is the actor's when the act was done.
 *
 * @param left ms until the one who asks gives up, by default {@link ACT_MS}
 * @throws KernelProblem MOVED when another node serves the actor by now: there the act may be given again
 */
export type Perform = (act: Act, left?: number) => Promise<Reply>;

export interface ActsOptions {
  readonly k: Kernel;
  readonly residents: Residents;
  readonly keeper: Keeper;
}

interface Standing {
  readonly rt: Runtime;
  readonly entry: DirectoryRow;
  readonly seq: number;
}

const done = (seq: number, repeated = false): Reply => ({ ok: true, seq, reply: null, ...(repeated ? { dup: true } : {}) });
const refused = (error: Refusal): KernelProblem => new KernelProblem(error);
const busy = (): KernelProblem => refused(refusal('NOT_ALLOWED', 'the actor is busy'));

export function createActs({ k, residents, keeper }: ActsOptions): Perform {
  /** by name: who asks twice waits for one outcome */
  const underWay = new Map<string, Promise<Reply>>();

  /** The actor as the directory has it. @throws KernelProblem NOT_FOUND, ACTOR_ERASED */
  const standing = async (ref: ActorRef): Promise<Standing> => {
    const { rt, actorId } = targetOf(k.kinds, ref);
    const entry = await k.store.entry(actorId);
    if (entry === undefined) throw refused(refusal('NOT_FOUND'));
    const over = endedBy(entry.status);
    if (over !== undefined) throw refused(over);
    return { rt, entry, seq: residents.hot.get(ref)?.committed?.seq ?? entry.lastSeq };
  };
  const audit = (act: Act, action: string, seq: number | null, detail: { [key: string]: Json } = {}): Promise<void> =>
    k.store.admin.audit({ id: act.id, ...entryOf(act, action, seq, detail) });
  /** What was written of the act when it was given before. */
  const audited = ({ id }: Act): Promise<AuditEntry | undefined> => k.store.admin.audited(id);
  /** What a former owner writes may come too late for the next one, which has read the actor: then the next one has to do it. */
  const mine = (ref: ActorRef): void => {
    if (k.placement?.serves(slotOf(actorIdOf(ref))) === false) throw refused(refusal('MOVED'));
  };
  const deliver = async (ref: ActorRef, rt: Runtime, e: (resolve: (reply: Reply) => void) => Envelope): Promise<Reply> => {
    const reply = await new Promise<Reply>((resolve) => k.activation(ref, rt).deliver(e(resolve)));
    if (!reply.ok && reply.error.code === 'MOVED') throw refused(reply.error);
    return reply;
  };
  /** Runs `look` at the actor's turn; the answer comes when everything before it is durable. A refusal: its history cannot be read. */
  const inTurn = (ref: ActorRef, rt: Runtime, left: number, look: (a: Activation, live: Live | undefined) => Json): Promise<Reply> => {
    const run = (live: Live | undefined): Reply => {
      const a = residents.hot.get(ref);
      return { ok: true, seq: live?.seq ?? 0, reply: a === undefined ? null : look(a, live) };
    };
    const deadline = k.clock.mono() + left;
    return deliver(ref, rt, (resolve) => ({ ...internal('operator', {}), kind: 'read', run, min: 0, deadline, resolve }));
  };

  const pause = async (act: Act, left: number): Promise<Reply> => {
    const { ref } = act;
    const { rt, entry, seq } = await standing(ref);
    if (entry.status === 'quarantined') throw refused(refusal('NOT_ALLOWED', 'the actor is quarantined'));
    await audit(act, 'pause', seq);
    await k.store.setStatus(entry.actorId, 'paused');
    mine(ref);
    if (residents.temperature(ref) !== 'cold') {
      await inTurn(ref, rt, left, (a) => {
        a.closed = closedBy('paused');
        return null;
      });
    }
    return done(seq);
  };
  const resume = async (act: Act, left: number): Promise<Reply> => {
    const { ref } = act;
    const { rt, entry, seq } = await standing(ref);
    const stopped = residents.hot.get(ref)?.closed?.code;
    const stands = entry.status === 'paused' || entry.status === 'quarantined' || stopped === 'ACTOR_QUARANTINED';
    if (!stands && (await audited(act)) === undefined) throw refused(refusal('NOT_ALLOWED', `the actor is ${entry.status}`));
    await audit(act, 'resume', seq, { from: entry.status });
    await k.store.setStatus(entry.actorId, 'active', rt.def.version);
    mine(ref);
    const open = (a: Activation): null => {
      a.closed = k.pauses.of(a.kind, a.at.slot);
      return null;
    };
    const a = residents.hot.get(ref);
    if (a !== undefined) open(a);
    // It may have been read while it was paused still.
    const mayRun = await inTurn(ref, rt, left, open);
    if (mayRun.ok && residents.hot.get(ref)?.committed?.state.status === 'done') await k.store.setStatus(entry.actorId, 'done');
    return done(seq);
  };
  const passivate = async (act: Act): Promise<Reply> => {
    const { entry, seq } = await standing(act.ref);
    const a = residents.hot.get(act.ref);
    if (a !== undefined && !a.quiet) throw busy();
    await audit(act, 'passivate', seq);
    mine(act.ref);
    if (a === undefined) return done(entry.lastSeq);
    if (!a.quiet) throw busy();
    await keeper.passivate([a], 'operator');
    return done(seq);
  };
  const resnapshot = async (act: Act, left: number): Promise<Reply> => {
    const { rt, seq } = await standing(act.ref);
    await audit(act, 'resnapshot', seq);
    await inTurn(act.ref, rt, left, () => null);
    const a = residents.hot.get(act.ref);
    if (a?.committed === undefined) throw refused(refusal('ACTOR_QUARANTINED', 'its history cannot be read'));
    const { seq: at } = a.committed;
    await keeper.snapshot(a);
    return done(at);
  };
  /** The event carries the name of the act into the audit, in its own statement; it is for the arming that stood when the act came. */
  const timer = async (act: Act & { do: 'fire' | 'cancel' }, left: number): Promise<Reply> => {
    const { ref, timer: id, do: verb } = act;
    const until = k.clock.mono() + left;
    const { rt, seq } = await standing(ref);
    const seen = await inTurn(ref, rt, left, (_, live) => live?.state.timers[id]?.seq ?? 0);
    const known = await audited(act);
    if (known !== undefined) return done(known.afterSeq ?? seq, true);
    const reply = await deliver(ref, rt, (resolve) => ({
      ...internal(`timer.${verb}`, verb === 'cancel' ? { timer: id } : {}),
      kind: 'timer',
      timer: { id, rowSeq: 0, seq: seen.ok ? (seen.reply as number) : 0, act: { verb, id: act.id } },
      from: principalOf(act.by),
      deadline: until,
      resolve,
    }));
    if (reply.ok) return reply;
    // A former owner may have been the one who did it.
    const late = await audited(act);
    if (late !== undefined) return done(late.afterSeq ?? seq, true);
    await k.store.admin.audit(entryOf(act, `timer.${verb}`, reply.seq, { timer: id, outcome: reply.error.code }));
    return reply;
  };
  /** The event comes back under its own key, so that it is applied once. */
  const retry = async (act: Act & { do: 'retry' }, left: number): Promise<Reply> => {
    const letter = await k.store.admin.deadLetter(act.letter);
    if (letter === undefined) throw refused(refusal('NOT_FOUND'));
    if (letter.resolution !== null && (await audited(act)) === undefined) throw resolvedAlready(letter);
    await audit({ ...act, ref: `${letter.kind}:${letter.id}` }, 'dead.retry', null, { letter: letter.n, source: letter.source });
    const deadline = k.clock.mono() + left;
    const rt = runtimeNamed(k.kinds, act.ref);
    const reply = await deliver(act.ref, rt, (resolve) => deliveryOf(letter, deadline, resolve));
    if (reply.ok) await k.store.admin.resolveDead(letter.n, act.by.id, 'retried');
    return reply;
  };

  const plainly = { pause, resume, passivate, resnapshot };
  const run = async (act: Act, left: number): Promise<Reply> => {
    try {
      if ('timer' in act) return await timer(act, left);
      if ('letter' in act) return await retry(act, left);
      return await plainly[act.do](act, left);
    } catch (error) {
      if (!(error instanceof KernelProblem) || error.code === 'MOVED') throw error;
      return { ok: false, seq: 0, error: plain(error) };
    }
  };
  return (act, left = ACT_MS) => {
    const standing = underWay.get(act.id);
    if (standing !== undefined) return standing;
    const fresh = run(act, left).finally(() => underWay.delete(act.id));
    underWay.set(act.id, fresh);
    return fresh;
  };
}

export const principalOf = ({ id, roles, reason }: Operator): Principal => ({ kind: 'operator', id, roles, reason });

export const resolvedAlready = ({ resolution }: DeadLetter): KernelProblem =>
  new KernelProblem(refusal('NOT_ALLOWED', `it was ${resolution} already`));

const entryOf = ({ by, ref }: Act, action: string, seq: number | null, detail: { readonly [key: string]: Json }): AuditRow => ({
  admin: by.id,
  action,
  actorId: actorIdOf(ref),
  beforeSeq: seq,
  afterSeq: seq,
  reason: by.reason,
  detail,
});
