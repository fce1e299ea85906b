/** The kernel of one node of a cluster: what belongs to a slot of another node is asked of that one. */
import { ACT_MS } from './acts.ts';
import type { Act } from './acts.ts';
import { admit } from './admission.ts';
import type { Admitted } from './admission.ts';
import type { Answer, RemoteCommand, RemoteQuestion } from './bus/bus.ts';
import type { EraseOptions, Erased } from './erase.ts';
import { kernelProblems, KernelProblem, refusal } from './errors.ts';
import { actorIdOf, kindOf, slotOf, SLOTS } from './ids.ts';
import { received } from './inbox.ts';
import type { Interests } from './interests.ts';
import type { Gathered, Ranking, RankingOf, Workload } from './cluster-view.ts';
import type { Observer } from './feed.ts';
import type { Standing } from './standing.ts';
import { grouped } from './grouped.ts';
import type { Inspect } from './inspect.ts';
import type { Operate } from './operate.ts';
import type { Node } from './node.ts';
import type { Placement } from './placement.ts';
import { plainRefusal } from './routing.ts';
import type { Here, Lost, Route, Router, Serving } from './routing.ts';
import type {
  ActorSystem,
  AskOptions,
  CommandInput,
  Cursor,
  Followers,
  Following,
  Publication,
  ReadOptions,
  TopicSlice,
  Unsubscribe,
} from './system.ts';
import { parseTopic } from './topic-name.ts';
import { kindNamed } from './target.ts';
import type { ActorRef, Json, Principal, Refusal, Reply } from './types.ts';

const QUESTION_MS = 10_000;
/** people who look on do not wait long */
const GLANCE_MS = 2_000;

const slotOfRef = (ref: ActorRef): number => slotOf(actorIdOf(ref));

function slotOfTopic(topic: string): number {
  const { kind, id } = parseTopic(topic);
  return slotOfRef(`${kind}:${id}`);
}

