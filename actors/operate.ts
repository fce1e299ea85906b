/**
 * Acts of operators (kernel specification 13.1). What changes an actor's history is audited by the statement that commits it; everything else
 * is audited before it is done, and a refused act when it was refused.
 */
import type { Activation } from './activation.ts';
import { internal } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { KernelProblem, refusal } from './errors.ts';
import type { Keeper } from './keeper.ts';
import type { Kernel } from './kernel.ts';
import { deliveryOf } from './letter.ts';
import type { PauseScope } from './pause.ts';
import type { Projector } from './projector.ts';
import type { Residents } from './residents.ts';
import { closedBy, endedBy } from './rows.ts';
import type { Runtime } from './runtime.ts';
import { kindNamed, runtimeNamed, targetOf } from './target.ts';
import type { DeadLetter, PauseRow } from './store/admin.ts';
import type { DirectoryRow } from './store/store.ts';
import type { ActorSystem, CommandInput } from './system.ts';
import type { ActorRef, Json, Principal, Reply } from './types.ts';

/** Who acts, and why. */
export interface Operator {
  readonly id: string;
  readonly roles: readonly string[];
  readonly reason: string;
}

/** Every act refuses with KernelProblem UNKNOWN_KIND, VALIDATION for a bad ref, NOT_FOUND and ACTOR_ERASED. */
export interface Operate {
  /** Sends a command as `operator:<id>`. */
  poke(ref: ActorRef, command: CommandInput, by: Operator, key: string): Promise<Reply>;
  /** Resolves when what was accepted before is durable. @throws KernelProblem NOT_ALLOWED for a quarantined actor */
  pause(ref: ActorRef, by: Operator): Promise<void>;
  /** Ends a pause or a quarantine. @throws KernelProblem NOT_ALLOWED when there is none */
  resume(ref: ActorRef, by: Operator): Promise<void>;
  /** Drops the actor from memory. @throws KernelProblem NOT_ALLOWED while it is busy */
  passivate(ref: ActorRef, by: Operator): Promise<void>;
  /** Writes a snapshot. */
  resnapshot(ref: ActorRef, by: Operator): Promise<{ seq: number }>;
  /** Lets an armed timer fire now, or takes it away. */
  timer(ref: ActorRef, id: string, act: 'fire' | 'cancel', by: Operator): Promise<Reply>;

  pauses(): Promise<PauseRow[]>;
  pauseAll(scope: PauseScope, by: Operator): Promise<void>;
  /** @throws KernelProblem NOT_FOUND when the scope is not paused */
  resumeAll(scope: PauseScope, by: Operator): Promise<void>;
  /** Reads the table of pauses anew and applies it; also for a change by another node. */
  reloadPauses(): Promise<void>;

  /** The tables that follow the actors. */
  projections(): ReturnType<Projector['report']>;
  /** Builds a projection again from all actors, while they go on. @throws KernelProblem NOT_FOUND */
  rebuild(projection: string, by: Operator): Promise<void>;

  /** Delivers again exactly what failed; the letter is resolved when it was applied. @throws KernelProblem NOT_ALLOWED when it is resolved */
  retryDead(n: number, by: Operator): Promise<Reply>;
  discardDead(n: number, by: Operator): Promise<void>;
}

export interface OperateOptions {
  readonly k: Kernel;
  /** where commands go in: this node, or the cluster */
  readonly front: () => Pick<ActorSystem, 'ask'>;
  readonly residents: Residents;
  readonly keeper: Keeper;
}

const DEADLINE = 10_000;

const principalOf = ({ id, roles, reason }: Operator): Principal => ({ kind: 'operator', id, roles, reason });

/** Whether it stands still for a reason of its own: a pause of more than one actor names its scope. */
const hasOwnReason = (a: Activation): boolean => a.closed !== undefined && a.closed.details?.['scope'] === undefined;

