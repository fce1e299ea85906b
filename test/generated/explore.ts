/** Shortest paths through the reachable states of a kind, breadth first over its representative moves. */
import { stateText, valueOf } from '../../actors/machine.ts';
import type { Live, Runtime } from '../../actors/runtime.ts';
import type { Taking } from '../../actors/transitions.ts';
import { after, moveAt, movesAt, placeOf, play } from './moves.ts';
import type { Move, Outcome, Place } from './moves.ts';
import type { Samples } from './samples.ts';

/** A reached state: what is known of it, and the labels that lead there. */
export interface Reached {
  readonly place: Place;
  readonly path: readonly string[];
  /** state text, or `unborn` */
  readonly state: string;
}

/** One move tried at a reached state. */
export interface Tried {
  readonly from: Reached;
  readonly move: Move;
  readonly outcome: Outcome | Error;
  /** state text after it */
  readonly to: string;
}

export interface Exploration {
  readonly reached: readonly Reached[];
  readonly tried: readonly Tried[];
  /** how often each transition of the machine was taken */
  readonly takings: readonly Taking[];
}

/** states with one text that differ in the shape of their context */
const SHAPES = 2;
const MOST = 400;

/** What a context looks like, without what it says: two states of one shape go the same ways, as far as anybody can tell from outside. */
function shapeOf(value: unknown, depth: number): string {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return value > 0 ? '+' : value < 0 ? '-' : '0';
  // a word is a choice among few, other texts are names
  if (typeof value === 'string') return /^[a-z_]{0,12}$/.test(value) ? value : 's';
  if (Array.isArray(value)) return `[${Math.min(2, value.length)}]`;
  const keys = Object.keys(value);
  if (depth === 0) return `{${Math.min(2, keys.length)}}`;
  return `{${keys
    .sort()
    .map((key) => `${key}:${shapeOf((value as { [key: string]: unknown })[key], depth - 1)}`)
    .join()}}`;
}

export const textOf = (live: Live | undefined): string => (live === undefined ? 'unborn' : stateText(valueOf(live.snap)));

function keyOf({ live }: Place): string {
  if (live === undefined) return 'unborn';
  const { timers, calls, status, context } = live.state;
  return [status, Object.keys(timers).sort().join(), Object.keys(calls).sort().join(), shapeOf(context, 1)].join('\n');
}

/** The places of a route. @throws when a label of it leads nowhere */
function walk(rt: Runtime, s: Samples, start: Reached, route: readonly string[]): Reached[] {
  const places: Reached[] = [];
  let here = start;
  for (const label of route) {
    const move = moveAt(rt, s, here.place, label);
    const place = after(here.place, move, play(rt, here.place, move));
    here = { place, path: [...here.path, move.label], state: textOf(place.live) };
    places.push(here);
  }
  return places;
}

export function explore(rt: Runtime, s: Samples): Exploration {
  rt.runner.tap = rt.transitions;
  const found = search(rt, s);
  rt.runner.tap = undefined;
  return { ...found, takings: rt.transitions.drain(true) };
}

function search(rt: Runtime, s: Samples): Omit<Exploration, 'takings'> {
  const start: Reached = { place: placeOf(rt, s, 1), path: [], state: 'unborn' };
  const reached: Reached[] = [start];
  const tried: Tried[] = [];
  const shapes = new Map<string, Set<string>>();
  const isNew = (state: string, place: Place): boolean => {
    const told = JSON.stringify(s.tells.map((name) => place.live?.state.context[name]));
    const known = shapes.get(`${state} ${told}`) ?? new Set();
    shapes.set(`${state} ${told}`, known);
    const key = keyOf(place);
    if (known.has(key) || known.size >= SHAPES || reached.length >= MOST) return false;
    known.add(key);
    return true;
  };
  for (const route of s.routes) reached.push(...walk(rt, s, start, route));
  for (let i = 0; i < reached.length; i += 1) {
    const from = reached[i] as Reached;
    for (const move of movesAt(rt, s, from.place)) {
      let outcome: Outcome | Error;
      let to = from.state;
      try {
        outcome = play(rt, from.place, move);
        const place = after(from.place, move, outcome);
        to = textOf(place.live);
        if (outcome.steps.length > 0 && isNew(to, place)) reached.push({ place, path: [...from.path, move.label], state: to });
      } catch (error) {
        outcome = error as Error;
      }
      tried.push({ from, move, outcome, to });
    }
  }
  return { reached, tried };
}
