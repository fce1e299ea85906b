/**
 * A model of everything between a committed event and one client: an actor with one state topic and one log topic, the owner that publishes
 * them (with conflation, a ring of deltas, crashes, stale former owners, restores), and a network that drops, repeats and reorders.
 * The receiver under test is an argument, so that broken ones can be put in its place.
 */
import { receive as correct, receiver } from '#sdk/receiver';
import type { Input, Output, Receiver } from '#sdk/receiver';
import type { Answer, Cursor, Numbered } from '#sdk/protocol';

export type Receive = typeof correct;

export type Action =
  | { readonly type: 'commit'; readonly key: string; readonly value: number | null; readonly item: boolean }
  | {
      readonly type:
        | 'publish'
        | 'deliver'
        | 'drop'
        | 'repeat'
        | 'swap'
        | 'serve'
        | 'serveStale'
        | 'cut'
        | 'connect'
        | 'crash'
        | 'head'
        | 'timer';
    }
  | { readonly type: 'evict' | 'retain' | 'restore' };

type View = { readonly [key: string]: number };
type Message = { readonly type: 'pub'; readonly pub: Numbered } | { readonly type: 'head'; readonly e: string; readonly s: number };

/** `null` deletes a key, as in a merge patch. */
function diff(a: View, b: View): object {
  const out: Record<string, number | null> = {};
  for (const key of Object.keys(a)) if (!(key in b)) out[key] = null;
  for (const [key, value] of Object.entries(b)) if (a[key] !== value) out[key] = value;
  return out;
}

const RING = 4;
const PAGE = 5;

/** One topic at its owner. */
class Owner {
  epoch = 1;
  seq = 0;
  view: View = {};
  shown: { s: number; view: View } = { s: 0, view: {} };
  former: { s: number; view: View } = { s: 0, view: {} };
  ring: Numbered[] = [];
  /** every view ever published, by epoch and number */
  readonly published = new Map<string, View>([['1:0', {}]]);
  items: number[] = [];
  floor = 1;
  /** server-side fault for the mutation tests: snapshots of what is not yet published */
  readonly eager: boolean;

  constructor(eager: boolean) {
    this.eager = eager;
  }

  note(): void {
    this.published.set(`${this.epoch}:${this.shown.s}`, this.shown.view);
  }

  publish(full: boolean): Numbered | undefined {
    if (this.shown.s === this.seq || JSON.stringify(this.view) === JSON.stringify(this.shown.view)) return undefined;
    const base = { t: 'state', e: `${this.epoch}`, s: this.seq, p: this.shown.s, at: this.seq };
    const delta: Numbered = { ...base, k: 'd', d: diff(this.shown.view, this.view) };
    this.former = this.shown;
    this.shown = { s: this.seq, view: this.view };
    this.note();
    this.ring = [...this.ring, delta].slice(-RING);
    return full ? { ...base, k: 'f', d: this.view } : delta;
  }

  answerState(cursor: Cursor | undefined, stale: boolean): Answer {
    const at = stale ? this.former : this.eager ? { s: this.shown.s, view: this.view } : this.shown;
    const base = { ok: true, t: 'state', kind: 'state', e: `${this.epoch}`, s: at.s } as const;
    if (!stale && !this.eager && cursor?.e === base.e) {
      if (cursor.s === at.s) return { ...base, m: 'same' };
      const chain = this.ring.filter((p) => p.p >= cursor.s);
      if (chain[0]?.p === cursor.s) return { ...base, m: 'delta', d: chain.map((p) => p.d) };
    }
    return { ...base, m: 'snap', d: at.view };
  }

  answerLog(cursor: Cursor | undefined, stale: boolean): Answer {
    const end = stale ? Math.max(0, this.items.length - 2) : this.items.length;
    const known = cursor?.e === `${this.epoch}`;
    const after = known ? cursor.s : Math.max(0, end - 3);
    const first = Math.max(after + 1, this.floor);
    const last = known ? Math.min(end, first + PAGE - 1) : end;
    const d = this.items.slice(first - 1, Math.max(first - 1, last));
    const s = known && d.length > 0 ? first + d.length - 1 : end;
    const gap = known && after + 1 < this.floor ? { gap: { from: after + 1, to: this.floor - 1 } } : {};
    return { ok: true, t: 'log', kind: 'log', e: `${this.epoch}`, s, m: 'items', d, floor: this.floor, more: known && last < end, ...gap };
  }
}

