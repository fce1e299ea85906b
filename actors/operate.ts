/**
 * Acts of operators (kernel specification 13.1). What changes an actor's history is audited by the statement that commits it; everything else
 * is audited before it is done, and a refused act when it was refused.
 */
import { principalOf, resolvedAlready } from './acts.ts';
import type { Act } from './acts.ts';
import type { Front } from './cluster-view.ts';
import { newCid } from './committer.ts';
import { KernelProblem, refusal } from './errors.ts';
import { derivedIdem, uuidOf } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { receiverOf } from './letter.ts';
import { followPauses } from './pause.ts';
import type { PauseScope } from './pause.ts';
import type { Projector } from './projector.ts';
import type { Residents } from './residents.ts';
import type { DeadLetter, PauseRow } from './store/admin.ts';
import type { CommandInput } from './system.ts';
import { kindNamed, runtimeNamed, targetOf } from './target.ts';
import type { ActorRef, Json, Reply } from './types.ts';

/** Who acts, and why. `key` names the act, within this operator: under the same key it is not done a second time. */
export interface Operator {
  readonly id: string;
  readonly roles: readonly string[];
  readonly reason: string;
  readonly key?: string;
}

/**
 * An act on one actor is carried out by the node that serves it, whichever is asked. Every act refuses with KernelProblem UNKNOWN_KIND, VALIDATION
 * for a bad ref, NOT_FOUND and ACTOR_ERASED; with TIMEOUT when that node does not answer and the act was not done, COMMIT_UNKNOWN when it may have been.
 */
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
  /** where commands and acts go in: this node, or the cluster */
  readonly front: () => Front;
  readonly residents: Residents;
}

type Named = Act extends infer A ? (A extends Act ? Omit<A, 'id' | 'by'> : never) : never;

export function createOperate({ k, front, residents }: OperateOptions): Operate {
  const reloadPauses = (): Promise<void> => followPauses(k, residents);
  const audit = (by: Operator, action: string, o: { id?: string; actorId?: string; seq?: number; detail?: { [key: string]: Json } } = {}) =>
    k.store.admin.audit({
      ...(o.id === undefined ? {} : { id: o.id }),
      admin: by.id,
      action,
      actorId: o.actorId ?? null,
      beforeSeq: o.seq ?? null,
      afterSeq: o.seq ?? null,
      reason: by.reason,
      detail: o.detail ?? {},
    });
  const nameOf = (by: Operator, ...what: readonly (string | number)[]): string =>
    uuidOf(derivedIdem('act', by.id, by.key ?? newCid(k.random), ...what));
  const perform = (by: Operator, act: Named): Promise<Reply> => {
    runtimeNamed(k.kinds, act.ref);
    const { id, roles, reason } = by;
    const what = 'timer' in act ? act.timer : 'letter' in act ? act.letter : '';
    return front().act({ ...act, id: nameOf(by, act.ref, act.do, what), by: { id, roles, reason } });
  };
  /** @throws KernelProblem when it was refused */
  const carriedOut = async (by: Operator, act: Named): Promise<number> => {
    const reply = await perform(by, act);
    if (!reply.ok) throw new KernelProblem(reply.error);
    return reply.seq;
  };
  const letterOf = async (n: number): Promise<DeadLetter> => {
    const letter = await k.store.admin.deadLetter(n);
    if (letter === undefined) throw new KernelProblem(refusal('NOT_FOUND'));
    return letter;
  };

  return {
    async poke(ref, command, by, key) {
      const { actorId } = targetOf(k.kinds, ref);
      const reply = await front().ask(ref, command, { key, from: principalOf(by) });
      if (reply.ok && reply.dup !== true) return reply;
      const outcome = reply.ok ? 'repeated' : reply.error.code;
      await audit(by, 'poke', { actorId, seq: reply.seq, detail: { type: command.type, outcome } });
      return reply;
    },
    pause: async (ref, by) => void (await carriedOut(by, { do: 'pause', ref })),
    resume: async (ref, by) => void (await carriedOut(by, { do: 'resume', ref })),
    passivate: async (ref, by) => void (await carriedOut(by, { do: 'passivate', ref })),
    resnapshot: async (ref, by) => ({ seq: await carriedOut(by, { do: 'resnapshot', ref }) }),
    timer: async (ref, timer, verb, by) => perform(by, { do: verb, ref, timer }),

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

    retryDead: async (n, by) => perform(by, { do: 'retry', ref: receiverOf(await letterOf(n)), letter: n }),
    async discardDead(n, by) {
      const letter = await letterOf(n);
      const id = nameOf(by, 'discard', n);
      if (letter.resolution !== null && (await k.store.admin.audited(id)) === undefined) throw resolvedAlready(letter);
      await audit(by, 'dead.discard', { id, actorId: letter.actorId, detail: { letter: n, source: letter.source } });
      await k.store.admin.resolveDead(n, by.id, 'discarded');
    },
  };
}