export function createOperate({ k, front, residents, keeper }: OperateOptions): Operate {
  /** The actor as the directory has it. */
  const standing = async (ref: ActorRef): Promise<{ rt: Runtime; entry: DirectoryRow; seq: number }> => {
    const { rt, actorId } = targetOf(k.kinds, ref);
    const entry = await k.store.entry(actorId);
    if (entry === undefined) throw new KernelProblem(refusal('NOT_FOUND'));
    const over = endedBy(entry.status);
    if (over !== undefined) throw new KernelProblem(over);
    return { rt, entry, seq: residents.hot.get(ref)?.committed?.seq ?? entry.lastSeq };
  };
  const audit = (by: Operator, action: string, o: { actorId?: string; seq?: number; detail?: { [key: string]: Json } } = {}) =>
    k.store.admin.audit({
      admin: by.id,
      action,
      actorId: o.actorId ?? null,
      beforeSeq: o.seq ?? null,
      afterSeq: o.seq ?? null,
      reason: by.reason,
      detail: o.detail ?? {},
    });
  const deliver = (ref: ActorRef, rt: Runtime, e: (resolve: (reply: Reply) => void) => Envelope): Promise<Reply> =>
    new Promise((resolve) => k.activation(ref, rt).deliver(e(resolve)));
  /** Runs `act` at the actor's turn, and resolves when everything before it is durable. False when its history cannot be read. */
  const inTurn = async (ref: ActorRef, rt: Runtime, act: (a: Activation) => void): Promise<boolean> => {
    const run = (): Reply => {
      const a = residents.hot.get(ref);
      if (a !== undefined) act(a);
      return { ok: true, seq: 0, reply: null };
    };
    const deadline = k.clock.mono() + DEADLINE;
    return (await deliver(ref, rt, (resolve) => ({ ...internal('operator', {}), kind: 'read', run, min: 0, deadline, resolve }))).ok;
  };
  const busy = (): KernelProblem => new KernelProblem(refusal('NOT_ALLOWED', 'the actor is busy'));

  const reloadPauses = async (): Promise<void> => {
    k.pauses.replace(await k.store.admin.pauses());
    for (const a of residents.hot.values()) if (!hasOwnReason(a)) a.closed = k.pauses.of(a.kind, a.at.slot);
    k.timers.resume();
  };
  const openLetter = async (n: number): Promise<DeadLetter> => {
    const letter = await k.store.admin.deadLetter(n);
    if (letter === undefined) throw new KernelProblem(refusal('NOT_FOUND'));
    if (letter.resolution !== null) throw new KernelProblem(refusal('NOT_ALLOWED', `it was ${letter.resolution} already`));
    return letter;
  };
  const refused = async (reply: Reply, by: Operator, action: string, actorId: string, detail: { [key: string]: Json }): Promise<void> => {
    if (reply.ok && reply.dup !== true) return;
    const outcome = reply.ok ? 'repeated' : reply.error.code;
    await audit(by, action, { actorId, seq: reply.seq, detail: { ...detail, outcome } });
  };

  return {
    async poke(ref, command, by, key) {
      const { actorId } = targetOf(k.kinds, ref);
      const reply = await front().ask(ref, command, { key, from: principalOf(by) });
      await refused(reply, by, 'poke', actorId, { type: command.type });
      return reply;
    },

    async pause(ref, by) {
      const { rt, entry, seq } = await standing(ref);
      if (entry.status === 'quarantined') throw new KernelProblem(refusal('NOT_ALLOWED', 'the actor is quarantined'));
      await audit(by, 'pause', { actorId: entry.actorId, seq });
      await k.store.setStatus(entry.actorId, 'paused');
      if (residents.temperature(ref) !== 'cold') await inTurn(ref, rt, (a) => (a.closed = closedBy('paused')));
    },
    async resume(ref, by) {
      const { rt, entry, seq } = await standing(ref);
      const stopped = residents.hot.get(ref)?.closed?.code;
      if (entry.status !== 'paused' && entry.status !== 'quarantined' && stopped !== 'ACTOR_QUARANTINED')
        throw new KernelProblem(refusal('NOT_ALLOWED', `the actor is ${entry.status}`));
      await audit(by, 'resume', { actorId: entry.actorId, seq, detail: { from: entry.status } });
      await k.store.setStatus(entry.actorId, 'active', rt.def.version);
      const a = residents.hot.get(ref);
      if (a !== undefined) a.closed = k.pauses.of(a.kind, a.at.slot);
      const mayRun = await inTurn(ref, rt, () => undefined);
      const live = residents.hot.get(ref)?.committed;
      if (mayRun && live?.state.status === 'done') await k.store.setStatus(entry.actorId, 'done');
    },
    async passivate(ref, by) {
      const { entry, seq } = await standing(ref);
      const a = residents.hot.get(ref);
      if (a !== undefined && !a.quiet) throw busy();
      await audit(by, 'passivate', { actorId: entry.actorId, seq });
      if (a === undefined) return;
      if (!a.quiet) throw busy();
      await keeper.passivate([a], 'operator');
    },
    async resnapshot(ref, by) {
      const { rt, entry, seq } = await standing(ref);
      await audit(by, 'resnapshot', { actorId: entry.actorId, seq });
      await inTurn(ref, rt, () => undefined);
      const a = residents.hot.get(ref);
      if (a?.committed === undefined) throw new KernelProblem(refusal('ACTOR_QUARANTINED', 'its history cannot be read'));
      const { seq: at } = a.committed;
      await keeper.snapshot(a);
      return { seq: at };
    },
    async timer(ref, id, act, by) {
      const { rt, entry } = await standing(ref);
      const reply = await deliver(ref, rt, (resolve) => ({
        ...internal(`timer.${act}`, act === 'cancel' ? { timer: id } : {}),
        kind: 'timer',
        timer: { id, rowSeq: 0, seq: 0, act },
        from: principalOf(by),
        deadline: k.clock.mono() + DEADLINE,
        resolve,
      }));
      await refused(reply, by, `timer.${act}`, entry.actorId, { timer: id });
      return reply;
    },

    pauses: () => k.store.admin.pauses(),
    async pauseAll(scope, by) {
      const [what, kind = ''] = scope.split(':');
      if (what === 'kind') kindNamed(k.kinds, kind);
      await audit(by, 'pause.scope', { detail: { scope } });
      await k.store.admin.pause({ scope, reason: by.reason, admin: by.id });
      await reloadPauses();
      k.router?.announcePauses();
    },
    async resumeAll(scope, by) {
      await audit(by, 'resume.scope', { detail: { scope } });
      if (!(await k.store.admin.unpause(scope))) throw new KernelProblem(refusal('NOT_FOUND', `${scope} is not paused`));
      await reloadPauses();
      k.router?.announcePauses();
    },
    reloadPauses,

    projections: () => k.projector.report(),
    async rebuild(projection, by) {
      const rt = k.kinds.get(projection.split('/')[0] ?? '');
      const declared = rt?.projections.find((p) => p.name === projection);
      if (rt === undefined || declared === undefined) throw new KernelProblem(refusal('NOT_FOUND', `there is no projection ${projection}`));
      await audit(by, 'projection.rebuild', { detail: { projection } });
      await k.projector.rebuild(rt, declared);
    },

    async retryDead(n, by) {
      const letter = await openLetter(n);
      await audit(by, 'dead.retry', { actorId: letter.actorId, detail: { letter: n, source: letter.source } });
      const reply = await new Promise<Reply>((resolve) => {
        const { to, event } = deliveryOf(letter, k.clock.mono() + DEADLINE, resolve);
        k.activation(to, runtimeNamed(k.kinds, to)).deliver(event);
      });
      if (reply.ok) await k.store.admin.resolveDead(n, by.id, 'retried');
      return reply;
    },
    async discardDead(n, by) {
      const letter = await openLetter(n);
      await audit(by, 'dead.discard', { actorId: letter.actorId, detail: { letter: n, source: letter.source } });
      await k.store.admin.resolveDead(n, by.id, 'discarded');
    },
  };
}
