/** Slots that change hands while commands are sent, and what those commands notice of it. */
import { actorIdOf, slotOf } from '../actors/ids.ts';
import type { Table } from './cluster-node.ts';
import type { Probed } from './cluster-probe.ts';
import { pause } from './cluster-rig.ts';
import type { BenchCluster, BenchNode } from './cluster-rig.ts';

const WATCH_MS = 250;
const AFTER_MS = 250;

/** by slot: when it has changed hands, epoch ms */
export type Moves = ReadonlyMap<number, ReadonlySet<number>>;

/** Follows the table, whose epochs are the moments of the moves. */
export function watchMoves(cluster: BenchCluster): { end(): Promise<Moves> } {
  const found = new Map<number, Set<number>>();
  let over = false;
  const follow = async (): Promise<Moves> => {
    let before: Table | undefined;
    for (let last = false; !last; await pause(WATCH_MS)) {
      last = over;
      const now: Table = await (cluster.nodes[0] as BenchNode).ask<Table>({ do: 'table' });
      for (const [slot, epoch] of now.epochs.entries()) {
        if (before === undefined || epoch === undefined || epoch === before.epochs[slot]) continue;
        found.set(slot, (found.get(slot) ?? new Set()).add(epoch));
      }
      before = now;
    }
    return found;
  };
  const following = follow();
  return {
    end: () => {
      over = true;
      return following;
    },
  };
}

/** Of every id. */
export const longestWaits = ({ waits }: Probed): number[] => Object.values(waits).map((list) => Math.max(...list.map(([, ms]) => ms)));

/** For each move of a slot: the longest wait of the commands that were under way then, or were sent within a quarter of a second after it. */
export function waitsForMoves({ waits }: Probed, moves: Moves): number[] {
  return Object.entries(waits).flatMap(([id, list]) =>
    [...(moves.get(slotOf(actorIdOf(`step:${id}`))) ?? [])].flatMap((moved) => {
      const met = list.filter(([at, ms]) => at <= moved + AFTER_MS && at + ms >= moved).map(([, ms]) => ms);
      return met.length === 0 ? [] : [Math.max(...met)];
    }),
  );
}
