/** The bus between nodes of one process, and what a simulation does to it. */
import type { Bus, Frame } from './bus.ts';

/** `absent`: the receiver does not listen. `down`: the sender cannot reach the bus. */
export type Passage = 'sent' | 'absent' | 'down';

export interface MemoryBusOptions {
  /** runs a delivery later, in order */
  readonly later: (fn: () => void) => void;
  /** asked for each frame to each receiver; may call `land` late, never or twice instead of letting it be delivered */
  readonly fault?: (transit: { readonly from: string; readonly to: string; readonly frame: Frame }, land: () => void) => Passage;
}

/** Gives each node its end of the bus. */
export function createMemoryBus({ later, fault }: MemoryBusOptions): () => Bus {
  const ends = new Map<string, (from: string, frame: Frame) => void>();

  function pass(from: string, to: string, text: string): Passage {
    const land = (): void => ends.get(to)?.(from, JSON.parse(text) as Frame);
    if (fault !== undefined) return ends.has(to) || from === to ? fault({ from, to, frame: JSON.parse(text) as Frame }, land) : 'absent';
    if (!ends.has(to)) return 'absent';
    later(land);
    return 'sent';
  }

  return () => {
    let me = '';
    return {
      open: async (id, receive) => {
        me = id;
        ends.set(id, receive);
      },
      send: async (to, frame) => {
        const passage = pass(me, to, JSON.stringify(frame));
        if (passage === 'down') throw new Error('the bus is out of reach');
        return passage === 'sent' ? 1 : 0;
      },
      broadcast: async (frame) => {
        const text = JSON.stringify(frame);
        for (const to of ends.keys()) if (to !== me) pass(me, to, text);
      },
      close: async () => {
        ends.delete(me);
      },
    };
  };
}
