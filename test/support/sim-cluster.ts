/** What lies between the nodes of a simulation: leases that are slow, out of reach or forgetful, a bus that loses, delays and repeats, and cuts. */
import type { Bus, Frame } from '../../actors/bus/bus.ts';
import { createMemoryBus } from '../../actors/bus/mem.ts';
import type { Grant, Leases } from '../../actors/shard/leases.ts';
import { createMemoryLeases } from '../../actors/shard/mem.ts';
import type { LeaseState } from '../../actors/shard/mem.ts';
import type { Chance, Faults, SimLoop, SimProcess } from './sim-loop.ts';
import { Violation } from './sim-witness.ts';

export interface SimClusterOptions {
  readonly loop: SimLoop;
  readonly chance: Chance;
  readonly faults: Faults;
  readonly intensity: number;
  readonly fail: (error: unknown) => void;
  readonly trace: (line: string) => void;
}

const START_AT = Date.UTC(2027, 2, 1, 8);
const KEEP_MS = 100;
const LOST_MS = 1_000;
const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

export class SimCluster {
  readonly #o: SimClusterOptions;
  readonly #store;
  readonly #newBus: () => Bus;
  readonly #processes = new Map<string, { readonly process: SimProcess; readonly place: number }>();
  /** cut lines, until when: `1-leases`, `0-2`, `0-database` */
  readonly #cuts = new Map<string, number>();
  readonly #past: { readonly at: number; readonly state: LeaseState }[] = [];
  /** who was given a slot with an epoch */
  readonly #granted = new Map<string, string>();
  /** keys of commands that may have reached a node more than once, or late */
  readonly unsure = new Set<string>();
  /** keys of commands that went to another node at all: it may have died before it could answer */
  readonly sent = new Set<string>();

