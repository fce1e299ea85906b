/**
 * Whether readers may follow a topic, asked for many at once by the rule of slices.ts: of one topic one question is under way and one is being
 * gathered. So a thousand who come back to a topic that another node serves cost a few messages between the nodes and not a thousand.
 */
import { KernelProblem } from '../../actors/errors.ts';
import type { ActorSystem } from '../../actors/system.ts';
import type { Principal, Refusal } from '../../actors/types.ts';

/** readers of one question */
const MOST = 500;

interface Gathering {
  readonly readers: Set<Principal>;
  readonly answer: Promise<ReadonlyMap<Principal, Refusal>>;
}

/** @returns a question of one reader, which rejects with a KernelProblem when he may not */
export function askedTogether(actors: Pick<ActorSystem, 'refused'>): (topic: string, reader: Principal) => Promise<void> {
  const underWay = new Map<string, Gathering['answer']>();
  const gathering = new Map<string, Gathering>();

  const ask = (topic: string, readers: Iterable<Principal>): Gathering['answer'] => {
    const answer = actors.refused(topic, [...readers]);
    underWay.set(topic, answer);
    const landed = (): void => {
      if (underWay.get(topic) === answer) underWay.delete(topic);
    };
    answer.then(landed, landed);
    return answer;
  };

  /** Who comes while a question is under way waits for the next: his rights may have changed since that one was answered. */
  const gather = (topic: string, before: Promise<unknown>): Gathering => {
    const readers = new Set<Principal>();
    const answer = Promise.allSettled([before]).then(() => {
      if (gathering.get(topic) === next) gathering.delete(topic);
      return ask(topic, readers);
    });
    const next: Gathering = { readers, answer };
    gathering.set(topic, next);
    return next;
  };

  const asked = (topic: string, reader: Principal): Gathering['answer'] => {
    const before = underWay.get(topic);
    const waiting = gathering.get(topic);
    if (before === undefined && waiting === undefined) return ask(topic, [reader]);
    const open = waiting !== undefined && waiting.readers.size < MOST;
    const next = open ? waiting : gather(topic, waiting?.answer ?? before ?? Promise.resolve());
    next.readers.add(reader);
    return next.answer;
  };

  return async (topic, reader) => {
    const why = (await asked(topic, reader)).get(reader);
    if (why !== undefined) throw new KernelProblem(why);
  };
}
