/** Who uses the simulated node: clients that send, repeat and read, and subscribers that follow topics through every interruption. */
import { KernelProblem } from '../../actors/errors.ts';
import { actorIdOf, idemOf } from '../../actors/ids.ts';
import type { Publication, TopicSlice } from '../../actors/system.ts';
import type { StateTopic } from '../../actors/define.ts';
import type { ActorRef, Json, Principal, Reply } from '../../actors/types.ts';
import { merge } from '../../calc/merge-patch.ts';
import { CLAIM_CONFLICT } from './sim-claims.ts';
import { peek } from './sim-reads.ts';
import { kinds } from './sim-world.ts';
import type { World } from './sim-world.ts';
import { holds, sorted } from './sim-witness.ts';

const AGAIN = new Set(['COMMIT_UNKNOWN', 'UNAVAILABLE', 'OVERLOADED', 'MAILBOX_FULL', 'RETRY', 'DRAINING', 'TIMEOUT']);
const accounts = ['account:a', 'account:b', 'account:c', 'account:d'];
const lists = ['list:x', 'list:y', 'list:z'];
const places = ['p1', 'p2', 'p3'];
const claims = ['c1', 'c2', 'c3', 'c4', 'c5'];
const seals = ['lion', 'rose', 'ship'];
const names = ['ada', 'bob', 'cleo'];

type Command = readonly [ref: ActorRef, command: { readonly type: string; readonly [field: string]: unknown }];

/** What clients remember together, to judge the order of what they hear. */
export class History {
  readonly #acked = new Map<ActorRef, { readonly seq: number; readonly losses: number }>();
  readonly #w: World;
  readonly acks: { readonly ref: ActorRef; readonly seq: number; readonly idem: string }[] = [];

  constructor(w: World) {
    this.#w = w;
  }

  /** Highest number that anybody has been told of this actor, since events of it were lost. */
  last(ref: ActorRef): number {
    const acked = this.#acked.get(ref);
    return acked === undefined || acked.losses < this.#w.witness.losses(ref) ? 0 : acked.seq;
  }

