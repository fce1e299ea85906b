/** Reads of the simulated nodes, compared with the journal at the moment they leave. */
import { KernelProblem } from '../../actors/errors.ts';
import type { ReadOptions } from '../../actors/system.ts';
import type { ActorRef, Json, Principal } from '../../actors/types.ts';
import { holds, sorted } from './sim-witness.ts';
import type { World } from './sim-world.ts';

/** Reads the whole context; what comes must be the fold of the journal at the number that comes with it. */
export async function peek(
  w: World,
  ref: ActorRef,
  from: Principal,
  level: NonNullable<ReadOptions['level']>,
  atLeast: number,
): Promise<void> {
  // Without a token a node of several may answer from before it heard of its successor, unless it is asked for the journal's tail.
  const strict = level === 'linearizable' || (level === 'session' && w.cluster === undefined);
  const losses = w.witness.losses(ref);
  try {
    await w.talk(async (system) => {
      const { seq, value } = await system.read(ref, 'peek', {}, { from, level });
      const state = w.witness.state(ref, seq);
      const seen = JSON.stringify(sorted(value));
      const folded = JSON.stringify(sorted(state?.context));
      // The node lives on with what a crash of the database has taken.
      if (seen !== folded && w.witness.lostStates(ref, seq).some((s) => JSON.stringify(sorted(s.context)) === seen)) return;
      holds(state !== undefined, 'I5', () => `a read of ${ref} shows row ${seq}, which is not committed`);
      holds(seen === folded, 'I2', () => `a read of ${ref} at ${seq} shows ${seen}, the journal says ${folded}`);
      holds(
        !strict || seq >= atLeast || w.witness.losses(ref) > losses,
        'I4',
        () => `a read of ${ref} shows row ${seq}, row ${atLeast} was acknowledged before`,
      );
    });
  } catch (error) {
    if (!(error instanceof KernelProblem)) throw error;
    const absent = error.code === 'NOT_FOUND' && atLeast > 0 && strict && !w.witness.gone(ref) && w.witness.losses(ref) === losses;
    holds(!absent, 'I4', () => `a read of ${ref} found nothing, row ${atLeast} was acknowledged before`);
  }
}

/** Asks for a state of the past: it is the fold of what was, or it is no longer kept, and then what is kept begins later. */
export async function lookBack(w: World): Promise<void> {
  const ref = w.chance.pick('past', w.witness.refs);
  const seq = 1 + w.chance.below('past', w.witness.tail(ref));
  try {
    await w.talk(async (system) => {
      const { state } = await system.inspect.at(ref, seq);
      const [seen, folded] = [state, w.witness.state(ref, seq)].map((s) => JSON.stringify(sorted(s as unknown as Json)));
      holds(seen === folded, 'I2', () => `${ref} at ${seq} is shown as ${seen}, the journal said ${folded}`);
    });
  } catch (error) {
    if (!(error instanceof KernelProblem)) throw error;
    const { earliest = 0, anchors = [] } = (error.details ?? {}) as { earliest?: number; anchors?: readonly number[] };
    const right = error.code === 'NOT_RETAINED' && seq < earliest && earliest <= w.witness.tail(ref) && !anchors.includes(seq);
    // A crash of the database may have taken all that there was of a relaxed actor.
    const absent = error.code === 'NOT_FOUND' && (w.witness.gone(ref) || w.witness.tail(ref) < seq);
    const over = error.code === 'OVERLOADED' || absent;
    holds(right || over, '13.4', () => `${ref} at ${seq}: ${error.code} ${JSON.stringify(error.details)}`);
  }
}