/** A command of another node, whose schema was checked there. @throws KernelProblem when this build does not know it */
function admitRemote(node: Node, c: RemoteCommand, left: number): Admitted {
  const kind = kindOf(c.ref);
  const rt = kindNamed(node.kinds, kind);
  const declared = rt.def.commands[c.type];
  if (declared === undefined) throw new KernelProblem(refusal('UNKNOWN_COMMAND', `${kind} has no command '${c.type}'`));
  const { type, text, idem, chk, from, expect, trace, traceparent } = c;
  return {
    rt,
    declared,
    type,
    payload: JSON.parse(text) as object,
    text,
    idem,
    chk,
    from,
    deadline: left,
    ...(expect === undefined ? {} : { expect }),
    ...(trace === undefined ? {} : { trace }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** What a node of a cluster does with questions of others. */
export const servingOf = (node: Node, interests: Interests): Serving => ({
  command: ({ command, left }) => node.intake.accept(command.ref, admitRemote(node, command, left)),
  tells: ({ tells }) => received(node, tells),
  followed: (from, topics) => interests.heard(from, topics, false),
  changed: (refs) => interests.told(refs),
  written: (refs) => interests.written(refs),
  paused: () => node.operate.reloadPauses(),
  ask: async ({ question: { method, args }, left }, from) => {
    if (method === 'act') return (await node.act(args[0] as unknown as Act, left)) as unknown as Json;
    if (method === 'slice') interests.heard(from, [args[0] as string], true);
    if (method === 'refused') {
      const [topic, readers] = args as unknown as [string, readonly Principal[]];
      const refused = await refusedBy(node, topic, readers);
      // who may follow is about to, and has to hear of what changes meanwhile
      if (refused.length < readers.length) interests.heard(from, [topic], true);
      return refused as unknown as Json;
    }
    const asked: object = method in node.glance ? node.glance : node;
    const run = asked[method as keyof typeof asked] as (...args: readonly unknown[]) => Promise<unknown>;
    return (await run.apply(asked, [...args])) as Json;
  },
});

type Refusals = readonly (readonly [reader: number, why: Refusal])[];

async function refusedBy(node: Node, topic: string, readers: readonly Principal[]): Promise<Refusals> {
  const refused = await node.refused(topic, readers);
  return readers.flatMap((p, i) => {
    const why = refused.get(p);
    return why === undefined ? [] : [[i, plainRefusal(why)] as const];
  });
}

export class Cluster implements ActorSystem {
  readonly #node: Node;
  readonly #placement: Placement;
  readonly #router: Router;

  constructor(node: Node, placement: Placement, router: Router) {
    this.#node = node;
    this.#placement = placement;
    this.#router = router;
    node.front = this;
  }

  get inspect(): Inspect {
    return this.#node.inspect;
  }

  get operate(): Operate {
    return this.#node.operate;
  }

  async ask(ref: ActorRef, command: CommandInput, o: AskOptions): Promise<Reply> {
    const admitted = admit(this.#node, ref, command, o);
    if ('code' in admitted) return this.#node.intake.declined(ref, command.type, admitted);
    const slot = slotOfRef(ref);
    const end = this.#node.clock.mono() + admitted.deadline;
    if (this.#placement.serves(slot)) {
      const reply = await this.#node.intake.accept(ref, admitted);
      if (reply.ok || reply.error.code !== 'MOVED') return reply;
    }
    const { type, text, idem, chk, from, expect, trace, traceparent } = admitted;
    const sent: RemoteCommand = {
      ref,
      type,
      text,
      idem,
      chk,
      from,
      ...(expect === undefined ? {} : { expect }),
      ...(trace === undefined ? {} : { trace }),
      ...(traceparent === undefined ? {} : { traceparent }),
    };
    const reply = await this.#router.run<Reply>({
      slot,
      left: end - this.#node.clock.mono(),
      here: async (left) => {
        const here = await this.#node.intake.accept(ref, { ...admitted, deadline: left });
        return here.ok || here.error.code !== 'MOVED' ? here : 'moved';
      },
      frame: (asked) => ({ f: 'cmd', ...asked, command: sent }),
      got: replyIn,
      doubted,
    });
    return typeof reply === 'string' ? this.#node.intake.declined(ref, type, lostCommand(reply)) : reply;
  }

  /** A question that changes nothing. @throws KernelProblem */
  async #question<T>(slot: number, question: RemoteQuestion, here: () => Promise<T>, left = QUESTION_MS): Promise<T> {
    const route: Route<T> = {
      slot,
      left,
      here: () => orMoved(here),
      frame: (asked) => ({ f: 'ask', ...asked, question }),
      got: (answer) => {
        if (answer.f === 'ack') return answer.value as T;
        throw new KernelProblem(answer.f === 'nak' ? answer.error : refusal('UNAVAILABLE'));
      },
    };
    const found = await this.#router.run(route);
    if (found === 'not run' || found === 'unknown') throw new KernelProblem(refusal('TIMEOUT'));
    return found;
  }

  read(ref: ActorRef, query: string, input: unknown, o: ReadOptions): Promise<{ seq: number; value: Json }> {
    const args = [ref, query, input, o] as unknown as readonly Json[];
    return this.#question(slotOfRef(ref), { method: 'read', args }, () => this.#node.read(ref, query, input, o));
  }

  allowed(ref: ActorRef, p: Principal): Promise<{ seq: number; commands: string[] }> {
    const args = [ref, p] as unknown as readonly Json[];
    return this.#question(slotOfRef(ref), { method: 'allowed', args }, () => this.#node.allowed(ref, p));
  }

  async refused(topic: string, readers: readonly Principal[]): Promise<ReadonlyMap<Principal, Refusal>> {
    const args = [topic, readers] as unknown as readonly Json[];
    const found = await this.#question(slotOfTopic(topic), { method: 'refused', args }, () => refusedBy(this.#node, topic, readers));
    return new Map(found.map(([i, why]) => [readers[i] as Principal, why]));
  }

  async slice(topic: string, cursor?: Cursor): Promise<TopicSlice> {
    const args = (cursor === undefined ? [topic] : [topic, cursor]) as unknown as readonly Json[];
    return this.#question(slotOfTopic(topic), { method: 'slice', args }, () => this.#node.slice(topic, cursor));
  }

  async behind(heads: readonly { t: string; e: string; s: number }[]): Promise<string[]> {
    const bySlot = grouped(heads, (head) => slotOfTopic(head.t));
    const moved = await Promise.all(
      [...bySlot].map(([slot, list]) => this.#question(slot, { method: 'behind', args: [list] }, () => this.#node.behind(list))),
    );
    return moved.flat();
  }

  /** It has a name under which it is done once, so it may be asked again like a command. */
  async act(act: Act): Promise<Reply> {
    const question = { method: 'act', args: [act as unknown as Json] } as const;
    const reply = await this.#router.run<Reply>({
      slot: slotOfRef(act.ref),
      left: ACT_MS,
      here: (left) => orMoved(() => this.#node.act(act, left)),
      frame: (asked) => ({ f: 'ask', ...asked, question }),
      got: replyIn,
      doubted,
    });
    return typeof reply === 'string' ? { ok: false, seq: 0, error: lostCommand(reply) } : reply;
  }

  /** Repeated, it changes nothing; so it is asked like a question. */
  erase(ref: ActorRef, o: EraseOptions): Promise<Erased> {
    const args = [ref, o] as unknown as readonly Json[];
    return this.#question(slotOfRef(ref), { method: 'erase', args }, () => this.#node.erase(ref, o));
  }

  onPublish(fn: (p: Publication) => void): Unsubscribe {
    return this.#node.onPublish(fn);
  }

  standing(ref: ActorRef): Promise<Standing> {
    return this.#question(slotOfRef(ref), { method: 'standing', args: [ref] }, () => this.#node.glance.standing(ref), GLANCE_MS);
  }

  workloads(): Promise<Gathered<Workload>> {
    return this.#everywhere({ method: 'workload', args: [] }, () => this.#node.glance.workload());
  }

  rankings(q: RankingOf, node?: string): Promise<Gathered<Ranking>> {
    return this.#everywhere({ method: 'ranking', args: [q as unknown as Json] }, () => this.#node.glance.ranking(q), node);
  }

  /** A node is asked by one of its slots; one without any has nothing to tell. */
  async #everywhere<T extends { readonly node: string }>(
    question: RemoteQuestion,
    here: () => Promise<T>,
    only?: string,
  ): Promise<Gathered<T>> {
    const bySlot = new Map<string, number>();
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const owner = this.#placement.owner(slot)?.node;
      if (owner !== undefined && (only ?? owner) === owner && !bySlot.has(owner)) bySlot.set(owner, slot);
    }
    const asked = [...bySlot].map(([node, slot]) => (node === this.#node.node ? here() : this.#question(slot, question, here, GLANCE_MS)));
    const answers = await Promise.allSettled(asked);
    // A slot that has moved meanwhile is answered for by a node that has answered already.
    const byNode = new Map(answers.flatMap((a) => (a.status === 'fulfilled' ? [[a.value.node, a.value] as const] : [])));
    return { found: [...byNode.values()], silent: [...bySlot.keys()].filter((node) => !byNode.has(node)) };
  }

  /** Of this node alone. */
  observe(observer: Observer | undefined): void {
    this.#node.observe(observer);
  }

  follow(followers: Followers): Following {
    return this.#node.follow(followers);
  }

  trouble(): string | undefined {
    return this.#node.trouble();
  }

  onTakeover(fn: (slots: number[]) => void): Unsubscribe {
    return this.#placement.onTakeover(fn);
  }

  recent(slots: readonly number[], ms: number): AsyncIterable<{ ref: ActorRef; seq: number }> {
    return this.#node.recent(slots, ms);
  }

  async start(): Promise<void> {
    await this.#node.start();
    await this.#router.start();
    await this.#placement.start();
    this.#node.interests?.start();
  }

  handOver(ms: number): Promise<void> {
    return this.#placement.leave(ms);
  }

  /** Gives the slots to the nodes that stay, and answers late questions with where they are, as long as there is time. */
  async drain(ms: number): Promise<void> {
    const until = this.#node.clock.mono() + ms;
    await this.#placement.leave(ms / 2);
    await this.#node.drain(Math.max(0, until - this.#node.clock.mono()));
    this.#node.interests?.stop();
    await this.#placement.stop();
    await this.#router.stop();
  }
}

async function orMoved<T>(here: () => Promise<T>): Promise<Here<T>> {
  try {
    return await here();
  } catch (error) {
    if (error instanceof KernelProblem && error.code === 'MOVED') return 'moved';
    throw error;
  }
}

/** The reply to a command or an act, of a command in its frame. */
function replyIn(answer: Exclude<Answer, { f: 'moved' }>): Reply {
  if (answer.f === 'replies' && answer.replies[0] !== undefined) return answer.replies[0];
  if (answer.f === 'ack') return answer.value as unknown as Reply;
  return { ok: false, seq: 0, error: answer.f === 'nak' ? answer.error : refusal('UNAVAILABLE') };
}

/** Nobody knows whether an earlier attempt was carried out. */
const doubted = (found: Reply): Reply => (!found.ok && mayPass(found.error) ? { ...found, error: refusal('COMMIT_UNKNOWN') } : found);

/** Whether the refusal is the kernel's and may be over the next time: it does not tell what became of an earlier attempt. */
const mayPass = ({ code }: Refusal): boolean => kernelProblems[code as keyof typeof kernelProblems]?.retryable ?? false;

const lostCommand = (lost: Lost): Refusal => refusal(lost === 'unknown' ? 'COMMIT_UNKNOWN' : 'TIMEOUT');
