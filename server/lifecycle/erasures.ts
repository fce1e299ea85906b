/** Erasure of actors on request, and the register that lets a restored backup forget them again (ADR 0016). */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { EraseOptions, Erased } from '../../actors/erase.ts';
import { pseudonymOf } from '../../actors/ids.ts';
import type { ActorSystem } from '../../actors/system.ts';
import type { ActorRef, Clock } from '../../actors/types.ts';

const FILE = 'erasures.jsonl';

/** `ref`: keyed hash of the actor's name; `at`: when it was asked for, epoch ms. */
const Line = z.object({ ref: z.string().regex(/^[0-9a-f]{32}$/), at: z.int() });
export type ErasureLine = z.output<typeof Line>;

export interface Erasures {
  /**
   * Registers the erasure, then carries it out. Fails between the two: it is to be repeated.
   *
   * @throws KernelProblem VALIDATION, UNKNOWN_KIND, NOT_FOUND, UNAVAILABLE
   */
  erase(ref: ActorRef, o: EraseOptions): Promise<Erased>;
}

export function createErasures(d: { actors: ActorSystem; key: string; dataDir: string; clock: Clock }): Erasures {
  return {
    async erase(ref, o) {
      await d.actors.inspect.one(ref);
      await append(join(d.dataDir, FILE), { ref: pseudonymOf(d.key, ref), at: d.clock.wall() });
      return d.actors.erase(ref, o);
    },
  };
}

/** On the disk before the erasure begins: what the database has forgotten must not be found in a backup only. */
async function append(path: string, line: ErasureLine): Promise<void> {
  const file = await open(path, 'a', 0o600);
  try {
    await file.appendFile(`${JSON.stringify(line)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Every erasure that the register of a data directory knows; a last line that was cut off by a crash is passed over. */
export async function readErasures(dataDir: string): Promise<ErasureLine[]> {
  let text: string;
  try {
    text = await readFile(join(dataDir, FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => Line.parse(JSON.parse(line)));
}