/** The client's side of one topic, with the checks of the invariants on everything that it hands to the application. */
class Client {
  r: Receiver = receiver;
  request: { readonly cursor?: Cursor } | undefined;
  timer = false;
  inbox: Message[] = [];
  /** number of the last item that the application has, and its epoch */
  at: Cursor | undefined;
  readonly owner: Owner;
  readonly log: boolean;
  readonly receive: Receive;

  constructor(owner: Owner, log: boolean, receive: Receive) {
    this.owner = owner;
    this.log = log;
    this.receive = receive;
  }

  input(input: Input): void {
    const before = this.r.cursor;
    const [next, out] = this.receive(this.r, input);
    this.r = next;
    if (before !== undefined && next.cursor?.e === before.e && next.cursor.s < before.s)
      throw new Error('the cursor decreased within an epoch');
    for (const o of out) this.output(o);
  }

  output(o: Output): void {
    if (o.type === 'sub') {
      if (this.request !== undefined) throw new Error('two requests at once');
      this.request = { cursor: o.cursor };
    }
    if (o.type === 'later') this.timer = true;
    if (o.type === 'view') {
      const name = `${this.r.cursor?.e}:${o.s}`;
      const known = this.owner.published.get(name);
      if (JSON.stringify(sorted(o.view as View)) !== JSON.stringify(sorted(known ?? { never: 1 }))) {
        throw new Error(`view ${JSON.stringify(o.view)} at ${name} was never published`);
      }
    }
    if (o.type === 'gap') this.at = o.reason === 'epoch' ? undefined : { e: this.at?.e ?? '', s: o.to };
    if (o.type === 'items') {
      o.items.forEach((item, i) => {
        const n = o.first + i;
        const e = this.r.cursor?.e ?? '';
        if (item !== Number(e) * 1_000 + n) throw new Error(`item ${String(item)} handed over as number ${n} of epoch ${e}`);
        if (this.at !== undefined && this.at.e === e && n !== this.at.s + 1) throw new Error(`item ${n} after ${this.at.s}`);
        this.at = { e, s: n };
      });
    }
  }

  serve(stale: boolean): void {
    if (this.request === undefined) return;
    const { cursor } = this.request;
    this.request = undefined;
    const answer = this.log ? this.owner.answerLog(cursor, stale) : this.owner.answerState(cursor, stale);
    // what was sent before the answer arrives before it
    while (this.inbox.length > 0) this.deliver();
    this.input({ type: 'answer', answer });
  }

  deliver(): void {
    const m = this.inbox.shift();
    if (m?.type === 'pub') this.input(m);
    else if (m?.type === 'head') this.input({ type: 'pub', pub: { t: 't', e: m.e, s: m.s, k: 'h' } });
  }

  tick(): void {
    if (!this.timer) return;
    this.timer = false;
    if (this.r.phase !== 'off') this.input({ type: 'ask' });
  }

  cut(): void {
    this.inbox = [];
    this.request = undefined;
    this.timer = false;
    this.input({ type: 'lost' });
  }
}

const sorted = (v: View): [string, number][] => Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1));

/** What is broken on purpose. */
export interface Faults {
  readonly receive?: Receive;
  /** snapshots show what is not published yet */
  readonly eager?: boolean;
  /** false: no tail probe follows a publication */
  readonly probe?: boolean;
  /** false: an owner that takes over after a crash does not announce where the topics stand */
  readonly announce?: boolean;
}

