/** What operators have stopped beyond single actors: everything, a kind, a slot. A single actor is paused by its status in the directory. */
import type { Activation } from './activation.ts';
import { refusal } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { Residents } from './residents.ts';
import type { PauseRow } from './store/admin.ts';
import type { Refusal } from './types.ts';

const LATER_MS = 30_000;

/** `all`, `kind:<kind>` or `slot:<n>` */
export type PauseScope = 'all' | `kind:${string}` | `slot:${number}`;

/** A copy of the table `thrum_pause`, to be read anew whenever the table may have changed, whoever changed it. */
export class Pauses {
  #byScope: ReadonlyMap<string, Refusal> = new Map();
  #asked = 0;
  #told = 0;

  /** False: what is known already is the same, or newer. */
  async reload(read: () => Promise<readonly PauseRow[]>): Promise<boolean> {
    this.#asked += 1;
    const asked = this.#asked;
    const rows = await read();
    if (asked < this.#told) return false;
    this.#told = asked;
    const known = this.#byScope;
    const same = rows.length === known.size && rows.every((row) => known.get(row.scope)?.detail === row.reason);
    const stops = (row: PauseRow): Refusal => refusal('ACTOR_PAUSED', row.reason, { scope: row.scope }, LATER_MS);
    if (!same) this.#byScope = new Map(rows.map((row) => [row.scope, stops(row)]));
    return !same;
  }

  /** Why actors of the kind in the slot run nothing; undefined when they do. */
  of(kind: string, slot: number): Refusal | undefined {
    if (this.#byScope.size === 0) return undefined;
    return this.#byScope.get('all') ?? this.#byScope.get(`kind:${kind}`) ?? this.#byScope.get(`slot:${slot}`);
  }
}

/** Reads the table anew and lets everything in memory follow it. */
export async function followPauses(k: Pick<Kernel, 'pauses' | 'store' | 'timers'>, residents: Pick<Residents, 'hot'>): Promise<void> {
  if (!(await k.pauses.reload(() => k.store.admin.pauses()))) return;
  for (const a of residents.hot.values()) if (!hasOwnReason(a)) a.closed = k.pauses.of(a.kind, a.at.slot);
  k.timers.resume();
}

/** Whether it stands still for a reason of its own: a pause of more than one actor names its scope. */
const hasOwnReason = ({ closed }: Activation): boolean => closed !== undefined && closed.details?.['scope'] === undefined;