  constructor(o: SimClusterOptions) {
    this.#o = o;
    this.#store = createMemoryLeases(() => Math.floor(START_AT + o.loop.time));
    this.#newBus = createMemoryBus({ later: (fn) => void o.loop.plan(0.1, fn), fault: (transit, land) => this.#pass(transit, land) });
    const remember = (): void => {
      this.#past.push({ at: o.loop.time, state: this.#store.state() });
      while (this.#past.length > 1 && (this.#past[0]?.at ?? 0) < o.loop.time - LOST_MS) this.#past.shift();
      if (!o.faults.over) o.loop.plan(KEEP_MS, remember);
    };
    remember();
  }

  /** The cluster as the process of a node sees it. */
  join(id: string, process: SimProcess, place: number): { leases: Leases; bus: Bus } {
    this.#processes.set(id, { process, place });
    const bus = this.#newBus();
    const open: Bus['open'] = (me, receive) => bus.open(me, (from, frame) => this.#o.loop.as(process, () => receive(from, frame)));
    return { leases: this.#leases(id, process, place), bus: { ...bus, open } };
  }

  cut(place: number, other: string): boolean {
    return (this.#cuts.get(`${place}-${other}`) ?? 0) > this.#o.loop.time;
  }

  /** Perhaps a misfortune. @param places how many nodes there are */
  step(places: number): void {
    const { faults, chance, intensity, loop, trace } = this.#o;
    if (faults.happens('cut', 0.0008 * intensity)) {
      const from = chance.below('cut', places);
      const other = chance.pick('cut', ['leases', 'leases', 'database', String((from + 1) % places)]);
      const ms = 200 + chance.stream('cut')() * (chance.below('cut', 3) === 0 ? 20_000 : 3_000);
      for (const line of [`${from}-${other}`, `${other}-${from}`]) this.#cuts.set(line, loop.time + ms);
      trace(`no line from node ${from} to ${other} for ${Math.round(ms)} ms`);
    }
    if (faults.happens('leases away', 0.0002 * intensity)) {
      const ms = 500 + chance.stream('cut')() * 15_000;
      for (let place = 0; place < places; place += 1) this.#cuts.set(`${place}-leases`, loop.time + ms);
      trace(`no line to the leases for ${Math.round(ms)} ms`);
    }
    if (faults.happens('leases wiped', 0.0002 * intensity)) {
      this.#store.forget();
      trace('the leases are forgotten');
    }
    if (faults.happens('leases lose a second', 0.0002 * intensity)) {
      this.#store.forget(this.#past[0]?.state);
      trace('the leases of the last second are forgotten');
    }
  }

  heal(): void {
    this.#cuts.clear();
  }

  #pass({ from, to, frame }: { from: string; to: string; frame: Frame }, land: () => void): 'sent' | 'absent' | 'down' {
    const { faults, intensity, loop, chance } = this.#o;
    const [sender, receiver] = [this.#processes.get(from), this.#processes.get(to)];
    if (sender === undefined || receiver?.process.alive !== true) return 'absent';
    if (this.cut(sender.place, 'leases')) return 'down';
    if (this.cut(receiver.place, 'leases')) return 'absent';
    const key = frame.f === 'cmd' ? frame.command.idem : undefined;
    if (key !== undefined && this.sent.has(key)) this.unsure.add(key);
    if (key !== undefined) this.sent.add(key);
    const random = chance.stream('bus');
    const deliver = (ms: number): void => void loop.plan(ms, () => receiver.process.later(0, land));
    if (this.cut(sender.place, String(receiver.place)) || faults.happens('frame lost', 0.01 * intensity)) {
      if (key !== undefined) this.unsure.add(key);
      return 'sent';
    }
    let ms = 0.2 + random();
    if (faults.happens('frame late', 0.02 * intensity)) {
      ms += random() * (chance.below('bus', 4) === 0 ? 9_000 : 700);
      if (key !== undefined) this.unsure.add(key);
    }
    if (faults.happens('frame twice', 0.01 * intensity)) {
      deliver(ms + random() * 3_000);
      if (key !== undefined) this.unsure.add(key);
    }
    deliver(ms);
    return 'sent';
  }

  #leases(id: string, process: SimProcess, place: number): Leases {
    const { faults, intensity, chance } = this.#o;
    const random = chance.stream(`leases ${id}`);
    const ask = <T>(question: () => Promise<T>): Promise<T> => {
      if (!process.alive) return never();
      return new Promise<T>((resolve, reject) => {
        const away = (): boolean => this.cut(place, 'leases');
        const slow = faults.happens('leases slow', 0.01 * intensity) ? random() * 2_500 : 0;
        const unheard = faults.happens('leases unheard', 0.01 * intensity);
        const fail = (): void => void process.later(random(), () => reject(new Error('the leases are out of reach')));
        process.later(0.2 + random() + slow, () => {
          if (away()) return fail();
          question().then((value) => (unheard || away() ? fail() : void process.later(random(), () => resolve(value))), fail);
        });
      });
    };
    const given = async (grants: Promise<Grant[]>, to: string): Promise<Grant[]> => {
      for (const { slot, epoch } of await grants) this.#grant(slot, epoch, to);
      return grants;
    };
    return {
      renew: (info) => ask(() => this.#store.renew(info)),
      table: () => ask(() => this.#store.table()),
      claim: (slots, me, suspect) => ask(() => given(this.#store.claim(slots, me, suspect), me)),
      transfer: (slots, me, to) => ask(() => given(this.#store.transfer(slots, me, to), to)),
      leave: (me) => ask(() => this.#store.leave(me)),
    };
  }

  /** I9: one epoch of a slot belongs to one node. */
  #grant(slot: number, epoch: number, to: string): void {
    const key = `${slot} ${epoch}`;
    const holder = this.#granted.get(key);
    if (holder !== undefined && holder !== to)
      this.#o.fail(new Violation(`I9: slot ${slot} was given to ${holder} and to ${to} with epoch ${epoch}`));
    this.#granted.set(key, to);
  }
}
