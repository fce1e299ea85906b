/** Ends an actor for good: what it was is gone from every table, and what it is called is known only to those who hold the key. */
import type { Activation } from './activation.ts';
import { newCid } from './committer.ts';
import { KernelProblem, refusal } from './errors.ts';
import { pseudonymOf } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { StoreError } from './store/store.ts';
import type { Reply } from './types.ts';

/** Who erases, and why; both stand in the audit. */
export interface EraseOptions {
  readonly by: string;
  readonly reason: string;
}

/** `seq` of the last row; `fresh`: this call has written it. */
export interface Erased {
  readonly seq: number;
  readonly fresh: boolean;
}

export interface EraseParts {
  readonly kernel: Kernel;
  /** of the hash that stands for the id afterwards */
  readonly key: string | undefined;
  /** Resolves when everything that the actor took before is committed, or has failed. */
  readonly settle: () => Promise<Reply>;
}

const TRIES = 5;
/** refusals of an actor that could not be activated; one of a newer build is left to that, which knows all its tables */
const UNREADABLE = new Set(['ACTOR_QUARANTINED', 'MIGRATION_FAILED']);
const AGAIN_MS = 100;

/**
 * Stops the actor, lets its commits under way end, and erases it by one statement. Commands that come meanwhile are told to come again; those that
 * come later get `ACTOR_ERASED`.
 *
 * @throws KernelProblem NOT_FOUND, or UNAVAILABLE when the store does not answer: then it may be repeated
 */
export async function eraseActor({ kernel: k, key, settle }: EraseParts, a: Activation, o: EraseOptions): Promise<Erased> {
  if (key === undefined) throw new Error('this kernel has no key for erasures');
  a.held = refusal('RETRY', 'the object is being erased', undefined, AGAIN_MS);
  try {
    const settled = await settle();
    // Of a history that cannot be run nothing is under way.
    if (!settled.ok && !UNREADABLE.has(settled.error.code)) throw new KernelProblem(settled.error);
    const erasure = { actorId: a.actorId, kind: a.kind, pseudonym: pseudonymOf(key, a.at.ref), mver: a.rt.def.version, ...o };
    const erased = await written(k, erasure);
    if (erased === undefined) throw new KernelProblem(refusal('NOT_FOUND'));
    for (const [invoke, seq] of Object.entries(a.committed?.state.calls ?? {})) k.outbox.abort(a.actorId, invoke, seq);
    k.outbox.forget(a.actorId);
    // what waited for the end of a pause is answered now
    a.closed = undefined;
    a.loaded({ status: 'erased', mver: a.rt.def.version, tail: [], lastAt: 0, keys: '', sends: false });
    k.topics.erased(a);
    return erased;
  } finally {
    a.held = undefined;
  }
}

/** Another owner may extend the history meanwhile, and an answer may be lost: the statement is sent again until its outcome is known. */
async function written(
  k: Kernel,
  erasure: Omit<Parameters<Kernel['store']['lifecycle']['erase']>[0], 'at' | 'cid'>,
): Promise<Erased | undefined> {
  let doubt = false;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const found = await k.store.lifecycle.erase({ ...erasure, at: k.clock.wall(), cid: newCid(k.random) });
      return found === undefined ? undefined : { seq: found.seq, fresh: found.fresh || doubt };
    } catch (error) {
      if (!(error instanceof StoreError) || error.failure === 'bad-row') throw error;
      k.log.warn({ err: error, attempt, failure: error.failure }, 'an erasure failed, sending it again');
      if (attempt >= TRIES) throw new KernelProblem(refusal('UNAVAILABLE', undefined, undefined, 1_000), error);
      doubt ||= error.failure === 'in-doubt';
      await new Promise<void>((resolve) => {
        k.clock.setTimer(AGAIN_MS * attempt, resolve);
      });
    }
  }
}