  /** @param losses of the actor when the command was sent: an answer from before the last one tells nothing of what is */
  ack(ref: ActorRef, seq: number, idem: string, losses: number): void {
    if (losses === this.#w.witness.losses(ref)) this.#acked.set(ref, { seq: Math.max(this.last(ref), seq), losses });
    this.acks.push({ ref, seq, idem });
  }

  /** I3: every acknowledged command is there, once. */
  check(w: World): void {
    for (const { ref, seq, idem } of this.acks) {
      const found = w.witness.rows(actorIdOf(ref)).filter((r) => r.idem === idem);
      if (w.witness.wasLost(ref, idem) && found.length <= 1) continue;
      holds(found.length === 1 && found[0]?.seq === seq, 'I3', () => `${ref}: acknowledged as row ${seq}, found ${found.length} times`);
    }
  }
}

/** Sends one command until there is an answer that ends it. */
export async function send(w: World, h: History, from: Principal, key: string, [ref, input]: Command): Promise<Reply> {
  const floor = h.last(ref);
  const losses = w.witness.losses(ref);
  for (let attempt = 1; ; attempt += 1) {
    const reply = await w.ask(ref, input, from, key, attempt === 1, w.chance.pick('hurry', [40, 400, undefined, undefined, undefined]));
    w.trace(`${from.id} ${key} ${ref} ${input.type} attempt ${attempt}: ${reply === 'lost' ? 'lost' : JSON.stringify(reply)}`);
    const lineBroke = w.faults.happens('answer lost', 0.02 * w.intensity);
    if (reply === 'lost' || lineBroke) {
      // nobody knows what became of it
    } else if (reply.ok) {
      if (attempt === 1) {
        const once = w.cluster === undefined || !w.cluster.sent.has(idemOf(from, key));
        holds(reply.dup !== true || !once, 'I3', () => `${ref} ${input.type} was sent once and answered as a repetition`);
        holds(
          reply.seq > floor || w.witness.losses(ref) > losses,
          'I4',
          () => `${ref}: row ${reply.seq} for a command sent after row ${floor} was acknowledged`,
        );
      }
      h.ack(ref, reply.seq, idemOf(from, key), losses);
      return reply;
    } else if (!AGAIN.has(reply.error.code)) {
      holds(reply.error.code !== CLAIM_CONFLICT, 'I13', () => `${ref}: the table refused what the machine allowed`);
      return reply;
    }
    await w.loop.sleep(20 + w.chance.stream('patience')() * Math.min(1_500, 50 * 2 ** attempt));
  }
}

function draw(w: World, who: number, op: number): Command {
  const below = (n: number): number => w.chance.below(`client ${who}`, n);
  const pick = <T>(list: readonly T[]): T => w.chance.pick(`client ${who}`, list);
  const kind = pick(['account', 'account', 'account', 'list', 'list', 'pulse', 'hold', 'room', 'room', 'holder', 'visit', 'gauge']);
  switch (kind) {
    case 'account': {
      const ref = pick(accounts);
      const dice = below(13);
      if (dice === 0) return [ref, { type: 'account.freeze' }];
      if (dice < 3) return [ref, { type: 'account.thaw' }];
      if (dice === 3) return [ref, { type: 'account.unseal' }];
      const to = pick(accounts.filter((a) => a !== ref));
      const transfer = { type: 'account.transfer', to, amount: 1 + below(40), id: `t${who}-${op}` };
      if (dice === 4) return [ref, { ...transfer, mark: pick(seals) }];
      return [ref, dice === 5 ? { ...transfer, seal: pick(seals) } : transfer];
    }
    case 'list': {
      const ref = pick(lists);
      if (below(4) > 0) return [ref, { type: 'list.append', x: `${who}-${op}` }];
      return [ref, { type: 'list.relay', to: pick(lists.filter((l) => l !== ref)), x: `via ${who}-${op}` }];
    }
    case 'pulse': {
      const ref = pick(['pulse:p', 'pulse:q']);
      const ms = pick([1 + below(20), 200 + below(2_000), 5_000 + below(20_000), 61_000 + below(25_000)]);
      const dice = below(8);
      if (dice < 4) return [ref, { type: 'pulse.arm', ms, times: pick([1, 1, 3]) }];
      if (dice < 6) return [ref, { type: 'pulse.cancel' }];
      return [ref, dice === 6 ? { type: 'pulse.nap', ms } : { type: 'pulse.wake' }];
    }
    case 'hold': {
      const ref = pick(['hold:h', 'hold:i']);
      const dice = below(7);
      if (dice < 4) return [ref, { type: 'hold.request', token: who * 1_000_000 + op }];
      return [ref, dice === 4 ? { type: 'hold.cancel' } : { type: 'hold.reset' }];
    }
    case 'gauge':
      return [pick(['gauge:g', 'gauge:h']), { type: 'gauge.add', by: 1 + below(9) }];
    case 'visit':
      return [
        pick(['visit:u', 'visit:v', 'visit:w']),
        { type: pick(['visit.begin', 'visit.begin', 'visit.note', 'visit.note', 'visit.note', 'visit.end']) },
      ];
    case 'room': {
      const ref = pick(['room:r', 'room:s']);
      const dice = below(8);
      if (dice < 3) return [ref, { type: 'room.claim', claim: pick(claims), place: pick(places) }];
      if (dice < 5) return [ref, { type: 'room.release', claim: pick(claims) }];
      if (dice < 7) return [ref, { type: 'room.drop', claim: pick(claims) }];
      return [ref, { type: 'room.move', claim: pick(claims), to: pick(claims), place: pick(places) }];
    }
    default: {
      const ref = pick(['holder:m', 'holder:n']);
      return [ref, { type: below(3) > 0 ? 'holder.take' : 'holder.give', name: pick(names) }];
    }
  }
}

/** Everybody has an account before the first transfer. */
export async function open(w: World, h: History): Promise<void> {
  const from: Principal = { kind: 'system', id: 'bank', roles: [] };
  await Promise.all(accounts.map((ref) => send(w, h, from, `open ${ref}`, [ref, { type: 'account.open', amount: 100 }])));
}

/** One client: `ops` commands, several under way at once now and then, with reads in between. */
export async function client(w: World, h: History, who: number, ops: number): Promise<void> {
  const from: Principal = { kind: 'user', id: `u${who}`, roles: ['user'] };
  const name = `client ${who}`;
  let op = 0;
  let booms = 0;
  while (op < ops) {
    const burst = w.chance.below(name, 6) === 0 ? w.chance.pick(name, [4, 12, 60]) : 1;
    const sent: Promise<unknown>[] = [];
    for (let i = 0; i < burst && op < ops; i += 1) {
      op += 1;
      if (who < 2 && booms < 1 && w.chance.below(name, 12) === 0) {
        booms += 1;
        sent.push(send(w, h, from, `boom-${op}`, ['list:solo', { type: 'list.boom' }]));
      } else if (w.chance.below(name, 25) === 0)
        sent.push(send(w, h, from, `solo-${op}`, ['list:solo', { type: 'list.append', x: 'solo' }]));
      else sent.push(send(w, h, from, `op-${op}`, draw(w, who, op)));
    }
    if (w.chance.below(name, 3) === 0) {
      const ref = w.chance.pick(name, w.witness.refs);
      if (ref !== undefined) sent.push(peek(w, ref, from, w.chance.pick(name, ['eventual', 'session', 'linearizable']), h.last(ref)));
    }
    await Promise.all(sent);
    const pause = w.chance.below(name, 40) === 0 ? 8_000 : 60;
    await w.loop.sleep(w.chance.stream(name)() * pause);
  }
}

// ------------------------------------------------------------------------------------------------------------- subscribers

const topicOf = (t: string) => {
  const [ref = '', view = ''] = t.split('/');
  const topic = kinds.find((k) => k.kind === ref.split(':')[0])?.topics?.find((x) => x.view === view);
  if (topic === undefined) throw new Error(`no topic ${t}`);
  return { ref, topic };
};

/** Follows one topic: slices when it must, applies publications, and compares every view with the journal. */
export class Subscriber {
  readonly #w: World;
  readonly #t: string;
  #e: string | undefined;
  #s = -1;
  #view: Json = {};
  #buffer: Publication[] | undefined;
  #busy = false;
  seen = 0;