/** Runs the actions, then lets the faults stop and checks that the client converges. Throws at the first violation. */
export function run(actions: readonly Action[], o: Faults = {}): void {
  const owner = new Owner(o.eager === true);
  const state = new Client(owner, false, o.receive ?? correct);
  const log = new Client(owner, true, o.receive ?? correct);
  const clients = [state, log];
  let connected = true;
  /** the owner that published last will repeat where the topics stand until somebody heard it */
  let probing = false;
  const send = (c: Client, m: Message): void => {
    if (connected) c.inbox.push(m);
  };
  const head = (): void => {
    send(state, { type: 'head', e: `${owner.epoch}`, s: owner.shown.s });
    send(log, { type: 'head', e: `${owner.epoch}`, s: owner.items.length });
  };
  const act = (a: Action, i: number): void => {
    switch (a.type) {
      case 'commit': {
        owner.seq += 1;
        const { [a.key]: _old, ...rest } = owner.view;
        owner.view = a.value === null ? rest : { ...rest, [a.key]: a.value };
        if (!a.item) return;
        const n = owner.items.push(owner.epoch * 1_000 + owner.items.length + 1);
        probing = true;
        send(log, { type: 'pub', pub: { t: 'log', e: `${owner.epoch}`, s: n, p: n - 1, k: 'i', d: owner.items.slice(n - 1), at: n } });
        return;
      }
      case 'publish': {
        const pub = owner.publish(i % 5 === 0);
        if (pub === undefined) return;
        probing = true;
        send(state, { type: 'pub', pub });
        return;
      }
      case 'deliver':
        return clients.forEach((c) => c.deliver());
      case 'drop':
        return clients.forEach((c) => c.inbox.shift());
      case 'repeat':
        return clients.forEach((c) => c.inbox[0] !== undefined && c.inbox.push(c.inbox[0]));
      case 'swap':
        return clients.forEach((c) => c.inbox.length > 1 && c.inbox.push(...c.inbox.splice(0, 1)));
      case 'serve':
      case 'serveStale':
        return clients.forEach((c) => connected && c.serve(a.type === 'serveStale'));
      case 'cut':
        connected = false;
        return clients.forEach((c) => c.cut());
      case 'connect':
        connected = true;
        return clients.forEach((c) => c.input({ type: 'ask' }));
      case 'crash':
        // committed, killed before it was published: the next owner shows the state as it is and announces its head
        owner.former = owner.shown;
        owner.shown = { s: owner.seq, view: owner.view };
        owner.note();
        owner.ring = [];
        probing = o.announce !== false;
        return probing ? head() : undefined;
      case 'head':
        return head();
      case 'timer':
        return clients.forEach((c) => c.tick());
      case 'evict':
        owner.ring = [];
        return;
      case 'retain':
        owner.floor = Math.max(owner.floor, owner.items.length - 1);
        return;
      case 'restore':
        owner.epoch += 1;
        owner.seq = Math.floor(owner.seq / 2);
        owner.items = owner.items.slice(0, owner.items.length >> 1).map((_, n) => owner.epoch * 1_000 + n + 1);
        owner.floor = 1;
        owner.ring = [];
        owner.shown = { s: owner.seq, view: owner.view };
        owner.former = owner.shown;
        owner.note();
        probing = true;
        return head();
    }
  };
  for (const c of clients) c.input({ type: 'ask' });
  actions.forEach(act);

  connected = true;
  for (const c of clients) if (c.r.phase === 'off') c.input({ type: 'ask' });
  act({ type: 'publish' }, 1);
  if (o.probe !== false && probing) head();
  for (let round = 0; round < 200; round += 1) {
    for (const c of clients) {
      while (c.inbox.length > 0) c.deliver();
      c.serve(false);
      c.tick();
    }
  }
  if (state.request !== undefined || log.request !== undefined || state.timer || log.timer)
    throw new Error('the client never comes to rest');
  if (state.r.cursor?.s !== owner.shown.s || state.r.cursor.e !== `${owner.epoch}`) throw new Error('the state topic did not converge');
  if (JSON.stringify(sorted(state.r.view as View)) !== JSON.stringify(sorted(owner.shown.view)))
    throw new Error('the view did not converge');
  if (log.r.cursor?.s !== owner.items.length) throw new Error('the log did not converge');
  if (owner.items.length > 0 && log.at?.s !== owner.items.length) throw new Error('the last item did not arrive');
}
