/** Which node should serve which slot: the same answer on every node that knows of the same nodes. */
import { hash } from 'node:crypto';
import { SLOTS } from '../ids.ts';

/** a node takes at most this much more than its share */
const BOUND = 1.15;

export interface Member {
  readonly id: string;
  /** share of the slots, not negative */
  readonly weight: number;
}

/** First 53 bits of SHA-256 as a fraction in (0, 1). */
function fraction(slot: number, node: string): number {
  const hex = hash('sha256', `${slot}:${node}`, 'hex');
  const high = Number.parseInt(hex.slice(0, 8), 16);
  const low = Number.parseInt(hex.slice(8, 14), 16) >>> 3;
  return (high * 2_097_152 + low + 0.5) / 9_007_199_254_740_992;
}

/** Logarithms of the fractions of all slots for one node. */
function logarithms(node: string): Float64Array {
  return Float64Array.from({ length: SLOTS }, (_, slot) => Math.log(fraction(slot, node)));
}

/** Remembers the hashes of the nodes that it was last asked about. */
export function createAssigner(): (members: readonly Member[]) => readonly string[] {
  let known = new Map<string, Float64Array>();
  return (members) => {
    known = new Map(members.map(({ id }) => [id, known.get(id) ?? logarithms(id)]));
    return assign(members, known);
  };
}

/**
 * Weighted rendezvous hashing with a bound. Every slot goes to the node with the highest score that has room for it; a node that is asked by more
 * than it may take keeps those with the highest scores. So a node that comes takes slots and moves hardly any between the others.
 * O(slots × nodes × log), some ms for 64 nodes.
 *
 * @returns the node of each slot, by index; empty when no node has weight
 * @see Thaler, Ravishankar: Using name-based mappings to increase hit rates; Gale, Shapley: College admissions
 */
export function assign(members: readonly Member[], known: ReadonlyMap<string, Float64Array> = new Map()): readonly string[] {
  const slots = SLOTS;
  const taking = members.filter((m) => m.weight > 0);
  const total = taking.reduce((sum, m) => sum + m.weight, 0);
  if (taking.length === 0) return [];
  const score = taking.map((m) => (known.get(m.id) ?? logarithms(m.id)).map((log) => -m.weight / log));
  const scoreOf = (member: number, slot: number): number => score[member]?.[slot] ?? 0;
  const room = taking.map((m) => Math.ceil((BOUND * slots * m.weight) / total));
  const wishes = Array.from({ length: slots }, (_, slot) => taking.map((_m, i) => i).sort((a, b) => scoreOf(b, slot) - scoreOf(a, slot)));
  const held: number[][] = taking.map(() => []);
  const homeless = Array.from({ length: slots }, (_, slot) => slot);
  for (let slot = homeless.pop(); slot !== undefined; slot = homeless.pop()) {
    const member = wishes[slot]?.shift();
    const mine = member === undefined ? undefined : held[member];
    if (member === undefined || mine === undefined) continue;
    mine.push(slot);
    if (mine.length <= (room[member] ?? 0)) continue;
    const least = mine.reduce((low, one) => (scoreOf(member, one) < scoreOf(member, low) ? one : low));
    mine.splice(mine.indexOf(least), 1);
    homeless.push(least);
  }
  const result: string[] = Array.from({ length: slots }, () => '');
  for (const [i, mine] of held.entries()) for (const slot of mine) result[slot] = taking[i]?.id ?? '';
  return result;
}