  constructor(w: World, t: string) {
    this.#w = w;
    this.#t = t;
    w.onStart.push((system) => {
      system.onPublish((p) => {
        if (p.t === t && w.runs(system)) w.carry(() => this.#publication(p));
      });
      void this.#resume();
    });
    w.onCrash.push(() => {
      if (w.cluster !== undefined) return;
      this.#buffer = undefined;
      this.#busy = false;
    });
  }

  #publication(p: Publication): void {
    if (p.k === 'x' || this.#e === undefined) {
      if (p.k !== 'x') this.#buffer?.push(p);
      return;
    }
    if (this.#buffer !== undefined) {
      this.#buffer.push(p);
      return;
    }
    try {
      this.#take(p);
    } catch (error) {
      this.#w.fail(error);
    }
  }

  #take(p: Publication & { k: 'd' | 'f' | 'i' }): void {
    const { ref, topic } = topicOf(this.#t);
    if (topic.kind === 'log') {
      const head = this.#w.witness.state(ref)?.logs[topic.view] ?? 0;
      holds(p.s <= head, 'I5', () => `${this.#t}: item ${p.s} was published, ${head} are committed`);
    } else holds(p.s <= this.#w.witness.tail(ref), 'I5', () => `${this.#t}: ${p.s} was published, which is not committed`);
    if (p.e !== this.#e || p.s <= this.#s) return;
    if (p.p !== this.#s && p.k !== 'f') {
      void this.#resume();
      return;
    }
    this.seen += 1;
    if (p.k === 'i') this.#items(p.s, p.d as Json[]);
    else {
      this.#view = p.k === 'f' ? p.d : (merge(this.#view, p.d) as Json);
      this.#s = p.s;
      this.#compare(`publication on ${p.p}`);
    }
  }

  #items(s: number, items: readonly Json[]): void {
    const { ref } = topicOf(this.#t);
    const stored = (this.#w.witness.state(ref)?.context['items'] ?? {}) as { readonly [n: string]: string };
    for (const item of items) {
      const { n, x } = item as { n: number; x: string };
      this.#s += 1;
      holds(n === this.#s, 'I14', () => `${this.#t}: item ${n} came where ${this.#s} was due`);
      holds(stored[`n${n}`] === x, 'I5', () => `${this.#t}: item ${n} is ${x}, the journal says ${stored[`n${n}`]}`);
    }
    holds(this.#s === s, 'I14', () => `${this.#t}: the items end at ${this.#s}, the head is ${s}`);
  }

  #compare(what: string): void {
    const { ref, topic } = topicOf(this.#t);
    const state = this.#w.witness.state(ref, this.#s);
    holds(state !== undefined, 'I5', () => `${this.#t}: ${what} shows row ${this.#s}, which is not committed`);
    const wanted = JSON.stringify(sorted((topic as StateTopic).project({ context: state.context } as never, {}) as Json));
    const found = JSON.stringify(sorted(this.#view));
    holds(wanted === found, 'I15', () => `${this.#t}: ${what} gives ${found} at ${this.#s}, the journal says ${wanted}`);
  }

  async #resume(): Promise<void> {
    if (this.#busy || !this.#w.up) return;
    this.#busy = true;
    this.#buffer = [];
    let waiting: readonly Publication[] = [];
    try {
      const cursor = this.#e === undefined ? {} : { e: this.#e, s: this.#s };
      const slice = await this.#w.talk((system) => system.slice(this.#t, cursor));
      if (slice === 'lost') return;
      // A node that has not heard of its successor may be behind what the client knows.
      const old = slice.kind !== 'signal' && slice.e === this.#e && slice.s < this.#s;
      if (!old) this.#slice(slice);
      waiting = this.#buffer;
    } catch (error) {
      if (!(error instanceof KernelProblem)) this.#w.fail(error);
    } finally {
      this.#buffer = undefined;
      this.#busy = false;
    }
    // One of them may tell of a gap, and the next question begins.
    for (const p of waiting) this.#publication(p);
  }

  #slice(slice: TopicSlice): void {
    if (slice.kind === 'signal') return;
    this.#w.trace(`slice ${this.#t} at ${this.#s}: ${JSON.stringify(slice)}`);
    if (slice.kind === 'log') {
      const { ref } = topicOf(this.#t);
      const head = this.#w.witness.state(ref)?.logs['entries'] ?? 0;
      holds(slice.s <= head, 'I5', () => `${this.#t}: a slice shows item ${slice.s}, ${head} are committed`);
      if (this.#e === undefined) this.#s = slice.s - slice.d.length;
      this.#e = slice.e;
      this.#items(slice.s, slice.d);
      return;
    }
    if (slice.m === 'same') holds(slice.s === this.#s, 'I15', () => `${this.#t}: the same at ${slice.s}, but the client is at ${this.#s}`);
    if (slice.m === 'snap') this.#view = slice.d ?? {};
    if (slice.m === 'delta') for (const d of slice.d as Json[]) this.#view = merge(this.#view, d) as Json;
    this.#e = slice.e;
    this.#s = slice.s;
    this.#compare(`a slice (${slice.m})`);
  }

  /** Asks now and then whether it has missed something, as a client does. */
  async follow(until: () => boolean): Promise<void> {
    while (!until()) {
      for (let i = 0; i < 3; i += 1) {
        await this.#w.loop.sleep(200 + this.#w.chance.stream('follow')() * 300);
        if (!this.#w.faults.over) await this.glance();
      }
      await this.poll();
    }
  }

  /** Somebody else looks at the topic for the first time. */
  async glance(): Promise<void> {
    const { ref, topic } = topicOf(this.#t);
    if (topic.kind !== 'state') return;
    try {
      await this.#w.talk(async (system) => {
        const slice = await system.slice(this.#t);
        if (slice.kind !== 'state') return;
        const state = this.#w.witness.state(ref, slice.s);
        holds(state !== undefined, 'I5', () => `${this.#t}: a first slice shows row ${slice.s}, which is not committed`);
        const wanted = JSON.stringify(sorted(topic.project({ context: state.context } as never, {}) as Json));
        const found = JSON.stringify(sorted(slice.d));
        holds(wanted === found, 'I15', () => `${this.#t}: a first slice gives ${found} at ${slice.s}, the journal says ${wanted}`);
      });
    } catch (error) {
      if (!(error instanceof KernelProblem)) this.#w.fail(error);
    }
  }

  async poll(): Promise<void> {
    if (this.#e === undefined) return this.#resume();
    const head = { t: this.#t, e: this.#e, s: this.#s };
    try {
      const moved = await this.#w.talk((system) => system.behind([head]));
      if (moved !== 'lost' && moved.length > 0 && this.#s === head.s) await this.#resume();
    } catch (error) {
      if (!(error instanceof KernelProblem)) this.#w.fail(error);
    }
  }

  /** At the quiet end the subscriber has everything. */
  async settle(): Promise<void> {
    await this.poll();
    const { ref, topic } = topicOf(this.#t);
    const state = this.#w.witness.state(ref);
    if (state === undefined) return;
    if (topic.kind === 'log') {
      holds(
        this.#s === (state.logs[topic.view] ?? 0),
        'I14',
        () => `${this.#t}: the subscriber is at ${this.#s} of ${state.logs[topic.view]}`,
      );
      return;
    }
    const wanted = JSON.stringify(sorted((topic as StateTopic).project({ context: state.context } as never, {}) as Json));
    holds(wanted === JSON.stringify(sorted(this.#view)), 'I15', () => `${this.#t}: the subscriber ends with ${JSON.stringify(this.#view)}`);
  }
}

export const followed = ['account:a/balance', 'account:b/balance', 'list:x/entries', 'list:x/head', 'list:y/entries', 'pulse:p/beats'];
